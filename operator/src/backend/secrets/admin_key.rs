//! The admin key of a Backend, in Secret `<backend>-admin-key`: `key` is the current one, `keys` has one a line, the
//! current one and then those before it for as long as they are valid.
//!
//! Called by `secrets`. Pure. A key itself reaches the Secret and nothing else.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::KeyStatus;

use super::held::{self, Content, Found};
use super::history::{History, OVERLAP, Rule};
use super::{Look, Part};
use crate::desired::Note;

/// The annotation of a Backend whose new value asks for a new admin key; the Secret's own says which was done last.
pub const ROTATE: &str = "mainstay.dev/rotate-admin-key";

/// What a key begins with, as those that the server makes.
const PREFIX: &str = "mainstay_admin_";

/// Hex digits after the prefix: 160 bits.
const DIGITS: usize = 40;

/// The admin key as it shall be.
pub(super) fn plan(look: &Look<'_>) -> Part {
    let backend = &*look.seen.backend;
    let name = format!("{}-admin-key", look.name);
    let secret = match held::found(backend, look.seen.admin_key.as_ref()) {
        Found::Foreign => return Part::conflict(&name),
        Found::Leaving => return Part::soon(),
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let before = secret.and_then(|secret| read(secret, look.now));
    let asked = backend.annotations().get(ROTATE).map(|value| held::remembered(value));
    let handled = secret.and_then(|secret| secret.annotations().get(ROTATE));
    let asks = asked.is_some() && asked.as_ref() != handled;
    let rule = rule(look);
    let Some((after, notes)) = next(look, &name, before.as_ref(), rule, asks) else { return Part::soon() };
    let content = Content {
        name,
        data: vec![("key", after.current.key.clone()), ("keys", lines(&after))],
        annotations: vec![(held::TIMES, Some(times(&after))), (ROTATE, asked.or(handled.cloned()))],
    };
    let overdue = before.as_ref().filter(|before| asks || before.due(rule, look.now));
    Part {
        desired: held::write(backend, &look.name, secret, content),
        status: status(before.as_ref()),
        again: after.next(rule, look.now),
        notes,
        overdue: overdue.map(|before| overdue_text(before, rule)),
    }
}

fn rule(look: &Look<'_>) -> Rule {
    let spec = look.seen.backend.spec.secrets.as_ref().and_then(|secrets| secrets.admin_key.as_ref());
    Rule {
        every: held::duration(spec.and_then(|spec| spec.rotate_every.as_ref())),
        overlap: held::duration(spec.and_then(|spec| spec.overlap.as_ref())).unwrap_or(OVERLAP),
        life: None,
    }
}

/// The keys after this step and what people should hear; `None` without random bytes.
fn next(
    look: &Look<'_>,
    name: &str,
    before: Option<&History<String>>,
    rule: Rule,
    asks: bool,
) -> Option<(History<String>, Vec<Note>)> {
    let Some(before) = before else {
        let after = History::new(make(look)?, look.now);
        return Some((after, lost(look, name)));
    };
    let mut after = before.clone();
    let mut notes = Vec::new();
    if asks || after.due(rule, look.now) {
        after.turn(make(look)?, look.now);
        let (new, old) = (held::id(&after.current.key), held::id(&before.current.key));
        let until = held::later(look.now, rule.overlap);
        notes.push(Part::note("AdminKeyRotated", format!("{new} is the admin key; {old} is valid until {until}")));
    }
    after.prune(rule, look.now);
    Some((after, notes))
}

/// Why there is no key to go on from, unless this is the first.
fn lost(look: &Look<'_>, name: &str) -> Vec<Note> {
    let was = look.seen.backend.status.as_ref().and_then(|status| status.keys.as_ref());
    let what = match look.seen.admin_key {
        Some(_) => "could not be read any more",
        None if was.is_some_and(|keys| !keys.admin.is_empty()) => "was deleted",
        None => return Vec::new(),
    };
    let message = format!("Secret {name} {what}; it has a new admin key, and every earlier one is refused");
    vec![Part::warning("AdminKeyReplaced", message)]
}

fn make(look: &Look<'_>) -> Option<String> {
    let seed = look.seen.entropy.seed("admin key")?;
    Some(format!("{PREFIX}{}", held::hex(&seed[..DIGITS / 2])))
}

/// The keys that a Secret holds; `None` when it is damaged.
fn read(secret: &Secret, now: Timestamp) -> Option<History<String>> {
    let text = held::text(secret, "keys")?;
    if !text.lines().all(is_key) {
        return None;
    }
    let times = held::times(secret);
    let made = secret.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let mut keys = text.lines().map(|key| (key.to_owned(), times.get(&held::id(key)).copied().unwrap_or(made)));
    let (current, at) = keys.next()?;
    if held::text(secret, "key") != Some(current.as_str()) {
        return None;
    }
    let mut history = History::new(current, at);
    history.previous = keys.map(|(key, at)| super::history::Made { key, at }).collect();
    history.settle(now);
    Some(history)
}

fn is_key(line: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    line.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(digit))
}

fn lines(history: &History<String>) -> String {
    all(history).map(|(key, _)| format!("{key}\n")).collect()
}

fn times(history: &History<String>) -> String {
    let ids: Vec<(String, Timestamp)> = all(history).map(|(key, at)| (held::id(key), at)).collect();
    held::times_text(ids.iter().map(|(id, at)| (id.as_str(), *at)))
}

fn all(history: &History<String>) -> impl Iterator<Item = (&str, Timestamp)> {
    std::iter::once(&history.current).chain(&history.previous).map(|made| (made.key.as_str(), made.at))
}

fn status(history: Option<&History<String>>) -> Vec<KeyStatus> {
    let Some(history) = history else { return Vec::new() };
    let mut since = history.current.at;
    let mut keys = Vec::new();
    for (index, (key, at)) in all(history).enumerate() {
        let state = if index == 0 { "current" } else { "previous" };
        keys.push(KeyStatus { id: held::id(key), state: state.to_owned(), since: since.to_string() });
        since = at;
    }
    keys
}

fn overdue_text(history: &History<String>, rule: Rule) -> String {
    let id = held::id(&history.current.key);
    match history.due_at(rule) {
        Some(due) => format!("admin key {id} is to be rotated since {due}"),
        None => format!("admin key {id} is to be rotated, as the annotation {ROTATE} asks"),
    }
}
