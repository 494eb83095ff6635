//! SQLite's file: full disks, two owners, paths that lead nowhere.

use super::*;

#[test]
fn a_full_disk_is_503_with_nothing_half() {
    let documents = Documents::new();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // A small disk that only the server and its children see.
    let script =
        r#"mount -t tmpfs -o size=6m tmpfs "$0" && dd if=/dev/zero of="$0/ballast" bs=1M count=2 2>&1 && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(&disk).arg(binary());
    let url = format!("sqlite:{}/notes.db", disk.display());
    let server = Server::launch(command, documents.path(), &url, &[]);
    server.wait_until_ready();

    let long = note(&"x".repeat(600));
    let batch: Json = (0..500).map(|_| long.clone()).collect();
    let mut made = 0;
    let refused = loop {
        let answer = server.admin.post(NOTES, &batch);
        if answer.status != 201 {
            break answer;
        }
        made += 500;
        assert!(made < 50_000, "the disk is never full");
    };
    assert_unavailable(&refused);
    assert_eq!(total(&server), made);
    assert_eq!(readiness(&server).status, 200);
    // Room again: back by itself.
    let ballast = format!("/proc/{}/root{}/ballast", server.process(), disk.display());
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(server.admin.post(NOTES, &batch).status, 201);
    assert_eq!(total(&server), made + 500);
    assert!(server.stop().success());
}

#[test]
fn a_file_has_one_server() {
    let documents = Documents::new();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/notes.db", folder.path().display());
    let server = documents.serve(&url, &[]);
    make(&server, "one");
    let mut second = Command::new(binary());
    second.args(["serve", "-f", documents.path(), "--database-url", &url]);
    second.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let (status, text) = told(second);
    assert_eq!(status, 69, "{text}");
    assert!(text.contains("notes.db is in use"), "{text}");
    assert_eq!(total(&server), 1);
    server.kill();
    assert_eq!(total(&documents.serve(&url, &[])), 1, "a crash leaves no lock behind");
}

#[test]
fn a_mistyped_url_makes_no_file() {
    let documents = Documents::new();
    let folder = tempfile::tempdir().unwrap();
    for (status, url) in [
        (69, "sqlite:none/such/notes.db"),
        (69, "sqlite:."),
        (64, "mysql://ann@h/d"),
        (64, "sqllite:notes.db"),
        (64, "sqlite:///notes.db"),
        (64, "sqlite::memoy:"),
        (64, "postgres:/h/d"),
        (64, "postgress://h/d"),
        (64, "notes.db"),
        (64, ""),
    ] {
        for line in [&["serve"][..], &["migrate", "up"], &["migrate", "plan"]] {
            let mut command = Command::new(binary());
            command.args(line).args(["-f", documents.path(), "--database-url", url]).current_dir(folder.path());
            if line == ["serve"] {
                command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
            }
            // Looking asks nothing of a database that is not there.
            let expected = if line.contains(&"plan") && url.contains("such") { 0 } else { status };
            let (found, text) = told(command);
            assert_eq!(found, expected, "{line:?} {url}: {text}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{line:?} {url}");
        }
    }
    assert!(!exists("none"));
}
