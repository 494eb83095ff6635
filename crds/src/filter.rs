//! Filter trees: conditions on one record, as a checked type.
//!
//! Built from JSON ([`parse`]) or from query parameters (`mainstay`'s `query/filter.rs`); compiled to SQL by
//! [`crate::sql`] and evaluated in memory by [`eval`]. Logic is three-valued as in SQL.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::name::Name;
use crate::sql::ColumnType;
use crate::value::Value;
use crate::words;

pub mod claim;
pub mod eval;
pub mod never;
pub mod parse;

/// At most this many tests in one tree; `exists`, and a group of nothing, are tests too.
pub const MAX_LEAVES: usize = 100;
/// At most this many levels of `and`, `or`, `not`, references and `exists`.
pub const MAX_DEPTH: usize = 10;

/// A condition on a record. Field positions are those of the collection it was checked against.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold; the empty conjunction is true.
    And(Vec<Filter>),
    /// One holds; the empty disjunction is false.
    Or(Vec<Filter>),
    /// Does not hold; unknown stays unknown.
    Not(Box<Filter>),
    /// A test of one field.
    Test {
        /// Position of the field.
        field: usize,
        /// What is asked of it.
        op: Op,
        /// One operand; any number for `in` and `nin`; a boolean for `isnull`.
        operands: Vec<Operand>,
    },
    /// A condition on the record that a `ref` field points to; unknown when it is null.
    Through {
        /// Position of the `ref` field.
        field: usize,
        /// The collection it points to.
        target: Name,
        /// Which records count: to any other one the reference is as good as null. `None` is all of them.
        readable: Option<Box<Filter>>,
        /// The condition, on the target's fields.
        filter: Box<Filter>,
    },
    /// There is a record of another collection for which the condition is true. Never unknown.
    Exists {
        /// Of which collection.
        collection: Name,
        /// The condition on that collection's fields, which may name those of this one ([`Operand::Outer`]).
        filter: Box<Filter>,
    },
    /// The record's words are what `q` asks for. Stands in conjunctions alone, where unknown is as good as false.
    Words(words::Query),
}

/// What may be asked of a field. Which kind allows which is the kind's `operators()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal; unknown for null.
    Ne,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Equal to one of.
    In,
    /// Equal to none of.
    Nin,
    /// Text holds the operand.
    Contains,
    /// Text holds the operand, A–Z folded.
    Icontains,
    /// Text begins with the operand.
    Startswith,
    /// Null, or not null.
    Isnull,
    /// A list holds the operand.
    Has,
}

impl Op {
    /// Every operator with its name in parameters and trees.
    pub const ALL: [(&'static str, Op); 13] = [
        ("eq", Op::Eq),
        ("ne", Op::Ne),
        ("gt", Op::Gt),
        ("gte", Op::Gte),
        ("lt", Op::Lt),
        ("lte", Op::Lte),
        ("in", Op::In),
        ("nin", Op::Nin),
        ("contains", Op::Contains),
        ("icontains", Op::Icontains),
        ("startswith", Op::Startswith),
        ("isnull", Op::Isnull),
        ("has", Op::Has),
    ];

    /// The operator of that name.
    pub fn from_name(name: &str) -> Option<Op> {
        Op::ALL.iter().find(|(known, _)| *known == name).map(|(_, op)| *op)
    }

    /// Its name in parameters and trees.
    pub fn name(self) -> &'static str {
        Op::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    /// Whether it takes a list of operands.
    pub fn takes_list(self) -> bool {
        matches!(self, Op::In | Op::Nin)
    }
}

/// The right side of a test.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A constant of the field's kind (for `has`: of the items' kind; for `isnull`: a boolean).
    Value(Value<'static>),
    /// `$field.<name>`: another field of the same record, of the same kind.
    Field(usize),
    /// `$field.<name>` within `exists`: a field of the record that `exists` is asked of.
    Outer(usize),
    /// `$now`: the time of the request.
    Now,
    /// `$auth.id`: the calling user.
    AuthId,
    /// `$auth.roles`: the caller's roles (only with `in`, `nin`).
    AuthRoles,
    /// `$auth.claims.<name>`.
    AuthClaim {
        /// Of the claim, at the top of the token.
        name: String,
        /// As what it is read: the type of the field that it is compared with.
        column: ColumnType,
    },
}

/// What a tree may know of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// Microseconds since 1970.
    pub now: i64,
    /// The calling user's id, when the caller is one.
    pub auth_id: Option<Uuid>,
    /// The caller's roles, when it has any.
    pub auth_roles: Option<&'a [String]>,
    /// The claims of the caller's token, when it has one.
    pub auth_claims: Option<&'a Map<String, Json>>,
}

impl Filter {
    /// The tree with every `$now` and `$auth` replaced, or `None` when it names an `$auth` value that the caller
    /// lacks: such a rule grants nothing.
    pub fn bind(&self, scope: &Scope<'_>) -> Option<Filter> {
        let all = |filters: &[Filter]| filters.iter().map(|f| f.bind(scope)).collect::<Option<Vec<_>>>();
        Some(match self {
            Filter::And(filters) => Filter::And(all(filters)?),
            Filter::Or(filters) => Filter::Or(all(filters)?),
            Filter::Not(filter) => Filter::Not(Box::new(filter.bind(scope)?)),
            Filter::Test { field, op, operands } => {
                let mut bound = Vec::with_capacity(operands.len());
                for operand in operands {
                    operand.bind_into(scope, op.takes_list(), &mut bound)?;
                }
                Filter::Test { field: *field, op: *op, operands: bound }
            }
            Filter::Through { field, target, readable, filter } => {
                let filter = Box::new(filter.bind(scope)?);
                let readable = match readable {
                    Some(readable) => Some(Box::new(readable.bind(scope)?)),
                    None => None,
                };
                Filter::Through { field: *field, target: target.clone(), readable, filter }
            }
            Filter::Exists { collection, filter } => {
                Filter::Exists { collection: collection.clone(), filter: Box::new(filter.bind(scope)?) }
            }
            Filter::Words(query) => Filter::Words(query.clone()),
        })
    }

    /// The tree with every related record held to `rule`, which says for a collection which records count; `None` is all.
    /// What does not count is as if it were not there, so that no question tells anything about it.
    pub fn guard(self, rule: &dyn Fn(&Name) -> Option<Filter>) -> Filter {
        let all = |filters: Vec<Filter>| filters.into_iter().map(|filter| filter.guard(rule)).collect();
        match self {
            Filter::And(filters) => Filter::And(all(filters)),
            Filter::Or(filters) => Filter::Or(all(filters)),
            Filter::Not(filter) => Filter::Not(Box::new(filter.guard(rule))),
            Filter::Test { .. } | Filter::Words(_) => self,
            Filter::Through { field, target, filter, .. } => {
                let readable = rule(&target).map(Box::new);
                Filter::Through { field, target, readable, filter: Box::new(filter.guard(rule)) }
            }
            Filter::Exists { collection, filter } => {
                let all = rule(&collection).into_iter().chain([filter.guard(rule)]).collect();
                Filter::Exists { collection, filter: Box::new(Filter::And(all)) }
            }
        }
    }

    /// What is asked of the record's words, among what has to hold.
    pub fn words(&self) -> Option<&words::Query> {
        match self {
            Filter::Words(query) => Some(query),
            Filter::And(filters) => filters.iter().find_map(Filter::words),
            _ => None,
        }
    }

    /// Whether it names anything of the caller, which an anonymous one lacks.
    pub fn names_caller(&self) -> bool {
        let mut named = false;
        self.visit(&mut |operand| {
            named |= matches!(operand, Operand::AuthId | Operand::AuthRoles | Operand::AuthClaim { .. });
        });
        named
    }

    /// Shows every operand of the tree, but for those that say which related records count.
    pub fn visit(&self, each: &mut dyn FnMut(&Operand)) {
        match self {
            Filter::And(filters) | Filter::Or(filters) => filters.iter().for_each(|filter| filter.visit(each)),
            Filter::Not(filter) | Filter::Exists { filter, .. } | Filter::Through { filter, .. } => filter.visit(each),
            Filter::Test { operands, .. } => operands.iter().for_each(each),
            Filter::Words(_) => {}
        }
    }

    /// How many operands all its tests have: each is a value that is sent to the database.
    pub fn operands(&self) -> usize {
        match self {
            Filter::And(filters) | Filter::Or(filters) => filters.iter().map(Filter::operands).sum(),
            Filter::Not(filter) | Filter::Exists { filter, .. } => filter.operands(),
            Filter::Test { operands, .. } => operands.len(),
            Filter::Words(_) => 1,
            Filter::Through { readable, filter, .. } => {
                readable.as_ref().map_or(0, |readable| readable.operands()) + filter.operands()
            }
        }
    }
}

impl Operand {
    /// With `many` the operand may stand for any number of values.
    fn bind_into(&self, scope: &Scope<'_>, many: bool, out: &mut Vec<Operand>) -> Option<()> {
        match self {
            Operand::Value(_) | Operand::Field(_) | Operand::Outer(_) => out.push(self.clone()),
            Operand::Now => out.push(Operand::Value(Value::Timestamp(scope.now))),
            Operand::AuthId => out.push(Operand::Value(Value::Uuid(scope.auth_id?))),
            Operand::AuthRoles => {
                out.extend(scope.auth_roles?.iter().map(|role| Operand::Value(Value::from(role.clone()))));
            }
            Operand::AuthClaim { name, column } => {
                let values = claim::values(scope.auth_claims?.get(name)?, *column, many)?;
                out.extend(values.into_iter().map(Operand::Value));
            }
        }
        Some(())
    }
}
