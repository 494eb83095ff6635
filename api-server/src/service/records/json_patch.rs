//! JSON Patch (RFC 6902) on a record: the members that its operations give, judged afterwards like any other body.
//!
//! Called by update alone. The document that a patch works on is the record as its caller may read it, with every
//! field; a field that the caller may not read can be written as a whole, and by no operation be asked about.

use mainstay_crds::json::patch::{self, Failure, Patch, Use, Used, Why};
use mainstay_crds::name::did_you_mean;
use mainstay_crds::schema::Collection;
use mainstay_crds::{Problems, Value, json};
use serde_json::{Map, Value as Json};

use super::access::may_read;
use super::render;
use crate::service::{Code, Ctx, Error};

/// Reads a patch and judges what can be told without the record: 400 with every problem.
pub fn read(ctx: &Ctx, collection: &Collection, body: &Json) -> Result<Patch, Error> {
    let mut problems = Problems::new();
    let patch = patch::parse(body, &mut problems);
    for used in patch.uses() {
        problems.within(used.operation, |problems| {
            problems.within(used.member, |problems| refuse(ctx, collection, &used, problems));
        });
    }
    problems.finish(()).map_err(Error::invalid)?;
    Ok(patch)
}

fn refuse(ctx: &Ctx, collection: &Collection, used: &Used<'_>, problems: &mut Problems) {
    let Some(name) = used.pointer.first() else {
        let message = "a patch names fields: the record as a whole is replaced by PUT";
        return problems.hint("not_allowed", message, "begin with the name of a field, as in `/title`");
    };
    let Some(field) = collection.position(name).and_then(|position| collection.fields.get(position)) else {
        let hint = did_you_mean(name, collection.fields.iter().map(|field| field.name.as_str()));
        return problems.push("unknown_field", format!("{} has no field `{name}`", collection.name), hint);
    };
    if !may_read(ctx, field) && (used.what != Use::Write || used.pointer.len() > 1) {
        let message = format!("you may not read `{name}`, and so a patch can only set it as a whole");
        problems.hint("not_allowed", message, format!("write {{\"op\": \"replace\", \"path\": \"/{name}\", …}}"));
    }
}

/// The members that a patch of the stored record gives, as a merge patch of whole values: a field whose member was
/// removed is null.
///
/// Errors: 422 for a failed `test`, a target that is missing and bounds that depend on the record; 400 for an index of
/// an array that is none.
pub fn members(
    ctx: &Ctx,
    collection: &Collection,
    patch: &Patch,
    stored: &[Value<'static>],
    max_depth: usize,
) -> Result<Map<String, Json>, Error> {
    let mut document = document(ctx, collection, stored)?;
    patch.apply(&mut document, max_depth).map_err(|failure| failed(failure, max_depth))?;
    let written = patch.uses().filter(|used| used.what != Use::Read).filter_map(|used| used.pointer.first());
    Ok(written.map(|name| (name.to_owned(), document.get(name).cloned().unwrap_or_default())).collect())
}

/// The record with null for each field that the caller may not read: [`read`] has refused whatever could tell that from
/// a stored null.
fn document(ctx: &Ctx, collection: &Collection, stored: &[Value<'static>]) -> Result<Json, Error> {
    let text = render(ctx, collection, stored);
    let mut document = json::parse(&text, usize::MAX).map_err(|problems| Error::bug(format!("{problems:?}")))?;
    if let Some(members) = document.as_object_mut() {
        for field in collection.fields.iter().filter(|field| !may_read(ctx, field)) {
            members.insert(field.name.to_string(), Json::Null);
        }
    }
    Ok(document)
}

fn failed(Failure { path, why }: Failure, max_depth: usize) -> Error {
    let (code, rule, message) = match why {
        Why::NoIndex => {
            let message = "an element of an array is named by its position from 0, without leading zeros, or by `-`";
            (Code::ValidationError, "malformed", message.to_owned())
        }
        Why::Missing => (Code::Unprocessable, "not_found", "the record has nothing at this place".to_owned()),
        Why::Different => (Code::Unprocessable, "test_failed", "the record holds another value there".to_owned()),
        Why::TooDeep => (Code::Unprocessable, "too_deep", format!("a record has at most {max_depth} levels")),
        Why::TooLarge => (Code::Unprocessable, "too_large", "the patch copies more than 1 MiB".to_owned()),
    };
    Error::at(code, path, rule, message)
}

#[cfg(test)]
mod tests;
