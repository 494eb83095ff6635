//! One statement as a span of its request's trace, by the semantic conventions of database clients.
//!
//! Made by [`super::conn`] around each statement. Nothing is written of a request that is not kept.

use mainstay_crds::sql::Dialect;
use opentelemetry::KeyValue;

use super::error::Error;
use super::figures;
use crate::telemetry::trace::{self, Part};

/// A longer text is cut: that of an insert of a thousand records says nothing more at its end.
const LONGEST: usize = 4096;

/// A statement under way.
pub(super) struct Statement(Part);

/// Begins. `text` has placeholders for its values.
pub(super) fn of(dialect: Dialect, text: impl FnOnce() -> String) -> Statement {
    Statement(trace::call(|| {
        let mut text = text();
        text.truncate(text.floor_char_boundary(LONGEST));
        let (operation, table) = summary(&text);
        let mut attributes = vec![
            KeyValue::new(
                "db.system.name",
                match dialect {
                    Dialect::Postgres => "postgresql",
                    Dialect::Sqlite => "sqlite",
                },
            ),
            KeyValue::new("db.operation.name", operation.clone()),
        ];
        let name = table.as_ref().map_or_else(|| operation.clone(), |table| format!("{operation} {table}"));
        attributes.extend(table.map(|table| KeyValue::new("db.collection.name", table)));
        attributes.push(KeyValue::new("db.query.text", text));
        (name, attributes)
    }))
}

impl Statement {
    /// It has ended so.
    pub(super) fn ended<T>(mut self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &done {
            self.0.fail(figures::kind(error).unwrap_or("constraint"));
        }
        done
    }
}

/// What it does, and to which table first: all our own statements quote their tables.
fn summary(text: &str) -> (String, Option<String>) {
    let operation = text.split_whitespace().next().unwrap_or_default().trim_end_matches(';').to_owned();
    let places = ["FROM \"", "INTO \"", "UPDATE \""].iter();
    let first = places.filter_map(|word| Some(text.find(word)? + word.len())).min();
    let table = first.and_then(|at| text.get(at..)?.split('"').next().map(str::to_owned));
    (operation, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_what_it_does() {
        for (text, operation, table) in [
            ("SELECT \"id\" FROM \"notes\" WHERE \"id\" = $1", "SELECT", Some("notes")),
            ("INSERT INTO \"notes\" (\"id\") SELECT $1 FROM \"users\"", "INSERT", Some("notes")),
            ("UPDATE \"notes\" SET \"title\" = ?", "UPDATE", Some("notes")),
            ("WITH x AS (DELETE FROM \"notes\") SELECT 1", "WITH", Some("notes")),
            ("COMMIT", "COMMIT", None),
            ("", "", None),
        ] {
            assert_eq!(summary(text), (operation.to_owned(), table.map(str::to_owned)), "{text}");
        }
    }
}
