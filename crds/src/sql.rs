//! SQL text with typed binds, for both databases.
//!
//! Built by `evolve` (as literals, for DDL) and by the server's store (as binds, for queries), so that both say
//! a condition in the same words. Knows no connection.

use std::borrow::Cow;

use crate::value::Value;

pub mod filter;
pub mod literal;

/// Which database the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL 15 and later.
    Postgres,
    /// SQLite 3.35 and later, without extensions.
    Sqlite,
}

/// The type of a column, and so of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `text COLLATE "C"`; TEXT.
    Text,
    /// `bigint`; INTEGER.
    Integer,
    /// `double precision`; REAL.
    Number,
    /// `numeric(precision, scale)`; INTEGER, scaled.
    Decimal {
        /// All digits, 1 to 18.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// `boolean`; INTEGER.
    Boolean,
    /// `timestamptz`; TEXT as `2024-01-31T12:00:00.000000Z`.
    Timestamp,
    /// `date`; TEXT as `2024-01-31`.
    Date,
    /// `uuid`; TEXT, lower case with hyphens.
    Uuid,
    /// `json`; TEXT.
    Json,
    /// An array; TEXT holding a JSON array.
    List(ItemType),
    /// `bytea`; BLOB.
    Bytes,
}

impl ColumnType {
    /// The type's name in casts and, with [`ColumnType::ddl`]'s collation, in column definitions.
    pub fn name(self, dialect: Dialect) -> Cow<'static, str> {
        let (postgres, sqlite) = match self {
            ColumnType::Text => ("text", "TEXT"),
            ColumnType::Integer => ("bigint", "INTEGER"),
            ColumnType::Number => ("double precision", "REAL"),
            ColumnType::Decimal { precision, scale } => {
                return match dialect {
                    Dialect::Postgres => Cow::Owned(format!("numeric({precision},{scale})")),
                    Dialect::Sqlite => Cow::Borrowed("INTEGER"),
                };
            }
            ColumnType::Boolean => ("boolean", "INTEGER"),
            ColumnType::Timestamp => ("timestamptz", "TEXT"),
            ColumnType::Date => ("date", "TEXT"),
            ColumnType::Uuid => ("uuid", "TEXT"),
            ColumnType::Json => ("json", "TEXT"),
            ColumnType::List(ItemType::Text) => ("text[]", "TEXT"),
            ColumnType::List(ItemType::Integer) => ("bigint[]", "TEXT"),
            ColumnType::List(ItemType::Uuid) => ("uuid[]", "TEXT"),
            ColumnType::Bytes => ("bytea", "BLOB"),
        };
        Cow::Borrowed(match dialect {
            Dialect::Postgres => postgres,
            Dialect::Sqlite => sqlite,
        })
    }

    /// The type as a column is declared. Text compares by code point on both databases.
    pub fn ddl(self, dialect: Dialect) -> Cow<'static, str> {
        match (self, dialect) {
            (ColumnType::Text, Dialect::Postgres) => Cow::Borrowed("text COLLATE \"C\""),
            (ColumnType::List(ItemType::Text), Dialect::Postgres) => Cow::Borrowed("text[] COLLATE \"C\""),
            _ => self.name(dialect),
        }
    }
}

/// The type of a list's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemType {
    /// `text` and `enum` items.
    Text,
    /// `integer` items.
    Integer,
    /// `uuid` items.
    Uuid,
}

/// A value to be sent beside the text, with the type of its column.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// Byte offset in the text where the placeholder goes.
    pub at: usize,
    /// How the database sees it; needed for nulls and decimals.
    pub column: ColumnType,
    /// The value.
    pub value: Value<'static>,
}

/// SQL under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    /// The text without placeholders.
    pub text: String,
    /// In order of `at`.
    pub binds: Vec<Bind>,
}

impl Sql {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a quoted identifier.
    pub fn ident(&mut self, name: &str) -> &mut Self {
        self.text.push('"');
        self.text.push_str(&name.replace('"', "\"\""));
        self.text.push('"');
        self
    }

    /// Appends a placeholder for `value`.
    pub fn bind(&mut self, column: ColumnType, value: Value<'static>) -> &mut Self {
        self.binds.push(Bind { at: self.text.len(), column, value });
        self
    }

    /// Appends other SQL with its binds.
    pub fn append(&mut self, other: Sql) -> &mut Self {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.binds.extend(other.binds.into_iter().map(|bind| Bind { at: bind.at + shift, ..bind }));
        self
    }
}
