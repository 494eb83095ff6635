//! The keys that sign tokens, in Secret `<backend>-jwt-keys` as `keys.json`, and the steps of their rotation:
//! published, until every pod can verify with it; signing; retiring, until the last token that it signed has ended.
//!
//! Called by `secrets`. Pure. Where a rotation is follows from the Secret alone, so that any operator goes on from it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::{JwtAlgorithm, JwtKeysSpec, KeyStatus};
use serde::{Deserialize, Serialize};

use super::held::{self, Content, Found, age, later};
use super::jwk::Jwk;
use super::{Look, Part, SOON};
use crate::backend::observed::Observed;
use crate::desired::Note;

/// The annotation of a Backend whose new value asks for a new signing key; the Secret's own says which was done last.
pub const ROTATE: &str = "mainstay.dev/rotate-jwt-keys";

/// The longest that a token lives.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// The time in which a change of the Secret has reached every pod, and every client that keeps the public keys.
pub const SPREAD: Duration = Duration::from_secs(180);

/// How long a key signs where the spec says nothing.
const EVERY: Duration = Duration::from_secs(90 * 24 * 3600);

/// People hear of a rotation that waits for longer than this.
const PATIENCE: Duration = Duration::from_secs(900);

/// How far a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    Signing,
    Published,
    Retiring,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Signing => "signing",
            State::Published => "published",
            State::Retiring => "retiring",
        }
    }
}

/// `keys.json`.
#[derive(Serialize, Deserialize)]
struct File {
    keys: Vec<Entry>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    kid: String,
    alg: JwtAlgorithm,
    state: State,
    jwk: Jwk,
}

/// A key, and since when it is in its state.
#[derive(Clone, PartialEq)]
struct Key {
    entry: Entry,
    since: Timestamp,
}

/// The keys as they shall be.
pub(super) fn plan(look: &Look<'_>) -> Part {
    let backend = &*look.seen.backend;
    let Some(spec) = spec(look.seen) else { return Part::default() };
    let name = name(&look.name);
    let secret = match held::found(backend, look.seen.jwt_keys.as_ref()) {
        Found::Foreign => return Part::conflict(&name),
        Found::Leaving => return Part::soon(),
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let before = secret.and_then(|secret| read(secret, look.now));
    let asked = backend.annotations().get(ROTATE).map(|value| held::remembered(value));
    let handled = secret.and_then(|secret| secret.annotations().get(ROTATE));
    let rule = Rule::of(spec, asked.is_some() && asked.as_ref() != handled);
    let Some(Step { keys, notes, began }) = step(look, &rule, &name, before.as_deref()) else { return Part::soon() };
    let mut handled = handled.cloned();
    if began {
        handled = asked.or(handled);
    }
    let file = File { keys: keys.iter().map(|key| key.entry.clone()).collect() };
    let Ok(file) = serde_json::to_string(&file) else { return Part::soon() };
    let times = held::times_text(keys.iter().map(|key| (key.entry.kid.as_str(), key.since)));
    let content = Content {
        name,
        data: vec![("keys.json", file)],
        annotations: vec![(held::TIMES, Some(times)), (ROTATE, handled)],
    };
    let overdue = before.as_deref().filter(|before| states(before) != states(&keys));
    Part {
        desired: held::write(backend, &look.name, secret, content),
        status: status(before.as_deref().unwrap_or_default()),
        again: again(look, &rule, &keys),
        notes,
        overdue: overdue.and_then(signing).map(|key| format!("the rotation of signing key {} is due", key.entry.kid)),
    }
}

/// Whether the next step waits for pods to report the published key.
pub(super) fn asks_pods(look: &Look<'_>) -> bool {
    let Found::Ours(secret) = held::found(&*look.seen.backend, look.seen.jwt_keys.as_ref()) else { return false };
    let keys = read(secret, look.now).unwrap_or_default();
    let waits = published(&keys).is_some_and(|key| age(key.since, look.now) >= SPREAD);
    waits && !look.frozen && spec(look.seen).is_some()
}

fn spec(seen: &Observed) -> Option<&JwtKeysSpec> {
    seen.backend.spec.secrets.as_ref()?.jwt_keys.as_ref()
}

fn name(backend: &str) -> String {
    format!("{backend}-jwt-keys")
}

/// What the spec asks for.
struct Rule {
    algorithm: JwtAlgorithm,
    /// Not shorter than the life of a token, so that retiring keys do not pile up.
    every: Duration,
    /// A rotation is asked for by annotation.
    asks: bool,
}

impl Rule {
    fn of(spec: &JwtKeysSpec, asks: bool) -> Rule {
        let every = held::duration(spec.rotate_every.as_ref()).unwrap_or(EVERY).max(TOKEN_LIFE);
        Rule { algorithm: spec.algorithm.unwrap_or_default(), every, asks }
    }

    /// When the signing key is to be followed.
    fn due(&self, signing: &Key) -> Timestamp {
        if self.asks || signing.entry.alg != self.algorithm { signing.since } else { later(signing.since, self.every) }
    }
}

/// The keys after this step.
struct Step {
    keys: Vec<Key>,
    notes: Vec<Note>,
    /// A rotation began, so that what was asked for is under way.
    began: bool,
}

/// At most one step of the rotation; `None` without random bytes.
fn step(look: &Look<'_>, rule: &Rule, name: &str, before: Option<&[Key]>) -> Option<Step> {
    let Some(before) = before else {
        let key = make(look, rule, State::Signing, &[])?;
        return Some(Step { keys: vec![key], notes: lost(look, name), began: true });
    };
    let mut step = Step { keys: before.to_vec(), notes: Vec::new(), began: false };
    step.retire(look.now);
    let now = look.now;
    let Some((published, since)) = published(before).map(|key| (key.entry.clone(), key.since)) else {
        if signing(before).is_some_and(|key| rule.due(key) <= now) {
            step.publish(make(look, rule, State::Published, before)?);
        }
        return Some(step);
    };
    let id = &published.kid;
    if published.alg != rule.algorithm {
        // It has signed nothing, so that nobody misses it.
        step.keys.retain(|key| key.entry.kid != *id);
        step.publish(make(look, rule, State::Published, before)?);
    } else if age(since, now) >= SPREAD {
        let silent = silent(look.seen, id);
        if silent.is_empty() {
            step.promote(id, now);
        } else if age(since, now) >= PATIENCE {
            let (count, first) = (silent.len(), &silent[0]);
            let message = format!("the rotation to signing key {id} waits for {count} pods that lack it, as {first}");
            step.notes.push(Part::warning("SigningKeyWaits", message));
        }
    }
    Some(step)
}

impl Step {
    fn publish(&mut self, key: Key) {
        let message = format!("signing key {} is published; it signs once every pod has it", key.entry.kid);
        self.notes.push(Part::note("SigningKeyPublished", message));
        self.keys.push(key);
        self.began = true;
    }

    fn promote(&mut self, kid: &str, now: Timestamp) {
        for key in &mut self.keys {
            let next = match key.entry.state {
                State::Signing => State::Retiring,
                State::Published if key.entry.kid == kid => State::Signing,
                _ => continue,
            };
            (key.entry.state, key.since) = (next, now);
        }
        self.notes.push(Part::note("SigningKeyChanged", format!("tokens are signed with key {kid}")));
    }

    fn retire(&mut self, now: Timestamp) {
        let notes = &mut self.notes;
        self.keys.retain(|key| {
            let gone = key.entry.state == State::Retiring && later(key.since, RETIRING) <= now;
            if gone {
                let message = format!("signing key {} is gone: no token that it signed is valid", key.entry.kid);
                notes.push(Part::note("SigningKeyRetired", message));
            }
            !gone
        });
    }
}

/// How long a key verifies after another signs: a pod may sign with it until the change reaches it.
const RETIRING: Duration = TOKEN_LIFE.saturating_add(SPREAD);

/// Ready pods that do not say that they have the key.
fn silent(seen: &Observed, kid: &str) -> Vec<String> {
    let has = |pod: &Pod| {
        let mut of_pod = seen.instances.iter().filter(|instance| instance.instance == pod.name_any());
        of_pod.any(|instance| instance.jwt_keys.iter().any(|key| key == kid))
    };
    seen.pods.iter().filter(|pod| is_ready(pod) && !has(pod)).map(ResourceExt::name_any).collect()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Why there is no key to go on from, unless this is the first.
fn lost(look: &Look<'_>, name: &str) -> Vec<Note> {
    let was = look.seen.backend.status.as_ref().and_then(|status| status.keys.as_ref());
    let what = match look.seen.jwt_keys {
        Some(_) => "could not be read any more",
        None if was.is_some_and(|keys| !keys.jwt.is_empty()) => "was deleted",
        None => return Vec::new(),
    };
    let message = format!("Secret {name} {what}; it has a new signing key, and every token signed before is refused");
    vec![Part::warning("SigningKeysReplaced", message)]
}

/// A key whose id is not taken.
fn make(look: &Look<'_>, rule: &Rule, state: State, others: &[Key]) -> Option<Key> {
    let taken = |kid: &String| others.iter().any(|key| key.entry.kid == *kid);
    (0..16).find_map(|attempt| {
        let seed = look.seen.entropy.seed(&format!("signing key {attempt}"))?;
        let jwk = Jwk::new(rule.algorithm, &seed)?;
        let kid = jwk.kid();
        let free = !taken(&kid);
        free.then_some(Key { entry: Entry { kid, alg: rule.algorithm, state, jwk }, since: look.now })
    })
}

/// The keys that a Secret holds; `None` when it is damaged.
fn read(secret: &Secret, now: Timestamp) -> Option<Vec<Key>> {
    let file: File = serde_json::from_str(held::text(secret, "keys.json")?).ok()?;
    let whole = file.keys.iter().filter(|entry| entry.state == State::Signing).count() == 1;
    let sound = file.keys.iter().all(|entry| entry.jwk.is_sound(entry.alg) && entry.jwk.kid() == entry.kid);
    let mut kids: Vec<&String> = file.keys.iter().map(|entry| &entry.kid).collect();
    kids.sort();
    kids.dedup();
    if !whole || !sound || kids.len() != file.keys.len() {
        return None;
    }
    let times = held::times(secret);
    let since = |entry: &Entry| times.get(&entry.kid).map_or(now, |since| held::credible(*since, now));
    Some(file.keys.into_iter().map(|entry| Key { since: since(&entry), entry }).collect())
}

fn signing(keys: &[Key]) -> Option<&Key> {
    keys.iter().find(|key| key.entry.state == State::Signing)
}

fn published(keys: &[Key]) -> Option<&Key> {
    keys.iter().find(|key| key.entry.state == State::Published)
}

fn states(keys: &[Key]) -> Vec<(&str, State)> {
    keys.iter().map(|key| (key.entry.kid.as_str(), key.entry.state)).collect()
}

fn status(keys: &[Key]) -> Vec<KeyStatus> {
    let status = |key: &Key| KeyStatus {
        id: key.entry.kid.clone(),
        state: key.entry.state.as_str().to_owned(),
        since: key.since.to_string(),
    };
    keys.iter().map(status).collect()
}

/// How long until the next step may be taken.
fn again(look: &Look<'_>, rule: &Rule, keys: &[Key]) -> Option<Duration> {
    let rotates = published(keys).is_some();
    let wait = keys.iter().filter_map(|key| match key.entry.state {
        State::Signing if rotates => None,
        State::Signing => Some(age(look.now, later(key.since, rule.every))),
        State::Retiring => Some(age(look.now, later(key.since, RETIRING))),
        State::Published => Some(patience(age(key.since, look.now))),
    });
    wait.min()
}

/// Until a published key has spread; then as long as a tenth of what was waited already, as no watch tells.
fn patience(waited: Duration) -> Duration {
    match SPREAD.checked_sub(waited) {
        Some(rest) if !rest.is_zero() => rest,
        _ => (waited / 10).clamp(SOON, SPREAD),
    }
}
