//! A body against the collection: the record that it asks for, or every problem at once.
//!
//! Pure but for `$uuid`. Called by create and update before and inside their transactions; it never looks at
//! other records.

use mainstay_crds::filter::eval::eval;
use mainstay_crds::name::did_you_mean;
use mainstay_crds::schema::{CREATED_AT, Collection, DefaultValue, Field, ID, SYSTEM_FIELDS, UPDATED_AT, VERSION};
use mainstay_crds::sql::ColumnType;
use mainstay_crds::{Problem, Problems, Value};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::{may_read, may_write};
use crate::service::{Code, Ctx, Error};

pub mod increment;

/// At most this many problems come with the nearest name.
const MAX_HINTS: usize = 100;

/// A record's values in the order of the collection's fields.
pub type Record = Vec<Value<'static>>;

/// The members of a JSON body that must be an object.
pub fn object<'a>(body: &'a Json, problems: &mut Problems) -> Option<&'a Map<String, Json>> {
    let object = body.as_object();
    if object.is_none() {
        problems.add("wrong_type", "a record is a JSON object");
    }
    object
}

/// A new record. `id` is that of the path on PUT; else the body may give one.
pub fn create(
    ctx: &Ctx,
    collection: &Collection,
    body: &Map<String, Json>,
    id: Option<Uuid>,
    problems: &mut Problems,
) -> Record {
    if id.is_some_and(|id| id.is_nil() || id.is_max()) {
        problems.add("invalid", "an id is any UUID but nil and max");
    }
    refuse_unknown(collection, body, problems);
    let mut record = Vec::with_capacity(collection.fields.len());
    record.push(Value::Uuid(new_id(collection, body, id, problems)));
    record.extend([Value::Integer(1), Value::Timestamp(ctx.now), Value::Timestamp(ctx.now)]);
    for position in [VERSION, CREATED_AT, UPDATED_AT] {
        let field = &collection.fields[position];
        if body.contains_key(field.name.as_str()) {
            problems.within(&field.name, |problems| problems.add("read_only", "the server sets this field"));
        }
    }
    for (_, field) in collection.declared() {
        let given = body.get(field.name.as_str());
        let value = problems.within(&field.name, |problems| match given {
            Some(json) => {
                let value = read(field, json, problems);
                settable(ctx, field, &value, &default(ctx, field), problems);
                value
            }
            None => required(field, default(ctx, field), problems),
        });
        record.push(value);
    }
    record
}

/// What PUT makes of a stored record: an absent field takes its default or null; one that the caller cannot read or may
/// not write, and a `readOnly` or set `immutable` one, keeps its value.
pub fn replace(
    ctx: &Ctx,
    collection: &Collection,
    body: &Map<String, Json>,
    stored: &[Value<'static>],
    problems: &mut Problems,
) -> Record {
    change(ctx, collection, body, stored, problems, |field, old, problems| {
        let keeps =
            field.read_only || (field.immutable && !old.is_null()) || !may_read(ctx, field) || !may_write(ctx, field);
        if keeps { old.clone() } else { required(field, default(ctx, field), problems) }
    })
}

/// What a merge patch (RFC 7396) makes of a stored record: absent fields keep their values.
pub fn patch(
    ctx: &Ctx,
    collection: &Collection,
    body: &Map<String, Json>,
    stored: &[Value<'static>],
    problems: &mut Problems,
) -> Record {
    let merged: Map<String, Json> =
        body.iter().map(|(name, json)| (name.clone(), merged(collection, name, json, stored))).collect();
    assign(ctx, collection, &merged, stored, problems)
}

/// What becomes of a stored record whose given fields take these values as they are: absent fields keep theirs.
pub fn assign(
    ctx: &Ctx,
    collection: &Collection,
    body: &Map<String, Json>,
    stored: &[Value<'static>],
    problems: &mut Problems,
) -> Record {
    change(ctx, collection, body, stored, problems, |_, old, _| old.clone())
}

/// What is wrong with the members of a change whatever the stored record holds. What depends on that is left to
/// [`replace`] and [`patch`], on the locked row.
pub fn preview(ctx: &Ctx, collection: &Collection, body: &Map<String, Json>, problems: &mut Problems) {
    refuse_unknown(collection, body, problems);
    for field in &collection.fields {
        let Some(json) = body.get(field.name.as_str()) else { continue };
        problems.within(&field.name, |problems| {
            if !may_write(ctx, field) && !may_read(ctx, field) {
                problems.add("forbidden", format!("you may not write `{}`", field.name));
            } else if !merges(field, json) {
                read(field, json, problems);
            }
        });
    }
}

/// The rules between fields that the record breaks. Only false breaks a rule.
pub fn broken_checks(collection: &Collection, record: &[Value<'_>], path: &str) -> Vec<Problem> {
    let mut problems = Problems::at(path);
    for check in &collection.checks {
        if eval(&check.that, collection, record) == Some(false) {
            problems.add("check", check.message.clone());
        }
    }
    problems.into_vec()
}

/// The problems of a body as an error: 403 when all of them are fields that the caller may not write.
pub fn refusal(problems: Vec<Problem>) -> Error {
    match problems.iter().all(|problem| problem.code == "forbidden") {
        true => Error::with(Code::Forbidden, "you may not write these fields", problems),
        false => Error::invalid(problems),
    }
}

/// The problems of broken checks as an error.
pub fn unprocessable(problems: Vec<Problem>) -> Error {
    let message = match problems.as_slice() {
        [one] => one.message.clone(),
        many => format!("the data does not allow this for {} reasons; see details", many.len()),
    };
    Error::with(Code::Unprocessable, message, problems)
}

fn change(
    ctx: &Ctx,
    collection: &Collection,
    body: &Map<String, Json>,
    stored: &[Value<'static>],
    problems: &mut Problems,
    absent: impl Fn(&Field, &Value<'static>, &mut Problems) -> Value<'static>,
) -> Record {
    refuse_unknown(collection, body, problems);
    let mut record = Vec::with_capacity(stored.len());
    for (position, (field, old)) in collection.fields.iter().zip(stored).enumerate() {
        let given = body.get(field.name.as_str());
        let value = problems.within(&field.name, |problems| match given {
            Some(json) => {
                let value = read(field, json, problems);
                match position < SYSTEM_FIELDS {
                    true => same_system(&value, old, problems),
                    false => {
                        settable(ctx, field, &value, old, problems);
                        same_once_set(ctx, field, &value, old, problems);
                    }
                }
                value
            }
            None if position < SYSTEM_FIELDS => old.clone(),
            None => absent(field, old, problems),
        });
        record.push(value);
    }
    if let Some(Value::Integer(version)) = stored.get(VERSION) {
        record[VERSION] = Value::Integer(version + 1);
    }
    record[UPDATED_AT] = Value::Timestamp(ctx.now);
    record
}

fn read(field: &Field, json: &Json, problems: &mut Problems) -> Value<'static> {
    match json {
        Json::Null => required(field, Value::Null, problems),
        // A value that could not be read has left its problems; null stands in for it.
        json => field.kind.parse(json, problems).unwrap_or(Value::Null),
    }
}

fn required(field: &Field, value: Value<'static>, problems: &mut Problems) -> Value<'static> {
    if field.required && value.is_null() {
        problems.add("required", format!("`{}` is required and may not be null", field.name));
    }
    value
}

fn same_system(value: &Value<'_>, stored: &Value<'_>, problems: &mut Problems) {
    if value != stored {
        problems.hint("read_only", "the server sets this field", "leave it out, or give it as it is stored");
    }
}

/// Whether the caller may set the field to `value` where `stored` is (on a create: where the default would be).
fn settable(ctx: &Ctx, field: &Field, value: &Value<'_>, stored: &Value<'_>, problems: &mut Problems) {
    // To be allowed what is stored would tell a caller who may not read it that the guess was right.
    if value == stored && may_read(ctx, field) {
        return;
    }
    if !may_write(ctx, field) {
        problems.add("forbidden", format!("you may not write `{}`", field.name));
    } else if field.read_only {
        problems.hint("read_only", format!("`{}` takes only its default", field.name), "leave it out");
    }
}

fn same_once_set(ctx: &Ctx, field: &Field, value: &Value<'_>, stored: &Value<'_>, problems: &mut Problems) {
    let is_same = value == stored && may_read(ctx, field);
    if field.immutable && !stored.is_null() && !is_same {
        problems.hint("immutable", format!("`{}` cannot be changed once set", field.name), "leave it out");
    }
}

fn default(ctx: &Ctx, field: &Field) -> Value<'static> {
    match &field.default {
        None => Value::Null,
        Some(DefaultValue::Value(value)) => value.clone(),
        Some(DefaultValue::AuthId) => ctx.caller.id().map_or(Value::Null, Value::Uuid),
        Some(DefaultValue::Now) => Value::Timestamp(ctx.now),
        Some(DefaultValue::Uuid) => Value::Uuid(Uuid::now_v7()),
    }
}

fn new_id(collection: &Collection, body: &Map<String, Json>, path: Option<Uuid>, problems: &mut Problems) -> Uuid {
    let name = &collection.fields[ID].name;
    let given = body.get(name.as_str()).map(|json| {
        problems.within(name, |problems| match read(&collection.fields[ID], json, problems) {
            Value::Uuid(id) if id.is_nil() || id.is_max() => {
                problems.add("invalid", "an id is any UUID but nil and max");
                id
            }
            Value::Uuid(id) => {
                if path.is_some_and(|path| path != id) {
                    problems.add("mismatch", "the id in the body is not the id in the path");
                }
                id
            }
            _ => Uuid::nil(),
        })
    });
    path.or(given).unwrap_or_else(Uuid::now_v7)
}

fn refuse_unknown(collection: &Collection, body: &Map<String, Json>, problems: &mut Problems) {
    for name in body.keys().filter(|name| collection.position(name).is_none()) {
        // A hint costs a comparison with every field: a body of nothing but wrong names gets the first ones.
        let names = collection.fields.iter().map(|field| field.name.as_str());
        let hint = if problems.len() < MAX_HINTS { did_you_mean(name, names) } else { None };
        let message = format!("{} has no field `{name}`", collection.name);
        problems.within(name, |problems| problems.push("unknown_field", message, hint));
    }
}

/// The member's value after the patch: objects are merged into a stored `json` value, everything else replaces.
fn merged(collection: &Collection, name: &str, patch: &Json, stored: &[Value<'static>]) -> Json {
    let old = collection.position(name).and_then(|position| stored.get(position));
    match (old, patch) {
        (Some(Value::Json(text)), Json::Object(_)) => {
            let mut target = serde_json::from_str(text).unwrap_or(Json::Null);
            merge(&mut target, patch);
            target
        }
        (Some(Value::Null), Json::Object(_)) => {
            let mut target = Json::Null;
            merge(&mut target, patch);
            target
        }
        _ => patch.clone(),
    }
}

/// Whether a patch may keep a part of the stored value.
fn merges(field: &Field, patch: &Json) -> bool {
    matches!(field.kind.column(), ColumnType::Json) && patch.is_object()
}

/// RFC 7396, section 2.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(members) = target else { return };
    for (name, value) in patch {
        match value {
            Json::Null => drop(members.remove(name)),
            value => merge(members.entry(name.clone()).or_insert(Json::Null), value),
        }
    }
}

#[cfg(test)]
mod tests;
