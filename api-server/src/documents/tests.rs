//! Lines, refusals by name, and the search of folders.

use serde_json::json;

use super::*;

fn read(text: &str) -> Result<Documents, Report> {
    load(&[PathBuf::from("-")], text.as_bytes())
}

fn findings(text: &str) -> Vec<String> {
    read(text).unwrap_err().findings.iter().map(ToString::to_string).collect()
}

fn problem(path: &str) -> Problem {
    Problem { path: path.to_owned(), code: "x", message: "wrong".to_owned(), hint: None }
}

const TWO: &str = "\
# a comment
kind: Collection
spec:
  fields:
    - name: title
      maxLength: 200
    - { name: slug,
        type: text }
---
kind: Collection
\"a/b~c\": 1
";

#[test]
fn every_value_has_its_line() {
    let documents = read(TWO).unwrap();
    let [first, second] = &documents.collections[..] else { panic!("two documents") };
    for (document, path, line) in [
        (first, "", 2),
        (first, "/kind", 2),
        (first, "/spec", 3),
        (first, "/spec/fields/0", 5),
        (first, "/spec/fields/0/name", 5),
        (first, "/spec/fields/0/maxLength", 6),
        (first, "/spec/fields/1", 7),
        (first, "/spec/fields/1/type", 8),
        // What is missing stands where its parent stands.
        (first, "/spec/fields/1/pattern", 7),
        (second, "/a~1b~0c", 11),
        (second, "/spec", 10),
    ] {
        assert_eq!(document.locate(problem(path)).line, Some(line), "{path}");
    }
    assert_eq!(first.locate(problem("/spec")).to_string(), "-:3: /spec: wrong");
}

#[test]
fn scalars_follow_the_core_schema() {
    let text = "kind: Collection\nv: [~, null, true, no, 12, -7, +3, 0x1F, 0o17, 017, 1.5, .5, 1e3, 1_0, 2024-01-31, '12', !!str 12, 1.2.3, on]";
    let documents = read(text).unwrap();
    let expected = json!([
        null,
        null,
        true,
        "no",
        12,
        -7,
        3,
        31,
        15,
        17,
        1.5,
        0.5,
        1000.0,
        "1_0",
        "2024-01-31",
        "12",
        "12",
        "1.2.3",
        "on"
    ]);
    assert_eq!(documents.collections[0].value["v"], expected);
}

#[test]
fn json_is_read_with_lines_too() {
    let text = "{\n\t\"kind\": \"Collection\",\n\t\"spec\": {\"a\": [1,2], \"b\": \"\\u00e9\\/\"}\n}\n";
    let documents = read(text).unwrap();
    assert_eq!(documents.collections[0].value["spec"], json!({ "a": [1, 2], "b": "é/" }));
    assert_eq!(documents.collections[0].locate(problem("/spec/a/1")).line, Some(3));
}

#[test]
fn aliases_are_expanded() {
    let documents = read("kind: Collection\na: &a { x: [1] }\nb: *a\n").unwrap();
    assert_eq!(documents.collections[0].value["b"], json!({ "x": [1] }));
    assert_eq!(documents.collections[0].locate(problem("/b/x/0")).line, Some(3));
}

#[test]
fn what_json_cannot_hold_is_refused_by_name() {
    for (text, expected) in [
        ("kind: Collection\nkind: Backend\n", "-:2: /kind: the key `kind` is given twice (first on line 1)"),
        ("kind: Collection\n1: a\n", "-:2: the key `1` is not text (write it in quotes)"),
        ("kind: Collection\n? [a]\n: b\n", "-:2: a key is a list or a map, not text"),
        ("kind: Collection\na: &a [*a]\n", "-:2: /a: an alias refers to a value that holds it"),
        (
            "kind: Collection\nb: &b {x: 1}\na:\n  <<: *b\n",
            "-:4: /a: merge keys (`<<`) are not part of YAML 1.2 (write the keys out)",
        ),
        ("kind: Collection\na: !secret b\n", "-:2: tag `!secret` is not supported (leave it out)"),
        (
            "kind: Collection\na: 99999999999999999999\n",
            "-:2: /a: the number 99999999999999999999 does not fit (write it in quotes)",
        ),
        ("kind: Collection\na: 1e999\n", "-:2: /a: the number 1e999 does not fit (write it in quotes)"),
        ("kind: Collection\na: .nan\n", "-:2: /a: `.nan` is not a number in JSON (write it in quotes)"),
        ("kind: Colection\n", "-:1: /kind: unknown kind `Colection` (did you mean `Collection`?)"),
        (
            "kind: Backend\n---\nkind: Backend\n",
            "-:3: there is a Backend already, in - (a server runs one Backend: give the folder of that one alone)",
        ),
    ] {
        assert_eq!(findings(text), [expected], "{text}");
    }
}

#[test]
fn mistakes_do_not_hide_each_other() {
    let found = findings("kind: Collection\na: .inf\na: 1\n---\nkind: Thing\n");
    assert_eq!(found.len(), 3, "{found:#?}");
    let report = read("kind: A\n---\nkind: B\n").unwrap_err().to_string();
    assert!(report.ends_with("2 problems in 1 file"), "{report}");
}

#[test]
fn hostile_texts_end_soon() {
    let bomb = (1..40).fold("kind: Collection\na0: &a0 [1,1,1,1,1,1,1,1,1]\n".to_owned(), |text, n| {
        let alias = format!("*a{}", n - 1);
        text + &format!("a{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(","))
    });
    assert!(findings(&bomb)[0].contains("more than 200000 values"));
    let deep = findings(&"[".repeat(100));
    assert!(deep[0].contains("more than 64 levels"), "{deep:?}");
    assert!(findings(&"[".repeat(100_000))[0].contains("not YAML: "));
    let latin = load(&[PathBuf::from("-")], &b"kind: Collection\nname: caf\xe9\n"[..]).unwrap_err();
    assert_eq!(latin.findings[0].to_string(), "-:2: not valid UTF-8 (save the file as UTF-8)");
    assert!(findings("a: [1\nb: 2\n")[0].starts_with("-:2: /a: not YAML: "), "{:?}", findings("a: [1\nb: 2\n"));
}

#[test]
fn folders_are_searched_in_order_and_hidden_entries_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, title: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("kind: Collection\ntitle: {title}\n")).unwrap();
    };
    write("b.yml", "b");
    write("a.yaml", "a");
    write("c/d.json", "d");
    write("notes.txt", "never");
    write("..data/a.yaml", "never");
    let twice = [folder.path().to_owned(), folder.path().join("a.yaml")];
    let documents = load(&twice, io::empty()).unwrap();
    let titles: Vec<_> = documents.collections.iter().map(|document| document.value["title"].clone()).collect();
    assert_eq!(titles, ["a", "b", "d"]);
}

#[test]
fn a_path_without_documents_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.yaml");
    let report = load(&[folder.path().to_owned()], io::empty()).unwrap_err().to_string();
    assert!(report.contains("there is no document here"), "{report}");
    let report = load(&[missing], io::empty()).unwrap_err().to_string();
    assert!(report.contains("none.yaml: No such file"), "{report}");
    assert!(findings("# only a comment\n")[0].contains("there is no document here"));
}

#[test]
fn json_is_read_as_json_is_written() {
    let text = "{\n\t\"kind\": \"Collection\",\n\t\"a\\/b\": \"\\ud83d\\ude00 \\u00e9\\t\\\\ud83d\",\n\t\"n\": [1.50, -7, true, null]\n}\n";
    let documents = read(text).unwrap();
    let value = &documents.collections[0].value;
    assert_eq!(value["a/b"], json!("😀 é\t\\ud83d"));
    assert_eq!(documents.collections[0].locate(problem("/n")).line, Some(4));
    assert_eq!(*value, serde_json::from_str::<Json>(text).unwrap());
}
