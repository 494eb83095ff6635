//! Secrets that change while a server runs: files of keys, and the password of its database. As in a cluster, a file is
//! replaced by turning a link to another folder.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::*;

/// A folder of files that are replaced together.
struct Mounted {
    folder: TempDir,
    turns: u32,
}

impl Mounted {
    fn new(file: &str, text: &str) -> Mounted {
        let mut mounted = Mounted { folder: tempfile::tempdir().unwrap(), turns: 0 };
        mounted.turn(file, text);
        symlink(format!("..data/{file}"), mounted.path(file)).unwrap();
        mounted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As kubelet does: a new folder, a new link to it, and the new link in place of the old in one move.
    fn turn(&mut self, file: &str, text: &str) {
        self.turns += 1;
        let folder = format!("..{}", self.turns);
        std::fs::create_dir(self.path(&folder)).unwrap();
        std::fs::write(self.path(&folder).join(file), text).unwrap();
        symlink(folder, self.path("..data_tmp")).unwrap();
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }
}

/// A server whose admin key and database come from the variables, not from the harness.
fn launch(documents: &Documents, variables: &[(&str, &Path)], url: Option<&str>) -> Server {
    let mut command = Command::new("sh");
    let script = r#"docs=$3; shift 5; unset MAINSTAY_ADMIN_KEY; exec "$0" serve -f "$docs" "$@""#;
    command.args(["-c", script]).arg(binary()).envs(variables.iter().copied());
    let flags: Vec<&str> = url.map_or_else(Vec::new, |url| vec!["--database-url", url]);
    let server = Server::launch(command, documents.path(), "none", &flags);
    server.wait_until_ready();
    server
}

fn digits(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn instance(server: &Server) -> Json {
    Caller::new(&server.admin_url, None).get("/instance", &[]).body
}

fn status(server: &Server, key: &str) -> u16 {
    send(&Caller::new(&server.url, Some(key)), Method::POST, NOTES, Some(&note("x"))).status
}

#[test]
fn admin_keys_are_replaced_without_a_restart() {
    let documents = Documents::new();
    let url = sqlite_url(&documents);
    let (one, two, three) = ("the-first-key-of-the-admin", "the-second-key-of-the-admin", "the-third-key-of-the-admin");
    let mut keys = Mounted::new("keys", &format!("{one}\n"));
    let server = launch(&documents, &[("MAINSTAY_ADMIN_KEY_FILE", &keys.path("keys"))], Some(&url));
    assert_eq!([one, two].map(|key| status(&server, key)), [201, 401]);
    keys.turn("keys", &format!("{two}\n{one}\n"));
    wait_until("the second key", || status(&server, two) == 201);
    assert_eq!(status(&server, one), 201, "the previous one stays for a while");
    assert_eq!(instance(&server)["adminKeys"], json!([digits(two)[..8], digits(one)[..8]]));

    for bad in ["", "short\n"] {
        let complaints = || server.log().matches("its file cannot be used").count();
        let before = complaints();
        keys.turn("keys", bad);
        wait_until("a complaint", || complaints() > before);
        assert_eq!([one, two].map(|key| status(&server, key)), [201, 201], "the old ones stay in force");
        assert_eq!(complaints(), before + 1, "{}", server.log());
    }
    keys.turn("keys", &format!("{three}\n"));
    wait_until("the third key", || status(&server, three) == 201);
    assert_eq!([one, two].map(|key| status(&server, key)), [401, 401]);
    assert!(!server.log().contains("-key-of-the-admin") && !server.log().contains("short"), "{}", server.log());
}

#[test]
fn machines_call_with_keys_of_a_file() {
    let documents = Documents::new();
    documents.write("", "  deletionPolicy: Retain\n");
    let text = std::fs::read_to_string(documents.0.path().join("notes.yaml")).unwrap();
    let rules = "access: { read: [{ roles: [machine] }], create: [{ roles: [writer] }] }";
    let text = text.replace("access: { read: [{ roles: [anyone] }] }", rules);
    std::fs::write(documents.0.path().join("notes.yaml"), text).unwrap();
    let entry = |key: &str, roles: &[&str], until: Option<&str>| json!({ "name": format!("team/{key}"), "id": &key[..8], "hash": digits(key), "roles": roles, "expiresAt": until });
    let (reader, writer, old) =
        ("reader-0-a-key-of-a-machine", "writer-0-a-key-of-a-machine", "former-0-a-key-of-a-machine");
    let all = [
        entry(reader, &[], Some("2999-01-01T00:00:00Z")),
        entry(writer, &["writer"], None),
        entry(old, &["writer"], Some("2020-01-01T00:00:00Z")),
    ];
    let mut keys = Mounted::new("keys.yaml", &json!({ "keys": all }).to_string());
    let mut admin = Mounted::new("keys", "an-admin-key-of-twenty-one\n");
    let paths = [("MAINSTAY_API_KEYS_FILE", keys.path("keys.yaml")), ("MAINSTAY_ADMIN_KEY_FILE", admin.path("keys"))];
    let url = sqlite_url(&documents);
    let server = launch(&documents, &[(paths[0].0, &paths[0].1), (paths[1].0, &paths[1].1)], Some(&url));
    assert_eq!([reader, writer, old, "nobody's"].map(|key| status(&server, key)), [403, 201, 401, 401]);
    let bearer = |key: &str| {
        let client = reqwest::blocking::Client::new();
        let request = client.get(format!("{}{NOTES}", server.url)).bearer_auth(key);
        request.send().unwrap().status().as_u16()
    };
    assert_eq!([reader, writer, old].map(bearer), [200, 200, 401]);
    assert_eq!(send(&server.anonymous, Method::GET, NOTES, None).status, 401);
    assert_eq!(instance(&server)["apiKeys"], json!(["reader-0", "writer-0", "former-0"]));

    keys.turn("keys.yaml", &json!({ "keys": [entry(writer, &["writer"], None)] }).to_string());
    wait_until("the end of a revoked key", || bearer(reader) == 401);
    assert_eq!(status(&server, writer), 201);
    admin.turn("keys", "an-admin-key-of-twenty-two\n");
    keys.turn("keys.yaml", "keys: [");
    wait_until("a complaint", || server.log().contains("its file cannot be used"));
    assert_eq!(status(&server, writer), 201);
}

#[test]
fn public_keys_are_published_and_told() {
    let documents = Documents::new();
    let half = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let private = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let file = |kids: &[&str]| {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": half, "d": private });
        let key = |kid: &&str| json!({ "kid": kid, "alg": "EdDSA", "state": "published", "jwk": jwk });
        json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() }).to_string()
    };
    let mut keys = Mounted::new("keys.json", &file(&["one"]));
    let admin = Mounted::new("keys", "an-admin-key-of-twenty-one\n");
    let (jwt, admin) = (keys.path("keys.json"), admin.path("keys"));
    let variables = [("MAINSTAY_JWT_KEYS_FILE", &*jwt), ("MAINSTAY_ADMIN_KEY_FILE", &*admin)];
    let url = sqlite_url(&documents);
    let server = launch(&documents, &variables, Some(&url));
    let published =
        |kid: &str| json!({ "kty": "OKP", "crv": "Ed25519", "x": half, "kid": kid, "alg": "EdDSA", "use": "sig" });
    let jwks = || server.anonymous.get("/.well-known/jwks.json", &[]).body;
    assert_eq!(jwks(), json!({ "keys": [published("one")] }));
    keys.turn("keys.json", &file(&["two", "one"]));
    wait_until("the second key", || jwks() == json!({ "keys": [published("two"), published("one")] }));
    let told = instance(&server);
    assert_eq!(told["jwtKeys"], json!(["two", "one"]));
    assert_eq!((&told["revision"], &told["version"]), (&json!(1), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(told["instance"].as_str().unwrap().ends_with(&format!("-{}", server.process())), "{told}");
    assert!(!server.log().contains(private));
}

#[test]
fn a_database_password_is_rotated_under_a_running_server() {
    let documents = Documents::new();
    let rules = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&rules, "host all rotated all scram-sha-256\nhost all all all trust\n").unwrap();
    std::fs::set_permissions(rules.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let postgres = Postgres::with(&[&format!("hba_file={}", rules.path().display())]);
    let trusted = postgres.database();
    let database = name(&trusted).to_owned();
    postgres.run("postgres", "CREATE ROLE rotated LOGIN PASSWORD 'pass-one'");
    postgres.run("postgres", &format!("ALTER DATABASE {database} OWNER TO rotated"));
    postgres.run(&database, "GRANT ALL ON SCHEMA public TO rotated");
    let url = |password: &str| trusted.replace("//postgres@", &format!("//rotated:{password}@"));
    let mut file = Mounted::new("url", &url("pass-one"));
    let admin = Mounted::new("keys", "an-admin-key-of-twenty-one\n");
    let (path, key) = (file.path("url"), admin.path("keys"));
    let server = launch(&documents, &[("MAINSTAY_DATABASE_URL_FILE", &path), ("MAINSTAY_ADMIN_KEY_FILE", &key)], None);
    let written = || status(&server, "an-admin-key-of-twenty-one");
    assert_eq!(written(), 201);

    // The file is there first. A connection that was used just before its end may cost one request.
    file.turn("url", &url("pass-two"));
    postgres.run("postgres", "ALTER ROLE rotated PASSWORD 'pass-two'");
    assert!(end_connections(&postgres, &trusted) > 0);
    let statuses: Vec<u16> = (0..20).map(|_| written()).collect();
    assert_eq!(statuses[1..], [201; 19], "{statuses:?}");

    // The password is first: away until the file comes, and ready all the time.
    postgres.run("postgres", "ALTER ROLE rotated PASSWORD 'pass-three'");
    end_connections(&postgres, &trusted);
    assert_unavailable(&send(&Caller::new(&server.url, None), Method::GET, NOTES, None));
    assert_eq!(readiness(&server).status, 200);
    file.turn("url", "postgres://nonsense");
    assert_eq!(written(), 503);
    file.turn("url", &url("pass-three"));
    let statuses: Vec<u16> = (0..20).map(|_| written()).collect();
    assert_eq!(statuses, [201; 20]);
    assert!(!server.log().contains("pass-"), "{}", server.log());
    assert!(server.stop().success());
}

fn sqlite_url(documents: &Documents) -> String {
    format!("sqlite:{}/notes.db", documents.path())
}
