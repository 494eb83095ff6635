//! What an operation expects of its record: `version`, and a filter tree as `if`. Asked of the locked row, so that it
//! sees what earlier operations have done, and nobody comes in between.

use mainstay_crds::filter::Filter;
use mainstay_crds::filter::eval::eval;
use mainstay_crds::filter::parse::request;
use mainstay_crds::schema::Collection;
use mainstay_crds::{Problems, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::service::access::may_read;
use crate::service::records::draft::Record;
use crate::service::records::search::bound;
use crate::service::records::step::Step;
use crate::service::records::{Target, Tx, id_of, update, version_of};
use crate::service::{Ctx, Error};
use crate::store::{Conn, records};

/// What must hold before the operation.
pub struct Expected {
    pub version: Option<i64>,
    /// Bound.
    pub condition: Option<Filter>,
}

impl Expected {
    /// Whether the record has to be there.
    pub fn is_any(&self) -> bool {
        self.version.is_some() || self.condition.is_some()
    }

    /// The record, locked, when it is there and the caller may read it.
    pub fn find(&self, conn: &mut Conn, step: &Step<'_>, id: Uuid) -> Tx<Record> {
        let missing = || match self.version {
            Some(_) => Error::precondition("there is no such record"),
            None => Error::no_record(step.target.collection.name.as_str()),
        };
        Ok(step.find(conn, id)?.ok_or_else(missing)?)
    }

    /// Refuses a record that is not as expected.
    pub fn check(&self, conn: &mut Conn, target: &Target, stored: &[Value<'static>]) -> Tx<()> {
        if target.collection.require_precondition && self.version.is_none() {
            return Err(update::precondition_required(&target.collection, "in a batch, send its `version`").into());
        }
        if self.version.is_some_and(|version| version != version_of(stored).version) {
            return Err(Error::precondition("the record has another `version`; read it again").into());
        }
        let holds = match &self.condition {
            None => true,
            // What leads to other records is asked of the database.
            Some(filter) if leads_away(filter) => {
                let (schema, ids) = (&target.schema, [id_of(stored)]);
                !records::exists_where(conn, &target.collection, schema, &ids, Some(filter))?.is_empty()
            }
            Some(filter) => eval(filter, &target.collection, stored) == Some(true),
        };
        match holds {
            true => Ok(()),
            false => Err(Error::precondition("`if` does not hold for the record").into()),
        }
    }
}

/// Reads a tree, which may ask for no more than the caller may read.
pub fn parse(json: &Json, ctx: &Ctx, target: &Target, problems: &mut Problems) -> Option<Filter> {
    let visible = |collection: &Collection, field: usize| may_read(ctx, &collection.fields[field]);
    let filter = request(json, &target.collection, &target.schema, &visible, problems)?;
    Some(bound(ctx, target, filter))
}

fn leads_away(filter: &Filter) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(leads_away),
        Filter::Not(filter) => leads_away(filter),
        Filter::Test { .. } | Filter::Words(_) => false,
        Filter::Through { .. } | Filter::Exists { .. } => true,
    }
}
