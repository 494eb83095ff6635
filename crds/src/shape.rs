//! Bounds, merge keys and CEL rules of the custom resources' schemas, as transforms for `#[schemars(transform = …)]`.
//!
//! Used by the types of this crate alone. An API server enforces all of them; the local check reads the bounds and
//! leaves the rules to whoever takes the value. A rule's message names the rule and the next step, and every string,
//! list and map has a bound, for an API server refuses a definition whose rules could cost too much.

use schemars::Schema;
use serde_json::{Value as Json, json};

/// Where an API server looks for CEL rules.
const RULES: &str = "x-kubernetes-validations";

/// A CEL expression that has to be true, and what is said when it is not.
pub type Rule = (&'static str, &'static str);

/// Durations that the server's settings take: up to 115 days, in each unit.
const SERVER_DURATION: &str = "^([0-9]{1,10}ms|[0-9]{1,7}s|[0-9]{1,5}m|[0-9]{1,3}h)$";

/// Names of Kubernetes objects: DNS subdomains of RFC 1123.
const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Adds rules.
pub fn rules(rules: &'static [Rule]) -> impl FnMut(&mut Schema) {
    move |schema| {
        let all = schema.ensure_object().entry(RULES).or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.extend(rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })));
        }
    }
}

/// Text of at most `max` characters.
pub fn text(max: u32) -> impl FnMut(&mut Schema) {
    move |schema| insert(schema, "maxLength", max)
}

/// Text of at most `max` characters that matches a pattern of RE2, or `message`.
pub fn matching(max: u32, pattern: &'static str, message: &'static str) -> impl FnMut(&mut Schema) {
    judged(max, format!("self.matches(r'{pattern}')"), message)
}

/// Text of at most `max` characters for which a rule is true, or `message`.
fn judged(max: u32, rule: String, message: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        insert(schema, "maxLength", max);
        let all = schema.ensure_object().entry(RULES).or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(json!({ "rule": rule, "message": message }));
        }
    }
}

/// A whole number from `least` to `most`.
pub fn number(least: u32, most: u32) -> impl FnMut(&mut Schema) {
    move |schema| {
        insert(schema, "minimum", least);
        insert(schema, "maximum", most);
    }
}

/// A number that the scale subresource reads: of null it would tell nothing but that it is none.
pub fn never_null(schema: &mut Schema) {
    insert(schema, "type", "integer");
}

/// A list in which order matters, or whose elements have no name: who applies it owns it whole.
pub fn list(max: u32, each: impl FnMut(&mut Schema)) -> impl FnMut(&mut Schema) {
    collection("atomic", max, each)
}

/// A list without repetition; each of several appliers owns the elements that it gave.
pub fn set(max: u32, each: impl FnMut(&mut Schema)) -> impl FnMut(&mut Schema) {
    collection("set", max, each)
}

/// A list of objects, no two of one `key`; each of several appliers owns what it gave.
pub fn keyed(max: u32, key: &'static str) -> impl FnMut(&mut Schema) {
    let mut list = collection("map", max, |_| ());
    move |schema| {
        list(schema);
        insert(schema, "x-kubernetes-list-map-keys", json!([key]));
    }
}

/// A map from names to texts.
pub fn map(max: u32, mut each: impl FnMut(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        insert(schema, "maxProperties", max);
        below(schema, "additionalProperties", &mut each);
    }
}

/// An object that its applier owns whole: a part of it means nothing.
pub fn atomic(schema: &mut Schema) {
    insert(schema, "x-kubernetes-map-type", "atomic");
}

/// A choice of words, of which each field says what it chooses: kube would print the type's own sentence there.
pub fn choice(schema: &mut Schema) {
    schema.remove("description");
}

/// A list that needs an element.
pub fn filled(schema: &mut Schema) {
    insert(schema, "minItems", 1);
}

/// A duration of the server's configuration. What matches, the server takes.
pub fn duration(schema: &mut Schema) {
    let message = "this is no duration: write a whole number and ms, s, m or h, such as 500ms, 30s or 5m";
    matching(20, SERVER_DURATION, message)(schema);
}

/// A duration of the server's configuration that is not zero.
pub fn long_duration(schema: &mut Schema) {
    let message = "this is no duration above zero: write a whole number and ms, s, m or h, such as 500ms, 30s or 5m";
    above_zero(SERVER_DURATION, message)(schema);
}

/// A duration of the operator, which also thinks in days.
pub fn span(schema: &mut Schema) {
    let message = "this is no duration: write a whole number and s, m, h or d, such as 90s, 10m, 24h or 30d";
    matching(20, crate::duration::PATTERN, message)(schema);
}

/// A duration of the operator that is not zero.
pub fn long_span(schema: &mut Schema) {
    let message = "this is no duration above zero: write a whole number and s, m, h or d, such as 90s, 10m, 24h or 30d";
    above_zero(crate::duration::PATTERN, message)(schema);
}

/// The window of a rate limit: whole seconds up to a day.
pub fn window(schema: &mut Schema) {
    let message = "this is no window: write whole seconds from 1s to 24h, such as 60s, 5m or 1h";
    let rule = "self.matches('^([0-9]{1,5}s|[0-9]{1,4}m|[0-9]{1,2}h)$') && duration(self) >= duration('1s') \
         && duration(self) <= duration('24h')";
    judged(6, rule.to_owned(), message)(schema);
}

/// An address or a range of them. Which bits are which is judged by the server.
pub fn address_range(schema: &mut Schema) {
    let message = "this is no range of addresses: write it as 10.0.0.0/8, 192.0.2.7 or fd00::/8";
    matching(43, "^[0-9a-fA-F:.]{2,39}(/[0-9]{1,3})?$", message)(schema);
}

/// A number of bytes of the server's configuration.
pub fn size(schema: &mut Schema) {
    let message =
        "this is no size above zero: write a whole number and B, KiB, MiB, GiB, kB, MB or GB, such as 64KiB or 1MiB";
    above_zero("^[0-9]{1,9}(B|kB|KB|MB|GB|KiB|MiB|GiB)?$", message)(schema);
}

/// A number with a unit, and the number is not zero.
fn above_zero(pattern: &'static str, message: &'static str) -> impl FnMut(&mut Schema) {
    judged(20, format!("self.matches(r'{pattern}') && self.matches('[1-9]')"), message)
}

/// A quantity of Kubernetes, above zero.
pub fn quantity(schema: &mut Schema) {
    text(32)(schema);
    rules(&[(
        "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
        "this is no quantity above zero: write it as 250m, 1.5 or 2 (CPU), or 128Mi or 1Gi (bytes)",
    )])(schema);
}

/// metadata.name of an object.
pub fn object_name(schema: &mut Schema) {
    let message =
        "this is no object's name: write at most 253 of a-z, 0-9, - and ., beginning and ending with a-z or 0-9";
    matching(253, SUBDOMAIN, message)(schema);
}

/// metadata.name of a namespace, or another DNS label.
pub fn label_name(schema: &mut Schema) {
    let message = "this is no DNS label: write at most 63 of a-z, 0-9 and -, beginning and ending with a-z or 0-9";
    matching(63, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", message)(schema);
}

/// metadata.name of a Backend.
pub fn backend_name(schema: &mut Schema) {
    let message =
        "this is no Backend's name: write at most 40 of a-z, 0-9 and -, beginning with a letter and not ending with -";
    matching(40, "^[a-z]([-a-z0-9]*[a-z0-9])?$", message)(schema);
}

/// A key in the data of a Secret.
pub fn secret_key(schema: &mut Schema) {
    let message = "this is no key of a Secret: write at most 253 letters, digits, -, _ and .";
    matching(253, "^[-._a-zA-Z0-9]+$", message)(schema);
}

/// A host name, perhaps with a wildcard as its first label.
pub fn host(schema: &mut Schema) {
    let message = "this is no host name: write it as api.example.com or *.example.com, without a scheme, port or path";
    let pattern = "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
    matching(253, pattern, message)(schema);
}

/// A web page's origin, or `*`.
pub fn origin(schema: &mut Schema) {
    let message = "this is no origin: write it as https://app.example.com, without a path, or * for all";
    matching(256, "^([*]|https?://[^/?# @]+)$", message)(schema);
}

/// The URL of a server, or of a folder on it.
pub fn base_url(schema: &mut Schema) {
    let message = "this is no base URL: write it as http://host:4318, without user, query and fragment";
    matching(512, "^https?://[^/?# @]+(/[^?# @]*)?$", message)(schema);
}

/// A part of all, as text: numbers with a point are read differently by different programs.
pub fn ratio(schema: &mut Schema) {
    matching(12, "^(0([.][0-9]+)?|1([.]0+)?)$", "this is no part of all: write it from 0 to 1, such as 0.01")(schema);
}

/// A method of the API.
pub fn method(schema: &mut Schema) {
    let message = "this is no method of the API: write GET, HEAD, POST, PUT, PATCH or DELETE";
    matching(6, "^(GET|HEAD|POST|PUT|PATCH|DELETE)$", message)(schema);
}

/// The name of a header.
pub fn header_name(schema: &mut Schema) {
    let message = "this is no name of a header: write at most 64 letters, digits, - and _, such as X-API-Key";
    matching(64, "^[-a-zA-Z0-9_]+$", message)(schema);
}

/// A role of a caller.
pub fn role(schema: &mut Schema) {
    let message = "this is no role: write at most 64 letters, digits and _ . : / -";
    matching(64, "^[-a-zA-Z0-9_.:/]+$", message)(schema);
}

/// An object that the API server of its own kind judges, not ours: its schema is long and changes with Kubernetes.
pub fn free_object(_: &mut schemars::SchemaGenerator) -> Schema {
    let mut schema = free();
    insert(&mut schema, "type", json!(["object", "null"]));
    schema
}

/// A list of such objects.
pub fn free_objects(_: &mut schemars::SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic", "items": free(),
    })
}

fn free() -> Schema {
    schemars::json_schema!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic",
    })
}

fn collection(kind: &'static str, max: u32, mut each: impl FnMut(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        insert(schema, "maxItems", max);
        insert(schema, "x-kubernetes-list-type", kind);
        below(schema, "items", &mut each);
    }
}

/// Transforms the schema at `key`.
fn below(schema: &mut Schema, key: &str, each: &mut impl FnMut(&mut Schema)) {
    let inner = schema.get_mut(key).and_then(|inner| <&mut Schema>::try_from(inner).ok());
    if let Some(inner) = inner {
        each(inner);
    }
}

fn insert(schema: &mut Schema, key: &str, value: impl Into<Json>) {
    schema.insert(key.to_owned(), value.into());
}
