//! Bodies: what is read, and that all that is wrong is told at once.

use serde_json::json;

use super::*;

/// The places of the problems with their rules.
fn wrong<T: std::fmt::Debug>(read: Result<T, Vec<Problem>>) -> Vec<String> {
    let told = |problem: Problem| format!("{} {}", problem.path, problem.code);
    read.unwrap_err().into_iter().map(told).collect()
}

#[test]
fn a_body_is_read() {
    let least = create(&json!({ "name": "a" })).unwrap();
    assert_eq!(least, Draft { name: "a".to_owned(), roles: Vec::new(), lives_for: None, rate_limit: None });
    let most = create(&json!({
        "name": "Team A / nightly@shop.example", "roles": ["admin", "user", "a:b"], "expires_after": "90d",
        "rate_limit": { "limit": 100.0, "window": "1m", "algorithm": "tokenBucket", "burst": 5 },
    }));
    let most = most.unwrap();
    assert_eq!((most.roles.len(), most.lives_for), (3, Some(90 * DAY)));
    assert_eq!(most.rate_limit.unwrap().quota().unwrap().burst(), 5);
    assert_eq!(rotation(&json!({})).unwrap(), Rotation { overlap: DAY, lives_for: None });
    let now = rotation(&json!({ "overlap": "0s", "expires_after": "1h" })).unwrap();
    assert_eq!(now, Rotation { overlap: 0, lives_for: Some(DAY / 24) });
}

#[test]
fn every_problem_is_told_at_once() {
    for body in [json!([]), json!(null), json!("name"), json!(1)] {
        assert_eq!(wrong(create(&body)), [" wrong_type"], "{body}");
        assert_eq!(wrong(rotation(&body)), [" wrong_type"], "{body}");
    }
    let body = json!({
        "nam": "x", "roles": ["a b", "ok", "ok", ""], "expires_after": "0d",
        "rate_limit": { "limit": 0, "window": "25h", "burst": 1, "algorithm": "fixedWindow", "by": "ip" },
    });
    assert_eq!(
        wrong(create(&body)),
        [
            "/nam unknown_key",
            "/name required",
            "/roles/0 bad_name",
            "/roles/2 duplicate",
            "/roles/3 bad_name",
            "/expires_after invalid",
            "/rate_limit/by unknown_key",
            "/rate_limit/limit invalid",
            "/rate_limit/window invalid",
            "/rate_limit/burst invalid",
        ]
    );
    assert_eq!(
        wrong(rotation(&json!({ "overlap": 5, "expires_after": null }))),
        ["/overlap wrong_type", "/expires_after wrong_type"]
    );
}

#[test]
fn what_is_out_of_form_is_refused() {
    for name in ["", " a", "-a", "a\0", "a\n", "é", "a\u{202e}b", &"a".repeat(101)] {
        assert_eq!(wrong(create(&json!({ "name": name }))), ["/name bad_name"], "{name:?}");
    }
    for life in ["", "0s", "00d", "-1d", "1.5h", "1w", "1h ", "500ms", "12345d", "01d", "٣d"] {
        let body = json!({ "name": "a", "expires_after": life });
        assert_eq!(wrong(create(&body)), ["/expires_after invalid"], "{life:?}");
    }
    for overlap in ["", "-1s", "500ms", "1w", "99999d"] {
        assert_eq!(wrong(rotation(&json!({ "overlap": overlap }))), ["/overlap invalid"], "{overlap:?}");
    }
    let many: Vec<String> = (0..=MAX_ROLES).map(|n| n.to_string()).collect();
    assert_eq!(wrong(create(&json!({ "name": "a", "roles": many }))), ["/roles too_many"]);
    for roles in [json!("admin"), json!([1]), json!({}), json!(null)] {
        assert_eq!(wrong(create(&json!({ "name": "a", "roles": roles }))), ["/roles wrong_type"], "{roles}");
    }
    for (limit, expected) in [
        (json!({ "limit": 1.5, "window": "1s" }), "/rate_limit/limit wrong_type"),
        (json!({ "limit": -1, "window": "1s" }), "/rate_limit/limit wrong_type"),
        (json!({ "limit": 1e15, "window": "1s" }), "/rate_limit/limit invalid"),
        (json!({ "limit": 1, "window": "1500ms" }), "/rate_limit/window invalid"),
        (json!({ "limit": 1, "window": "1s", "algorithm": "leaky" }), "/rate_limit/algorithm invalid"),
        (json!([]), "/rate_limit wrong_type"),
    ] {
        assert_eq!(wrong(create(&json!({ "name": "a", "rate_limit": limit }))), [expected], "{limit}");
    }
}
