//! Settings of who may call how often: policies, trusted proxies, the shared Redis.
//!
//! Used by the settings' table. A flag holds policies as YAML, judged like those of a document.

use mainstay_crds::Problem;
use mainstay_crds::backend::check_backend;
use mainstay_crds::rate_limit::RateLimitSpec;
use serde_json::{Value as Json, json};

use super::parameter::{Parameter, Raw, items, text};
use crate::client_address::Ranges;
use crate::documents;
use crate::limit::policy::OWN;
use crate::limit::{Policy, shared};

/// The policies, of different names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits(pub Vec<Policy>);

/// Where servers share what they count; none by default.
#[derive(Clone, Debug, Default)]
pub struct RedisUrl(pub Option<shared::RedisUrl>);

impl Parameter for RateLimits {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let typed = match raw {
            Raw::Text(text) if text.trim().is_empty() => Json::Array(Vec::new()),
            Raw::Text(text) => judged(documents::value(text)?)?,
            Raw::Objects(policies) => Json::Array(policies.clone()),
            Raw::List(texts) => json!(texts),
        };
        // What is left out here, the document's own check has told.
        let specs: Vec<RateLimitSpec> = serde_json::from_value(typed).unwrap_or_default();
        let mut problems = Vec::new();
        let policies = specs.into_iter().enumerate().filter_map(|(at, spec)| policy(at, spec, &mut problems)).collect();
        if problems.is_empty() {
            self.0 = policies;
            return Ok(());
        }
        Err(problems.join("; "))
    }

    fn show(&self) -> String {
        let one = |policy: &Policy| {
            let Policy { name, by, routes, quota } = policy;
            json!({
                "name": name, "by": by, "routes": routes, "limit": quota.limit(),
                "window": format!("{}s", quota.window().as_secs()), "algorithm": quota.algorithm(), "burst": quota.burst(),
            })
        };
        if self.0.is_empty() { String::new() } else { Json::Array(self.0.iter().map(one).collect()).to_string() }
    }
}

/// A flag's list, with everything that is wrong with its structure.
fn judged(policies: Json) -> Result<Json, String> {
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "flag" },
        "spec": { "config": { "rateLimits": policies } },
    });
    let Err(problems) = check_backend(&document) else { return Ok(policies) };
    let told = |problem: &Problem| {
        let place = problem.path.trim_start_matches("/spec/config/rateLimits").trim_start_matches('/');
        let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        let colon = if place.is_empty() { "" } else { ": " };
        format!("{place}{colon}{}{hint}", problem.message)
    };
    Err(problems.iter().map(told).collect::<Vec<_>>().join("; "))
}

/// One policy, or what is wrong with its values.
fn policy(at: usize, spec: RateLimitSpec, problems: &mut Vec<String>) -> Option<Policy> {
    let before = problems.len();
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &spec.name;
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 40 || !name.chars().all(letters) {
        problems.push(format!(
            "{at}/name: `{name}` is no name of a policy: write at most 40 of a-z, 0-9 and -, beginning with a letter"
        ));
    }
    if name == OWN {
        problems.push(format!("{at}/name: `{OWN}` is what the limit of an ApiKey is called: choose another name"));
    }
    let quota = spec.quota().map_err(|wrong| {
        problems.extend(wrong.into_iter().map(|(member, rule)| format!("{at}/{member}: {rule}")));
    });
    let RateLimitSpec { name, by, routes, .. } = spec;
    quota.ok().filter(|_| problems.len() == before).map(|quota| Policy { name, by, routes, quota })
}

impl Parameter for Ranges {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let parsed = items(raw)?.iter().map(|item| item.parse()).collect::<Vec<Result<_, String>>>();
        let problems: Vec<_> = parsed.iter().filter_map(|range| range.as_ref().err().map(String::as_str)).collect();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        self.0 = parsed.into_iter().flatten().collect();
        Ok(())
    }

    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Parameter for RedisUrl {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        self.0 = match text(raw)? {
            "" => None,
            text => Some(shared::RedisUrl::parse(text)?),
        };
        Ok(())
    }

    fn show(&self) -> String {
        if self.0.is_some() { "********".to_owned() } else { String::new() }
    }
}
