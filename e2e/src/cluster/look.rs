//! Looks at objects through one `kubectl proxy`: to start a `kubectl` for each look costs more than what is tested.
//!
//! Used by [`super::Namespace`] for the kinds below, which tests wait for; it asks `kubectl` for all others.

use reqwest::blocking::Client;
use serde_json::Value as Json;

use super::Proxy;

/// Singular and plural, as in `kubectl get`, and where they are.
const KINDS: [(&str, &str, &str); 10] = [
    ("apikey", "apikeys", "/apis/mainstay.dev/v1alpha1"),
    ("backend", "backends", "/apis/mainstay.dev/v1alpha1"),
    ("collection", "collections", "/apis/mainstay.dev/v1alpha1"),
    ("deployment", "deployments", "/apis/apps/v1"),
    ("job", "jobs", "/apis/batch/v1"),
    ("migrationplan", "migrationplans", "/apis/mainstay.dev/v1alpha1"),
    ("pod", "pods", "/api/v1"),
    ("resourcequota", "resourcequotas", "/api/v1"),
    ("service", "services", "/api/v1"),
    ("serviceaccount", "serviceaccounts", "/api/v1"),
];

/// The way to look.
pub(super) struct Looks {
    proxy: Proxy,
    client: Client,
}

impl Looks {
    pub(super) fn new(proxy: Proxy) -> Looks {
        let client = Client::builder().no_proxy().timeout(super::PATIENCE).build().expect("an HTTP client");
        Looks { proxy, client }
    }

    /// An object such as `deployment/web`; `None` for a kind that is not known here.
    pub(super) fn object(&self, namespace: &str, named: &str) -> Option<Result<Json, String>> {
        let (kind, name) = named.split_once('/')?;
        let (_, plural, group) = KINDS.iter().find(|(singular, ..)| *singular == kind)?;
        Some(self.get(&format!("{group}/namespaces/{namespace}/{plural}/{name}")))
    }

    /// The objects of a kind such as `pods`; `None` for words of `kubectl get` that are not known here.
    pub(super) fn objects(&self, namespace: &str, kind: &str, more: &[&str]) -> Option<Result<Json, String>> {
        let (_, plural, group) = KINDS.iter().find(|(_, plural, _)| *plural == kind)?;
        let selector = match more {
            [] => String::new(),
            [one] => format!("?labelSelector={}", one.strip_prefix("--selector=")?),
            _ => return None,
        };
        Some(self.get(&format!("{group}/namespaces/{namespace}/{plural}{selector}")))
    }

    fn get(&self, path: &str) -> Result<Json, String> {
        let failed = |error: reqwest::Error| format!("{path}: {error}");
        let answer = self.client.get(format!("http://{}{path}", self.proxy.address)).send().map_err(failed)?;
        let status = answer.status();
        let body: Json = serde_json::from_str(&answer.text().map_err(failed)?).map_err(|error| error.to_string())?;
        match status.is_success() {
            true => Ok(body),
            false => Err(format!("{path}: {}", body["message"])),
        }
    }
}
