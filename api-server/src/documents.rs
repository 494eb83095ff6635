//! The documents given by `-f`: found, read and sorted by kind, each value with the line where it stands.
//!
//! Called by the commands. Takes files, folders and `-`, and goes on after a mistake so that all of them are
//! reported at once. What a Collection means is not judged here: that is [`mainstay_crds::collection::check()`].

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_crds::name::did_you_mean;
use mainstay_crds::schema::Schema;
use mainstay_crds::{Problem, collection};
use serde_json::Value as Json;

use crate::config;

mod json;
mod report;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod yaml;

pub(crate) use report::count;
pub use report::{Finding, Report};

/// A larger file is refused. The largest sensible backend is a few hundred KiB.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Folders deeper than this are a loop of links.
const MAX_FOLDERS: usize = 32;
/// The kinds that a local server understands.
const KINDS: [&str; 2] = ["Collection", "Backend"];

/// One document with the place it came from.
#[derive(Clone, Debug)]
pub struct Document {
    /// `apiVersion`, `kind`, `metadata`, `spec`.
    pub value: Json,
    /// The file's name as the user would write it; `-` is standard input.
    file: Arc<str>,
    /// JSON Pointer → line, from 1.
    lines: yaml::Lines,
}

impl Document {
    /// The problem with the file and the line of its path, or of the nearest parent that is there.
    pub fn locate(&self, problem: Problem) -> Finding {
        let mut path = problem.path.as_str();
        let line = loop {
            match (self.lines.get(path), path.rfind('/')) {
                (Some(line), _) => break Some(*line),
                (None, Some(end)) => path = &path[..end],
                (None, None) => break None,
            }
        };
        Finding { file: self.file.to_string(), line, problem }
    }
}

/// Everything that `-f` gave.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// In the order of the paths, then of the files' names.
    pub collections: Vec<Document>,
    /// At most one.
    pub backend: Option<Document>,
}

impl Documents {
    /// What the documents declare, or every problem of every one of them.
    pub fn schema(&self) -> Result<Schema, Report> {
        let mut report = Report::default();
        if let Some(document) = &self.backend {
            report.findings.extend(config::check_document(document));
        }
        let documents: Vec<_> =
            self.collections.iter().map(|document| collection::Document(document.value.clone())).collect();
        match collection::check(&documents) {
            Ok(schema) if report.findings.is_empty() => Ok(schema),
            Ok(_) => Err(report),
            Err(lists) => {
                let pairs = self.collections.iter().zip(lists);
                let located = pairs.flat_map(|(document, problems)| problems.into_iter().map(|p| document.locate(p)));
                report.findings.extend(located);
                Err(report)
            }
        }
    }
}

/// Reads every document below `paths`, or says everything that is wrong with them. `-` reads `stdin`.
pub fn load(paths: &[PathBuf], mut stdin: impl Read) -> Result<Documents, Report> {
    let mut loading = Loading::default();
    for path in paths {
        let before = loading.read;
        match path.as_os_str() == "-" {
            true => loading.bytes("-", &mut stdin),
            false => loading.path(path, 0, true),
        }
        if loading.read == before && loading.report.findings.is_empty() {
            let hint = "a folder is searched for *.yaml, *.yml and *.json";
            loading.report.file(&path.display().to_string(), "empty", "there is no document here", Some(hint));
        }
    }
    match loading.report.findings.is_empty() {
        true => Ok(loading.documents),
        false => Err(loading.report),
    }
}

/// The one value of a text that is no document, as YAML. The error names the rule and the line, never the content.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let (mut found, wrong) = yaml::parse(text);
    if let Some((line, problem)) = wrong.first() {
        return Err(format!("line {line}: not usable as YAML ({})", problem.code));
    }
    match (found.pop(), found.is_empty()) {
        (Some((value, _)), true) => Ok(value),
        _ => Err("it holds more or less than one YAML document".to_owned()),
    }
}

/// Whether a file of a folder is one of documents.
fn is_document(path: &Path) -> bool {
    matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json"))
}

#[derive(Default)]
struct Loading {
    documents: Documents,
    report: Report,
    /// Files by their real path: one that is given twice is read once.
    seen: BTreeSet<PathBuf>,
    /// Documents, files seen before included.
    read: usize,
}

impl Loading {
    /// A file, or a folder with everything in it. Only files that were `named` may have any extension.
    fn path(&mut self, path: &Path, depth: usize, named: bool) {
        let name = path.display().to_string();
        let found = fs::metadata(path).and_then(|metadata| Ok((metadata, fs::canonicalize(path)?)));
        let (metadata, real) = match found {
            Ok(found) => found,
            Err(error) => return self.report.file(&name, "unreadable", &error.to_string(), None),
        };
        if metadata.is_dir() {
            self.folder(path, depth);
        } else if named || is_document(path) {
            if !self.seen.insert(real) {
                self.read += 1;
                return;
            }
            match fs::File::open(path) {
                Ok(file) => self.bytes(&name, file),
                Err(error) => self.report.file(&name, "unreadable", &error.to_string(), None),
            }
        }
    }

    /// Hidden entries are left out: a mounted ConfigMap keeps its real files in `..data` and links to them.
    fn folder(&mut self, path: &Path, depth: usize) {
        let name = path.display().to_string();
        if depth > MAX_FOLDERS {
            let message = format!("more than {MAX_FOLDERS} folders deep");
            return self.report.file(&name, "too_deep", &message, Some("look for a link to a parent folder"));
        }
        let entries = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.report.file(&name, "unreadable", &error.to_string(), None),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if !entry.file_name().to_string_lossy().starts_with('.') {
                self.path(&entry.path(), depth + 1, false);
            }
        }
    }

    fn bytes(&mut self, name: &str, reader: impl Read) {
        let mut bytes = Vec::new();
        if let Err(error) = reader.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            return self.report.file(name, "unreadable", &error.to_string(), None);
        }
        if bytes.len() as u64 > MAX_BYTES {
            return self.report.file(name, "too_large", "a file of documents has at most 8 MiB", None);
        }
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                let problem = Problem {
                    path: String::new(),
                    code: "not_utf8",
                    message: "not valid UTF-8".to_owned(),
                    hint: Some("save the file as UTF-8".to_owned()),
                };
                return self.report.findings.push(Finding { file: name.to_owned(), line: Some(line), problem });
            }
        };
        let file: Arc<str> = Arc::from(name);
        let (parsed, problems) = yaml::parse(&json::as_yaml(text));
        let located =
            problems.into_iter().map(|(line, problem)| Finding { file: name.to_owned(), line: Some(line), problem });
        self.report.findings.extend(located);
        for (value, lines) in parsed {
            self.read += 1;
            self.sort(Document { value, file: Arc::clone(&file), lines });
        }
    }

    fn sort(&mut self, document: Document) {
        let problem = match document.value.get("kind") {
            Some(Json::String(kind)) if kind == "Collection" => return self.documents.collections.push(document),
            Some(Json::String(kind)) if kind == "Backend" => match &self.documents.backend {
                None => return self.documents.backend = Some(document),
                Some(first) => Problem {
                    path: String::new(),
                    code: "second_backend",
                    message: format!("there is a Backend already, in {}", first.file),
                    hint: Some("a server runs one Backend: give the folder of that one alone".to_owned()),
                },
            },
            Some(Json::String(kind)) => Problem {
                path: "/kind".to_owned(),
                code: "unknown_kind",
                message: format!("unknown kind `{kind}`"),
                hint: did_you_mean(kind, KINDS).or(Some("a document is a Collection or a Backend".to_owned())),
            },
            _ => Problem {
                path: String::new(),
                code: "required",
                message: "`kind` is missing".to_owned(),
                hint: Some("a document begins with `apiVersion: mainstay.dev/v1alpha1`, `kind: Collection`".to_owned()),
            },
        };
        self.report.findings.push(document.locate(problem));
    }
}
