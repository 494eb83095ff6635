//! The only authorisation decision: what a caller may do with a collection, and with which rows.
//!
//! Called by every service function before anything else. Row rules come back as filters, which the store puts
//! into its SQL; no row is judged after it was read.

use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{Access, Collection, Field, Rule};

use super::{Caller, Code, Ctx, Error};
use crate::telemetry::trace;

/// What may be done with records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get, list, include.
    Read,
    /// POST, and PUT of a new id.
    Create,
    /// PUT and PATCH.
    Update,
    /// DELETE.
    Delete,
}

/// On which rows an action is granted.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// None.
    Nothing,
    /// All of them.
    Everything,
    /// Those for which the bound filter is true.
    Rows(Filter),
}

impl Grant {
    /// The filter that rows must pass; `None` when all do. A grant of nothing is a filter that nothing passes.
    pub fn into_filter(self) -> Option<Filter> {
        match self {
            Grant::Nothing => Some(Filter::Or(Vec::new())),
            Grant::Everything => None,
            Grant::Rows(filter) => Some(filter),
        }
    }
}

/// What `ctx.caller` may do. Rules only grant: any rule that fits is enough.
pub fn grant(ctx: &Ctx, collection: &Collection, action: Action) -> Grant {
    let _part = trace::part("access");
    if ctx.caller.is_admin() {
        return Grant::Everything;
    }
    let scope = ctx.scope();
    let mut rows = Vec::new();
    for Rule { roles, condition, .. } in rules(&collection.access, action) {
        if !roles.iter().any(|role| ctx.caller.has_role(role)) {
            continue;
        }
        match condition.as_ref().map(|condition| condition.bind(&scope)) {
            None => return Grant::Everything,
            Some(Some(filter)) => rows.push(filter),
            // The rule names something of a caller that this one lacks.
            Some(None) => {}
        }
    }
    match rows.len() {
        0 => Grant::Nothing,
        1 => rows.pop().map_or(Grant::Nothing, Grant::Rows),
        _ => Grant::Rows(Filter::Or(rows)),
    }
}

/// The grant, or why the caller has none.
pub fn require(ctx: &Ctx, collection: &Collection, action: Action) -> Result<Grant, Error> {
    match grant(ctx, collection, action) {
        Grant::Nothing => Err(denied(ctx, collection, action)),
        granted => Ok(granted),
    }
}

/// The refusal of an action: 401 for those who may sign in, 403 for those who did.
pub fn denied(ctx: &Ctx, collection: &Collection, action: Action) -> Error {
    let verb = match action {
        Action::Read => "read",
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
    };
    refused(ctx, &format!("{verb} {}", collection.name))
}

/// The refusal of a caller who may write to no collection.
pub fn denied_all(ctx: &Ctx) -> Error {
    refused(ctx, "write anything")
}

/// What admin alone may do, whatever the rules of collections say; `what` begins with a verb.
pub fn require_admin(ctx: &Ctx, what: &str) -> Result<(), Error> {
    if ctx.caller.is_admin() { Ok(()) } else { Err(refused(ctx, what)) }
}

fn refused(ctx: &Ctx, what: &str) -> Error {
    if ctx.caller == Caller::Anonymous {
        let message = format!("{what} needs a credential: send X-API-Key or Authorization: Bearer");
        return Error::new(Code::Unauthenticated, message);
    }
    Error::new(Code::Forbidden, format!("you may not {what}"))
}

/// The refusal of a row that the caller may read but not change, or of what a change would make of it.
pub fn forbidden_row(collection: &Collection) -> Error {
    Error::new(Code::Forbidden, format!("the rules of {} do not grant this on this record", collection.name))
}

/// Whether the caller may see the field in answers, filters and sorts.
pub fn may_read(ctx: &Ctx, field: &Field) -> bool {
    !field.write_only && has_any(ctx, field.read_roles.as_deref())
}

/// Whether the caller may give the field in a body.
pub fn may_write(ctx: &Ctx, field: &Field) -> bool {
    has_any(ctx, field.write_roles.as_deref())
}

fn has_any(ctx: &Ctx, roles: Option<&[String]>) -> bool {
    roles.is_none_or(|roles| roles.iter().any(|role| ctx.caller.has_role(role)))
}

fn rules(access: &Access, action: Action) -> &[Rule] {
    match action {
        Action::Read => &access.read,
        Action::Create => &access.create,
        Action::Update => &access.update,
        Action::Delete => &access.delete,
    }
}

#[cfg(test)]
mod tests;
