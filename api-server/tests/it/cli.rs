//! The program as people and scripts see it: exit statuses, what is printed where, and what is left on disk.
//!
//! Every test has a folder of its own; no variable of the caller reaches the program.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mainstay_e2e::server::assert_no_secret;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

mod against;
mod keys;
mod transfer;
mod watch;

const THINGS: &str = "\
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: things }
spec:
  fields:
    - { name: title, type: text, maxLength: 50 }
  access:
    read: [ { roles: [anyone] } ]
";

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("things.yaml", THINGS);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAINSTAY_")) {
            command.env_remove(name);
        }
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs to the end: exit status, standard output, standard error.
    fn run(&self, line: &str) -> (i32, String, String) {
        told(self.command(line).output().unwrap())
    }

    /// Runs to the end and expects an exit status; answers what was printed.
    fn expect(&self, status: i32, line: &str) -> (String, String) {
        let (found, out, err) = self.run(line);
        assert_eq!(found, status, "mainstay {line}\n{out}\n{err}");
        (out, err)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert_no_secret(&text);
        text
    };
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A server that is killed when the test ends.
struct Server {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    api: String,
}

impl Server {
    fn start(folder: &Folder, line: &str) -> Server {
        let (out, err) = (folder.path("out.txt"), folder.path("err.txt"));
        let mut command = folder.command(&format!("serve {line} --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0"));
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        let mut server = Server { child: command.spawn().unwrap(), out, err, api: String::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while server.api.is_empty() {
            let log = fs::read_to_string(&server.err).unwrap();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
            let listening = lines.into_iter().find(|line| line["message"] == "listening");
            server.api = listening.map_or_else(String::new, |line| format!("http://{}", line["api"].as_str().unwrap()));
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not listen: {ended:?}\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn create(server: &Server, key: &str, body: &Json) -> u16 {
    let client = reqwest::blocking::Client::new();
    let request = client.post(format!("{}/api/v1/things", server.api)).header("X-API-Key", key).json(body);
    request.send().unwrap().status().as_u16()
}

#[test]
fn a_wrong_command_line_is_2() {
    let folder = Folder::new();
    for line in [
        "",
        "srve",
        "serve",
        "check",
        "check -f",
        "openapi",
        "check --nope -f .",
        "migrate up -f . --allow destructive",
    ] {
        let (out, err) = folder.expect(2, line);
        assert!(out.is_empty() && (err.contains("Usage") || err.contains("--help")), "{line}: {out}\n{err}");
    }
    folder.expect(0, "--help");
    folder.expect(0, "--version");
}

#[test]
fn check_reports_everything_with_file_and_line() {
    let folder = Folder::new();
    assert_eq!(folder.expect(0, "check -f things.yaml").0, "1 collection: no problem\n");
    folder.write(
        "bad/a.yaml".replace('/', "-").as_str(),
        &THINGS.replace("maxLength", "maxLenght").replace("things", "others"),
    );
    folder.write("b.yaml", "kind: Collectoin\n");
    let (out, err) = folder.expect(65, "check -f bad-a.yaml");
    assert!(out.is_empty());
    let lines: Vec<_> = err.lines().collect();
    assert!(lines[0].starts_with("bad-a.yaml:6: /spec/fields/0/maxLenght: "), "{err}");
    assert!(lines[0].ends_with("(did you mean `maxLength`?)"), "{err}");
    assert_eq!(lines[1], "1 problem in 1 file");
    let (_, err) = folder.expect(65, "check -f b.yaml");
    assert_eq!(err, "b.yaml:1: /kind: unknown kind `Collectoin` (did you mean `Collection`?)\n1 problem in 1 file\n");
    let (out, err) = folder.expect(65, "check -f bad-a.yaml --output json");
    let answer: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["ok"], &answer["problems"][0]["line"]), (&json!(false), &json!(6)));
    assert_eq!(err, "");
    folder.expect(65, "check -f none.yaml");
}

#[test]
fn three_hundred_mistakes_are_three_hundred_problems() {
    let folder = Folder::new();
    let fields: String = (0..150).map(|n| format!("    - {{ name: f{n}, type: txt, wrong: 1 }}\n")).collect();
    folder.write("many.yaml", &THINGS.replace("    - { name: title, type: text, maxLength: 50 }\n", &fields));
    let (_, err) = folder.expect(65, "check -f many.yaml");
    assert!(err.ends_with("300 problems in 1 file\n"), "{}", err.lines().last().unwrap());
}

#[test]
fn documents_come_from_standard_input_too() {
    let folder = Folder::new();
    let mut command = folder.command("check -f -");
    command.stdin(fs::File::open(folder.path("things.yaml")).unwrap());
    assert_eq!(told(command.output().unwrap()).0, 0);
}

#[test]
fn wrong_settings_are_64_all_at_once() {
    let folder = Folder::new();
    let mut command = folder.command("serve -f things.yaml --listen nowhere --database-url mysql://h/d");
    command.env("MAINSTAY_LIMITS_BODY", "lots");
    let (status, out, err) = told(command.output().unwrap());
    assert_eq!((status, out.as_str()), (64, ""));
    for part in
        ["--listen: `nowhere`", "--database-url: ", "MAINSTAY_LIMITS_BODY: `lots`", "3 problems with the settings"]
    {
        assert!(err.contains(part), "{part} in {err}");
    }
    let (_, err) = folder.expect(64, "serve -f things.yaml --database-url postgres://h/d");
    assert!(err.contains("MAINSTAY_ADMIN_KEY"), "{err}");
    assert_eq!(folder.names(), ["things.yaml"], "nothing was made");
}

#[test]
fn config_shows_values_and_origins_and_no_secret() {
    let folder = Folder::new();
    folder.write(
        "backend.yaml",
        "apiVersion: mainstay.dev/v1alpha1\nkind: Backend\nmetadata: { name: demo }\nspec: { config: { limits: { body: 2MiB } } }\n",
    );
    let mut command = folder.command("config -f backend.yaml --limits-depth 9 --output json");
    command.env("MAINSTAY_DATABASE_URL", "postgres://ann:s3cret@h/d").env("MAINSTAY_ADMIN_KEY", "s3cret-s3cret-s3cret");
    let (status, out, err) = told(command.output().unwrap());
    assert_eq!(status, 0, "{err}");
    assert!(!out.contains("s3cret"), "{out}");
    let answer: Json = serde_json::from_str(&out).unwrap();
    for (path, value, origin) in [
        ("limits.body", "2MiB", "document"),
        ("limits.depth", "9", "flag"),
        ("database.url", "postgres://h/d", "environment"),
        ("adminKey", "********", "environment"),
        ("shutdownGrace", "25s", "default"),
        ("logFormat", "json", "default"),
    ] {
        assert_eq!(answer[path], json!({ "value": value, "origin": origin }), "{path}");
    }
}

#[test]
fn config_names_what_can_be_typed() {
    let folder = Folder::new();
    let (out, _) = folder.expect(0, "config");
    let (help, _) = folder.expect(0, "serve --help");
    for line in out.lines() {
        let name = line.split_whitespace().next().unwrap();
        assert_eq!(help.contains(name), name.starts_with("--"), "{name}");
    }
    assert!(out.contains("\nMAINSTAY_JWT_KEYS_FILE "), "{out}");
}

#[test]
fn openapi_is_written_as_json_or_yaml() {
    let folder = Folder::new();
    let document: Json = serde_json::from_str(&folder.expect(0, "openapi -f things.yaml").0).unwrap();
    assert!(document["paths"]["/api/v1/things"]["post"].is_object());
    folder.expect(0, "openapi -f things.yaml --format yaml -o api.yaml");
    assert!(fs::read_to_string(folder.path("api.yaml")).unwrap().starts_with("openapi: 3.1"));
    folder.expect(69, "openapi -f things.yaml -o none/api.yaml");
}

#[test]
fn completions_know_the_settings() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.expect(0, &format!("completions {shell}")).0.contains("limits-page-max"), "{shell}");
    }
}

#[test]
fn a_closed_reader_is_no_failure() {
    let folder = Folder::new();
    let mut child =
        folder.command("openapi -f things.yaml").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

fn plan_hash(folder: &Folder, status: i32) -> String {
    let (out, _) = folder.expect(status, "migrate plan -f things.yaml --output json");
    serde_json::from_str::<Json>(&out).unwrap()["planHash"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_looked_at_bound_and_applied() {
    let folder = Folder::new();
    let hash = plan_hash(&folder, 0);
    folder.expect(69, "migrate status");
    assert_eq!(folder.names(), ["things.yaml"], "looking makes nothing");
    folder.expect(42, "migrate up -f things.yaml --expect-hash 00");
    folder.expect(0, &format!("migrate up -f things.yaml --expect-hash {hash}"));
    let again = folder.expect(0, &format!("migrate up -f things.yaml --expect-hash {hash}")).0;
    assert!(again.contains("at revision 1"), "a Job may run twice: {again}");
    assert!(folder.expect(0, "migrate plan -f things.yaml").0.starts_with("Nothing to do"));
    let status: Json = serde_json::from_str(&folder.expect(0, "migrate status --output json").0).unwrap();
    assert_eq!((&status["revision"], &status["compatibleFrom"], &status["dirty"]), (&json!(1), &json!(1), &json!([])));
}

#[test]
fn new_uniqueness_needs_approval_and_data_that_breaks_it_is_65() {
    let folder = Folder::new();
    let key = "a-key-of-more-than-twenty-characters";
    let mut server = Server::start(&folder, &format!("-f things.yaml --admin-key {key}"));
    for _ in 0..2 {
        assert_eq!(create(&server, key, &json!({ "title": "same" })), 201);
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let applied = folder.expect(0, "migrate status --output json").0;
    folder.write("applied.json", &applied);

    folder.write("things.yaml", &THINGS.replace("maxLength: 50", "maxLength: 50, unique: true"));
    let (_, err) = folder.expect(3, "migrate plan -f things.yaml");
    let offline = folder.expect(3, "migrate plan -f things.yaml --applied applied.json --output json").0;
    let hash = plan_hash(&folder, 3);
    assert!(offline.contains(&hash), "the same plan without the database");
    let command = format!("migrate up -f things.yaml --expect-hash {hash} --allow dataDependent");
    assert!(err.contains(&format!("mainstay {command}")), "{err}");
    let (_, err) = folder.expect(3, "serve -f things.yaml --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    assert!(err.contains(&format!("mainstay {command}")), "{err}");
    folder.expect(3, &format!("migrate up -f things.yaml --expect-hash {hash}"));
    let (_, err) = folder.expect(65, &command);
    assert!(err.contains("2 records break this rule"), "{err}");
    let status: Json = serde_json::from_str(&folder.expect(0, "migrate status --output json").0).unwrap();
    assert_eq!(status["revision"], 1, "nothing was changed");
}

#[test]
fn a_first_start_makes_a_key_that_works_and_a_second_keeps_it() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, "-f things.yaml");
    let file = folder.path("mainstay.db.admin-key");
    let key = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(key.starts_with("mainstay_admin_") && !fs::read_to_string(&server.err).unwrap().contains(&key));
    assert_eq!(fs::read_to_string(&server.out).unwrap(), "", "JSON logs come without a screen");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    assert_eq!(create(&server, &key, &json!({ "title": "one" })), 201);
    assert_eq!(create(&server, "wrong", &json!({ "title": "two" })), 401);
    let (status, _, err) = folder.run("migrate status");
    assert!(status == 69 && err.contains("in use"), "one owner a file: {status} {err}");
    server.signal("INT");
    assert_eq!(server.wait(), 0);

    fs::remove_file(&file).unwrap();
    let server = Server::start(&folder, "-f things.yaml");
    assert_eq!(create(&server, &key, &json!({ "title": "three" })), 201);
    assert!(!file.exists(), "no second key");
}

#[test]
fn the_screen_has_a_command_that_works_when_pasted() {
    let folder = Folder::new();
    let server = Server::start(&folder, "-f things.yaml");
    drop(server);
    let mut command =
        folder.command("serve -f things.yaml --log-format text --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    command.stdout(fs::File::create(folder.path("screen.txt")).unwrap()).stderr(Stdio::null());
    let server =
        Server { child: command.spawn().unwrap(), out: PathBuf::new(), err: PathBuf::new(), api: String::new() };
    let deadline = Instant::now() + Duration::from_secs(30);
    let line = loop {
        let screen = fs::read_to_string(folder.path("screen.txt")).unwrap();
        if let Some((_, line)) = screen.split_once("Try          ").filter(|(_, line)| line.contains('\n')) {
            break line.lines().next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "no screen: {screen}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let url = line.strip_prefix("curl ").unwrap();
    assert_eq!(reqwest::blocking::get(url).unwrap().status(), 200, "{line}");
    drop(server);
}

#[test]
fn an_address_in_use_is_69() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_, err) = folder.expect(69, &format!("serve -f things.yaml --listen {address}"));
    assert!(err.contains("--listen"), "{err}");
}

#[test]
fn a_database_that_is_away_is_waited_for() {
    let folder = Folder::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = format!("-f things.yaml --database-url postgres://x@{nobody}/d --admin-key 12345678901234567890");
    let mut server = Server::start(&folder, &line);
    let answer = reqwest::blocking::get(format!("{}/health/ready", server.api)).unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(reqwest::blocking::get(format!("{}/health", server.api)).unwrap().status(), 200);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    folder.expect(69, &format!("migrate status --database-url postgres://x@{nobody}/d"));
}

#[test]
fn verify_changes_nothing_and_says_what_it_waits_for() {
    let folder = Folder::new();
    let server = Server::start(&folder, "-f things.yaml --migrate verify --admin-key 12345678901234567890");
    let answer: Json = reqwest::blocking::get(format!("{}/health/ready", server.api)).unwrap().json().unwrap();
    assert!(answer.to_string().contains("mainstay migrate up -f things.yaml"), "{answer}");
    drop(server);
    assert!(folder.expect(0, "migrate status").0.starts_with("The database is empty"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, "-f things.yaml --drain-delay 1h");
    server.signal("TERM");
    let deadline = Instant::now() + Duration::from_secs(30);
    let ready = || reqwest::blocking::get(format!("{}/health/ready", server.api)).unwrap().status().as_u16();
    while ready() != 503 {
        assert!(Instant::now() < deadline, "not ready at once, still serving");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 75);
}

#[test]
fn a_table_that_is_not_ours_is_65() {
    let folder = Folder::new();
    folder.expect(0, "migrate up -f things.yaml");
    foreign_table(&folder.path("mainstay.db"));
    folder.write("others.yaml", &THINGS.replace("things", "others"));
    for command in ["plan", "up"] {
        let (_, err) = folder.expect(65, &format!("migrate {command} -f things.yaml -f others.yaml"));
        assert!(err.contains("`others`"), "{err}");
    }
    let (out, _) = folder.expect(65, "migrate plan -f things.yaml -f others.yaml --report");
    assert!(out.contains(r#""reason":"UnknownTable""#), "{out}");
    let (_, err) =
        folder.expect(65, "serve -f things.yaml -f others.yaml --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    assert!(err.contains("`others`"), "{err}");
}

fn foreign_table(path: &Path) {
    use mainstay::store::{DatabaseUrl, PoolOptions, Store};
    let store = Store::open(&DatabaseUrl::Sqlite(path.to_owned()), PoolOptions::default()).unwrap();
    let made = store.session(|conn| conn.batch("CREATE TABLE others (a)"));
    actix_web::rt::System::new().block_on(made).unwrap();
}

#[test]
fn postgres_is_migrated_verified_and_served() {
    let folder = Folder::new();
    let database = mainstay_e2e::database::Database::new("postgres");
    let url = format!("--database-url {}", database.url());
    folder.expect(0, &format!("migrate up -f things.yaml {url} --phase expand,backfill"));
    let mut server =
        Server::start(&folder, &format!("-f things.yaml {url} --migrate verify --admin-key 12345678901234567890"));
    let answer = reqwest::blocking::get(format!("{}/health/ready", server.api)).unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().unwrap());
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let status: Json =
        serde_json::from_str(&folder.expect(0, &format!("migrate status --output json {url}")).0).unwrap();
    assert_eq!((&status["revision"], &status["compatibleFrom"]), (&json!(1), &json!(1)));
}
