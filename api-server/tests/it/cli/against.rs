//! `check --against`: a file or a server, what breaks its clients and where, and what is no document.

use std::fs;

use serde_json::{Value as Json, json};

use super::{Folder, Server, THINGS};

#[test]
fn what_breaks_clients_is_told_with_its_place_and_exits_3() {
    let folder = Folder::new();
    folder.expect(0, "openapi -f things.yaml -o old.json");
    folder.expect(0, "openapi -f things.yaml --format yaml -o old.yaml");
    for old in ["old.json", "old.yaml"] {
        let (out, err) = folder.expect(0, &format!("check -f things.yaml --against {old}"));
        assert_eq!(out, format!("1 collection: no problem\nnothing breaks the clients of {old}\n"));
        assert_eq!(err, "");
    }
    folder.write(
        "things.yaml",
        &THINGS.replace("maxLength: 50 }", "maxLength: 40 }\n    - { name: rank, type: integer, required: true }"),
    );
    let (out, err) = folder.expect(3, "check -f things.yaml --against old.json");
    assert_eq!(out, "1 collection: no problem\n");
    let hint = "keep the rule as it was until clients keep to the new one";
    assert!(
        err.contains(&format!(
            "things.yaml:6: /spec/fields/0: `title` takes at most 40 characters, it took 50 characters ({hint})\n"
        )),
        "{err}"
    );
    assert!(err.contains("things.yaml:7: /spec/fields/1: `rank` has to be given now ("), "{err}");
    assert!(err.ends_with("2 changes break the clients of old.json\n"), "{err}");
    let (out, err) = folder.expect(3, "check -f things.yaml --against old.json --output json");
    let answer: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["ok"], &answer["breaking"][0]["code"], err.as_str()), (&json!(false), &json!("narrower"), ""));
    assert_eq!(answer["breaking"][0]["line"], 6);
    // Wrong documents come first: there is nothing to compare.
    folder.write("things.yaml", "kind: Collectoin\n");
    folder.expect(65, "check -f things.yaml --against none.json");
}

#[test]
fn a_server_is_asked_by_its_address() {
    let folder = Folder::new();
    let server = Server::start(&folder, "-f things.yaml --admin-key 12345678901234567890");
    folder.write("things.yaml", &THINGS.replace("title", "label"));
    for url in [server.api.clone(), format!("{}/", server.api), format!("{}/openapi.json", server.api)] {
        let (_, err) = folder.expect(3, &format!("check -f things.yaml --against {url}"));
        assert!(err.contains("things.yaml:5: /spec/fields: `title` is gone"), "{err}");
    }
    let (_, err) = folder.expect(69, &format!("check -f things.yaml --against {}/nothing", server.api));
    assert!(err.contains("404 Not Found: there is no such path"), "{err}");
    let (_, err) = folder.expect(65, &format!("check -f things.yaml --against {}/health", server.api));
    assert!(err.contains("it is no OpenAPI document; give a server's /openapi.json"), "{err}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, err) = folder.expect(69, &format!("check -f things.yaml --against http://{nobody}"));
    assert!(err.contains("cannot reach http://") && err.contains("check the address"), "{err}");
}

#[test]
fn what_is_no_document_of_ours_is_told() {
    let folder = Folder::new();
    for (text, says) in [
        (
            "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Pets\"},\"paths\":{}}",
            "not the document of a Mainstay backend",
        ),
        ("{\"swagger\":\"2.0\"}", "no OpenAPI document"),
        ("{\"a\":1}\n---\n{}", "neither JSON nor YAML"),
        ("{\"openapi\":", "neither JSON nor YAML"),
    ] {
        folder.write("other.json", text);
        let (_, err) = folder.expect(65, "check -f things.yaml --against other.json");
        assert!(err.contains(says), "{text}: {err}");
    }
    fs::write(folder.path("other.json"), b"\xff\xfe").unwrap();
    folder.expect(65, "check -f things.yaml --against other.json");
    folder.expect(69, "check -f things.yaml --against none.json");
    folder.expect(64, "check -f things.yaml --against http://");
}
