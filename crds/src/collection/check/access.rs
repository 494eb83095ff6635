//! Access rules and checks of a document: trees that need every collection's fields.
//!
//! Called by the check alone, when all fields of all documents are known.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Broken, Draft, roles};
use crate::collection::check::names::identifier;
use crate::filter::never::{never, of_people};
use crate::filter::parse::{Place, Reader};
use crate::filter::{Filter, Operand};
use crate::problem::{Problem, Problems};
use crate::schema::{Access, Check, Rule, Schema};
use crate::sql::ColumnType;

/// Reads `spec.checks` and `spec.access` into the collection.
pub fn resolve(draft: &mut Draft, schema: &Schema, broken: &Broken) {
    let mut problems = Problems::at("/spec");
    let mut claims = Vec::new();
    let checks = problems.within("checks", |problems| checks(draft, schema, broken, problems));
    let access = problems.within("access", |problems| Access {
        read: rules(draft, "read", (schema, broken), &mut claims, problems),
        create: rules(draft, "create", (schema, broken), &mut claims, problems),
        update: rules(draft, "update", (schema, broken), &mut claims, problems),
        delete: rules(draft, "delete", (schema, broken), &mut claims, problems),
    });
    draft.collection.checks = checks;
    draft.collection.access = access;
    draft.claims = claims;
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

fn rules(
    draft: &Draft,
    action: &str,
    (schema, broken): (&Schema, &Broken),
    claims: &mut Vec<Claim>,
    problems: &mut Problems,
) -> Vec<Rule> {
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
                problems.within("roles", |problems| roles::judge(&roles, problems));
                let condition = declared.get("where").filter(|tree| !tree.is_null()).map(|tree| {
                    let reader = Reader::new(schema, Place::Rule, broken);
                    problems.within("where", |problems| {
                        let condition = reader.read(tree, &draft.collection, problems)?;
                        refuse_empty(&condition, &given, draft, schema, problems);
                        claims.extend(claims_of(&condition, problems.path()));
                        Some(condition)
                    })
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

/// A claim that a rule compares with a field.
pub struct Claim {
    name: String,
    /// Of the rule.
    path: String,
    form: &'static str,
}

/// What a claim is in a token's JSON, so that it can be compared with a column.
fn form(column: ColumnType) -> &'static str {
    match column {
        ColumnType::Integer | ColumnType::Number => "a number",
        ColumnType::Boolean => "a boolean",
        _ => "text",
    }
}

fn claims_of(filter: &Filter, path: &str) -> Vec<Claim> {
    let mut found = Vec::new();
    filter.visit(&mut |operand| {
        if let Operand::AuthClaim { name, column } = operand {
            found.push(Claim { name: name.clone(), path: path.to_owned(), form: form(*column) });
        }
    });
    found
}

/// Refuses claims that are of one form in one rule and of another in the next: a token has one of them, and the other rule
/// never grants anything.
pub fn agree_on_claims(drafts: &mut [Draft]) {
    let mut first: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    for draft in drafts {
        let Draft { collection, claims, problems, .. } = draft;
        for Claim { name, path, form } in claims {
            let place = || (format!("{path} of {}", collection.name), *form);
            let (known, expected) = first.entry(name.clone()).or_insert_with(place);
            if form != expected {
                let message =
                    format!("`$auth.claims.{name}` is {form} here and {expected} in {known}: one of both never holds");
                let hint = Some("compare it with fields of one kind".to_owned());
                problems.extend([Problem { path: path.clone(), code: "never", message, hint }]);
            }
        }
    }
}

/// Refuses a rule that can hold for no record, or for no caller in its roles.
fn refuse_empty(condition: &Filter, roles: &[String], draft: &Draft, schema: &Schema, problems: &mut Problems) {
    if let Some(reason) = never(condition, &draft.collection, schema) {
        let hint = "change the tests that contradict each other, or remove the rule";
        problems.hint("never", format!("no record can pass this rule: {reason}"), hint);
    }
    let variable = if roles == ["machine"] { of_people(condition) } else { None };
    if let Some(variable) = variable {
        let message = format!("a machine has no `{variable}`, and so the rule grants nothing to the role `machine`");
        problems.hint("never", message, "name a role of people, or compare with `$auth.roles`");
    }
}
