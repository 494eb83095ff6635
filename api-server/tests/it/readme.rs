//! The plans that the README shows, beside what the program prints for the document that the README begins with.

use std::fs;
use std::process::Command;

use mainstay_e2e::server::{binary, repository};

fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).filter_map(|block| block.split("```").next()).collect()
}

#[test]
fn the_readme_shows_plans_as_they_are_printed() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let document = blocks(&readme, "yaml")[0].to_owned();
    let section = readme.split("\n## ").find(|section| section.starts_with("Change it")).unwrap();
    let line = |name: &str| document.lines().find(|line| line.contains(&format!("name: {name},"))).unwrap();
    let field = |name: &str| {
        let text = section.split('`').find(|text| text.starts_with(&format!("{{ name: {name},"))).unwrap();
        format!("    - {text}")
    };
    let creator = line("creator");
    let changed = [
        document.replace(creator, &format!("{creator}\n{}", field("closes_at"))),
        document.replace(line("title"), &field("question")),
        document.replace(&format!("{creator}\n"), ""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let migrate = |command: &str| {
        let mut program = Command::new(binary());
        program.args(["migrate", command, "-f", "markets.yaml"]).current_dir(folder.path());
        let output = program.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let file = folder.path().join("markets.yaml");
    fs::write(&file, &document).unwrap();
    migrate("up");
    let shown = blocks(section, "console");
    assert_eq!(shown.len(), changed.len());
    for (shown, changed) in shown.into_iter().zip(changed) {
        assert_ne!(changed, document);
        fs::write(&file, changed).unwrap();
        let printed = migrate("plan");
        let lines: Vec<&str> = shown.lines().skip(1).collect();
        assert_eq!(lines.len(), printed.lines().count(), "{printed}");
        for (shown, printed) in lines.into_iter().zip(printed.lines()) {
            match shown.strip_suffix('…') {
                Some(beginning) => assert!(printed.starts_with(beginning), "{printed}"),
                None => assert_eq!(shown, printed),
            }
        }
    }
}
