//! `search` of a document: the fields whose words are searched, and their language.
//!
//! Called by the check alone, when the fields are known. What not every reader may read is not searched: what is found
//! would tell its words.

use serde_json::Value as Json;

use super::{Draft, structure};
use crate::field::Kind;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::schema::ddl::search::COLUMN;
use crate::schema::{Field, Search};
use crate::words::language::LANGUAGES;
use crate::words::{Language, RELEVANCE};

/// The most fields.
const MAX_FIELDS: usize = 16;

/// Reads `spec.search` into the collection.
pub fn resolve(draft: &mut Draft) {
    let Some(declared) = draft.spec.get("search").filter(|declared| declared.is_object()) else { return };
    let mut problems = Problems::at("/spec/search");
    if draft.collection.position(RELEVANCE).is_some() {
        let message = format!("a field is named `{RELEVANCE}`, by which the records of a search are sorted");
        problems.hint("reserved", message, "give the field another name");
    }
    let fields = problems.within("text", |problems| fields(draft, declared, problems));
    let language = problems.within("language", |problems| language(declared, problems));
    if let (Some(fields), Some(language), true) = (fields, language, problems.is_empty()) {
        draft.collection.search = Some(Search { column: COLUMN.to_owned(), fields, language });
    }
    draft.problems.extend(problems.into_vec());
}

/// The fields in the order in which they are named; `None` when one of them cannot be searched.
fn fields(draft: &Draft, declared: &Json, problems: &mut Problems) -> Option<Vec<usize>> {
    let names = declared.get("text")?.as_array()?;
    if names.is_empty() {
        problems.add("required", "name at least one field");
    }
    if names.len() > MAX_FIELDS {
        problems.add("too_many", format!("a search has at most {MAX_FIELDS} fields, and these are {}", names.len()));
    }
    let mut fields: Vec<usize> = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let Some(name) = name.as_str() else { continue };
        problems.within(place, |problems| {
            let Some(position) = draft.collection.position(name) else {
                if !draft.broken.contains(name) {
                    let known = || draft.collection.fields.iter().filter(|field| is_text(field));
                    let known = || known().map(|field| field.name.as_str());
                    let hint = did_you_mean(name, known().chain(draft.broken.iter().map(String::as_str)));
                    let hint = hint.unwrap_or_else(|| format!("the fields of text are {}", structure::list(known())));
                    problems.hint("unknown_field", format!("there is no field `{name}`"), hint);
                }
                return;
            };
            let field = &draft.collection.fields[position];
            if fields.contains(&position) {
                problems.hint("duplicate", format!("`{name}` is named twice"), "remove one");
            } else if !is_text(field) {
                let kind = field.kind.name();
                problems.add(
                    "not_allowed",
                    format!("`{name}` is of the kind `{kind}`: text and lists of text are searched"),
                );
            } else if field.write_only || field.read_roles.is_some() {
                let which = if field.write_only { "`writeOnly`" } else { "`readRoles`" };
                let message =
                    format!("`{name}` has {which}: a search would tell its words to those who may not read it");
                problems.hint("not_allowed", message, format!("leave it out, or take {which} away"));
            } else {
                fields.push(position);
            }
        });
    }
    (fields.len() == names.len() && !fields.is_empty()).then_some(fields)
}

fn is_text(field: &Field) -> bool {
    let item = if let Kind::List(list) = &field.kind { &*list.items } else { &field.kind };
    matches!(item, Kind::Text(_))
}

fn language(declared: &Json, problems: &mut Problems) -> Option<Language> {
    let Some(name) = declared.get("language").and_then(Json::as_str) else { return Some(Language::default()) };
    let found = Language::from_name(name);
    if found.is_none() {
        let names = LANGUAGES.map(|language| language.name);
        let hint = did_you_mean(name, names).unwrap_or_else(|| format!("write one of {}", structure::list(names)));
        problems.hint("not_allowed", format!("`{name}` is no language that is known here"), hint);
    }
    found
}
