//! The rules of the product: who may do what, what a body may hold, what one request changes.
//!
//! Called by the transports, which only translate. Knows the store and the schema; never HTTP, never SQL.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mainstay_crds::filter::Scope;
use mainstay_crds::rate_limit::Quota;
use mainstay_crds::schema::Schema;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::query::page;
use crate::store::{Abort, Conn, Store};

pub mod access;
mod applied;
pub mod auth;
pub mod error;
pub mod idempotency;
pub mod keys;
pub mod records;
pub mod signing;

pub use error::{Code, Error};
use idempotency::{InFlight, Once};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Without credentials.
    Anonymous,
    /// With an API key.
    Machine(Arc<Machine>),
    /// Signed in, with a token.
    User(Arc<User>),
    /// With the admin key.
    Admin,
}

/// A program with an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The key's name, for people. No two machines have one.
    pub name: String,
    /// `machine` and the key's own roles.
    pub roles: Vec<String>,
    /// How many requests its keys may make together, in the place of what others may.
    pub rate_limit: Option<Quota>,
}

/// A person who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id of the record of `users`.
    pub id: Uuid,
    /// `user` and the person's own roles.
    pub roles: Vec<String>,
    /// The claims of the token.
    pub claims: Map<String, Json>,
}

impl Caller {
    /// Whether the caller acts in `role`. `anyone` is every caller; admin is every role.
    pub fn has_role(&self, role: &str) -> bool {
        role == "anyone" || self.is_admin() || self.roles().is_some_and(|roles| roles.iter().any(|own| own == role))
    }

    /// Whether the caller may do everything on every row.
    pub fn is_admin(&self) -> bool {
        match self {
            Caller::Admin => true,
            Caller::Anonymous | Caller::Machine(_) | Caller::User(_) => {
                self.roles().is_some_and(|roles| roles.iter().any(|role| role == "admin"))
            }
        }
    }

    /// The record of `users` that the caller is; machines and the admin key are none.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Caller::User(user) => Some(user.id),
            Caller::Anonymous | Caller::Machine(_) | Caller::Admin => None,
        }
    }

    /// Its name among all callers; empty of an anonymous one. What belongs to a caller is kept under it.
    pub fn identity(&self) -> String {
        match self {
            Caller::Anonymous => String::new(),
            Caller::Machine(machine) => format!("machine:{}", machine.name),
            Caller::User(user) => format!("user:{}", user.id),
            Caller::Admin => "admin".to_owned(),
        }
    }

    /// One word for figures.
    pub fn kind(&self) -> &'static str {
        match self {
            Caller::Anonymous => "anonymous",
            Caller::Machine(_) => "machine",
            Caller::User(_) => "user",
            Caller::Admin => "admin",
        }
    }

    fn roles(&self) -> Option<&[String]> {
        match self {
            Caller::Anonymous | Caller::Admin => None,
            Caller::Machine(machine) => Some(&machine.roles),
            Caller::User(user) => Some(&user.roles),
        }
    }

    fn claims(&self) -> Option<&Map<String, Json>> {
        match self {
            Caller::User(user) => Some(&user.claims),
            Caller::Anonymous | Caller::Machine(_) | Caller::Admin => None,
        }
    }
}

/// For log lines: who it is, and nothing that could be presented as a credential.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Anonymous | Caller::Admin => f.write_str(self.kind()),
            Caller::User(user) => write!(f, "user:{}", user.id),
            Caller::Machine(machine) => write!(f, "machine:{}", machine.name),
        }
    }
}

/// What a service function knows of the request beside its input.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Who calls.
    pub caller: Caller,
    /// Microseconds since 1970: one time for all effects of the request.
    pub now: i64,
    /// Set for a request that shall have its effects once.
    pub once: Option<Arc<Once>>,
}

impl Ctx {
    /// What a filter tree may know of the request.
    pub fn scope(&self) -> Scope<'_> {
        let Ctx { caller, now, .. } = self;
        Scope { now: *now, auth_id: caller.id(), auth_roles: caller.roles(), auth_claims: caller.claims() }
    }
}

/// What every service function works with; built once.
pub struct Service {
    /// The database.
    pub store: Store,
    /// What is served; replaced as a whole.
    pub schema: ArcSwap<Schema>,
    /// Page sizes.
    pub page: page::Limits,
    /// The deepest JSON that a body may hold.
    pub json_depth: usize,
    /// Requests with an `Idempotency-Key` that are under way.
    in_flight: InFlight,
}

impl Service {
    /// A service over `store` that serves `schema`.
    pub fn new(store: Store, schema: Schema, page: page::Limits, json_depth: usize) -> Self {
        Service { store, schema: ArcSwap::from_pointee(schema), page, json_depth, in_flight: InFlight::default() }
    }

    /// The schema of this moment. Taken once a request, so that a request sees one schema.
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.load_full()
    }
}

impl Service {
    /// Runs a read; a failure of the store becomes a domain error.
    async fn read<T, F>(&self, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> Result<T, Abort<Error>> + Send + Sync + 'static,
    {
        Ok(self.store.read(f).await?)
    }
}
