//! Records: read, search, aggregate, create, replace, patch, delete.
//!
//! Each function takes what a transport has read and gives what it has to write; one transaction holds all
//! effects of a call. Which rows are seen or changed is [`super::access`]'s decision alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::schema::{CREATED_AT, Collection, ID, Schema, VERSION};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::{Code, Ctx, Error, Service};
use crate::query;
use crate::store::records as store;
use crate::store::{Abort, Conn};

mod cascade;
mod conflict;
mod csv;
mod draft;
mod include;
mod json_patch;
mod references;
mod step;
mod unit;
mod upsert;

pub mod aggregate;
pub mod batch;
pub mod bulk;
pub mod create;
pub mod delete;
pub mod enrol;
pub mod export;
pub mod history;
pub mod import;
pub mod read;
pub mod search;
pub mod update;
pub mod version;

pub use include::{Included, MAX_REFERRERS};
pub use version::{Preconditions, Version};

/// The result of a step inside a transaction: an `Err` rolls everything back.
type Tx<T> = Result<T, Abort<Error>>;

/// A collection as this request sees it.
#[derive(Clone)]
struct Target {
    schema: Arc<Schema>,
    collection: Arc<Collection>,
}

/// A record after a write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    /// Whether the record is new.
    pub created: bool,
    /// Its id.
    pub id: Uuid,
    /// Which state of the record it is.
    pub version: Version,
    /// The record as JSON; `None` when the caller may not read it.
    #[serde(with = "json_text")]
    pub json: Option<Vec<u8>>,
}

/// JSON that is ready, kept as text.
mod json_text {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(json: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        let text = json.as_deref().map(std::str::from_utf8).transpose().map_err(S::Error::custom)?;
        text.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(String::into_bytes))
    }
}

impl Service {
    fn target(&self, name: &str) -> Result<Target, Error> {
        target_in(&self.schema(), name)
    }
}

fn target_in(schema: &Arc<Schema>, name: &str) -> Result<Target, Error> {
    if let Some(collection) = schema.get(name).cloned() {
        return Ok(Target { schema: Arc::clone(schema), collection });
    }
    let names = schema.collections.iter().map(|collection| collection.name.as_str());
    let hint = mainstay_crds::name::did_you_mean(name, names);
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(Error::new(Code::NotFound, format!("there is no such collection{hint}")))
}

/// Positions of the fields that the caller may see.
fn visible(ctx: &Ctx, collection: &Collection) -> Vec<usize> {
    let fields = collection.fields.iter().enumerate();
    fields.filter(|(_, field)| access::may_read(ctx, field)).map(|(position, _)| position).collect()
}

/// The record as a JSON object of the fields that the caller may see.
fn render(ctx: &Ctx, collection: &Collection, record: &[Value<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    for position in visible(ctx, collection) {
        let field = &collection.fields[position];
        out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
        // Names of fields need no escapes.
        out.extend_from_slice(field.name.as_str().as_bytes());
        out.extend_from_slice(b"\":");
        match &record[position] {
            Value::Null => out.extend_from_slice(b"null"),
            value => field.kind.write_json(value, &mut out),
        }
    }
    out.push(b'}');
    out
}

fn id_of(record: &[Value<'_>]) -> Uuid {
    match record.get(ID) {
        Some(Value::Uuid(id)) => *id,
        _ => Uuid::nil(),
    }
}

fn version_of(record: &[Value<'_>]) -> Version {
    Version::of(record.get(VERSION), record.get(CREATED_AT))
}

/// The rows among some that a grant covers.
enum Covered {
    All,
    Some(BTreeSet<Uuid>),
}

impl Covered {
    fn has(&self, id: Uuid) -> bool {
        match self {
            Covered::All => true,
            Covered::Some(ids) => ids.contains(&id),
        }
    }
}

/// Which of these rows a grant covers, asked of the database inside the transaction, in one query for all of them.
fn covered(conn: &mut Conn, target: &Target, grant: &Grant, ids: &[Uuid]) -> Tx<Covered> {
    Ok(match grant {
        Grant::Everything => Covered::All,
        Grant::Nothing => Covered::Some(BTreeSet::new()),
        Grant::Rows(filter) => {
            let found = store::exists_where(conn, &target.collection, &target.schema, ids, Some(filter))?;
            Covered::Some(found.into_iter().collect())
        }
    })
}

/// Whether a grant covers a row.
fn covers(conn: &mut Conn, target: &Target, grant: &Grant, id: Uuid) -> Tx<bool> {
    Ok(covered(conn, target, grant, &[id])?.has(id))
}

/// What the caller gets back of a record that it has just written.
fn written(conn: &mut Conn, ctx: &Ctx, target: &Target, record: &[Value<'_>], created: bool) -> Tx<Written> {
    let readable = covers(conn, target, &access::grant(ctx, &target.collection, Action::Read), id_of(record))?;
    Ok(outcome(ctx, target, record, created, readable))
}

fn outcome(ctx: &Ctx, target: &Target, record: &[Value<'_>], created: bool, readable: bool) -> Written {
    let json = readable.then(|| render(ctx, &target.collection, record));
    Written { created, id: id_of(record), version: version_of(record), json }
}

/// The id that a path names. Asked after access, which comes before every other question.
fn parse_id(text: &str) -> Result<Uuid, Error> {
    let hyphenated = text.len() == 36;
    Uuid::parse_str(text).ok().filter(|_| hyphenated).ok_or_else(|| {
        let message = "a record's id is a UUID such as 0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071".to_owned();
        // As a parameter's, since a JSON Pointer names a place in the body.
        Error::at(Code::ValidationError, "?id".to_owned(), "invalid", message)
    })
}

/// Parameters are refused where a request takes none.
fn no_parameters(raw: &str) -> Result<(), Error> {
    query::none(raw).map_err(Error::invalid)
}

impl Service {
    /// Whether the caller may create at all, or by `on_conflict` change: asked before a body is read.
    pub fn may_create(&self, ctx: &Ctx, name: &str, raw: &str) -> Result<(), Error> {
        create::Grants::of(ctx, &self.target(name)?, raw).map(drop)
    }

    /// Whether the caller may replace or patch at all: asked before a body is read.
    pub fn may_update(&self, ctx: &Ctx, name: &str, method: update::Method) -> Result<(), Error> {
        update::grants(ctx, &self.target(name)?, method).map(drop)
    }

    /// Whether the caller may write anything at all: asked before a body is read that may be about any collection.
    pub fn may_write(&self, ctx: &Ctx) -> Result<(), Error> {
        let writes = [Action::Create, Action::Update, Action::Delete];
        let schema = self.schema();
        let mut all = schema.collections.iter().flat_map(|collection| writes.map(|action| (collection, action)));
        if all.any(|(collection, action)| access::grant(ctx, collection, action) != access::Grant::Nothing) {
            return Ok(());
        }
        Err(access::denied_all(ctx))
    }
}
