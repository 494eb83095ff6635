//! Collections and ApiKeys whose Backend does not exist: they are told so. Those with a Backend hear from its
//! reconciliation.
//!
//! Called by `controllers` when something names a Backend that the caches do not hold, or a Backend is gone.

use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt};
use mainstay_crds::api_key::{ApiKey, ApiKeyStatus};
use mainstay_crds::backend::Backend;
use mainstay_crds::collection::{Collection, CollectionStatus};
use mainstay_crds::conditions::{Reason, Type};

use crate::backend::status::condition;
use crate::backend::tell;
use crate::cluster::Error;
use crate::context::Scope;

/// Tells all that name the Backend `namespace/name`, if there really is none: one of another class is none of ours.
pub async fn tell(scope: &Scope, namespace: &str, name: &str) -> Result<(), Error> {
    let context = &*scope.context;
    let backends: Api<Backend> = context.api(namespace);
    let what = || format!("reading Backend {name}");
    if context.ask(what, backends.get_metadata_opt(name)).await?.is_some() {
        return Ok(());
    }
    context.forget(&(namespace.to_owned(), name.to_owned()));
    let now = Timestamp::now();
    for guard in scope.collections.state() {
        let Ok(collection) = &guard.0 else { continue };
        let names = collection.spec.backend_ref.as_ref().is_some_and(|to| to.name == name);
        if names && concerns(collection, namespace) {
            let status = of_collection(collection, name, now);
            tell::tell(context, collection, collection.status.as_ref(), &status).await?;
        }
    }
    for guard in scope.api_keys.state() {
        let Ok(key) = &guard.0 else { continue };
        if key.spec.backend_ref.name == name && concerns(key, namespace) {
            let status = of_key(key, name, now);
            tell::tell(context, key, key.status.as_ref(), &status).await?;
        }
    }
    Ok(())
}

fn concerns<K: Resource>(object: &K, namespace: &str) -> bool {
    object.namespace().as_deref() == Some(namespace) && object.meta().deletion_timestamp.is_none()
}

fn of_collection(collection: &Collection, backend: &str, now: Timestamp) -> CollectionStatus {
    let old = collection.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let generation = collection.metadata.generation;
    let condition = condition(old, Type::Accepted, false, Reason::BackendNotFound, missing(backend), generation, now);
    CollectionStatus { observed_generation: generation, conditions: vec![condition], ..CollectionStatus::default() }
}

fn of_key(key: &ApiKey, backend: &str, now: Timestamp) -> ApiKeyStatus {
    let old = key.status.clone().unwrap_or_default();
    let generation = key.metadata.generation;
    let condition =
        condition(&old.conditions, Type::Ready, false, Reason::BackendNotFound, missing(backend), generation, now);
    ApiKeyStatus { observed_generation: generation, conditions: vec![condition], ..old }
}

fn missing(backend: &str) -> String {
    format!("there is no Backend `{backend}` in this namespace; make it, or name another in spec.backendRef")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_stays_the_same() {
        let mut collection = Collection::default();
        collection.metadata.generation = Some(3);
        let first = of_collection(&collection, "shop", Timestamp::from_second(10).unwrap());
        assert_eq!(first.conditions[0].reason, "BackendNotFound");
        assert_eq!(first.observed_generation, Some(3));
        collection.status = Some(first.clone());
        assert_eq!(of_collection(&collection, "shop", Timestamp::from_second(20).unwrap()), first);
    }
}
