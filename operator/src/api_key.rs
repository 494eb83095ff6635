//! An ApiKey: its key in a Secret of its own, made and rotated, what servers shall take of it, and its status.
//!
//! Called by `backend::secrets` for each ApiKey of a Backend, so that a key and its hash are written by one pass. Pure.
//! An ApiKey whose Backend does not exist keeps what it has; `orphan` tells it so.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::api_key::{ApiKey, ApiKeyStatus};
use mainstay_crds::backend::Backend;
use mainstay_crds::conditions::{Condition, Reason, Type};

use self::held_keys::{DIGITS, Mark, PREFIX};
use crate::backend::observed::Entropy;
use crate::backend::secrets::held::{self, Content, Found};
use crate::backend::secrets::history::{History, OVERLAP, Rule};
use crate::desired::{Desired, Note};

mod held_keys;

/// The annotation of an ApiKey whose new value asks for a new key; the Secret's own says which was done last.
pub const ROTATE: &str = "mainstay.dev/rotate-key";

/// How soon to look again for what no watch tells.
const SOON: Duration = Duration::from_secs(10);

/// How soon to look again for what only a person can change.
const LATER: Duration = Duration::from_secs(60);

/// What shall be of one ApiKey.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Its Secret, when it has to change.
    pub desired: Option<Desired>,
    /// The keys that servers shall take, the current one first.
    pub valid: Vec<Valid>,
    /// Its status by what was seen: a key that is to be written now is told once it is there.
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

/// metadata.name of the Secret that holds the key.
pub fn secret_name(api_key: &ApiKey) -> String {
    api_key.spec.secret_name.clone().unwrap_or_else(|| api_key.name_any())
}

/// What shall be of one ApiKey of this Backend. `secret` is the one of its name, whoever made it.
pub fn plan(
    api_key: &ApiKey,
    backend: &Backend,
    secret: Option<&Secret>,
    now: Timestamp,
    entropy: &Entropy,
) -> Planned {
    let now = held::whole_seconds(now);
    let look = Look { api_key, rule: rule(api_key), now };
    let name = secret_name(api_key);
    let ours = match held::found(api_key, secret) {
        Found::Foreign => {
            let message = format!("Secret {name} is another's: set spec.secretName, or delete it if nobody needs it");
            return look.waits(Reason::ObjectConflict, message, LATER);
        }
        Found::Leaving => return look.waits(Reason::Pending, format!("Secret {name} is being deleted"), SOON),
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let before = ours.and_then(|secret| held_keys::read(secret, now));
    let suspended = backend.spec.suspend == Some(true);
    match before {
        Some(before) if suspended => look.frozen(&before),
        None if suspended => {
            let message = format!("Backend {} is suspended: no key is made", backend.name_any());
            look.waits(Reason::Suspended, message, LATER)
        }
        before => look.keep(name, ours, before, entropy),
    }
}

fn rule(api_key: &ApiKey) -> Rule {
    let spec = &api_key.spec;
    Rule {
        every: held::duration(spec.rotate_every.as_ref()),
        overlap: held::duration(spec.overlap.as_ref()).unwrap_or(OVERLAP),
        life: held::duration(spec.expires_after.as_ref()),
    }
}

/// What the steps of one plan share.
struct Look<'a> {
    api_key: &'a ApiKey,
    rule: Rule,
    now: Timestamp,
}

impl Look<'_> {
    /// There is no key, and none is made now.
    fn waits(&self, reason: Reason, message: String, again: Duration) -> Planned {
        Planned { status: self.status(None, reason, message), again: Some(again), ..Planned::default() }
    }

    /// The key stays as it is.
    fn frozen(&self, history: &History<Mark>) -> Planned {
        let due = history.due_at(self.rule).filter(|due| *due <= self.now);
        let message = match due {
            Some(due) => format!("the Backend is suspended: the key is to be rotated since {due}"),
            None => "the Backend is suspended: the key stays as it is".to_owned(),
        };
        Planned {
            again: history.next(self.rule, self.now).filter(|left| !left.is_zero()),
            ..self.held(history, message)
        }
    }

    /// The key is made or rotated when it is due.
    fn keep(&self, name: String, ours: Option<&Secret>, before: Option<History<Mark>>, entropy: &Entropy) -> Planned {
        let asked = self.api_key.annotations().get(ROTATE).map(|value| held::remembered(value));
        let handled = ours.and_then(|secret| secret.annotations().get(ROTATE));
        let asks = asked.is_some() && asked.as_ref() != handled;
        let turns = asks || before.as_ref().is_none_or(|before| before.due(self.rule, self.now));
        let seed = if turns { entropy.seed(&format!("api key {}", self.api_key.name_any())) } else { None };
        let made = seed.map(|seed| format!("{PREFIX}{}", held::hex(&seed[..DIGITS / 2])));
        let held = ours.filter(|_| before.is_some()).and_then(|secret| held::text(secret, "key"));
        let mark = made.as_deref().and_then(Mark::of);
        let notes = mark.iter().filter_map(|mark| self.news(&name, ours, before.as_ref(), &mark.id)).collect();
        let seen = before.clone();
        let after = match (before, mark) {
            (Some(mut history), Some(mark)) => {
                history.turn(mark, self.now);
                Some(history)
            }
            (None, Some(mark)) => Some(History::new(mark, self.now)),
            (before, None) => before,
        };
        let Some((mut after, key)) = after.zip(made.as_deref().or(held)) else {
            return self.waits(Reason::Pending, "the key is not made yet".to_owned(), SOON);
        };
        after.prune(self.rule, self.now);
        let message = format!("Secret {name} holds the key; servers take it within 90 seconds");
        let remembered = [(ROTATE, asked.or(handled.cloned()))];
        let content = Content {
            name,
            data: vec![("key", key.to_owned())],
            annotations: held_keys::annotations(&after, self.rule).into_iter().chain(remembered).collect(),
        };
        let desired = held::write(self.api_key, &self.api_key.spec.backend_ref.name, ours, content);
        let again = after.next(self.rule, self.now);
        let Planned { valid, status, .. } = self.held(&after, message.clone());
        let status = match (&desired, seen) {
            (None, _) => status,
            (Some(_), Some(seen)) => self.held(&seen, message).status,
            (Some(_), None) => self.status(None, Reason::Pending, "the key is being made".to_owned()),
        };
        Planned { desired, valid, status, notes, again }
    }

    /// What people hear of a new key; nothing of a first one.
    fn news(&self, name: &str, ours: Option<&Secret>, before: Option<&History<Mark>>, new: &str) -> Option<Note> {
        let had = self.api_key.status.as_ref().is_some_and(|status| status.key_id.is_some());
        let said = match (before, ours) {
            (Some(before), _) => {
                let (old, until) = (&before.current.key.id, held::later(self.now, self.rule.overlap));
                return Some(self.note(false, "KeyRotated", format!("{new} follows {old}, which ends at {until}")));
            }
            (None, Some(_)) => "could not be read any more",
            (None, None) if had => "was deleted",
            (None, None) => return None,
        };
        let message = format!("Secret {name} {said}; it has the new key {new}, and every earlier one is refused");
        Some(self.note(true, "KeyReplaced", message))
    }

    fn note(&self, warning: bool, reason: &str, message: String) -> Note {
        let message = format!("ApiKey {}: {message}", self.api_key.name_any());
        Note { warning, reason: reason.to_owned(), message }
    }

    /// There is a key, whether or not it has ended.
    fn held(&self, history: &History<Mark>, message: String) -> Planned {
        let valid = |mark: &Mark, until| Valid { id: mark.id.clone(), hash: mark.hash.clone(), until };
        let previous = history.ends(self.rule).map(|(made, end)| valid(&made.key, Some(end)));
        let all = std::iter::once(valid(&history.current.key, history.expires(self.rule))).chain(previous);
        let (reason, message) = match history.expires(self.rule).filter(|end| *end <= self.now) {
            Some(end) => {
                let next = format!("a new value of its annotation {ROTATE} makes another");
                (Reason::Expired, format!("the key ended at {end}; {next}"))
            }
            None => (Reason::Ready, message),
        };
        Planned {
            valid: all.filter(|key| key.until.is_none_or(|until| until > self.now)).collect(),
            status: self.status(Some(history), reason, message),
            ..Planned::default()
        }
    }

    /// The status, with Ready as the reason says. What has not changed keeps its time.
    fn status(&self, history: Option<&History<Mark>>, reason: Reason, message: String) -> ApiKeyStatus {
        let is = if reason == Reason::Ready { "True" } else { "False" };
        let before = self.api_key.status.iter().flat_map(|status| &status.conditions);
        let mut same = before.filter(|condition| condition.kind == Type::Ready.as_str() && condition.status == is);
        let generation = self.api_key.metadata.generation;
        let condition = Condition {
            kind: Type::Ready.as_str().to_owned(),
            status: is.to_owned(),
            observed_generation: generation,
            last_transition_time: same.next().map_or(self.now.to_string(), |old| old.last_transition_time.clone()),
            reason: reason.to_string(),
            message,
        };
        let expires = history.and_then(|history| history.expires(self.rule));
        ApiKeyStatus {
            observed_generation: generation,
            conditions: vec![condition],
            key_id: history.map(|history| history.current.key.id.clone()),
            rotated_at: history.map(|history| history.current.at.to_string()),
            expires_at: expires.map(|end| end.to_string()),
        }
    }
}
