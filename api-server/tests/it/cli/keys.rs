//! `mainstay keys`, on a database file and at a server.

use super::*;

/// The admin's.
const KEY: &str = "an-admin-key-of-twenty-one";

/// Runs with a key for servers and expects an exit status; answers what was printed.
fn expect(folder: &Folder, status: i32, line: &str, key: &str) -> (String, String) {
    let (found, out, err) = told(folder.command(line).env("MAINSTAY_ADMIN_KEY", key).output().unwrap());
    assert_eq!(found, status, "mainstay {line}\n{out}\n{err}");
    (out, err)
}

fn ids(folder: &Folder, place: &str) -> Vec<Json> {
    let (out, _) = expect(folder, 0, &format!("keys list --output json {place}"), KEY);
    serde_json::from_str::<Json>(&out).unwrap().as_array().unwrap().clone()
}

#[test]
fn keys_are_managed_in_the_database_and_at_a_server_alike() {
    let folder = Folder::new();
    let serve = format!("-f things.yaml --database-url sqlite:a.db --log-format json --admin-key {KEY}");
    let (_, err) = folder.expect(69, "keys list --database-url sqlite:a.db");
    assert!(err.contains("there is no database"), "{err}");
    let mut server = Server::start(&folder, &serve);
    // Whoever holds the file is named.
    let (_, err) = folder.expect(69, "keys list --database-url sqlite:a.db");
    assert!(err.contains(&server.api) && err.contains("--server"), "{err}");
    round(&folder, &format!("--server {}", server.api), 0);
    let (_, err) = expect(&folder, 64, &format!("keys list --server {}", server.api), "wrong-key-of-twenty-one");
    assert!(err.contains("401"), "{err}");
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    round(&folder, "--database-url sqlite:a.db", 3);
    assert_eq!(ids(&folder, "--database-url sqlite:a.db").len(), 6);

    // What the command has made opens a server, and what it has revoked does not.
    let (out, _) = folder.expect(0, "keys create boss --role admin --database-url sqlite:a.db");
    let (key, server) = (out.trim(), Server::start(&folder, &serve));
    expect(&folder, 0, &format!("keys list --server {}", server.api), key);
}

/// Makes two keys and rotates one.
fn round(folder: &Folder, place: &str, before: usize) {
    let (out, err) = expect(folder, 0, &format!("keys create app --role editr --expires-after 90d {place}"), KEY);
    let key = out.trim();
    assert!(key.starts_with("ms_") && key.len() == 36, "the key alone: {out}");
    assert!(err.contains("warning: no rule names the role `editr`") && err.contains("until 20"), "{err}");
    assert!(!err.contains(key), "{err}");
    let (out, _) = expect(folder, 0, &format!("keys create other --output json {place}"), KEY);
    assert!(serde_json::from_str::<Json>(&out).unwrap()["key"].is_string());
    let all = ids(folder, place);
    assert_eq!((all.len(), &all[0]["name"], &all[1]["name"]), (before + 2, &json!("other"), &json!("app")));
    let app = all[1]["id"].as_str().unwrap();
    let (out, err) = expect(folder, 0, &format!("keys rotate {app} --overlap 1h {place}"), KEY);
    assert!(out.starts_with("ms_") && out.trim() != key && err.contains("shown this once"), "{out}{err}");
    let (_, err) = expect(folder, 65, &format!("keys rotate {app} {place}"), KEY);
    assert!(err.contains("rotated already"), "{err}");
    let (out, _) = expect(folder, 0, &format!("keys revoke {app} {place}"), KEY);
    assert!(out.contains("is revoked"), "{out}");
    let (out, _) = expect(folder, 0, &format!("keys list {place}"), KEY);
    assert!(out.starts_with("ID") && out.contains("revoked") && out.lines().count() == before + 4, "{out}");
    let nobody = "0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071";
    let (_, err) = expect(folder, 65, &format!("keys revoke {nobody} {place}"), KEY);
    assert!(err.contains("there is no key"), "{err}");
    let (_, err) = expect(folder, 65, &format!("keys create @x --expires-after 0d {place}"), KEY);
    assert!(err.contains("/name: ") && err.contains("/expires_after: "), "all that is wrong: {err}");
    expect(folder, 2, &format!("keys revoke ../things {place}"), KEY);
    expect(folder, 64, &format!("keys create a --rate-limit {{ {place}"), KEY);
}
