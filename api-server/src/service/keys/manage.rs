//! Keys made, listed, revoked and rotated, by admin alone.
//!
//! Called by the transports and the command line. A key is shown once, by the answer to the request that made it. Servers
//! notice what has changed within five seconds; the one that is asked is told by its transport ([`super::Keys::forget`]).

use std::collections::BTreeSet;

use mainstay_crds::schema::{Access, Schema};
use mainstay_crds::{Problem, Problems, json};
use serde_json::Value as Json;
use uuid::Uuid;

use super::draft::{self, Draft, Rotation};
use super::{Key, format, hash, is_valid};
use crate::query;
use crate::service::records::create::malformed;
use crate::service::records::read::Listed;
use crate::service::{Code, Ctx, Error, Service, access};
use crate::store::keys::{self as store, StoredKey};
use crate::store::records::Rows;
use crate::store::{Abort, Conn};

/// A new key, with its text.
#[derive(Debug)]
pub struct Made {
    /// The key as it is answered.
    pub key: Key,
    /// What may not be meant so.
    pub warnings: Vec<Problem>,
    /// The key that it was made in place of.
    pub replaced: Option<Uuid>,
}

/// Whether the caller may do anything here: asked before a body is read.
///
/// Errors: 401, 403.
pub fn may_manage(ctx: &Ctx) -> Result<(), Error> {
    access::require_admin(ctx, "manage API keys")
}

/// `POST /api/v1/keys`.
///
/// Errors: 401, 403; 400 with every problem.
pub async fn create(service: &Service, ctx: &Ctx, raw: &str, body: &[u8]) -> Result<Made, Error> {
    may_manage(ctx)?;
    let draft = read(service, raw, body, draft::create)?;
    let id = Uuid::now_v7();
    let warnings = warnings(&draft.roles, &service.schema());
    let (text, key) = new(ctx, id, draft)?;
    let row = StoredKey { machine: id, ..key };
    let inserted = row.clone();
    write(service, move |conn| Ok(store::insert(conn, inserted.clone())?)).await?;
    made(text, &row, ctx, warnings)
}

/// `GET /api/v1/keys`, newest first.
///
/// Errors: 401, 403; 400 for parameters.
pub async fn list(service: &Service, ctx: &Ctx, raw: &str) -> Result<Listed, Error> {
    may_manage(ctx)?;
    let asked = query::keys::keys(raw, service.page).map_err(Error::invalid)?;
    let (limit, before) = (asked.limit, asked.before);
    // One more than asked for tells whether there are more.
    let mut found = service.read(move |conn| Ok(store::page(conn, before, limit + 1)?)).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| has_more).map(|last| query::keys::next_cursor(last.id));
    let mut rows = Rows::default();
    for key in &found {
        serde_json::to_writer(&mut rows.json, &Key::of(key, ctx.now)?).map_err(Error::bug)?;
        rows.ends.push(rows.json.len());
    }
    Ok(Listed { rows, limit, offset: None, has_more, next_cursor, total: None, included: None })
}

/// `GET /api/v1/keys/{id}`.
///
/// Errors: 401, 403; 400 for an id or parameters; 404.
pub async fn get(service: &Service, ctx: &Ctx, id: &str, raw: &str) -> Result<Key, Error> {
    let id = named(ctx, id, raw)?;
    let found = service.read(move |conn| Ok(store::by_ids(conn, &[id])?)).await?;
    Key::of(found.first().ok_or_else(unknown)?, ctx.now)
}

/// `DELETE /api/v1/keys/{id}`: from now on nobody has it. One that was revoked before stays so. Answers whose cache is to
/// be told.
///
/// Errors: 401, 403; 400 for an id or parameters; 404.
pub async fn revoke(service: &Service, ctx: &Ctx, id: &str, raw: &str) -> Result<Uuid, Error> {
    let id = named(ctx, id, raw)?;
    let now = ctx.now;
    let revoked = write(service, move |conn| {
        store::lock(conn, id)?.ok_or_else(unknown)?;
        Ok(store::revoke(conn, id, now)?)
    });
    revoked.await.map(|()| id)
}

/// `POST /api/v1/keys/{id}/rotate`: a new key of the same caller; the one before ends after an overlap, or earlier when it was
/// to.
///
/// Errors: 401, 403; 400 with every problem; 404; 409 for a key that opens nothing or has a valid successor.
pub async fn rotate(service: &Service, ctx: &Ctx, id: &str, raw: &str, body: &[u8]) -> Result<Made, Error> {
    may_manage(ctx)?;
    let asked = read(service, raw, body, draft::rotation)?;
    let (old, new_id, now) = (parse_id(id)?, Uuid::now_v7(), ctx.now);
    let draft = Draft { name: String::new(), roles: Vec::new(), lives_for: None, rate_limit: None };
    let (text, fresh) = new(ctx, new_id, draft)?;
    let row = write(service, move |conn| replace(conn, old, &asked, fresh.clone(), now)).await?;
    let roles: Vec<String> = serde_json::from_str(&row.roles).map_err(Error::bug)?;
    made(text, &row, ctx, warnings(&roles, &service.schema()))
}

/// Two rotations of a key at once meet at its row: the second finds the successor that the first has made.
fn replace(
    conn: &mut Conn,
    old: Uuid,
    asked: &Rotation,
    fresh: StoredKey,
    now: i64,
) -> Result<StoredKey, Abort<Error>> {
    let old = store::lock(conn, old)?.ok_or_else(unknown)?;
    if !is_valid(&old, now) {
        let message = "this key has ended or was revoked: make a new one with POST /api/v1/keys";
        return Err(Error::new(Code::Conflict, message).into());
    }
    if let Some(next) = store::successor(conn, old.id, now)? {
        let message = format!("this key was rotated already: rotate {next}, or revoke that one first");
        return Err(Error::new(Code::Conflict, message).into());
    }
    let end = now.saturating_add(asked.overlap);
    store::end(conn, old.id, old.expires_at.map_or(end, |before| before.min(end)))?;
    let lives_for = asked.lives_for.or(old.lives_for);
    let row = StoredKey {
        machine: old.machine,
        name: old.name,
        roles: old.roles,
        rate_limit: old.rate_limit,
        lives_for,
        expires_at: lives_for.map(|life| now.saturating_add(life)),
        replaces: Some(old.id),
        ..fresh
    };
    store::insert(conn, row.clone())?;
    Ok(row)
}

/// A key and what is kept of it.
fn new(ctx: &Ctx, id: Uuid, draft: Draft) -> Result<(String, StoredKey), Error> {
    let Draft { name, roles, lives_for, rate_limit } = draft;
    let mut bits = [0; 20];
    getrandom::fill(&mut bits).map_err(Error::bug)?;
    let text = format::key(bits);
    let row = StoredKey {
        id,
        machine: id,
        name,
        hash: hash(&text).to_vec(),
        prefix: format::shown(&text).to_owned(),
        roles: serde_json::to_string(&roles).map_err(Error::bug)?,
        rate_limit: rate_limit.map(|limit| serde_json::to_string(&limit)).transpose().map_err(Error::bug)?,
        created_at: ctx.now,
        created_by: ctx.caller.identity(),
        lives_for,
        expires_at: lives_for.map(|life| ctx.now.saturating_add(life)),
        revoked_at: None,
        last_used_at: None,
        replaces: None,
    };
    Ok((text, row))
}

async fn write<T: Send + 'static>(
    service: &Service,
    body: impl Fn(&mut Conn) -> Result<T, Abort<Error>> + Send + Sync + 'static,
) -> Result<T, Error> {
    Ok(service.store.write(body).await?)
}

fn made(text: String, row: &StoredKey, ctx: &Ctx, warnings: Vec<Problem>) -> Result<Made, Error> {
    let key = Key { key: Some(text), ..Key::of(row, ctx.now)? };
    Ok(Made { key, warnings, replaced: row.replaces })
}

fn read<T>(
    service: &Service,
    raw: &str,
    body: &[u8],
    draft: impl FnOnce(&Json) -> Result<T, Vec<Problem>>,
) -> Result<T, Error> {
    query::none(raw).map_err(Error::invalid)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    draft(&body).map_err(Error::invalid)
}

fn named(ctx: &Ctx, id: &str, raw: &str) -> Result<Uuid, Error> {
    may_manage(ctx)?;
    query::none(raw).map_err(Error::invalid)?;
    parse_id(id)
}

fn parse_id(text: &str) -> Result<Uuid, Error> {
    let hyphenated = text.len() == 36;
    Uuid::parse_str(text).ok().filter(|_| hyphenated).ok_or_else(|| {
        let message = "a key's id is a UUID, as GET /api/v1/keys lists it; it is not the key itself".to_owned();
        Error::at(Code::ValidationError, "?id".to_owned(), "invalid", message)
    })
}

fn unknown() -> Error {
    Error::new(Code::NotFound, "there is no key with this id; GET /api/v1/keys lists all of them")
}

/// Roles that may be a mistake. They are taken: a key may be made before the documents that name its roles, and one that
/// nobody names grants nothing.
fn warnings(roles: &[String], schema: &Schema) -> Vec<Problem> {
    let named = named_roles(schema);
    let mut problems = Problems::at("/roles");
    for (position, role) in roles.iter().enumerate() {
        problems.within(position, |problems| match role.as_str() {
            "admin" => problems.hint(
                "admin_role",
                "a key with the role `admin` may do everything, also make more keys",
                "give it an end, and revoke what it has made with it when it leaks",
            ),
            "anyone" | "machine" => problems.add("implied_role", format!("every key has the role `{role}`")),
            "user" => problems.add("user_role", "`user` is the role of people: this key may do what all of them may"),
            role if !named.contains(role) => {
                let message = format!("no rule names the role `{role}`: it grants nothing until one does");
                problems.push("unknown_role", message, hint(role, &named));
            }
            _ => {}
        });
    }
    problems.into_vec()
}

fn hint(role: &str, named: &BTreeSet<&str>) -> Option<String> {
    mainstay_crds::name::did_you_mean(role, named.iter().copied())
}

/// Every role that rules of collections or of fields name.
fn named_roles(schema: &Schema) -> BTreeSet<&str> {
    let mut named = BTreeSet::new();
    for collection in &schema.collections {
        let Access { read, create, update, delete, .. } = &collection.access;
        let rules = [read, create, update, delete].into_iter().flatten().flat_map(|rule| &rule.roles);
        let fields = collection.fields.iter().flat_map(|field| [&field.read_roles, &field.write_roles]);
        named.extend(rules.chain(fields.flatten().flatten()).map(String::as_str));
    }
    named
}
