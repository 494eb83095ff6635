//! `mainstay export` and `mainstay import`: against the database and against a server.

use std::fs;

use super::{Folder, Server};

#[test]
fn a_collection_leaves_one_database_and_enters_another() {
    let folder = Folder::new();
    let key = "a-key-of-more-than-twenty-characters";
    let (_, err) = folder.expect(69, "export things");
    assert!(err.contains("there is no database"), "{err}");
    folder.expect(0, "migrate up -f things.yaml");
    let lines: String = (0..2500).map(|n| format!("{{\"title\":\"thing {n:04}, \\\"quoted\\\"\"}}\n")).collect();
    folder.write("in.ndjson", &lines);
    let (out, _) = folder.expect(0, "import things in.ndjson --dry-run");
    assert_eq!(out, "2500 records would be imported, up to line 2500\n");
    let (out, _) = folder.expect(0, "import things in.ndjson");
    assert_eq!(out, "2500 records imported, up to line 2500\n");
    folder.expect(0, "export things all.csv");
    let csv = fs::read_to_string(folder.path("all.csv")).unwrap();
    assert!(csv.starts_with("id,version,created_at,updated_at,title\r\n"), "{}", &csv[..80]);
    assert!(csv.contains(",\"thing 0007, \"\"quoted\"\"\"\r\n"));
    assert_eq!(csv.matches("\r\n").count(), 2501);
    let (out, _) = folder.expect(0, "export things --fields title");
    assert_eq!(out, lines);

    // The same against a server of another database.
    let other = Folder::new();
    fs::copy(folder.path("all.csv"), other.path("all.csv")).unwrap();
    let server = Server::start(&other, &format!("-f things.yaml --admin-key {key}"));
    let (status, _, err) = other.run("export things");
    assert!(status == 69 && err.contains("in use"), "one owner a file: {status} {err}");
    let remote = |line: &str| {
        let mut command = other.command(&format!("{line} --server {}", server.api));
        super::told(command.env("MAINSTAY_ADMIN_KEY", key).output().unwrap())
    };
    let (status, _, err) = other.run(&format!("import things all.csv --server {}", server.api));
    assert!(status == 64 && err.contains("401 Unauthorized: create things needs a credential"), "{status} {err}");
    let (status, out, err) = remote("import things all.csv");
    assert_eq!((status, out.as_str()), (0, "2500 records imported, up to line 2501\n"), "{err}");
    let (status, out, _) = remote("export things --fields title");
    assert_eq!((status, out == lines), (0, true));
    let (status, out, err) = remote("import things all.csv --on-error skip");
    assert_eq!((status, out.as_str()), (65, "0 records imported, up to line 2501\n"));
    assert!(err.starts_with("line 2: /id: the id is taken\n") && err.contains("these lines were left out"), "{err}");
    let (status, _, err) = remote("export nothings");
    assert!(status == 69 && err.contains("there is no such collection; did you mean `things`?"), "{status} {err}");
}

#[test]
fn lines_change_what_has_their_key() {
    let folder = Folder::new();
    let document = fs::read_to_string(folder.path("things.yaml")).unwrap();
    folder.write("things.yaml", &document.replace("type: text", "type: text, unique: true"));
    folder.expect(0, "migrate up -f things.yaml");
    folder.write("in.ndjson", "{\"title\":\"one\"}\n{\"title\":\"two\"}\n{\"title\":\"one\"}\n");
    let (out, _) = folder.expect(0, "import things in.ndjson --on-conflict title --dry-run");
    assert_eq!(out, "3 records would be imported, 1 of them updated, up to line 3\n");
    let (out, _) = folder.expect(0, "import things in.ndjson --on-conflict title");
    assert_eq!(out, "3 records imported, 1 of them updated, up to line 3\n");
    let server = Server::start(&folder, "-f things.yaml --admin-key a-key-of-more-than-twenty-characters");
    let mut command = folder.command(&format!("import things in.ndjson --on-conflict title --server {}", server.api));
    let done = command.env("MAINSTAY_ADMIN_KEY", "a-key-of-more-than-twenty-characters").output().unwrap();
    let (status, out, err) = super::told(done);
    assert_eq!((status, out.as_str()), (0, "3 records imported, 3 of them updated, up to line 3\n"), "{err}");
    drop(server);
    let (_, err) = folder.expect(65, "import things in.ndjson --on-conflict titel");
    assert!(err.contains("did you mean `title`?"), "{err}");
}

#[test]
fn wrong_lines_are_told_and_exit_65() {
    let folder = Folder::new();
    folder.expect(0, "migrate up -f things.yaml");
    folder.write("in.ndjson", "{\"title\":\"good\"}\n{\"title\":1}\nnothing\n");
    let (out, err) = folder.expect(65, "import things in.ndjson");
    assert_eq!(out, "0 records imported, up to line 0\n");
    assert!(err.starts_with("line 2: /title: must be a string"), "{err}");
    assert!(err.contains("line 3: not JSON: ") && err.contains("2 problems; mend them"), "{err}");
    let (out, _) = folder.expect(65, "import things in.ndjson --on-error skip --output json");
    assert!(out.contains("\"imported\":1") && out.contains("\"last_line\":3"), "{out}");
    folder.expect(2, "import things in.ndjson --atomic --on-error skip");
    folder.expect(69, "import things none.ndjson");
    let (_, err) = folder.expect(65, "import nothings in.ndjson");
    assert!(err.contains("did you mean `things`?"), "{err}");
    let (_, err) = folder.expect(69, "export things none/out.csv");
    assert!(err.contains("cannot write none/out.csv"), "{err}");
    assert!(!folder.names().iter().any(|name| name.starts_with(".tmp")), "nothing half is left: {:?}", folder.names());
}
