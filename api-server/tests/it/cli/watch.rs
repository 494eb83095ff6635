//! `serve --watch`: documents that change beside a running server.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{Folder, Server, THINGS, create};

const KEY: &str = "a-key-of-more-than-twenty-characters";

fn get(server: &Server, path: &str) -> Json {
    reqwest::blocking::get(format!("{}{path}", server.api)).unwrap().json().unwrap()
}

/// Waits until it is so, and shows the log when it never is.
fn until(server: &Server, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        let log = fs::read_to_string(&server.err).unwrap();
        assert!(Instant::now() < deadline, "never {what}:\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn logged(server: &Server, text: &str) -> bool {
    fs::read_to_string(&server.err).unwrap().contains(text)
}

#[test]
fn a_safe_change_is_served_and_an_unsafe_or_broken_one_is_not() {
    let folder = Folder::new();
    let server = Server::start(&folder, &format!("-f things.yaml --admin-key {KEY} --watch"));
    assert_eq!(create(&server, KEY, &json!({ "title": "same" })), 201);
    assert_eq!(create(&server, KEY, &json!({ "title": "same" })), 201);
    let more = THINGS.replace("maxLength: 50 }", "maxLength: 50 }\n    - { name: rank, type: integer, default: 7 }");
    // As editors do: a new file that takes the name.
    folder.write("new", &more);
    fs::rename(folder.path("new"), folder.path("things.yaml")).unwrap();
    until(&server, "a new field", || get(&server, "/openapi.json").to_string().contains("rank__gte"));
    assert_eq!(create(&server, KEY, &json!({ "title": "more", "rank": 1 })), 201);
    assert_eq!(get(&server, "/api/v1/things?rank=1&count=exact")["meta"]["total"], 1);

    folder.write("things.yaml", &more.replace("maxLength: 50", "maxLenght: 50").replace("integer", "intger"));
    until(&server, "both problems", || logged(&server, "maxLenght") && logged(&server, "no kind `intger`"));
    until(&server, "the reason", || logged(&server, "what was served before stays"));
    assert_eq!(create(&server, KEY, &json!({ "title": "still", "rank": 1 })), 201);

    folder.write("things.yaml", &more.replace("maxLength: 50", "maxLength: 50, unique: true"));
    until(&server, "the command", || logged(&server, "mainstay migrate up -f things.yaml --expect-hash "));
    assert_eq!(create(&server, KEY, &json!({ "title": "same", "rank": 1 })), 201, "not unique");

    folder.write("things.yaml", &more.replace("name: rank", "name: level"));
    until(&server, "the last change", || get(&server, "/openapi.json").to_string().contains("level__gte"));
    assert_eq!(create(&server, KEY, &json!({ "title": "gone", "rank": 1 })), 400);
}

#[test]
fn a_folder_that_is_swapped_behind_a_link_is_seen() {
    let folder = Folder::new();
    for (name, text) in [("one", THINGS.to_owned()), ("two", THINGS.replace("title", "label"))] {
        fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/things.yaml"), &text);
    }
    fs::create_dir(folder.path("mounted")).unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(from, folder.path(to)).unwrap();
    link("../one", "mounted/..data");
    link("..data/things.yaml", "mounted/things.yaml");
    let server = Server::start(&folder, &format!("-f mounted --admin-key {KEY} --watch"));
    assert_eq!(create(&server, KEY, &json!({ "title": "one" })), 201);
    link("../two", "mounted/..next");
    fs::rename(folder.path("mounted/..next"), folder.path("mounted/..data")).unwrap();
    until(&server, "the other folder", || create(&server, KEY, &json!({ "label": "two" })) == 201);
}

#[test]
fn requests_go_on_without_a_failure_while_documents_change() {
    let folder = Folder::new();
    let server = Server::start(&folder, &format!("-f things.yaml --admin-key {KEY} --watch"));
    for round in 0..3 {
        let field = format!("maxLength: 50 }}\n    - {{ name: extra{round}, type: integer }}");
        folder.write("things.yaml", &THINGS.replace("maxLength: 50 }", &field));
        let name = format!("extra{round}__gte");
        until(&server, "served", || {
            assert_eq!(create(&server, KEY, &json!({ "title": "steady" })), 201);
            assert_eq!(get(&server, "/api/v1/things?limit=1")["success"], true);
            get(&server, "/openapi.json").to_string().contains(&name)
        });
    }
}

#[test]
fn standard_input_cannot_be_watched() {
    let folder = Folder::new();
    let (_, err) = folder.expect(64, "serve -f - --watch");
    assert!(err.contains("--watch needs files"), "{err}");
}
