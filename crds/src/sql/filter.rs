//! A filter tree as an SQL expression, three-valued, with the same answer on both databases.
//!
//! Called by the store for every `WHERE` and by `ddl` for checks and partial indexes. Takes bound trees: a `$now`
//! or `$auth` that is left is unknown. Never writes a value into the text; those are binds.

use std::borrow::Cow;

use super::{ColumnType, Dialect, ItemType, Sql};
use crate::filter::{Filter, Op, Operand};
use crate::schema::ddl::search::match_ids;
use crate::schema::{Collection, ID, Schema};
use crate::value::Value;
use crate::words;

/// Appends a bound tree as an SQL expression over the table aliased `alias` (unqualified columns when it is empty).
///
/// Its conjunctions and disjunctions bring their own parentheses, so that it may stand beside `AND`, `OR` and `NOT`.
pub fn compile(
    filter: &Filter,
    collection: &Collection,
    schema: &Schema,
    dialect: Dialect,
    alias: &str,
    out: &mut Sql,
) {
    Compiler { collection, schema, dialect, alias, outer: None }.filter(filter, out);
}

/// Appends a column, qualified by `alias` unless that is empty.
pub fn column(collection: &Collection, field: usize, alias: &str, out: &mut Sql) {
    let Some(field) = collection.fields.get(field) else {
        out.push("NULL");
        return;
    };
    if !alias.is_empty() {
        out.ident(alias).push(".");
    }
    out.ident(&field.column);
}

struct Compiler<'a> {
    collection: &'a Collection,
    schema: &'a Schema,
    dialect: Dialect,
    alias: &'a str,
    /// Within `exists`: the collection that it is asked of, and its alias.
    outer: Option<(&'a Collection, &'a str)>,
}

impl Compiler<'_> {
    fn filter(&self, filter: &Filter, out: &mut Sql) {
        match filter {
            Filter::And(filters) => self.join(filters, " AND ", "TRUE", out),
            Filter::Or(filters) => self.join(filters, " OR ", "FALSE", out),
            Filter::Not(filter) => {
                out.push("NOT (");
                self.filter(filter, out);
                out.push(")");
            }
            Filter::Test { field, op, operands } => self.test(*field, *op, operands, out),
            Filter::Through { field, target, readable, filter } => {
                self.through(*field, target.as_str(), readable.as_deref(), filter, out);
            }
            Filter::Exists { collection, filter } => self.exists(collection.as_str(), filter, out),
            Filter::Words(query) => self.words(query, out),
        }
    }

    fn join(&self, filters: &[Filter], between: &str, empty: &str, out: &mut Sql) {
        if filters.is_empty() {
            out.push(empty);
            return;
        }
        for (position, filter) in filters.iter().enumerate() {
            out.push(if position == 0 { "(" } else { between });
            self.filter(filter, out);
        }
        out.push(")");
    }

    /// The condition on the referenced record, as the one value of a scalar subquery: no row and a null are both unknown.
    fn through(&self, field: usize, target: &str, readable: Option<&Filter>, filter: &Filter, out: &mut Sql) {
        let Some(target) = self.schema.get(target) else {
            out.push("NULL");
            return;
        };
        let outer = self.name();
        // Longer than every name around it that the subquery may mention.
        let alias = format!("{outer}_");
        let inner = Compiler { collection: target, alias: &alias, ..*self };
        out.push("(SELECT ");
        inner.filter(filter, out);
        out.push(" FROM ").ident(&target.table).push(" AS ").ident(&alias).push(" WHERE ");
        column(target, ID, &alias, out);
        out.push(" = ");
        column(self.collection, field, outer, out);
        if let Some(readable) = readable {
            inner.filter(readable, out.push(" AND "));
        }
        out.push(")");
    }

    fn exists(&self, target: &str, filter: &Filter, out: &mut Sql) {
        let Some(target) = self.schema.get(target) else {
            out.push("FALSE");
            return;
        };
        let outer = self.name();
        let alias = format!("{outer}_");
        out.push("EXISTS (SELECT 1 FROM ").ident(&target.table).push(" AS ").ident(&alias).push(" WHERE ");
        let outer = Some((self.collection, outer));
        Compiler { collection: target, alias: &alias, outer, ..*self }.filter(filter, out);
        out.push(")");
    }

    /// What was never given its words is not found.
    fn words(&self, query: &words::Query, out: &mut Sql) {
        let Some(search) = &self.collection.search else {
            out.push("FALSE");
            return;
        };
        match self.dialect {
            Dialect::Postgres => {
                out.ident(self.name()).push(".").ident(&search.column).push(" @@ CAST(");
                out.bind(ColumnType::Text, Value::from(query.text(self.dialect))).push(" AS tsquery)");
            }
            Dialect::Sqlite => {
                self.column(ID, out);
                match_ids(self.collection, search, query, out.push(" IN ("));
                out.push(")");
            }
        }
    }

    /// The name of the table in a subquery, which may have a column of the same name.
    fn name(&self) -> &str {
        if self.alias.is_empty() { &self.collection.table } else { self.alias }
    }

    fn test(&self, field: usize, op: Op, operands: &[Operand], out: &mut Sql) {
        let Some(column) = self.collection.fields.get(field).map(|field| field.kind.column()) else {
            out.push("NULL");
            return;
        };
        match (op, operands) {
            (Op::In | Op::Nin, _) => self.one_of(field, column, op == Op::In, operands, out),
            (_, [operand]) => match op {
                Op::Isnull => {
                    self.column(field, out);
                    let null = *operand != Operand::Value(Value::Boolean(false));
                    out.push(if null { " IS NULL" } else { " IS NOT NULL" });
                }
                Op::Contains => self.contains(field, column, false, operand, out),
                Op::Icontains => self.contains(field, column, true, operand, out),
                Op::Startswith => self.starts_with(field, column, operand, out),
                Op::Has => self.has(field, column, operand, out),
                Op::Ne => self.compare(field, column, " <> ", operand, out),
                Op::Gt => self.compare(field, column, " > ", operand, out),
                Op::Gte => self.compare(field, column, " >= ", operand, out),
                Op::Lt => self.compare(field, column, " < ", operand, out),
                Op::Lte => self.compare(field, column, " <= ", operand, out),
                Op::Eq | Op::In | Op::Nin => self.compare(field, column, " = ", operand, out),
            },
            _ => {
                out.push("NULL");
            }
        }
    }

    fn compare(&self, field: usize, column: ColumnType, sign: &str, operand: &Operand, out: &mut Sql) {
        self.column(field, out);
        out.push(sign);
        self.operand(column, operand, out);
    }

    fn one_of(&self, field: usize, column: ColumnType, within: bool, operands: &[Operand], out: &mut Sql) {
        if operands.is_empty() {
            out.push(if within { "FALSE" } else { "TRUE" });
            return;
        }
        self.column(field, out);
        out.push(if within { " IN " } else { " NOT IN " });
        for (position, operand) in operands.iter().enumerate() {
            out.push(if position == 0 { "(" } else { ", " });
            self.operand(column, operand, out);
        }
        out.push(")");
    }

    fn contains(&self, field: usize, column: ColumnType, fold: bool, operand: &Operand, out: &mut Sql) {
        out.push(match self.dialect {
            Dialect::Postgres => "strpos(",
            Dialect::Sqlite => "instr(",
        });
        match (fold, operand) {
            (false, _) => {
                self.column(field, out);
                out.push(", ");
                self.operand(column, operand, out);
            }
            (true, Operand::Value(Value::Text(text))) => {
                self.folded(field, out);
                out.push(", ").bind(column, Value::from(text.to_ascii_lowercase()));
            }
            (true, Operand::Field(other)) => {
                self.folded(field, out);
                out.push(", ");
                self.folded(*other, out);
            }
            (true, _) => {
                self.folded(field, out);
                out.push(", NULL");
            }
        }
        out.push(") > 0");
    }

    fn folded(&self, field: usize, out: &mut Sql) {
        if let Some(field) = self.collection.fields.get(field) {
            fold_column(&field.column, self.alias, self.dialect, out);
        }
    }

    /// A range, which an index answers. Only a prefix that is itself a field needs a function.
    fn starts_with(&self, field: usize, column: ColumnType, operand: &Operand, out: &mut Sql) {
        match operand {
            Operand::Value(Value::Text(prefix)) => {
                out.push("(");
                self.column(field, out);
                out.push(" >= ").bind(column, Value::Text(Cow::Owned(prefix.clone().into_owned())));
                if let Some(end) = successor(prefix) {
                    out.push(" AND ");
                    self.column(field, out);
                    out.push(" < ").bind(column, Value::from(end));
                }
                out.push(")");
            }
            _ => {
                out.push("substr(");
                self.column(field, out);
                out.push(", 1, length(");
                self.operand(column, operand, out);
                out.push(")) = ");
                self.operand(column, operand, out);
            }
        }
    }

    fn has(&self, field: usize, column: ColumnType, operand: &Operand, out: &mut Sql) {
        let item = match column {
            ColumnType::List(ItemType::Text) => ColumnType::Text,
            ColumnType::List(ItemType::Integer) => ColumnType::Integer,
            ColumnType::List(ItemType::Uuid) => ColumnType::Uuid,
            _ => {
                out.push("NULL");
                return;
            }
        };
        match (self.dialect, operand) {
            (
                _,
                Operand::Value(Value::Null)
                | Operand::Outer(_)
                | Operand::Now
                | Operand::AuthId
                | Operand::AuthRoles
                | Operand::AuthClaim { .. },
            ) => {
                out.push("NULL");
            }
            (Dialect::Postgres, Operand::Value(_)) => self.any(field, item, operand, out),
            // A null is in no empty array and EXISTS is never unknown, so that nulls are asked for before.
            _ => {
                out.push("CASE WHEN ");
                self.column(field, out);
                if let Operand::Field(other) = operand {
                    out.push(" IS NULL OR ");
                    self.column(*other, out);
                }
                out.push(" IS NULL THEN NULL ELSE ");
                self.any(field, item, operand, out);
                out.push(" END");
            }
        }
    }

    fn any(&self, field: usize, item: ColumnType, operand: &Operand, out: &mut Sql) {
        match self.dialect {
            Dialect::Postgres => {
                self.operand(item, operand, out);
                out.push(" = ANY(");
            }
            Dialect::Sqlite => {
                out.push("EXISTS (SELECT 1 FROM json_each(");
            }
        }
        self.column(field, out);
        out.push(")");
        if self.dialect == Dialect::Sqlite {
            out.push(" AS \"item\" WHERE \"item\".\"value\" = ");
            self.operand(item, operand, out);
            out.push(")");
        }
    }

    fn column(&self, field: usize, out: &mut Sql) {
        column(self.collection, field, self.alias, out);
    }

    fn operand(&self, column: ColumnType, operand: &Operand, out: &mut Sql) {
        match operand {
            Operand::Field(other) => self.column(*other, out),
            Operand::Outer(other) => match self.outer {
                Some((collection, alias)) => self::column(collection, *other, alias, out),
                None => _ = out.push("NULL"),
            },
            Operand::Value(Value::Null)
            | Operand::Now
            | Operand::AuthId
            | Operand::AuthRoles
            | Operand::AuthClaim { .. } => {
                out.push("NULL");
            }
            Operand::Value(value) => {
                out.bind(column, value.clone());
            }
        }
    }
}

/// Appends a text column with A–Z folded, as `icontains` and case-insensitive keys compare it.
pub fn fold_column(column: &str, alias: &str, dialect: Dialect, out: &mut Sql) {
    out.push("lower(");
    if !alias.is_empty() {
        out.ident(alias).push(".");
    }
    out.ident(column);
    // Any other collation of PostgreSQL folds more than A–Z.
    out.push(match dialect {
        Dialect::Postgres => " COLLATE \"C\")",
        Dialect::Sqlite => ")",
    });
}

/// The least text after every text that begins with `prefix`, by code point; `None` when there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut head = prefix.to_owned();
    while let Some(last) = head.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            head.push(next);
            return Some(head);
        }
    }
    None
}

#[cfg(test)]
mod tests;
