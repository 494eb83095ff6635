//! From documents to a [`Schema`], or every problem of every document at once.
//!
//! Called by the command line, the operator and the applied schema. Two layers: `structure` judges the raw JSON
//! against the types of [`crate::collection`] and leaves out what is wrong; the rest judges what the remainder
//! means. A thing that was left out still counts as known, so one mistake is one problem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde_json::{Value as Json, json};

use crate::collection::CollectionSpec;
use crate::name::{Name, did_you_mean};
use crate::problem::{Problem, Problems};
use crate::schema::{Collection, Schema};

mod access;
mod builtin;
mod fields;
mod keys;
mod names;
mod roles;
mod search;
pub(crate) mod structure;

pub use names::RESERVED;
pub use roles::judge as roles;
pub use structure::API_VERSION;

/// Where later versions bring something.
const LATER: [&str; 2] = ["/spec/cache", "/spec/audit"];

/// Mistakes that grant nothing: what was applied before they were looked for is read as it is.
const HARMLESS: [&str; 2] = ["never", "unknown_role"];

/// A Collection document as JSON: `apiVersion`, `kind`, `metadata`, `spec`.
#[derive(Clone, Debug)]
pub struct Document(pub Json);

impl Document {
    /// The document that declares `spec` under `name`.
    pub fn new(name: &str, spec: &CollectionSpec) -> Result<Document, serde_json::Error> {
        let spec = serde_json::to_value(spec)?;
        let metadata = json!({ "name": name });
        Ok(Document(json!({ "apiVersion": API_VERSION, "kind": "Collection", "metadata": metadata, "spec": spec })))
    }

    /// `kind`, when it is text.
    pub fn kind(&self) -> Option<&str> {
        self.0.get("kind")?.as_str()
    }

    /// The name of the declared collection: `spec.name`, else `metadata.name`.
    pub fn name(&self) -> Option<&str> {
        let text = |pointer| self.0.pointer(pointer).and_then(Json::as_str);
        text("/spec/name").or_else(|| text("/metadata/name"))
    }
}

/// The schema that the documents declare together with the built-in `users`, or every problem of every document: one list a document, in
/// their order (empty where a document is right). Paths begin at the document's root: `/spec/fields/0/maxLength`.
pub fn check(documents: &[Document]) -> Result<Schema, Vec<Vec<Problem>>> {
    check_all(documents, Builtin::Added)
}

/// The schema of documents that were checked before and stored: `users` stands among them with all its fields
/// (as in its [`Collection::spec`]), so that a later version's built-in fields do not appear in an applied schema.
pub fn check_stored(documents: &[Document]) -> Result<Schema, Vec<Vec<Problem>>> {
    check_all(documents, Builtin::Declared)
}

/// Where the built-in fields of `users` come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Builtin {
    /// From [`builtin`]; a document adds to them.
    Added,
    /// From the document.
    Declared,
}

/// A document under examination.
struct Draft {
    /// Its position among the documents; `None` for the built-in `users`.
    document: Option<usize>,
    /// Whether others can see it: it has a name of its own.
    visible: bool,
    /// Its spec, less what is structurally wrong.
    spec: Json,
    /// What it declares, as far as it is right.
    collection: Collection,
    /// Position in `spec.fields` of each declared field of the collection; `None` for built-in ones.
    origins: Vec<Option<usize>>,
    /// Names of fields that are declared but cannot be used.
    broken: BTreeSet<String>,
    /// Names of fields with a structural mistake: what they lack may have been meant.
    tainted: BTreeSet<String>,
    /// What its rules ask of tokens.
    claims: Vec<access::Claim>,
    problems: Problems,
}

/// Names of the unusable fields of each collection.
type Broken = BTreeMap<String, BTreeSet<String>>;

fn check_all(documents: &[Document], builtin: Builtin) -> Result<Schema, Vec<Vec<Problem>>> {
    let mut found = Vec::with_capacity(documents.len());
    let mut drafts = Vec::with_capacity(documents.len() + 1);
    for (position, Document(document)) in documents.iter().enumerate() {
        let mut structural = Problems::new();
        let kept = structure::prune(document, &DOCUMENT, &LATER, &mut structural).unwrap_or(Json::Null);
        let structural = structural.into_vec();
        drafts.extend(draft(Some(position), &kept, &structural, builtin));
        found.push(structural);
    }
    if builtin == Builtin::Added && !drafts.iter().any(|draft| draft.collection.name.as_str() == "users") {
        let users = json!({ "metadata": { "name": "users" } });
        drafts.extend(draft(None, &users, &[], builtin));
    }
    names::distinct(&mut drafts);
    references(&mut drafts, documents);
    let schema = assemble(&drafts);
    let mut broken = Broken::new();
    for draft in &drafts {
        broken.entry(draft.collection.name.to_string()).or_default().extend(draft.broken.iter().cloned());
    }
    for draft in &mut drafts {
        keys::resolve(draft, &schema, &broken);
        access::resolve(draft, &schema, &broken);
        search::resolve(draft);
    }
    access::agree_on_claims(&mut drafts);
    let schema = assemble(&drafts);
    for Draft { document, problems, .. } in drafts {
        if let Some(problems_of) = document.and_then(|position| found.get_mut(position)) {
            let mistakes = mistakes(problems_of);
            let excused = |problem: &Problem| builtin == Builtin::Declared && HARMLESS.contains(&problem.code);
            let meaning: Vec<Problem> = problems
                .into_vec()
                .into_iter()
                .filter(|problem| !excused(problem) && !follows(problem, &mistakes))
                .collect();
            problems_of.retain(|problem| !said_better(problem, &meaning));
            problems_of.extend(meaning);
        }
    }
    if found.iter().all(Vec::is_empty) { Ok(schema) } else { Err(found) }
}

/// The schema of a document, from the types of [`crate::collection`].
static DOCUMENT: LazyLock<Json> =
    LazyLock::new(|| structure::document_schema("Collection", &schemars::schema_for!(CollectionSpec)));

/// A document's own part of the checks: its name and its fields.
fn draft(position: Option<usize>, document: &Json, structural: &[Problem], builtin: Builtin) -> Option<Draft> {
    let mut problems = Problems::new();
    let name = names::collection(document, &mut problems);
    let spec = document.get("spec").cloned().unwrap_or_else(|| json!({}));
    let visible = name.is_some();
    // Without a usable name the rest is still judged.
    let name = name.or_else(|| Name::collection("unnamed").ok())?;
    let mut draft = Draft {
        document: position,
        visible,
        collection: names::empty(name, &spec, &mut problems),
        spec,
        origins: Vec::new(),
        broken: BTreeSet::new(),
        tainted: BTreeSet::new(),
        claims: Vec::new(),
        problems,
    };
    let users = visible && builtin == Builtin::Added && draft.collection.name.as_str() == "users";
    if users {
        fields::add_builtin(&mut draft);
    }
    fields::read(&mut draft, structural);
    match serde_json::from_value(draft.spec.clone()) {
        Ok(spec) => draft.collection.spec = spec,
        // What the first layer left out may be missed here; otherwise both layers would disagree.
        Err(error) if structural.is_empty() => {
            draft.problems.within("spec", |problems| problems.add("wrong_type", error.to_string()));
        }
        Err(_) => {}
    }
    if users {
        draft.collection.spec.fields.splice(0..0, builtin::users());
    }
    Some(draft)
}

/// The collections that others can see, in order of their names.
fn assemble(drafts: &[Draft]) -> Schema {
    let visible = drafts.iter().filter(|draft| draft.visible);
    let mut collections: Vec<Arc<Collection>> = visible.map(|draft| Arc::new(draft.collection.clone())).collect();
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    Schema { collections }
}

/// Every reference points to a declared collection.
fn references(drafts: &mut [Draft], documents: &[Document]) {
    let mut known: BTreeSet<String> = drafts.iter().map(|draft| draft.collection.name.to_string()).collect();
    // A name that is refused is still what others mean, as it is and as it should be.
    let declared = || documents.iter().filter_map(Document::name);
    known.extend(declared().map(str::to_owned));
    known.extend(declared().filter_map(names::corrected).map(|name| name.to_string()));
    for draft in drafts {
        let Draft { collection, origins, problems, .. } = draft;
        for ((_, field), origin) in collection.declared().zip(origins) {
            let (Some(target), Some(origin)) = (field.target(), origin) else { continue };
            if known.contains(target.as_str()) {
                continue;
            }
            let hint = did_you_mean(target.as_str(), known.iter().map(String::as_str))
                .unwrap_or_else(|| format!("declare it, or point to one of {}", structure::list(&known)));
            let path = format!("/spec/fields/{origin}/collection");
            let message = format!("there is no collection `{target}` among these documents");
            problems.extend([Problem { path, code: "unknown_collection", message, hint: Some(hint) }]);
        }
    }
}

/// Paths of the structural problems whose values were left out.
fn mistakes(structural: &[Problem]) -> Vec<String> {
    let left_out = |problem: &&Problem| problem.code != "required" && !structure::bounds::CODES.contains(&problem.code);
    structural.iter().filter(left_out).map(|problem| problem.path.clone()).collect()
}

/// Whether a broken bound is also a problem of what the document means, which knows the next step.
fn said_better(problem: &Problem, meaning: &[Problem]) -> bool {
    let said = |other: &Problem| match other.path.strip_prefix(&problem.path) {
        Some("") => true,
        Some(rest) => rest.starts_with('/') && other.code == problem.code,
        None => false,
    };
    structure::bounds::CODES.contains(&problem.code) && meaning.iter().any(said)
}

/// Whether a problem only follows from a structural one: it stands at, under, or (within one field or rule) above it.
fn follows(problem: &Problem, mistakes: &[String]) -> bool {
    let under = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let path = problem.path.as_str();
    // "an enum needs `values`" stands at the field, also when its `values` were left out.
    let deep = path.matches('/').count() >= 4 || problem.code == "missing_option";
    mistakes.iter().any(|mistake| path == mistake || under(path, mistake) || deep && under(mistake, path))
}

#[cfg(test)]
mod tests;
