//! Bounds of values as the schemas state them: how long, how many, from where to where, and none twice.
//!
//! Called by the structural check, so that a file that passes here is no larger than an API server allows. What breaks
//! a bound of size is reported and stays; a number out of its range cannot be used.

use std::collections::HashSet;

use serde_json::{Number, Value as Json};

use crate::problem::Problems;

/// Problems whose values stay.
pub const CODES: [&str; 4] = ["too_few", "too_many", "too_long", "duplicate"];

/// What is counted, by which keywords, and what is said.
pub struct Counted {
    least: &'static str,
    most: &'static str,
    code: &'static str,
    noun: &'static str,
}

/// Of a list.
pub const ELEMENTS: Counted = Counted { least: "minItems", most: "maxItems", code: "too_many", noun: "elements" };
/// Of a map.
pub const MEMBERS: Counted = Counted { least: "minProperties", most: "maxProperties", code: "too_many", noun: "keys" };
/// Of a text.
pub const CHARACTERS: Counted = Counted { least: "minLength", most: "maxLength", code: "too_long", noun: "characters" };

/// That there are neither too few nor too many.
pub fn size(count: usize, schema: &Json, of: &Counted, problems: &mut Problems) {
    let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
    let noun = of.noun;
    match (bound(of.least), bound(of.most)) {
        (_, Some(most)) if count as u64 > most => {
            problems.add(of.code, format!("there are {count} {noun}, at most {most} are allowed"));
        }
        (Some(least), _) if (count as u64) < least => {
            problems.add("too_few", format!("there are {count} {noun}, at least {least} are needed"));
        }
        _ => {}
    }
}

/// That no element of a set, and no key of a list of named objects, stands twice.
pub fn distinct(elements: &[Json], schema: &Json, problems: &mut Problems) {
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").and_then(Json::as_str) {
        Some("set") => Vec::new(),
        Some("map") => match schema.get("x-kubernetes-list-map-keys").and_then(Json::as_array) {
            Some(keys) => keys.iter().filter_map(Json::as_str).collect(),
            None => return,
        },
        _ => return,
    };
    let mut seen = HashSet::new();
    for (position, element) in elements.iter().enumerate() {
        let identity: Option<Vec<&Json>> = match keys.is_empty() {
            true => Some(vec![element]),
            false => keys.iter().map(|key| element.get(key)).collect(),
        };
        let Some(identity) = identity else { continue };
        let text = identity.iter().map(|part| part.to_string()).collect::<Vec<_>>().join(", ");
        if !seen.insert(text.clone()) {
            problems
                .within(position, |problems| problems.hint("duplicate", format!("{text} stands twice"), "remove one"));
        }
    }
}

/// That a number is whole and within its bounds: those that are stated, else those of its Rust type.
pub fn whole(number: &Number, schema: &Json, problems: &mut Problems) -> bool {
    let (least, most) = match schema.get("format").and_then(Json::as_str) {
        Some("int64") => (i64::MIN, i64::MAX),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (0, i64::from(u32::MAX)),
    };
    let bound = |key: &str, otherwise: i64| schema.get(key).and_then(Json::as_i64).unwrap_or(otherwise);
    let (least, most) = (bound("minimum", least), bound("maximum", most));
    let right = number.as_i64().is_some_and(|number| (least..=most).contains(&number));
    if !right {
        problems.add("out_of_range", format!("this is a whole number from {least} to {most}"));
    }
    right
}
