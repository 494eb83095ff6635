//! What is wrong with `spec.config`, and the rule that says so.

use serde_json::{Value as Json, json};

use super::super::table::{Bad, bad};

/// A policy with something wrong in it.
fn limited(change: Json, field: &'static str, message: &'static str) -> Bad {
    let mut policy = json!({ "name": "default", "by": "ip", "limit": 100, "window": "60s" });
    policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    bad([("/spec/config/rateLimits", json!([policy]))], field, message)
}

/// Every case.
pub fn config() -> Vec<Bad> {
    let origins: Vec<String> = (0..101).map(|n| format!("https://a{n}.example")).collect();
    let duration = "such as 500ms, 30s or 5m";
    vec![
        bad([("/spec/config/limits/body", json!("1 MB"))], "spec.config.limits.body", "this is no size"),
        bad([("/spec/config/limits/url", json!("8Ki"))], "spec.config.limits.url", "such as 64KiB or 1MiB"),
        bad([("/spec/config/limits/body", json!("0KiB"))], "spec.config.limits.body", "above zero"),
        bad([("/spec/config/timeouts/request", json!("5000h"))], "spec.config.timeouts.request", "above zero"),
        bad(
            [("/spec/config/limits/connections", json!(0))],
            "spec.config.limits.connections",
            "greater than or equal to 1",
        ),
        bad(
            [("/spec/config/cors/allowedMethods", json!(["BREW"]))],
            "spec.config.cors.allowedMethods[0]",
            "no method of the API",
        ),
        bad(
            [("/spec/config/cors/allowedHeaders", json!(["a b"]))],
            "spec.config.cors.allowedHeaders[0]",
            "no name of a header",
        ),
        bad(
            [("/spec/config/cors", json!({ "allowedOrigins": ["*"], "allowCredentials": true }))],
            "spec.config.cors",
            "name the origins instead of *",
        ),
        bad([("/spec/config/limits/depth", json!(129))], "spec.config.limits.depth", "less than or equal to 128"),
        bad(
            [("/spec/config/limits/page", json!({ "default": 60, "max": 50 }))],
            "spec.config.limits.page",
            "`default` (20 when absent) is larger",
        ),
        bad(
            [("/spec/config/limits/page", json!({ "max": 10 }))],
            "spec.config.limits.page",
            "lower `default` or raise `max`",
        ),
        bad([("/spec/config/timeouts/request", json!("0s"))], "spec.config.timeouts.request", "above zero"),
        bad([("/spec/config/timeouts/lock", json!("1d"))], "spec.config.timeouts.lock", duration),
        bad([("/spec/config/timeouts/client", json!("soon"))], "spec.config.timeouts.client", duration),
        bad(
            [("/spec/config/database/pool/size", json!(0))],
            "spec.config.database.pool.size",
            "greater than or equal to 1",
        ),
        bad([("/spec/config/database/pool/wait", json!("5"))], "spec.config.database.pool.wait", duration),
        bad([("/spec/config/database/pool/lifetime", json!("1.5h"))], "spec.config.database.pool.lifetime", duration),
        bad([("/spec/config/cors/maxAge", json!("1d"))], "spec.config.cors.maxAge", duration),
        bad([("/spec/config/limits/headers", json!("0B"))], "spec.config.limits.headers", "this is no size above zero"),
        bad([("/spec/config/auth/accessTokenLife", json!("0s"))], "spec.config.auth.accessTokenLife", "above zero"),
        bad([("/spec/config/auth/refreshTokenLife", json!("30d"))], "spec.config.auth.refreshTokenLife", duration),
        bad(
            [("/spec/config/cors/allowedOrigins", json!(["https://a.example/x"]))],
            "spec.config.cors.allowedOrigins[0]",
            "this is no origin",
        ),
        bad([("/spec/config/cors/allowedOrigins", json!(origins))], "spec.config.cors.allowedOrigins", "Too many"),
        limited(json!({ "name": "Reads" }), "spec.config.rateLimits[0].name", "this is no name of a policy"),
        limited(json!({ "name": "own" }), "spec.config.rateLimits[0].name", "is what the limit of an ApiKey is called"),
        limited(json!({ "by": "user" }), "spec.config.rateLimits[0].by", "Unsupported value"),
        limited(json!({ "routes": ["read", "read"] }), "spec.config.rateLimits[0].routes[1]", "Duplicate value"),
        limited(json!({ "limit": 0 }), "spec.config.rateLimits[0].limit", "greater than or equal to 1"),
        limited(json!({ "window": "0s" }), "spec.config.rateLimits[0].window", "this is no window"),
        limited(json!({ "window": "1500ms" }), "spec.config.rateLimits[0].window", "this is no window"),
        limited(
            json!({ "algorithm": "slidingWindow", "burst": 5 }),
            "spec.config.rateLimits[0]",
            "`burst` is the size of a token bucket",
        ),
        bad(
            [("/spec/config/telemetry", json!({ "otlpEndpoint": "http://ann:secret@host:4318" }))],
            "spec.config.telemetry.otlpEndpoint",
            "no base URL",
        ),
        bad(
            [("/spec/config/telemetry", json!({ "sampleRatio": "1.5" }))],
            "spec.config.telemetry.sampleRatio",
            "no part of all",
        ),
        bad(
            [("/spec/config/proxies", json!({ "trusted": ["localhost"] }))],
            "spec.config.proxies.trusted[0]",
            "this is no range of addresses",
        ),
    ]
}
