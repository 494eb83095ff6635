//! TLS on the clients' port: which versions, which headers, and certificates that change while connections go on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mainstay_e2e::http::Caller;
use mainstay_e2e::server::{Server, program};
use reqwest::blocking::{Client, Response};
use reqwest::tls::{TlsInfo, Version};

const PATIENCE: Duration = Duration::from_secs(30);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A folder with a certificate behind a link, as a mounted Secret has it.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(name: &str) -> Mounted {
        let mounted = Mounted(tempfile::tempdir().unwrap());
        mounted.swap(name);
        mounted
    }

    fn path(&self, file: &str) -> String {
        self.0.path().join("data").join(file).to_str().unwrap().to_owned()
    }

    /// Puts other files into the link's place, both at one moment.
    fn swap(&self, name: &str) {
        self.put(
            &fs::read(fixture(&format!("{name}.pem"))).unwrap(),
            &fs::read(fixture(&format!("{name}.key"))).unwrap(),
        );
    }

    fn put(&self, chain: &[u8], key: &[u8]) {
        let folder = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        fs::write(folder.join("tls.crt"), chain).unwrap();
        fs::write(folder.join("tls.key"), key).unwrap();
        let next = self.0.path().join("next");
        symlink(&folder, &next).unwrap();
        fs::rename(next, self.0.path().join("data")).unwrap();
    }

    fn serve(&self) -> (Server, String) {
        let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
        let (chain, key) = (self.path("tls.crt"), self.path("tls.key"));
        let flags = ["--tls-cert-file", &chain, "--tls-key-file", &key, "--cors-allowed-origins", "https://a.example"];
        let server = Server::launch(program(), documents.to_str().unwrap(), "sqlite::memory:", &flags);
        let url = server.url.replace("http://", "https://");
        let admin = Caller::new(&server.admin_url, None);
        wait_until("ready", || admin.get("/health/ready", &[]).status == 200);
        (server, url)
    }
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn client(least: Version, most: Version) -> Client {
    let authority = reqwest::Certificate::from_pem(&fs::read(fixture("ca.pem")).unwrap()).unwrap();
    let builder = Client::builder().add_root_certificate(authority).tls_info(true).no_proxy();
    builder.min_tls_version(least).max_tls_version(most).build().unwrap()
}

fn any() -> Client {
    client(Version::TLS_1_2, Version::TLS_1_3)
}

/// The name of the certificate that an answer came with.
fn shown(answer: &Response) -> &'static str {
    let der = answer.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap();
    let is = |name: &str| {
        let text = fs::read_to_string(fixture(&format!("{name}.pem"))).unwrap();
        let encoded: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap() == der
    };
    ["one", "two"].into_iter().find(|name| is(name)).unwrap()
}

fn reloads(server: &Server, result: &str) -> u32 {
    let text = Caller::new(&server.admin_url, None).get("/metrics", &[]).body;
    let named = format!("mainstay_tls_reloads_total{{result=\"{result}\"}} ");
    text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&named)).map_or(0, |n| n.parse().unwrap())
}

#[test]
fn tls_is_1_2_or_1_3_and_asks_browsers_to_stay() {
    let mounted = Mounted::new("one");
    let (server, url) = mounted.serve();
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let answer = client(version, version).get(format!("{url}/api/v1/notes")).send().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.version(), reqwest::Version::HTTP_11);
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        assert_eq!(shown(&answer), "one");
    }
    assert!(client(Version::TLS_1_0, Version::TLS_1_1).get(&url).send().is_err());
    assert!(
        server.anonymous.send(reqwest::Method::GET, "/health", &[], None).is_err(),
        "without TLS nothing is served"
    );
    let admin = Caller::new(&server.admin_url, None).get("/health", &[]);
    assert_eq!(admin.status, 200);
    assert_eq!(admin.headers.get("strict-transport-security"), None, "the admin port has no TLS");
    assert!(server.stop().success());
}

#[test]
fn a_certificate_changes_and_no_connection_is_dropped() {
    let mounted = Mounted::new("one");
    let (server, url) = mounted.serve();
    let health = format!("{url}/health");
    // One connection, never at rest for long.
    let kept = any();
    let goes_on = || {
        let answer = kept.get(&health).send().unwrap();
        assert_eq!((answer.status().as_u16(), shown(&answer)), (200, "one"), "the connection is the one from before");
    };
    goes_on();
    mounted.swap("two");
    wait_until("the new certificate", || {
        goes_on();
        reloads(&server, "ok") == 1
    });
    assert_eq!(shown(&any().get(&health).send().unwrap()), "two");
    // What cannot be used is told, and changes nothing: a key of another, no PEM, nothing at all.
    let key = fs::read(fixture("one.key")).unwrap();
    let wrong: [(&[u8], &[u8]); 3] = [(&fs::read(fixture("two.pem")).unwrap(), &key), (b"no PEM", &key), (b"", b"")];
    for (count, (chain, key)) in (1..).zip(wrong) {
        mounted.put(chain, key);
        wait_until("a refusal", || {
            goes_on();
            reloads(&server, "failed") == count
        });
        assert_eq!(shown(&any().get(&health).send().unwrap()), "two");
    }
    assert!(server.log().contains("the certificate cannot be used"), "{}", server.log());
    assert!(!server.log().contains("PRIVATE KEY"));
    mounted.swap("one");
    wait_until("the old certificate again", || reloads(&server, "ok") == 2);
    assert_eq!(shown(&any().get(&health).send().unwrap()), "one");
}

#[test]
fn files_that_cannot_be_used_stop_a_start() {
    let (one, two) = (fixture("one.pem"), fixture("two.key"));
    let nowhere = PathBuf::from("/nowhere/tls.crt");
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    for (chain, key, told) in [
        (Some(&one), Some(&two), "cannot be used together"),
        (Some(&nowhere), Some(&two), "/nowhere/tls.crt: "),
        (Some(&two), Some(&two), "holds no `BEGIN CERTIFICATE`"),
        (Some(&one), Some(&one), "the key is no PEM"),
        (Some(&one), None, "belong together"),
        (None, Some(&two), "belong together"),
    ] {
        let mut command = program();
        command.args(["serve", "-f"]).arg(&documents).args(["--database-url", "sqlite::memory:"]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        for (flag, file) in [("--tls-cert-file", chain), ("--tls-key-file", key)] {
            if let Some(file) = file {
                command.arg(flag).arg(file);
            }
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(told), "{told}: {text}");
    }
}
