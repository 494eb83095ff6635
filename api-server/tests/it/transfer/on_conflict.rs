//! Import by a unique key, on both databases: lines make records or change them, by the rules of an upsert.

use super::*;

const ID: &str = "00000000-0000-7000-8000-0000000000";

/// Accounts as lines: what of them the caller sees, in the order of their names.
fn accounts(server: &Server) -> String {
    export(server, "accounts/export?fields=name,version,moves,status,balance&sort=name")
}

fn as_anyone(server: &Server, path: &str, body: &'static str) -> (u16, Json) {
    let request = client().post(format!("{}/api/v1/{path}", server.url)).header("Content-Type", NDJSON);
    let response = request.body(body).send().unwrap();
    (response.status().as_u16(), response.json().unwrap())
}

#[test]
fn lines_make_records_or_change_them_in_their_order() {
    on_both(|server| {
        let first = format!(
            "{{\"id\":\"{ID}a1\",\"name\":\"ann\",\"balance\":\"5\",\"moves\":1}}\n{{\"name\":\"bob\"}}\n\
             {{\"name\":\"ann\",\"moves\":2}}\n\n{{\"name\":\"ann\",\"balance\":\"7.5\"}}"
        );
        let report = import(server, "accounts/import?on_conflict=name", NDJSON, first);
        assert_eq!(report, json!({ "imported": 4, "updated": 2, "failed": [], "last_line": 5 }));
        let expected = "{\"version\":3,\"name\":\"ann\",\"balance\":\"7.50\",\"moves\":2,\"status\":\"open\"}\n\
            {\"version\":1,\"name\":\"bob\",\"balance\":\"0.00\",\"moves\":null,\"status\":\"open\"}\n";
        assert_eq!(accounts(server), expected);
        // In CSV a column that is not there is left as it is, and an empty field is null.
        let csv = "name,moves\r\nann,\r\ncy,3\r\n";
        let report = import(server, "accounts/import?on_conflict=name", CSV, csv);
        assert_eq!(report, json!({ "imported": 2, "updated": 1, "failed": [], "last_line": 3 }));
        assert!(
            accounts(server)
                .contains("\"version\":4,\"name\":\"ann\",\"balance\":\"7.50\",\"moves\":null,\"status\":\"open\"")
        );
        // What an export wrote changes nothing but the versions.
        let before = export(server, "accounts/export?fields=id,name,balance,moves,status&sort=name");
        for (media, whole) in
            [(NDJSON, export(server, "accounts/export")), (CSV, export(server, "accounts/export?format=csv"))]
        {
            let report = import(server, "accounts/import?on_conflict=name", media, whole);
            assert_eq!((&report["imported"], &report["updated"]), (&json!(3), &json!(3)), "{report}");
            assert_eq!(export(server, "accounts/export?fields=id,name,balance,moves,status&sort=name"), before);
        }
        // Several fields without regard to case; more lines than a batch has.
        let owner = json!({ "id": format!("{ID}e1"), "name": "eve" });
        assert_eq!(server.admin.post("/api/v1/owners", &owner).status, 201);
        let line = |n: usize| format!("{{\"label\":\"Thing {}\",\"owner\":\"{ID}e1\",\"count\":{n}}}\n", n % 1500);
        let lines: String = (0..2200).map(line).collect();
        let path = "things/import?on_conflict=label,owner";
        let report = import(server, path, NDJSON, lines.to_lowercase());
        assert_eq!(report, json!({ "imported": 2200, "updated": 700, "failed": [], "last_line": 2200 }));
        let report = import(server, &format!("{path}&atomic=true"), NDJSON, lines);
        assert_eq!((&report["imported"], &report["updated"]), (&json!(2200), &json!(2200)));
        format!("{}{}", accounts(server), export(server, "things/export?fields=label,count,version&sort=label"))
    });
}

#[test]
fn a_refused_line_leaves_nothing_behind() {
    on_both(|server| {
        let start = format!(
            "{{\"id\":\"{ID}a1\",\"name\":\"ann\",\"balance\":\"1\"}}\n{{\"name\":\"shut\",\"status\":\"closed\"}}\n"
        );
        assert_eq!(import(server, "accounts/import", NDJSON, start.clone())["imported"], 2);
        let lines = format!(
            "{{\"moves\":1}}\n{{\"name\":null}}\n{{\"name\":\"x\",\"nope\":1}}\n\
             {{\"id\":\"{ID}a2\",\"name\":\"ann\"}}\n{{\"name\":\"ann\",\"status\":\"closed\"}}\n\
             {{\"id\":\"{ID}a1\",\"name\":\"bob\"}}\n{{\"name\":\"bob\",\"owner\":\"{ID}ff\"}}\n\
             {{\"id\":\"{ID}b1\",\"name\":\"bob\",\"status\":\"closed\",\"balance\":\"3\"}}\n\
             {{\"id\":\"{ID}b2\",\"name\":\"bob\",\"moves\":1}}\n{{\"name\":\"ann\",\"moves\":9}}\n"
        );
        let expected = [
            (1, "/name", "required"),
            (2, "/name", "required"),
            (3, "/nope", "unknown_field"),
            (4, "/id", "read_only"),
            (5, "", "check"),
            (6, "/id", "taken"),
            (7, "/owner", "not_found"),
            (8, "", "check"),
        ];
        let expected: Vec<_> = expected.map(|(line, path, code)| (line, path.to_owned(), code.to_owned())).into();
        let path = "accounts/import?on_conflict=name";
        let stopped = import(server, path, NDJSON, lines.clone());
        // Lines that are wrong by themselves end it before the database is asked.
        assert_eq!(told(&stopped), expected[..3]);
        assert_eq!(
            (&stopped["imported"], &stopped["updated"], &stopped["last_line"]),
            (&json!(0), &json!(0), &json!(0))
        );
        let good = "{\"name\":\"new\"}\n{\"name\":\"ann\",\"status\":\"closed\"}\n";
        let stopped = import(server, path, NDJSON, good);
        assert_eq!((told(&stopped), &stopped["imported"]), (vec![(2, String::new(), "check".to_owned())], &json!(0)));
        let dry = import(server, &format!("{path}&on_error=skip&dry_run=true"), NDJSON, lines.clone());
        let before = accounts(server);
        assert_eq!(before.lines().count(), 2, "neither a rehearsal nor a batch that was refused writes: {before}");
        let skipped = import(server, &format!("{path}&on_error=skip"), NDJSON, lines);
        assert_eq!(dry, skipped);
        assert_eq!(told(&skipped), expected);
        assert_eq!(
            (&skipped["imported"], &skipped["updated"], &skipped["last_line"]),
            (&json!(2), &json!(1), &json!(10))
        );
        format!("{stopped}{skipped}{}", accounts(server))
    });
}

#[test]
fn each_line_asks_for_what_it_does() {
    on_both(|server| {
        let start = "{\"name\":\"open\"}\n{\"name\":\"cold\",\"status\":\"frozen\"}\n{\"name\":\"shut\",\"status\":\"closed\"}\n";
        import(server, "accounts/import", NDJSON, start);
        // A record that may not be made leaves its name to the next line, which makes another with it.
        let lines = "{\"id\":\"00000000-0000-7000-8000-0000000000c1\",\"name\":\"new\",\"status\":\"frozen\"}\n\
            {\"id\":\"00000000-0000-7000-8000-0000000000c2\",\"name\":\"new\"}\n{\"name\":\"open\",\"moves\":1}\n\
            {\"name\":\"cold\",\"moves\":1}\n{\"name\":\"shut\",\"moves\":1}\n{\"name\":\"open\",\"status\":\"frozen\"}\n";
        let (status, body) = as_anyone(server, "accounts/import?on_conflict=name&on_error=skip", lines);
        let expected = [(1, "", "forbidden"), (4, "", "forbidden"), (5, "/name", "taken"), (6, "", "forbidden")];
        let expected: Vec<_> = expected.map(|(line, path, code)| (line, path.to_owned(), code.to_owned())).into();
        assert_eq!((status, told(&body["data"])), (200, expected), "{body}");
        assert_eq!((&body["data"]["imported"], &body["data"]["updated"]), (&json!(2), &json!(1)));
        // Who may neither create nor change is told before the body is read, and before the parameters are.
        assert_eq!(as_anyone(server, "owners/import?on_conflict=nope", "{}").0, 401);
        let refused = |query: &str| {
            let response = send(server, &format!("accounts/import?{query}"), NDJSON, "{\"name\":\"x\"}");
            let (status, body): (_, Json) = (response.status().as_u16(), response.json().unwrap());
            assert_eq!(status, 400, "{query}: {body}");
            body["details"].to_string()
        };
        let queries = [
            "on_conflict=",
            "on_conflict=nam",
            "on_conflict=balance",
            "on_conflict=number",
            "on_conflict=name&on_conflict=name",
        ];
        format!("{body}{}{}", queries.map(refused).concat(), accounts(server))
    });
}

#[test]
fn two_imports_at_once_over_the_same_keys_both_end() {
    on_both(|server| {
        let line = |n: usize| format!("{{\"name\":\"account {n:04}\",\"moves\":{n}}}\n");
        let (up, down): (String, String) = ((0..300).map(line).collect(), (0..300).rev().map(line).collect());
        let reports: Vec<Json> = std::thread::scope(|scope| {
            let one = |body: &String| import(server, "accounts/import?on_conflict=name", NDJSON, body.clone());
            let threads = [&up, &down, &up].map(|body| scope.spawn(move || one(body)));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let sum = |name: &str| reports.iter().map(|report| report[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("imported"), sum("updated")), (900, 600), "{reports:?}");
        let all = export(server, "accounts/export?fields=name,version,moves&sort=name");
        assert!(all.lines().all(|line| line.contains("\"version\":3")), "each line was carried out once");
        all
    });
}
