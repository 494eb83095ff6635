//! Reads of one record by its id: the hot path, and the seam where reads in flight will be joined into one query.
//!
//! Called by the services in place of [`Store::read`]. Today each read is a query of its own.

use std::convert::Infallible;
use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::schema::{Collection, ID, Schema};
use uuid::Uuid;

use super::error::Error;
use super::records::{Rows, Select, select};
use super::{Abort, Store};

/// A read of one record: what is answered, what is wanted as values, and the rule that it must satisfy.
#[derive(Clone, Debug)]
pub struct Find {
    /// Of what.
    pub collection: Arc<Collection>,
    /// Its id.
    pub id: Uuid,
    /// Positions of the answered fields, in order.
    pub columns: Vec<usize>,
    /// Positions of the fields wanted as values.
    pub extra: Vec<usize>,
    /// A bound tree.
    pub rule: Option<Filter>,
}

impl Store {
    /// Reads one record; no row when there is none that satisfies the rule.
    pub async fn find(&self, schema: Arc<Schema>, find: Find) -> Result<Rows, Error> {
        self.read(move |conn| {
            let id = Operand::Value(Value::Uuid(find.id));
            let mut all = vec![Filter::Test { field: ID, op: Op::Eq, operands: vec![id] }];
            all.extend(find.rule.clone());
            let page = Select {
                extra: find.extra.clone(),
                filter: Some(Filter::And(all)),
                ..Select::new(&find.collection, find.columns.clone(), 1)
            };
            Ok(select(conn, &schema, &page)?)
        })
        .await
        .map_err(Abort::<Infallible>::into_store)
    }
}
