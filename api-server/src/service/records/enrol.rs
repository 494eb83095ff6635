//! A record of `users` for a person who registers: the one create that no access rule grants.
//!
//! Called by [`crate::service::auth`] inside its transaction, when the settings allow registration. What is for certain
//! roles to write stays so: the person has none yet.

use mainstay_crds::Problems;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::Grant;
use super::draft::{self, Record};
use super::step::Step;
use super::{Target, Tx, id_of};
use crate::service::{Caller, Ctx, Error, Service};
use crate::store::Conn;

/// Someone who is about to register.
pub struct Enrolment {
    ctx: Ctx,
    target: Target,
    record: Record,
}

impl Enrolment {
    /// The record that the members ask for.
    ///
    /// Errors: 400 with its problems and those that were found before; 403 when all are fields of others.
    pub fn new(service: &Service, now: i64, members: &Map<String, Json>, found: Problems) -> Result<Enrolment, Error> {
        let ctx = Ctx { caller: Caller::Anonymous, now, once: None };
        let target = service.target("users")?;
        let mut problems = found;
        let record = draft::create(&ctx, &target.collection, members, None, &mut problems);
        problems.finish(()).map_err(draft::refusal)?;
        Ok(Enrolment { ctx, target, record })
    }

    /// Of the new record.
    pub fn id(&self) -> Uuid {
        id_of(&self.record)
    }

    /// Writes the record.
    pub fn run(&self, conn: &mut Conn) -> Tx<()> {
        let Enrolment { ctx, target, record } = self;
        Step { ctx, target, path: "", look: true }.create(conn, &Grant::Everything, record).map(drop)
    }
}
