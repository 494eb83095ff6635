//! The fields of a document: names, kinds, options, defaults, and what contradicts itself.
//!
//! Called by the check alone, before anything that refers to fields. Whether a reference's target exists is
//! judged when all documents are read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::{Draft, builtin, roles, structure};
use crate::collection::FieldSpec;
use crate::field::{KINDS, Kind, KindRow};
use crate::name::{Name, did_you_mean};
use crate::problem::{Problem, Problems};
use crate::schema::{DefaultValue, Field, SYSTEM_FIELDS};

/// At most this many declared fields in a collection.
pub const MAX_FIELDS: usize = 200;

/// Options of all kinds.
const COMMON: [&str; 13] = [
    "name",
    "type",
    "required",
    "default",
    "unique",
    "immutable",
    "writeOnly",
    "readOnly",
    "readRoles",
    "writeRoles",
    "description",
    "example",
    "renamedFrom",
];

/// Columns that every PostgreSQL table has already.
const POSTGRES_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// What other systems call our kinds.
const ALIASES: [(&str, &str); 19] = [
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("int", "integer"),
    ("bigint", "integer"),
    ("long", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("real", "number"),
    ("numeric", "decimal"),
    ("money", "decimal"),
    ("bool", "boolean"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp"),
    ("reference", "ref"),
    ("object", "json"),
    ("jsonb", "json"),
    ("array", "list"),
    ("binary", "bytes"),
];

/// Puts the built-in fields of `users` before the declared ones.
pub fn add_builtin(draft: &mut Draft) {
    for spec in builtin::users() {
        let mut problems = Problems::new();
        let Some(row) = KINDS.iter().find(|row| row.name == spec.kind) else { continue };
        let (Ok(name), Some(kind)) = (Name::field(&spec.name), (row.build)(&spec, &mut problems)) else { continue };
        draft.collection.fields.push(field(&spec, name, kind, &mut problems));
        draft.origins.push(None);
    }
}

/// Reads `spec.fields` into the collection.
pub fn read(draft: &mut Draft, structural: &[Problem]) {
    let Some(Json::Array(declared)) = draft.spec.get("fields").cloned() else { return };
    let mut problems = Problems::at("/spec/fields");
    if declared.len() > MAX_FIELDS {
        let message = format!("{} fields are declared, and a collection has at most {MAX_FIELDS}", declared.len());
        problems.hint("too_many", message, "move some to a collection of their own, or into a `json` field");
    }
    let mut seen = BTreeMap::new();
    for (position, declared) in declared.iter().enumerate() {
        let Json::Object(declared) = declared else { continue };
        let path = format!("/spec/fields/{position}");
        let at_or_under =
            |found: &str| found.strip_prefix(&path).is_some_and(|rest| matches!(rest.get(..1), None | Some("/")));
        let tainted = structural.iter().any(|problem| at_or_under(&problem.path));
        let text = declared.get("name").and_then(Json::as_str);
        let field = problems.within(position, |problems| {
            let name = text.and_then(|text| {
                problems.within("name", |problems| name(text, &draft.collection.fields, &mut seen, position, problems))
            });
            one(declared, name, tainted, problems)
        });
        let Some(text) = text else { continue };
        if tainted {
            draft.tainted.insert(text.to_owned());
        }
        match field {
            Some(field) => {
                draft.collection.fields.push(field);
                draft.origins.push(Some(position));
            }
            None => {
                draft.broken.insert(text.to_owned());
            }
        }
    }
    renames(&declared, &draft.collection.fields, &mut problems);
    draft.problems.extend(problems.into_vec());
    // The first of two fields of one name is still there to be referred to.
    let usable: BTreeSet<&str> = draft.collection.fields.iter().map(|field| field.name.as_str()).collect();
    draft.broken.retain(|name| !usable.contains(name.as_str()));
}

/// A field's name that no other field has.
fn name(
    text: &str,
    fields: &[Field],
    seen: &mut BTreeMap<String, usize>,
    position: usize,
    problems: &mut Problems,
) -> Option<Name> {
    if builtin::SYSTEM.contains(&text) {
        problems.hint("reserved", format!("every record has `{text}` already"), "remove it, or choose another name");
        return None;
    }
    if POSTGRES_COLUMNS.contains(&text) {
        problems.hint("reserved", format!("`{text}` is a column that PostgreSQL keeps itself"), "choose another name");
        return None;
    }
    if let Some(first) = seen.insert(text.to_owned(), position) {
        problems.hint("duplicate", format!("field {first} is named `{text}` too"), "give it another name");
        return None;
    }
    let declared = SYSTEM_FIELDS..;
    let builtin = fields.get(declared).is_some_and(|fields| fields.iter().any(|field| field.name.as_str() == text));
    if builtin {
        problems.hint(
            "reserved",
            format!("`{text}` is a built-in field of `users`"),
            "remove it: it cannot be redefined",
        );
        return None;
    }
    match Name::field(text) {
        Ok(name) => Some(name),
        Err(rule) => {
            let hint = snake(text).map(|name| format!("did you mean `{name}`?"));
            problems.push("bad_name", format!("`{text}` is not a field's name: {rule}"), hint);
            None
        }
    }
}

/// `closesAt` and `Closes-At` as `closes_at`.
fn snake(text: &str) -> Option<Name> {
    let mut snake = String::with_capacity(text.len());
    for letter in text.trim().chars() {
        if letter.is_ascii_uppercase() && snake.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            snake.push('_');
        }
        snake.push(if matches!(letter, '-' | ' ' | '.') { '_' } else { letter.to_ascii_lowercase() });
    }
    Name::field(&snake).ok()
}

/// One declared field; `None` when its name or its kind cannot be used.
fn one(declared: &Map<String, Json>, name: Option<Name>, tainted: bool, problems: &mut Problems) -> Option<Field> {
    let mut declared = declared.clone();
    let row = row(&declared, problems);
    declared.retain(|key, value| COMMON.contains(&key.as_str()) || value.is_null() || taken(row, key, problems));
    for key in ["values", "readRoles", "writeRoles"] {
        // Elements that the structural layer refused.
        if let Some(Json::Array(elements)) = declared.get_mut(key) {
            elements.retain(|element| !element.is_null());
        }
    }
    for key in ["name", "type"] {
        declared.entry(key).or_insert_with(|| Json::String(String::new()));
    }
    let spec: FieldSpec = serde_json::from_value(Json::Object(declared)).ok()?;
    contradictions(&spec, problems);
    for (key, given) in [("readRoles", &spec.read_roles), ("writeRoles", &spec.write_roles)] {
        problems.within(key, |problems| roles::judge(given.as_deref().unwrap_or_default(), problems));
    }
    let before = problems.len();
    let kind = row.and_then(|row| (row.build)(&spec, problems));
    // A broken kind would only raise second alarms about the default and the example.
    let kind = kind.filter(|_| problems.len() == before || tainted)?;
    let name = name.or_else(|| {
        // Its default and example are judged all the same.
        Name::field("unnamed").ok()
    });
    let field = field(&spec, name?, kind, problems);
    (field.name.as_str() == spec.name).then_some(field)
}

/// The row of the field's kind.
fn row(declared: &Map<String, Json>, problems: &mut Problems) -> Option<&'static KindRow> {
    let kind = declared.get("type")?.as_str()?;
    let row = KINDS.iter().find(|row| row.name == kind);
    if row.is_none() {
        let lower = kind.to_lowercase();
        let alias =
            ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, kind)| format!("did you mean `{kind}`?"));
        let names = || KINDS.iter().map(|row| row.name);
        let hint = alias.or_else(|| did_you_mean(kind, names()));
        let hint = hint.unwrap_or_else(|| format!("the kinds are {}", structure::list(names())));
        problems.within("type", |p| p.hint("unknown_kind", format!("there is no kind `{kind}`"), hint));
    }
    row
}

/// Whether the kind takes the option. Of an unknown kind nothing is known.
fn taken(row: Option<&KindRow>, option: &str, problems: &mut Problems) -> bool {
    let Some(row) = row else { return true };
    let taken = row.options.contains(&option);
    if !taken {
        let takers = KINDS.iter().filter(|row| row.options.contains(&option)).map(|row| row.name);
        let hint = did_you_mean(option, row.options.iter().copied())
            .unwrap_or_else(|| format!("remove it; it is an option of {}", structure::list(takers)));
        let message = format!("`{option}` is not an option of the kind `{}`", row.name);
        problems.within(option, |p| p.hint("unknown_option", message, hint));
    }
    taken
}

fn contradictions(spec: &FieldSpec, problems: &mut Problems) {
    let rules = [
        (
            spec.read_only && spec.required && spec.default.is_none(),
            "readOnly",
            "a readOnly field takes only its default, and this one is required and has none",
            "give it a `default`, or remove `required`",
        ),
        (
            spec.read_only && spec.write_only,
            "writeOnly",
            "a field that is both readOnly and writeOnly can be neither given nor seen",
            "remove one of the two",
        ),
        (
            spec.write_only && spec.read_roles.is_some(),
            "readRoles",
            "a writeOnly field is read by nobody, whatever the role",
            "remove `readRoles` or `writeOnly`",
        ),
        (
            spec.read_only && spec.write_roles.is_some(),
            "writeRoles",
            "a readOnly field is written by nobody, whatever the role",
            "remove `writeRoles` or `readOnly`",
        ),
    ];
    for (broken, key, message, hint) in rules {
        if broken {
            problems.within(key, |problems| problems.hint("contradiction", message, hint));
        }
    }
}

/// The field with its default and example judged.
fn field(spec: &FieldSpec, name: Name, kind: Kind, problems: &mut Problems) -> Field {
    let default = spec.default.as_ref().and_then(|json| problems.within("default", |p| default(json, &kind, p)));
    if let Some(example) = &spec.example {
        problems.within("example", |problems| kind.parse(example, problems));
    }
    Field {
        column: name.to_string(),
        name,
        default,
        required: spec.required,
        immutable: spec.immutable,
        write_only: spec.write_only,
        read_only: spec.read_only,
        read_roles: spec.read_roles.clone(),
        write_roles: spec.write_roles.clone(),
        description: spec.description.clone(),
        example: spec.example.clone(),
        kind,
    }
}

/// A default: `$now`, `$uuid` or `$auth.id` where the kind can hold it, else a value of the kind.
fn default(json: &Json, kind: &Kind, problems: &mut Problems) -> Option<DefaultValue> {
    let special = json.as_str().filter(|text| text.starts_with('$'));
    let to_users = matches!(kind, Kind::Reference(reference) if reference.collection.as_str() == "users");
    let (value, fits, wanted) = match special {
        Some("$now") => (DefaultValue::Now, kind.name() == "timestamp", "a timestamp"),
        Some("$uuid") => (DefaultValue::Uuid, kind.name() == "uuid", "a uuid"),
        Some("$auth.id") => (DefaultValue::AuthId, to_users || kind.name() == "uuid", "a ref to users or a uuid"),
        _ => {
            let hint = special.and_then(|text| did_you_mean(text, ["$now", "$uuid", "$auth.id"]));
            if let (Some(text), Some(hint)) = (special, hint) {
                problems.hint("unknown_variable", format!("there is no default `{text}`"), hint);
                return None;
            }
            return kind.parse(json, problems).map(DefaultValue::Value);
        }
    };
    if !fits {
        let message =
            format!("`{}` is {wanted}, and this field is of the kind `{}`", special.unwrap_or_default(), kind.name());
        problems.add("wrong_type", message);
        return None;
    }
    Some(value)
}

/// `renamedFrom` names a field that is gone, or one whose name came from another field in its turn; each once.
fn renames(declared: &[Json], fields: &[Field], problems: &mut Problems) {
    let text = |field: &Json, key: &str| field.get(key).and_then(Json::as_str).map(str::to_owned);
    let stays = |field: &&Json| text(field, "renamedFrom").is_none();
    let mut names: BTreeSet<String> = declared.iter().filter(stays).filter_map(|field| text(field, "name")).collect();
    let renamed: BTreeSet<String> =
        declared.iter().filter(|field| !stays(field)).filter_map(|field| text(field, "name")).collect();
    names.extend(fields.iter().map(|field| field.name.to_string()).filter(|name| !renamed.contains(name)));
    let mut seen = BTreeSet::new();
    for (position, field) in declared.iter().enumerate() {
        let Some(old) = text(field, "renamedFrom") else { continue };
        let itself = text(field, "name").as_ref() == Some(&old);
        problems.within(position, |problems| {
            problems.within("renamedFrom", |problems| {
                if let Err(rule) = Name::field(&old) {
                    problems.add("bad_name", format!("`{old}` is not a field's name: {rule}"));
                } else if itself {
                    problems.hint("contradiction", "that is its name already", "remove this `renamedFrom`");
                } else if names.contains(&old) {
                    let message = format!("`{old}` is still a field");
                    problems.hint("contradiction", message, "remove that field, or this `renamedFrom`");
                } else if !seen.insert(old.clone()) {
                    problems.hint("duplicate", format!("two fields are renamed from `{old}`"), "keep one");
                }
            });
        });
    }
}
