//! The single reads of an observation: by name, by label, and of Secrets by name alone.

use std::collections::BTreeMap;

use futures_util::TryFutureExt;
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use mainstay_crds::backend::{Backend, SecretSource};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Live, NAMESAKES, live, unreadable};
use crate::api_key;
use crate::backend::observed::{Apis, Endpoint, Observed, SecretState, UrlSecret};
use crate::cluster::Error;
use crate::context::Context;
use crate::desired::BACKEND_LABEL;
use crate::kind::Kind;

/// What every kind of object is read with.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context,
    pub(super) namespace: String,
    /// metadata.name of the Backend.
    pub(super) name: String,
    /// The selector of its objects.
    pub(super) label: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(context: &'a Context, backend: &Backend) -> Reader<'a> {
        let name = backend.name_any();
        let label = format!("{BACKEND_LABEL}={name}");
        Reader { context, namespace: backend.namespace().unwrap_or_default(), name, label }
    }

    pub(super) fn named(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        self.context.api(&self.namespace)
    }

    pub(super) async fn get<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        self.context.ask(|| format!("reading {} {name}", K::kind(&())), self.api::<K>().get_opt(name)).await
    }

    pub(super) async fn list<K>(&self, what: &str, label: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let params = ListParams::default().labels(label);
        let list = self.context.ask(|| format!("listing {what}"), async { self.api::<K>().list(&params).await });
        Ok(list.await?.items)
    }

    /// Metadata of the Backend's ConfigMaps: their content may be large.
    pub(super) async fn metadata(&self, label: &str) -> Result<Vec<ObjectMeta>, Error> {
        let params = ListParams::default().labels(label);
        let api = self.api::<ConfigMap>();
        let list = self.context.ask(|| "listing ConfigMaps".to_owned(), async { api.list_metadata(&params).await });
        Ok(list.await?.items.into_iter().map(|map| map.metadata).collect())
    }

    pub(super) async fn namesakes(&self, apis: Apis) -> Result<Live, Error> {
        let there = |kind: &Kind| match kind.kind {
            "HTTPRoute" => apis.http_route,
            "ServiceMonitor" => apis.service_monitor,
            _ => true,
        };
        let found = NAMESAKES.iter().filter(|kind| there(kind)).map(|kind| async move {
            let object = live(self.context, &self.namespace, kind, &self.name).await?;
            Ok::<_, Error>(((kind.kind, self.name.clone()), object))
        });
        Ok(try_join_all(found).await?.into_iter().collect())
    }

    /// The uid of the namespace, and whether it is being deleted.
    pub(super) async fn namespace(&self) -> Result<(String, bool), Error> {
        let api: Api<Namespace> = Api::all(self.context.client.clone());
        let found = self.context.ask(|| "reading the Namespace".to_owned(), api.get_opt(&self.namespace)).await?;
        let leaves = found.as_ref().is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some());
        Ok((found.and_then(|namespace| namespace.metadata.uid).unwrap_or_default(), leaves))
    }

    pub(super) async fn urls(&self, backend: &Backend) -> Result<Vec<UrlSecret>, Error> {
        let (database, redis) = (backend.spec.database.as_ref(), backend.spec.redis.as_ref());
        let sources = [
            (Endpoint::Database, database.and_then(|database| database.url_from.as_ref())),
            (Endpoint::Database, database.and_then(|database| database.direct_url_from.as_ref())),
            (Endpoint::Redis, redis.map(|redis| &redis.url_from)),
        ];
        let judged = sources.into_iter().filter_map(|(of, source)| Some((of, source?)));
        let judged = judged.map(|(of, SecretSource { secret_key_ref: source })| {
            self.get::<Secret>(&source.name).map_ok(move |secret| UrlSecret {
                of,
                name: source.name.clone(),
                key: source.key.clone(),
                state: judge(secret.as_ref(), &source.key, of),
            })
        });
        try_join_all(judged).await
    }

    pub(super) async fn api_key_secrets(&self, seen: &Observed) -> Result<BTreeMap<String, Secret>, Error> {
        let found = seen.api_keys.iter().map(|key| async move {
            let name = key.name_any();
            let secret = self.get::<Secret>(&api_key::secret_name(key)).await?;
            Ok::<_, Error>(secret.map(|secret| (name, secret)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }

    /// The documents that the ConfigMaps named in `<backend>-documents` hold.
    pub(super) async fn documents(&self, accepted: Option<&ConfigMap>) -> Result<BTreeMap<String, Json>, Error> {
        let data = accepted.and_then(|map| map.data.as_ref());
        let Some((hash, parts)) = data.and_then(|data| data.get("hash").zip(data.get("parts"))) else {
            return Ok(BTreeMap::new());
        };
        let parts = (0..parts.parse::<usize>().unwrap_or(0))
            .map(|part| async move { self.get::<ConfigMap>(&format!("{}-r{hash}-{part}", self.name)).await });
        let mut documents = BTreeMap::new();
        for (file, text) in try_join_all(parts).await?.into_iter().flatten().filter_map(|map| map.data).flatten() {
            let Some(collection) = file.strip_suffix(".json") else { continue };
            let document = serde_json::from_str(&text).map_err(unreadable(&format!("the accepted document {file}")))?;
            documents.insert(collection.to_owned(), document);
        }
        Ok(documents)
    }
}

/// What can be said of a Secret with a URL; its content goes no further.
fn judge(secret: Option<&Secret>, key: &str, of: Endpoint) -> SecretState {
    let Some(secret) = secret else { return SecretState::Missing };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        None => SecretState::KeyMissing,
        Some(url) if of.form().1.iter().any(|scheme| url.0.starts_with(scheme.as_bytes())) => SecretState::Usable,
        Some(_) => SecretState::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_with_urls_are_judged() {
        let secret = |url: &str| -> Secret {
            let mut secret = Secret::default();
            let url = k8s_openapi::ByteString(url.as_bytes().to_vec());
            secret.data.get_or_insert_default().insert("url".to_owned(), url);
            secret
        };
        let cases = [
            (None, "url", Endpoint::Database, SecretState::Missing),
            (Some(secret("postgres://a")), "uri", Endpoint::Database, SecretState::KeyMissing),
            (Some(Secret::default()), "url", Endpoint::Database, SecretState::KeyMissing),
            (Some(secret("mysql://a")), "url", Endpoint::Database, SecretState::Invalid),
            (Some(secret("")), "url", Endpoint::Database, SecretState::Invalid),
            (Some(secret("postgres://a")), "url", Endpoint::Database, SecretState::Usable),
            (Some(secret("postgresql://a")), "url", Endpoint::Database, SecretState::Usable),
            (Some(secret("postgres://a")), "url", Endpoint::Redis, SecretState::Invalid),
            (Some(secret("redis://a")), "url", Endpoint::Redis, SecretState::Usable),
            (Some(secret("rediss://a")), "url", Endpoint::Redis, SecretState::Usable),
        ];
        for (secret, key, of, state) in cases {
            assert_eq!(judge(secret.as_ref(), key, of), state, "{key} of {of:?}");
        }
    }
}
