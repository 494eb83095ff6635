//! Access rules and checks of a document: trees that need every collection's fields.
//!
//! Called by the check alone, when all fields of all documents are known.

use serde_json::Value as Json;

use super::{Broken, Draft, fields};
use crate::collection::check::names::identifier;
use crate::filter::parse::{Place, Reader};
use crate::problem::Problems;
use crate::schema::{Access, Check, Rule, Schema};

/// Reads `spec.checks` and `spec.access` into the collection.
pub fn resolve(draft: &mut Draft, schema: &Schema, broken: &Broken) {
    let mut problems = Problems::at("/spec");
    let checks = problems.within("checks", |problems| checks(draft, schema, broken, problems));
    let access = problems.within("access", |problems| Access {
        read: rules(draft, "read", schema, broken, problems),
        create: rules(draft, "create", schema, broken, problems),
        update: rules(draft, "update", schema, broken, problems),
        delete: rules(draft, "delete", schema, broken, problems),
    });
    draft.collection.checks = checks;
    draft.collection.access = access;
    draft.problems.extend(problems.into_vec());
}

/// The elements of a list of the spec with their positions, those that the structural layer refused left out.
pub fn elements<'a>(spec: &'a Json, pointer: &str) -> impl Iterator<Item = (usize, &'a Json)> {
    let elements = spec.pointer(pointer).and_then(Json::as_array).into_iter().flatten().enumerate();
    elements.filter(|(_, element)| !element.is_null())
}

fn checks(draft: &Draft, schema: &Schema, broken: &Broken, problems: &mut Problems) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for (position, declared) in elements(&draft.spec, "/checks") {
        problems.within(position, |problems| {
            let message = declared.get("message").and_then(Json::as_str);
            if message.is_some_and(|message| message.trim().is_empty()) {
                problems.within("message", |p| p.add("required", "say what a caller is told when the check fails"));
            }
            let Some(that) = declared.get("that") else { return };
            let reader = Reader::new(schema, Place::Check, broken);
            let filter = problems.within("that", |problems| reader.read(that, &draft.collection, problems));
            let name = identifier(&draft.collection.table, &[], "check", &that.to_string());
            if checks.iter().any(|check| check.name == name) {
                problems.hint("duplicate", "this check stands twice", "remove one");
            } else if let (Some(that), Some(message)) = (filter, message) {
                checks.push(Check { name, that, message: message.to_owned() });
            }
        });
    }
    checks
}

fn rules(draft: &Draft, action: &str, schema: &Schema, broken: &Broken, problems: &mut Problems) -> Vec<Rule> {
    let mut rules = Vec::new();
    problems.within(action, |problems| {
        for (position, declared) in elements(&draft.spec, &format!("/access/{action}")) {
            problems.within(position, |problems| {
                let roles = declared.get("roles").and_then(Json::as_array);
                if roles.is_some_and(Vec::is_empty) {
                    let message = "a rule without a role grants nothing";
                    problems.within("roles", |p| p.hint("required", message, "name a role; `anyone` is every caller"));
                }
                let text = |role: &Json| role.as_str().unwrap_or_default().to_owned();
                let roles: Vec<String> = roles.into_iter().flatten().map(text).collect();
                let given: Vec<String> = roles.iter().filter(|role| !role.is_empty()).cloned().collect();
                problems.within("roles", |problems| fields::roles(&roles, problems));
                let condition = declared.get("where").filter(|tree| !tree.is_null()).map(|tree| {
                    let reader = Reader::new(schema, Place::Rule, broken);
                    problems.within("where", |problems| reader.read(tree, &draft.collection, problems))
                });
                match condition {
                    None => rules.push(Rule { roles: given, condition: None }),
                    // A rule whose condition is wrong must never grant every row.
                    Some(None) => {}
                    Some(condition) => rules.push(Rule { roles: given, condition }),
                }
            });
        }
    });
    rules
}
