//! The Backend custom resource: one deployment of the API server, and the server's configuration.
//!
//! Read by the server from a local document, and by the operator. Which setting wins over which flag, and what a
//! setting means, is decided in the server's `config.rs`, which takes these structs apart completely.

use std::sync::LazyLock;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::collection::check::structure;
use crate::problem::{Problem, Problems};

/// One deployment of the API server over one database, with all Collections that refer to it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "mainstay.dev", version = "v1alpha1", kind = "Backend", namespaced, category = "mainstay")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendSpec {
    /// The server's configuration. A flag or an environment variable of the same name wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ServerConfig>,
}

/// The server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerConfig {
    /// How much one request may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsConfig>,
    /// How long things may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsConfig>,
    /// How the server keeps its connections. Which database it is says a flag or a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseConfig>,
    /// Which web pages may call the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
}

/// How much one request may ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The largest body, such as 512KiB or 1MiB. Default: 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The longest URL, such as 8KiB. Default: 8KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The most levels of a JSON body. Default: 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// How many records a list answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PageConfig>,
}

/// How many records a list answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PageConfig {
    /// Without `limit`. Default: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<u32>,
    /// The greatest `limit`. Default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimeoutsConfig {
    /// One request, such as 500ms, 30s or 2m. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// One statement's wait for a lock. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The arrival of a request's head or body. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// How the server keeps its connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The pool of connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolConfig>,
}

/// The pool of connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PoolConfig {
    /// The most connections to PostgreSQL, or readers of SQLite. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// How long a request waits for one before it is a 503. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// One older than this is replaced. Default: 30m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
}

/// Which web pages may call the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins such as `https://shop.example`; `*` is any. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
}

/// Where later versions bring something.
const LATER: [&str; 22] = [
    "/spec/image",
    "/spec/replicas",
    "/spec/autoscaling",
    "/spec/database",
    "/spec/migrations",
    "/spec/secrets",
    "/spec/expose",
    "/spec/resources",
    "/spec/podTemplate",
    "/spec/networkPolicy",
    "/spec/monitoring",
    "/spec/suspend",
    "/spec/takeOverFrom",
    "/spec/config/auth",
    "/spec/config/cache",
    "/spec/config/events",
    "/spec/config/jobs",
    "/spec/config/proxies",
    "/spec/config/rateLimits",
    "/spec/config/search",
    "/spec/config/telemetry",
    "/spec/config/webhooks",
];

/// The schema of a document, from the types above.
static DOCUMENT: LazyLock<Json> =
    LazyLock::new(|| structure::document_schema("Backend", &schemars::schema_for!(BackendSpec)));

/// The spec of a Backend document, or every structural problem of it. Paths begin at the document's root.
///
/// Sizes, durations and origins are text here; the server judges them together with its flags.
pub fn check_backend(document: &Json) -> Result<BackendSpec, Vec<Problem>> {
    let mut problems = Problems::new();
    let kept = structure::prune(document, &DOCUMENT, &LATER, &mut problems);
    let spec = kept.as_ref().and_then(|document| document.get("spec")).cloned().unwrap_or_default();
    let spec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => {
            if problems.is_empty() {
                problems.add("wrong_type", error.to_string());
            }
            BackendSpec::default()
        }
    };
    problems.finish(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(document: &Json) -> Vec<String> {
        let problems = check_backend(document).unwrap_err();
        problems.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let document = json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "demo" },
            "spec": { "config": {
                "database": { "pool": { "size": 4, "wait": "1s", "lifetime": "10m" } },
                "limits": { "body": "2MiB", "url": "4KiB", "depth": 16, "page": { "default": 10, "max": 50 } },
                "timeouts": { "request": "5s", "lock": "1s", "client": "2s" },
                "cors": { "allowedOrigins": ["https://shop.example"] },
            } },
        });
        let config = check_backend(&document).unwrap().config.unwrap();
        assert_eq!(config.limits.unwrap().page.unwrap(), PageConfig { default: Some(10), max: Some(50) });
        assert_eq!(config.timeouts.unwrap().request.as_deref(), Some("5s"));
        assert_eq!(config.cors.unwrap().allowed_origins.unwrap(), ["https://shop.example"]);
    }

    #[test]
    fn an_empty_spec_is_right() {
        let document = json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "b" }, "spec": {} });
        assert_eq!(check_backend(&document).unwrap(), BackendSpec::default());
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let document = json!({
            "apiVersion": "mainstay.dev/v1", "kind": "Backend", "metadata": {},
            "spec": { "replicas": 2, "config": {
                "auth": { "registration": true },
                "limits": { "body": 5, "dept": 16, "page": { "max": -1 } },
                "cors": { "allowedOrigins": "*" },
            } },
        });
        assert_eq!(
            found(&document),
            [
                "/apiVersion not_allowed",
                "/metadata required",
                "/spec/config/auth not_supported",
                "/spec/config/cors/allowedOrigins wrong_type",
                "/spec/config/limits/body wrong_type",
                "/spec/config/limits/dept unknown_key",
                "/spec/config/limits/page/max out_of_range",
                "/spec/replicas not_supported",
            ]
        );
    }

    #[test]
    fn no_document_at_all_is_a_problem() {
        for document in [json!(null), json!([]), json!("Backend"), json!({})] {
            assert!(!check_backend(&document).unwrap_err().is_empty(), "{document}");
        }
    }
}
