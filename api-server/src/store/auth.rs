//! Passwords and sessions of people, in the server's own tables.
//!
//! Called by [`crate::service::auth`] inside its transactions. Whoever touches a session locks it first, so that no two
//! transactions about one wait for each other in a circle. Knows no password, no token and no rule.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use uuid::Uuid;

use super::conn::Row;
use super::error::Error;

pub mod password;
pub mod session;

/// A person, and not whoever else may get the same id later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Of the record of `users`.
    pub id: Uuid,
    /// When that record was created; microseconds since 1970.
    pub created_at: i64,
}

/// Appends `user_id = … AND user_created_at = …`.
fn push_owner(owner: Owner, sql: &mut Sql) {
    sql.push("user_id = ").bind(ColumnType::Uuid, Value::Uuid(owner.id));
    sql.push(" AND user_created_at = ").bind(ColumnType::Timestamp, Value::Timestamp(owner.created_at));
}

/// Appends what holds the rows found until the transaction ends; SQLite has one writer, and so nothing to lock.
fn push_lock(dialect: Dialect, sql: &mut Sql) {
    if dialect == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
}

fn uuid(row: &Row<'_, '_, '_>, index: usize) -> Result<Uuid, Error> {
    match row.value(index, ColumnType::Uuid)? {
        Value::Uuid(id) => Ok(id),
        _ => Err(unreadable()),
    }
}

fn time(row: &Row<'_, '_, '_>, index: usize) -> Result<Option<i64>, Error> {
    match row.value(index, ColumnType::Timestamp)? {
        Value::Timestamp(time) => Ok(Some(time)),
        _ => Ok(None),
    }
}

fn unreadable() -> Error {
    Error::Other("a row of the sign-in tables cannot be read".to_owned())
}
