//! What each Collection is told of its acceptance. Pure.
//!
//! Called by `documents`. All of it can be rebuilt when a status is wiped.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::collection::{CollectionStatus, ProblemStatus};
use mainstay_crds::conditions::{Reason, Type};
use mainstay_crds::problem::Problem;

use super::Generations;
use super::accept::{Accepted, Choice, Judged};
use crate::backend::observed::Observed;
use crate::backend::status::condition;
use crate::desired::Note;

/// The most problems that a status lists, and the most characters of one.
const PROBLEMS: usize = 50;
const MESSAGE: usize = 1000;

/// The generation of each object that was accepted last: now, or as `<backend>-documents` says.
pub fn generations(seen: &Observed, accepted: &Accepted) -> Generations {
    let data = seen.accepted.as_ref().and_then(|map| map.data.as_ref());
    let text = data.and_then(|data| data.get("generations")).map_or("{}", String::as_str);
    let before: Generations = serde_json::from_str(text).unwrap_or_default();
    let each = accepted.judged.iter().filter_map(|one| {
        let name = one.object.name_any();
        let generation = match one.choice {
            Choice::Declared => one.object.metadata.generation,
            Choice::Before => before.get(&name).copied(),
            Choice::Nothing => None,
        };
        Some((name, generation?))
    });
    each.collect()
}

/// The statuses, by the object's name.
pub fn statuses(
    seen: &Observed,
    accepted: &Accepted,
    generations: &Generations,
    now: Timestamp,
) -> Vec<(String, CollectionStatus)> {
    let backend = seen.backend.name_any();
    let status = |one: &Judged| {
        let name = one.object.name_any();
        let (reason, message) = judgement(one, &backend);
        let old = one.object.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let generation = one.object.metadata.generation;
        let is = one.choice == Choice::Declared;
        let status = CollectionStatus {
            observed_generation: generation,
            conditions: vec![condition(old, Type::Accepted, is, reason, message, generation, now)],
            backend: Some(backend.clone()),
            accepted_generation: generations.get(&name).copied(),
            problems: if is { Vec::new() } else { problems(&one.problems) },
        };
        (name, status)
    };
    accepted.judged.iter().map(status).collect()
}

fn judgement(one: &Judged, backend: &str) -> (Reason, String) {
    let first = one.problems.first().map_or_else(String::new, |problem| format!("{}: {}", problem.path, text(problem)));
    let reason = if one.only_refers { Reason::RefNotAccepted } else { Reason::Invalid };
    let more = match one.problems.len() {
        0 | 1 => String::new(),
        many => format!(" (and {} more, in status.problems)", many - 1),
    };
    let first = short(&first);
    match one.choice {
        Choice::Declared => (Reason::Accepted, format!("Backend `{backend}` takes it as declared")),
        Choice::Before => (reason, format!("it is served as it was accepted last; {first}{more}")),
        Choice::Nothing => (reason, format!("it is left out; {first}{more}")),
    }
}

fn problems(found: &[Problem]) -> Vec<ProblemStatus> {
    let told = found.iter().take(PROBLEMS);
    told.map(|problem| ProblemStatus { path: short(&problem.path), message: short(&text(problem)) }).collect()
}

fn text(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One note for each Collection that turned wrong.
pub fn notes(seen: &Observed, statuses: &[(String, CollectionStatus)]) -> Vec<Note> {
    let turned = statuses.iter().filter_map(|(name, status)| {
        let condition = status.conditions.first().filter(|condition| condition.status == "False")?;
        let before = seen.collections.iter().find(|one| one.name_any() == *name)?.status.as_ref();
        let same = before.is_some_and(|before| {
            before.conditions.iter().any(|old| old.kind == condition.kind && old.status == condition.status)
        });
        let message = format!("Collection `{name}`: {}", condition.message);
        (!same).then(|| Note { warning: true, reason: condition.reason.clone(), message })
    });
    turned.collect()
}
