//! The contract of Mainstay: what a user may declare, what it means, and what values it allows.
//!
//! Called by the API server, the operator and the tests. Pure: no I/O, no clock, no random numbers.
//! A document becomes a [`schema::Schema`] through [`collection::check()`], or a list of [`Problem`]s;
//! nothing here ever sees a database, only the SQL text that one would be given.

pub mod api_key;
pub mod backend;
pub mod collection;
pub mod conditions;
pub mod duration;
pub mod field;
pub mod filter;
pub mod json;
pub mod migration_plan;
pub mod name;
pub mod plan;
pub mod problem;
pub mod rate_limit;
pub mod schema;
mod shape;
pub mod sql;
pub mod value;
pub mod words;

pub use problem::{Problem, Problems};
pub use value::Value;
