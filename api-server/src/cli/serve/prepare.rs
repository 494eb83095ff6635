//! STUB until the store keeps the applied schema.
use super::super::Failure;
use crate::config::Migrate;
use crate::service::keys::KeyHash;
use crate::store::Store;
use mainstay_crds::schema::Schema;

pub enum State {
    Ready(Schema),
    NotYet(String),
}

pub struct Database {
    store: Store,
    declared: Schema,
    policy: Migrate,
    arguments: String,
}

impl Database {
    pub fn new(store: Store, declared: Schema, policy: Migrate, arguments: String) -> Self {
        Database { store, declared, policy, arguments }
    }
    pub async fn prepare(&mut self) -> Result<State, Failure> {
        tracing::debug!(policy = ?self.policy, arguments = self.arguments, "not prepared");
        match self.store.ping().await {
            Ok(()) => Ok(State::Ready(self.declared.clone())),
            Err(error) => Ok(State::NotYet(error.to_string())),
        }
    }
    pub async fn admin_key(&self) -> Result<Option<KeyHash>, Failure> {
        Ok(None)
    }
    pub async fn set_admin_key(&self, _hash: KeyHash) -> Result<(), Failure> {
        Ok(())
    }
}
