//! The structural check of a Backend document.
//!
//! Called by the server for a local file. What settings mean is judged there, together with flags.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::BackendSpec;
use crate::collection::check::structure;
use crate::problem::{Problem, Problems};

/// Where later versions bring something.
const LATER: [&str; 8] = [
    "/spec/config/auth",
    "/spec/config/cache",
    "/spec/config/events",
    "/spec/config/jobs",
    "/spec/config/proxies",
    "/spec/config/rateLimits",
    "/spec/config/search",
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
    use serde_json::json;

    use super::*;
    use crate::backend::PageConfig;

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
            "spec": { "replicas": -2, "config": {
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
                "/spec/replicas out_of_range",
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
