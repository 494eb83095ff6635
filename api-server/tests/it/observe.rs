//! What people on call see of a running server: its log lines, the admin port, its figures.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mainstay_e2e::database::Database;
use mainstay_e2e::http::Caller;
use mainstay_e2e::server::{ADMIN_KEY, Server, program};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

mod secrets;
mod traces;

const NOTES: &str = "/api/v1/notes";
const DOCUMENTS: &str = "
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: notes }
spec:
  fields:
    - { name: title, type: text }
    - { name: pin, type: text, writeOnly: true }
  access:
    read: [ { roles: [anyone] } ]
    create: [ { roles: [anyone] } ]
";

/// A server with its documents and its database, which go with it.
struct World {
    server: Server,
    _documents: TempDir,
    _database: Database,
}

fn serve(kind: &str, flags: &[&str]) -> World {
    let (documents, database) = (tempfile::tempdir().unwrap(), Database::new(kind));
    let file = documents.path().join("notes.yaml");
    std::fs::write(&file, DOCUMENTS).unwrap();
    let server = Server::launch(program(), file.to_str().unwrap(), database.url(), flags);
    server.wait_until_ready();
    World { server, _documents: documents, _database: database }
}

impl World {
    /// The log line of the request with this id, as soon as it is there.
    #[track_caller]
    fn line(&self, id: &str) -> Json {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.server.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
            let ours: Vec<Json> =
                lines.filter(|line| line["span"]["request_id"] == id && line["message"] == "answered").collect();
            if let [line] = ours.as_slice() {
                return line.clone();
            }
            assert!(ours.is_empty() && Instant::now() < deadline, "{} lines of {id}:\n{log}", ours.len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn admin_port(&self) -> Caller {
        Caller::new(&self.server.admin_url, None)
    }

    fn metrics(&self, accept: &str) -> (String, String) {
        let url = format!("{}/metrics", self.server.admin_url);
        let answer = Client::new().get(url).header("Accept", accept).send().unwrap();
        let form = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (form, answer.text().unwrap())
    }
}

#[test]
fn a_request_is_one_line_that_says_what_it_was() {
    let world = serve("sqlite", &[]);
    let client = Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("{}{path}", world.server.url);
    let body = json!({ "title": "one" }).to_string();
    let create = client.post(url(NOTES)).header("X-Request-Id", "create").header("X-API-Key", ADMIN_KEY);
    let answer = create.header("Content-Type", "application/json").body(body.clone()).send().unwrap();
    let sent = answer.text().unwrap().len();
    let line = world.line("create");
    assert_eq!(line["route"], "/api/v1/{collection}");
    assert_eq!(
        (&line["status"], &line["caller"], &line["client"]),
        (&json!(201), &json!("admin"), &json!("127.0.0.1"))
    );
    assert_eq!((&line["received"], &line["sent"]), (&json!(body.len()), &json!(sent)));
    assert_eq!((&line["span"]["method"], &line["level"]), (&json!("POST"), &json!("INFO")));
    assert!(line["micros"].as_u64().is_some_and(|micros| micros > 0) && line.get("whole_micros").is_none(), "{line}");

    let get = |id: &str, path: &str| client.get(url(path)).header("X-Request-Id", id);
    get("list", NOTES).send().unwrap();
    assert_eq!(world.line("list")["caller"], "anonymous");
    get("wrong", NOTES).header("X-API-Key", "nobody-has-this-one").send().unwrap();
    let line = world.line("wrong");
    assert_eq!((&line["caller"], &line["status"]), (&json!("unknown"), &json!(401)));
    get("health", "/health").send().unwrap();
    assert_eq!(world.line("health").get("caller"), None, "nobody asked who it was");
    get("nowhere", "/nowhere/at/all").send().unwrap();
    assert_eq!(world.line("nowhere")["route"], "none");
    client.head(url(NOTES)).header("X-Request-Id", "head").send().unwrap();
    assert_eq!(world.line("head")["sent"], 0);
}

#[test]
fn streams_are_followed_to_their_end() {
    let world = serve("sqlite", &[]);
    let lines: String = (0..300).map(|n| format!("{{\"title\":\"{n}\"}}\n")).collect();
    let client = Client::builder().no_proxy().build().unwrap();
    // Without a length: in chunks.
    let body = reqwest::blocking::Body::new(std::io::Cursor::new(lines.clone().into_bytes()));
    let import = client.post(format!("{}{NOTES}/import", world.server.url)).header("X-API-Key", ADMIN_KEY);
    let import = import.header("Content-Type", "application/x-ndjson").header("X-Request-Id", "import");
    assert_eq!(import.body(body).send().unwrap().status(), 200);
    assert_eq!(world.line("import")["received"], lines.len());

    let export = client.get(format!("{}{NOTES}/export?format=ndjson", world.server.url));
    let export = export.header("X-API-Key", ADMIN_KEY).header("X-Request-Id", "export").send().unwrap();
    let bytes = export.bytes().unwrap().len();
    let head = client.head(format!("{}{NOTES}/export?format=ndjson", world.server.url)).header("X-Request-Id", "head");
    head.header("X-API-Key", ADMIN_KEY).send().unwrap();
    let line = world.line("head");
    assert_eq!((&line["sent"], line.get("cut")), (&json!(0), None), "{line}");
    let line = world.line("export");
    assert_eq!((&line["sent"], line.get("cut")), (&json!(bytes), None), "{line}");
    assert!(line["whole_micros"].as_u64() >= line["micros"].as_u64(), "{line}");
}

#[test]
fn an_answer_that_is_cut_short_says_so() {
    let world = serve("sqlite", &[]);
    let text = "x".repeat(4000);
    let lines: String = (0..4000).map(|_| format!("{{\"title\":\"{text}\"}}\n")).collect();
    let client = Client::builder().no_proxy().build().unwrap();
    let import = client.post(format!("{}{NOTES}/import", world.server.url)).header("X-API-Key", ADMIN_KEY);
    let done = import.header("Content-Type", "application/x-ndjson").body(lines).send().unwrap();
    assert_eq!(done.status(), 200);
    // Reads the beginning of sixteen megabytes and leaves.
    let mut socket = TcpStream::connect(world.server.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "GET {NOTES}/export?format=ndjson HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\nX-Request-Id: cut\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.read_exact(&mut [0; 1000]).unwrap();
    drop(socket);
    let line = world.line("cut");
    assert_eq!((&line["cut"], &line["status"]), (&json!(true), &json!(200)), "{line}");
}

#[test]
fn what_is_logged_changes_while_the_server_runs() {
    let world = serve("sqlite", &[]);
    let (admin, path) = (world.admin_port(), "/debug/log-level");
    let set = |body: Json| admin.send(Method::PUT, path, &[], Some(&body)).unwrap();
    let lines = || world.server.log().lines().filter(|line| line.contains("\"answered\"")).count();
    assert_eq!(admin.get(path, &[]).body["data"], json!({ "filter": "info,actix_server=warn,actix_http=off" }));

    assert_eq!(set(json!({ "filter": "error" })).body["data"], json!({ "filter": "error" }));
    let before = lines();
    world.server.anonymous.get(NOTES, &[]);
    assert_eq!(set(json!({ "filter": "mainstay=debug,info" })).status, 200);
    assert_eq!(lines(), before + 1, "the change back alone was told");
    assert_eq!(admin.get(path, &[]).body["data"]["filter"], "mainstay=debug,info");
    world.server.anonymous.send(Method::GET, "/health", &[], None).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while lines() < before + 3 {
        assert!(Instant::now() < deadline, "{}", world.server.log());
        std::thread::sleep(Duration::from_millis(5));
    }

    for (body, said) in [
        (json!({ "filter": "mainstay=loud" }), "`mainstay=loud` is not a log filter"),
        (json!({ "level": "info" }), "unknown field `level`"),
        (json!("info"), "the body is not a log level"),
    ] {
        let answer = set(body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body["error"].as_str().unwrap().contains(said), "{}", answer.body);
    }
    assert_eq!(admin.get(path, &[]).body["data"]["filter"], "mainstay=debug,info", "what is wrong changes nothing");
    assert_eq!(world.server.anonymous.get(path, &[]).status, 404, "on the admin port alone");
}

#[test]
fn settings_and_schema_are_told_on_the_admin_port() {
    for kind in ["sqlite", "postgres"] {
        let world = serve(kind, &["--limits-depth", "7"]);
        let told = world.admin_port().get("/debug/config", &[]).body["data"].clone();
        assert_eq!(told["limits.depth"], json!({ "value": "7", "origin": "flag" }));
        assert_eq!(told["adminKey"], json!({ "value": "********", "origin": "environment" }));
        assert_eq!(told["timeouts.request"], json!({ "value": "30s", "origin": "default" }));
        assert!(told.as_object().unwrap().len() > 30, "{told}");

        let told = world.admin_port().get("/debug/schema", &[]).body["data"].clone();
        assert_eq!((&told["served"]["revision"], &told["applied"]["revision"]), (&json!(1), &json!(1)), "{told}");
        let names: Vec<_> = told["served"]["collections"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["notes", "users"]);
        assert_eq!(told["served"]["collections"][0]["spec"]["fields"][0]["name"], "title");
        assert_eq!(told["applied"]["schema"]["collections"][0]["name"], "notes");
        assert_eq!(
            (told["applied"]["hash"].as_str().unwrap().len(), &told["applied"]["contractOpen"]),
            (64, &json!(false))
        );
        for path in ["/debug/config", "/debug/schema", "/instance"] {
            assert_eq!(world.server.admin.get(path, &[]).status, 404, "{path} is on the admin port alone");
        }
    }
}

#[test]
fn figures_are_asked_for_in_two_forms() {
    let world = serve("sqlite", &[]);
    world.server.anonymous.get(NOTES, &[]);
    let keyed = |key: &str| {
        let create = Client::new().post(format!("{}{NOTES}", world.server.url)).header("X-API-Key", ADMIN_KEY);
        create.header("Idempotency-Key", key).json(&json!({ "title": "x" })).send().unwrap().status().as_u16()
    };
    assert_eq!([keyed("one"), keyed("one")], [201, 201]);
    let (form, text) = world.metrics("text/plain");
    assert_eq!(form, "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        r#"http_requests_total{method="GET",route="/api/v1/{collection}",status="200"} 1"#,
        r#"mainstay_authentications_total{result="admin"} 2"#,
        r#"mainstay_authentications_total{result="anonymous"} 1"#,
        r#"mainstay_idempotent_requests_total{result="carried_out"} 1"#,
        r#"mainstay_idempotent_requests_total{result="replayed"} 1"#,
        "http_requests_in_flight 1",
        "mainstay_schema_revision 1",
        "mainstay_ready 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    for name in ["mainstay_pool_wait_seconds_count{pool=\"readers\"}", "mainstay_migration_duration_seconds "] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in\n{text}"));
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
    }
    let (form, text) = world.metrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert_eq!(form, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n") && text.contains("# TYPE http_requests counter\n"), "{text}");
}
