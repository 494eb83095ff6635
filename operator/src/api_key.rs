//! The reconciliation of an ApiKey: its key in a Secret of its own, made, rotated and told.
//!
//! `plan` is pure; `reconcile` observes, plans, applies, tells and says when to come again. The hashes reach servers by
//! the Backend's own reconciliation, which reads `valid`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::api_key::{ApiKey, ApiKeyStatus};
use mainstay_crds::backend::Backend;
use mainstay_crds::conditions::{Condition, Reason, Type};

use crate::backend::observed::Entropy;
use crate::backend::secrets::held::{self, Content, Found};
use crate::backend::secrets::history::{History, Made, OVERLAP, Rule};
use crate::desired::{Desired, Note};

/// The annotation of an ApiKey whose new value asks for a new key; the Secret's own says which was done last.
pub const ROTATE: &str = "mainstay.dev/rotate-key";

/// When the current key was made.
const CREATED: &str = "mainstay.dev/created";

/// When it ends.
const EXPIRES: &str = "mainstay.dev/expires";

/// The keys before it: `id=hash=created`, newest first.
const PREVIOUS: &str = "mainstay.dev/previous";

/// What a key begins with, so that people and scanners of secrets recognise it.
const PREFIX: &str = "mainstay_key_";

/// Hex digits after the prefix: 160 bits.
const DIGITS: usize = 40;

/// How soon to look again for what no watch tells.
const SOON: Duration = Duration::from_secs(10);

/// How soon to look again for what only a person can change.
const LATER: Duration = Duration::from_secs(60);

/// What shall be of one ApiKey.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Its Secret, when it has to change.
    pub desired: Option<Desired>,
    /// Its status.
    pub status: ApiKeyStatus,
    /// For people.
    pub notes: Vec<Note>,
    /// When to look again.
    pub again: Option<Duration>,
}

/// A key that servers take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    /// Its first 8 characters after the prefix.
    pub id: String,
    /// SHA-256 of it, in hex.
    pub hash: String,
    /// When it ends; never when absent.
    pub until: Option<Timestamp>,
}

/// What is kept of a key beside the Secret's `key`.
#[derive(Clone, PartialEq)]
struct Mark {
    id: String,
    hash: String,
}

impl Mark {
    /// Of a key; `None` when it is none.
    fn of(key: &str) -> Option<Mark> {
        let digits = key.strip_prefix(PREFIX).filter(|digits| is_hex(digits, DIGITS))?;
        Some(Mark { id: digits[..8].to_owned(), hash: held::sha256(key) })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// metadata.name of the Secret that holds the key.
pub fn secret_name(api_key: &ApiKey) -> String {
    api_key.spec.secret_name.clone().unwrap_or_else(|| api_key.name_any())
}

/// The keys that servers shall take now, the current one first. None while the Secret is not there, is another's or is
/// damaged.
pub fn valid(api_key: &ApiKey, secret: Option<&Secret>, now: Timestamp) -> Vec<Valid> {
    let Found::Ours(secret) = held::found(api_key, secret) else { return Vec::new() };
    let Some(history) = read(secret, now) else { return Vec::new() };
    let rule = rule(api_key);
    let valid = |mark: &Mark, until| Valid { id: mark.id.clone(), hash: mark.hash.clone(), until };
    let previous = history.ends(rule).map(|(made, end)| valid(&made.key, Some(end)));
    let all = std::iter::once(valid(&history.current.key, history.expires(rule))).chain(previous);
    all.filter(|key| key.until.is_none_or(|until| until > now)).collect()
}

/// What shall be of one ApiKey: of its Backend, when there is one, and the Secret of its name, whoever made it.
pub fn plan(
    api_key: &ApiKey,
    backend: Option<&Backend>,
    secret: Option<&Secret>,
    now: Timestamp,
    entropy: &Entropy,
) -> Planned {
    let now = held::whole_seconds(now);
    let name = secret_name(api_key);
    let told = |reason, message: String| Planned { status: status(api_key, None, reason, message, now), ..later() };
    let ours = match held::found(api_key, secret) {
        Found::Foreign => {
            let message = format!("Secret {name} was not made by this ApiKey and is left as it is");
            return told(Reason::ObjectConflict, format!("{message}: delete it, or set spec.secretName"));
        }
        Found::Leaving => return Planned { again: Some(SOON), ..told(Reason::Pending, format!("Secret {name} goes")) },
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let before = ours.and_then(|secret| read(secret, now));
    let rule = rule(api_key);
    let wanted = &api_key.spec.backend_ref.name;
    let frozen = match backend {
        None => Some((Reason::BackendNotFound, format!("there is no Backend {wanted} in this namespace"))),
        Some(backend) if backend.spec.suspend == Some(true) => {
            Some((Reason::Suspended, format!("Backend {wanted} is suspended: no key is made or rotated")))
        }
        Some(_) => None,
    };
    if let Some((reason, message)) = frozen {
        let again = before.as_ref().and_then(|before| before.next(rule, now)).filter(|left| !left.is_zero());
        let status = frozen_status(api_key, before.as_ref(), (reason, message), now);
        return Planned { status, again, ..Planned::default() };
    }
    keep(&Turn { api_key, ours, before, rule, now, entropy }, name)
}

/// What is known when a key may be made or rotated.
struct Turn<'a> {
    api_key: &'a ApiKey,
    ours: Option<&'a Secret>,
    before: Option<History<Mark>>,
    rule: Rule,
    now: Timestamp,
    entropy: &'a Entropy,
}

fn keep(turn: &Turn<'_>, name: String) -> Planned {
    let Turn { api_key, ours, before, rule, now, entropy } = turn;
    let asked = api_key.annotations().get(ROTATE).map(|value| held::remembered(value));
    let handled = ours.and_then(|secret| secret.annotations().get(ROTATE));
    let asks = asked.is_some() && asked.as_ref() != handled;
    let text = ours.filter(|_| before.is_some()).and_then(|secret| held::text(secret, "key"));
    let turns = asks || before.as_ref().is_none_or(|before| before.due(*rule, *now));
    let made = turns.then(|| entropy.seed("api key")).flatten();
    let made = made.map(|seed| format!("{PREFIX}{}", held::hex(&seed[..DIGITS / 2])));
    let mut notes = Vec::new();
    let mut after = before.clone();
    if let Some(mark) = made.as_deref().and_then(Mark::of) {
        notes.extend(news(turn, &name, &mark.id));
        match &mut after {
            Some(history) => history.turn(mark, *now),
            None => after = Some(History::new(mark, *now)),
        }
    }
    let Some((mut after, key)) = after.zip(made.as_deref().or(text)) else {
        let status = status(api_key, None, Reason::Pending, "the key is not made yet".to_owned(), *now);
        return Planned { status, again: Some(SOON), ..Planned::default() };
    };
    after.prune(*rule, *now);
    let expires = after.expires(*rule);
    let content = Content {
        data: vec![("key", key.to_owned())],
        annotations: vec![
            (CREATED, Some(after.current.at.to_string())),
            (EXPIRES, expires.map(|end| end.to_string())),
            (PREVIOUS, previous_text(&after.previous)),
            (ROTATE, asked.or(handled.cloned())),
        ],
        name,
    };
    let (reason, message) = match expires.filter(|end| end <= now) {
        Some(end) => (Reason::Expired, format!("the key ended at {end}: set the annotation {ROTATE} to a new value")),
        None => (Reason::Ready, format!("Secret {} holds the key; servers take it within 90 seconds", content.name)),
    };
    Planned {
        desired: held::write(*api_key, &api_key.spec.backend_ref.name, *ours, content),
        status: status(api_key, Some((&after, *rule)), reason, message, *now),
        notes,
        again: after.next(*rule, *now),
    }
}

/// What people hear of a new key; nothing of a first one.
fn news(turn: &Turn<'_>, name: &str, new: &str) -> Option<Note> {
    let was = turn.api_key.status.as_ref().is_some_and(|status| status.key_id.is_some());
    let (warning, reason, message) = match (&turn.before, turn.ours) {
        (Some(before), _) => {
            let (old, until) = (&before.current.key.id, held::later(turn.now, turn.rule.overlap));
            (false, "KeyRotated", format!("{new} is the key; {old} is valid until {until} at most"))
        }
        (None, Some(_)) => (
            true,
            "KeyReplaced",
            format!("Secret {name} could not be read any more; {new} is the key, earlier ones are refused"),
        ),
        (None, None) if was => {
            (true, "KeyReplaced", format!("Secret {name} was deleted; {new} is the key, earlier ones are refused"))
        }
        (None, None) => return None,
    };
    Some(Note { warning, reason: reason.to_owned(), message })
}

fn later() -> Planned {
    Planned { again: Some(LATER), ..Planned::default() }
}

fn rule(api_key: &ApiKey) -> Rule {
    let spec = &api_key.spec;
    Rule {
        every: held::duration(spec.rotate_every.as_ref()),
        overlap: held::duration(spec.overlap.as_ref()).unwrap_or(OVERLAP),
        life: held::duration(spec.expires_after.as_ref()),
    }
}

/// What a Secret says; `None` when its key is none.
fn read(secret: &Secret, now: Timestamp) -> Option<History<Mark>> {
    let mark = Mark::of(held::text(secret, "key")?)?;
    let annotations = secret.annotations();
    let made = secret.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let at = annotations.get(CREATED).and_then(|time| time.parse().ok()).unwrap_or(made);
    let mut history = History::new(mark, at);
    let previous = annotations.get(PREVIOUS).map(String::as_str).unwrap_or_default();
    history.previous = previous.split(',').filter_map(previous_key).collect();
    history.settle(now);
    Some(history)
}

fn previous_key(text: &str) -> Option<Made<Mark>> {
    let (id, rest) = text.split_once('=')?;
    let (hash, at) = rest.split_once('=')?;
    let whole = is_hex(id, 8) && is_hex(hash, 64);
    let key = Mark { id: id.to_owned(), hash: hash.to_owned() };
    Some(Made { key, at: at.parse().ok()? }).filter(|_| whole)
}

fn previous_text(previous: &[Made<Mark>]) -> Option<String> {
    let one = |made: &Made<Mark>| format!("{}={}={}", made.key.id, made.key.hash, made.at);
    let text: Vec<String> = previous.iter().map(one).collect();
    (!text.is_empty()).then(|| text.join(","))
}

/// The status while nothing may be written: a key that is held stays usable under a suspended Backend.
fn frozen_status(
    api_key: &ApiKey,
    before: Option<&History<Mark>>,
    (reason, message): (Reason, String),
    now: Timestamp,
) -> ApiKeyStatus {
    let rule = rule(api_key);
    let Some(before) = before else { return status(api_key, None, reason, message, now) };
    let held = Some((before, rule));
    if reason != Reason::Suspended {
        return status(api_key, held, reason, message, now);
    }
    match (before.expires(rule).filter(|end| *end <= now), before.due_at(rule).filter(|due| *due <= now)) {
        (Some(end), _) => status(api_key, held, Reason::Expired, format!("the key ended at {end}; {message}"), now),
        (None, Some(due)) => status(api_key, held, Reason::Ready, format!("to be rotated since {due}; {message}"), now),
        (None, None) => status(api_key, held, Reason::Ready, message, now),
    }
}

/// The status, with Ready as the reason says. What has not changed keeps its time.
fn status(
    api_key: &ApiKey,
    held: Option<(&History<Mark>, Rule)>,
    reason: Reason,
    message: String,
    now: Timestamp,
) -> ApiKeyStatus {
    let is = if reason == Reason::Ready { "True" } else { "False" };
    let before = api_key.status.iter().flat_map(|status| &status.conditions);
    let mut same = before.filter(|condition| condition.kind == Type::Ready.as_str() && condition.status == is);
    let condition = Condition {
        kind: Type::Ready.as_str().to_owned(),
        status: is.to_owned(),
        observed_generation: api_key.metadata.generation,
        last_transition_time: same.next().map_or(now.to_string(), |before| before.last_transition_time.clone()),
        reason: reason.to_string(),
        message,
    };
    ApiKeyStatus {
        observed_generation: api_key.metadata.generation,
        conditions: vec![condition],
        key_id: held.map(|(history, _)| history.current.key.id.clone()),
        rotated_at: held.map(|(history, _)| history.current.at.to_string()),
        expires_at: held.and_then(|(history, rule)| history.expires(rule)).map(|end| end.to_string()),
    }
}
