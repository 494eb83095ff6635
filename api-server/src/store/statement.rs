//! SQL with typed binds as a Diesel query, for both databases.
//!
//! Made by [`super::conn`] from [`Sql`] alone. Diesel's `sql_query` is never prepared once for all; a fragment of
//! our own is. Diesel's cache has no bound, so that [`Admission`] decides which texts may enter it.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::{IsNull, Output, Result as SerializeResult, ToSql};
use diesel::sql_types::{self, Nullable};
use diesel::sqlite::Sqlite;
use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, ItemType, Sql};

use super::encode;

/// How many texts a connection may keep prepared.
const ADMITTED: usize = 512;
/// How many of them may be shaped by requests (filters, sorts, sets of fields).
const ADMITTED_VARYING: usize = 384;

/// The texts that may be cached by every connection of one store. First come, first served: none ever leaves.
#[derive(Default)]
pub(super) struct Admission {
    texts: RwLock<HashSet<String>>,
}

impl Admission {
    /// Whether a connection may keep this text prepared.
    fn admits(&self, text: &str, varying: bool) -> bool {
        if self.texts.read().unwrap_or_else(PoisonError::into_inner).contains(text) {
            return true;
        }
        let limit = if varying { ADMITTED_VARYING } else { ADMITTED };
        if self.texts.read().unwrap_or_else(PoisonError::into_inner).len() >= limit {
            return false;
        }
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        let room = texts.len() < limit;
        if room {
            texts.insert(text.to_owned());
        }
        room || texts.contains(text)
    }
}

/// A text with its binds in the form of one database.
pub(super) struct Statement {
    text: String,
    binds: Vec<(usize, ColumnType, Encoded)>,
    cached: bool,
}

/// A bind as it travels.
enum Encoded {
    /// PostgreSQL's binary format.
    Postgres(Option<Raw>),
    Text(Option<String>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Bytes(Option<Vec<u8>>),
}

/// A value in PostgreSQL's binary format, whatever its type.
#[derive(Debug)]
struct Raw(Vec<u8>);

impl Statement {
    /// Encodes every bind. `varying` marks a text that requests shape.
    pub(super) fn new(sql: Sql, dialect: Dialect, admission: &Admission, varying: bool) -> Statement {
        let binds = sql.binds.into_iter().map(|bind| {
            let encoded = match dialect {
                Dialect::Postgres => Encoded::Postgres(encode::postgres(bind.column, &bind.value).map(Raw)),
                Dialect::Sqlite => for_sqlite(bind.column, bind.value),
            };
            (bind.at, bind.column, encoded)
        });
        let binds = binds.collect();
        let cached = admission.admits(&sql.text, varying);
        Statement { text: sql.text, binds, cached }
    }

    /// The text with placeholders, never with values.
    pub(super) fn shown(&self) -> String {
        let (mut shown, mut done) = (String::with_capacity(self.text.len() + 4 * self.binds.len()), 0);
        for (number, (at, _, encoded)) in self.binds.iter().enumerate() {
            shown.push_str(self.text.get(done..*at).unwrap_or_default());
            match encoded {
                Encoded::Postgres(_) => shown.push_str(&format!("${}", number + 1)),
                Encoded::Text(_) | Encoded::Integer(_) | Encoded::Number(_) | Encoded::Bytes(_) => shown.push('?'),
            }
            done = *at;
        }
        shown.push_str(self.text.get(done..).unwrap_or_default());
        shown
    }

    /// Appends the text, calling `bind` where a placeholder goes.
    fn walk<'b, DB: Backend>(
        &'b self,
        out: &mut AstPass<'_, 'b, DB>,
        bind: impl Fn(&mut AstPass<'_, 'b, DB>, ColumnType, &'b Encoded) -> QueryResult<()>,
    ) -> QueryResult<()> {
        if !self.cached {
            out.unsafe_to_cache_prepared();
        }
        let mut done = 0;
        for (at, column, encoded) in &self.binds {
            out.push_sql(self.text.get(done..*at).unwrap_or_default());
            bind(out, *column, encoded)?;
            done = *at;
        }
        out.push_sql(self.text.get(done..).unwrap_or_default());
        Ok(())
    }
}

fn for_sqlite(column: ColumnType, value: Value<'static>) -> Encoded {
    match column {
        ColumnType::Integer | ColumnType::Decimal { .. } | ColumnType::Boolean => Encoded::Integer(match value {
            Value::Integer(n) | Value::Decimal(n) => Some(n),
            Value::Boolean(b) => Some(i64::from(b)),
            _ => None,
        }),
        ColumnType::Number => Encoded::Number(match value {
            Value::Number(n) => Some(n),
            _ => None,
        }),
        ColumnType::Bytes => Encoded::Bytes(match value {
            Value::Bytes(bytes) => Some(bytes.into_owned()),
            _ => None,
        }),
        _ => Encoded::Text(encode::sqlite_text(value)),
    }
}

impl Query for Statement {
    type SqlType = diesel::expression::expression_types::Untyped;
}

impl QueryId for Statement {
    type QueryId = ();
    // The text is the key of the cache.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.walk(&mut out, |out, column, encoded| {
            let Encoded::Postgres(value) = encoded else { return Ok(()) };
            match column {
                ColumnType::Text => out.push_bind_param::<Nullable<sql_types::Text>, _>(value),
                ColumnType::Integer => out.push_bind_param::<Nullable<sql_types::BigInt>, _>(value),
                ColumnType::Number => out.push_bind_param::<Nullable<sql_types::Double>, _>(value),
                ColumnType::Decimal { .. } => out.push_bind_param::<Nullable<sql_types::Numeric>, _>(value),
                ColumnType::Boolean => out.push_bind_param::<Nullable<sql_types::Bool>, _>(value),
                ColumnType::Timestamp => out.push_bind_param::<Nullable<sql_types::Timestamptz>, _>(value),
                ColumnType::Date => out.push_bind_param::<Nullable<sql_types::Date>, _>(value),
                ColumnType::Uuid => out.push_bind_param::<Nullable<sql_types::Uuid>, _>(value),
                ColumnType::Json => out.push_bind_param::<Nullable<sql_types::Json>, _>(value),
                ColumnType::List(item) => match item {
                    ItemType::Text => out.push_bind_param::<Nullable<sql_types::Array<sql_types::Text>>, _>(value),
                    ItemType::Integer => out.push_bind_param::<Nullable<sql_types::Array<sql_types::BigInt>>, _>(value),
                    ItemType::Uuid => out.push_bind_param::<Nullable<sql_types::Array<sql_types::Uuid>>, _>(value),
                },
                ColumnType::Bytes => out.push_bind_param::<Nullable<sql_types::Binary>, _>(value),
            }
        })
    }
}

impl QueryFragment<Sqlite> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.walk(&mut out, |out, _, encoded| match encoded {
            Encoded::Postgres(_) => Ok(()),
            Encoded::Text(value) => out.push_bind_param::<Nullable<sql_types::Text>, _>(value),
            Encoded::Integer(value) => out.push_bind_param::<Nullable<sql_types::BigInt>, _>(value),
            Encoded::Number(value) => out.push_bind_param::<Nullable<sql_types::Double>, _>(value),
            Encoded::Bytes(value) => out.push_bind_param::<Nullable<sql_types::Binary>, _>(value),
        })
    }
}

macro_rules! raw_to_sql {
    ($($sql_type:ty),* $(,)?) => {$(
        impl ToSql<$sql_type, Pg> for Raw {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> SerializeResult {
                std::io::Write::write_all(out, &self.0)?;
                Ok(IsNull::No)
            }
        }
    )*};
}

raw_to_sql!(
    sql_types::Text,
    sql_types::BigInt,
    sql_types::Double,
    sql_types::Numeric,
    sql_types::Bool,
    sql_types::Timestamptz,
    sql_types::Date,
    sql_types::Uuid,
    sql_types::Json,
    sql_types::Array<sql_types::Text>,
    sql_types::Array<sql_types::BigInt>,
    sql_types::Array<sql_types::Uuid>,
    sql_types::Binary,
);
