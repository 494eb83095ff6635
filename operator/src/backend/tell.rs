//! Tells people: statuses when they changed, and an Event for every transition.
//!
//! Called by `reconcile` and for what has no Backend. Writes nothing in a steady state.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use mainstay_crds::backend::{Backend, BackendStatus};
use mainstay_crds::collection::{Collection, CollectionStatus};
use mainstay_crds::conditions::{Condition, Reason, Type};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::apply::Obstacle;
use super::observed::Unreadable;
use super::status::condition;
use crate::cluster::Error;
use crate::context::Context;
use crate::desired::{FIELD_MANAGER, Note};

/// Writes the status of `object` if it is another than `old`, and then the Events of its transitions; answers the
/// resourceVersion of what was written. An object that is gone is told nothing.
pub async fn tell<K, S>(context: &Context, object: &K, old: Option<&S>, new: &S) -> Result<Option<String>, Error>
where
    K: Resource<DynamicType = ()>,
    S: Serialize,
{
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    let shape = |error: serde_json::Error| Error::Own(format!("a status cannot be written down: {error}"));
    let old = old.map_or(Ok(json!({})), serde_json::to_value).map_err(shape)?;
    let new = serde_json::to_value(new).map_err(shape)?;
    if old == new {
        return Ok(None);
    }
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
    // The UID keeps a status from another object of the same name.
    let patch = json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": name, "namespace": namespace, "uid": object.uid()},
        "status": new,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let what = || format!("telling {} {name}", resource.kind);
    let written = match context.ask(what, api.patch_status(&name, &params, &Patch::Apply(&patch))).await {
        Ok(written) => written,
        Err(error) if error.code() == Some(404) => return Ok(None),
        // Another of its name is there by now, or the API server asks to be asked again.
        Err(error) if error.code() == Some(409) => {
            return Err(Error::Changed(format!("{} {name} changed meanwhile", resource.kind)));
        }
        Err(error) => return Err(error),
    };
    context.metrics.writes.with_label_values(&["status", &resource.kind]).inc();
    let conditions =
        |status: &Json| -> Vec<Condition> { serde_json::from_value(status["conditions"].clone()).unwrap_or_default() };
    for (about, note) in transitions(&conditions(&old), &conditions(&new)) {
        publish(context, &object.object_ref(&()), &about, &note).await;
    }
    Ok(written.resource_version())
}

/// What people hear of between two statuses: a condition that has another status or another reason, and each thing
/// once; with the condition's type. That the operator is at work is no news.
fn transitions(old: &[Condition], new: &[Condition]) -> Vec<(String, Note)> {
    let mut notes: Vec<(String, Note)> = Vec::new();
    for condition in new.iter().filter(|condition| condition.kind != Type::Reconciling.as_str()) {
        let before = old.iter().find(|old| old.kind == condition.kind);
        let same = before.is_some_and(|old| (&old.status, &old.reason) == (&condition.status, &condition.reason));
        // What never was true does not become false.
        let nothing = before.is_none() && condition.status != "True" && condition.kind == Type::Stalled.as_str();
        let told = notes.iter().any(|(_, note)| note.reason == condition.reason && note.message == condition.message);
        if !same && !nothing && !told {
            let stalled = new.iter().any(|other| other.kind == Type::Stalled.as_str() && other.status == "True");
            let warning = condition.kind == Type::Stalled.as_str() && condition.status == "True"
                || condition.status == "False"
                    && condition.kind != Type::Stalled.as_str()
                    && (stalled || is_wrong(condition));
            let note = Note { warning, reason: condition.reason.clone(), message: condition.message.clone() };
            notes.push((condition.kind.clone(), note));
        }
    }
    notes
}

/// Reasons that are failures and no stations on the way.
fn is_wrong(condition: &Condition) -> bool {
    const WRONG: [Reason; 16] = [
        Reason::MigrationFailed,
        Reason::PlanRefused,
        Reason::DatabaseInUse,
        Reason::DatabaseUnavailable,
        Reason::SecretMissing,
        Reason::SecretInvalid,
        Reason::ImageUnavailable,
        Reason::PodsNotReady,
        Reason::RolloutFailed,
        Reason::ObjectConflict,
        Reason::Refused,
        Reason::DocumentsTooLarge,
        Reason::InvalidSpec,
        Reason::Invalid,
        Reason::RefNotAccepted,
        Reason::BackendNotFound,
    ];
    WRONG.iter().any(|reason| reason.to_string() == condition.reason)
}

/// Publishes what was not said before.
pub async fn say(context: &Context, about: &ObjectReference, notes: &[Note], said_before: &[Note]) {
    for note in notes.iter().filter(|note| !said_before.contains(note)) {
        publish(context, about, "Reconcile", note).await;
    }
}

/// An Event that cannot be written holds nothing up.
async fn publish(context: &Context, about: &ObjectReference, action: &str, note: &Note) {
    let event = Event {
        type_: if note.warning { EventType::Warning } else { EventType::Normal },
        reason: note.reason.clone(),
        // The API server takes 1024 bytes.
        note: Some(note.message.chars().take(250).collect()),
        // Events of one action and reason are counted as one, with the words of the first.
        action: action.to_owned(),
        secondary: None,
    };
    let what = || format!("writing the Event {}", note.reason);
    if let Err(error) = context.ask(what, context.recorder.publish(&event, about)).await {
        tracing::warn!(%error, "an Event could not be written");
        return;
    }
    context.metrics.writes.with_label_values(&["event", "Event"]).inc();
}

/// The status with what stood in the way of its objects.
pub fn with_obstacles(
    mut status: BackendStatus,
    backend: &Backend,
    obstacles: &[Obstacle],
    now: Timestamp,
) -> BackendStatus {
    let Some(first) = obstacles.first() else { return status };
    let (reason, message) = match first {
        Obstacle::Conflict(message) => (Reason::ObjectConflict, message),
        Obstacle::Refused(message) => (Reason::Refused, message),
    };
    let old = backend.status.as_ref().map_or(&[][..], |status| &status.conditions);
    stall(&mut status, old, backend.metadata.generation, reason, message, now);
    status
}

/// The status when what was written after it was seen, or could not be, is not rolled out: `why` says what.
pub fn rolling(mut status: BackendStatus, backend: &Backend, why: Option<String>, now: Timestamp) -> BackendStatus {
    let is_ready = |one: &Condition| one.kind == Type::Ready.as_str() && one.status == "True";
    if let Some(message) = why
        && status.conditions.iter().any(is_ready)
    {
        let (old, generation) = (backend.status.as_ref(), backend.metadata.generation);
        let old = old.map_or(&[][..], |status| &status.conditions);
        for (kind, is) in [(Type::Ready, false), (Type::Reconciling, true)] {
            put(&mut status, condition(old, kind, is, Reason::RollingOut, message.clone(), generation, now));
        }
    }
    status
}

fn put(status: &mut BackendStatus, condition: Condition) {
    match status.conditions.iter_mut().find(|old| old.kind == condition.kind) {
        Some(old) => *old = condition,
        None => status.conditions.push(condition),
    }
}

/// Ready is False and nothing goes on without a person.
fn stall(
    status: &mut BackendStatus,
    old: &[Condition],
    generation: Option<i64>,
    reason: Reason,
    message: &str,
    now: Timestamp,
) {
    for (kind, is) in [(Type::Ready, false), (Type::Reconciling, false), (Type::Stalled, true)] {
        put(status, condition(old, kind, is, reason, message.to_owned(), generation, now));
    }
}

/// Tells a Backend that cannot be worked on why, and leaves the rest of its status.
pub async fn refuse(
    context: &Context,
    namespace: &str,
    name: &str,
    reason: Reason,
    message: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let resource = ApiResource::erase::<Backend>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &resource);
    let found = context.ask(|| format!("reading Backend {name}"), api.get_opt(name)).await?;
    let Some(found) = found else { return Ok(()) };
    let old: BackendStatus = serde_json::from_value(found.data["status"].clone()).unwrap_or_default();
    let mut new = old.clone();
    stall(&mut new, &old.conditions, found.metadata.generation, reason, message, now);
    let backend = Backend { metadata: found.metadata, ..Backend::default() };
    tell(context, &backend, Some(&old), &new).await?;
    context.metrics.backend(namespace, name, &new, None);
    Ok(())
}

/// Tells a Collection that this operator cannot read, and leaves the rest of its status.
pub async fn unreadable(context: &Context, namespace: &str, one: &Unreadable, now: Timestamp) -> Result<(), Error> {
    let resource = ApiResource::erase::<Collection>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &resource);
    let found = context.ask(|| format!("reading Collection {}", one.name), api.get_opt(&one.name)).await?;
    let Some(found) = found else { return Ok(()) };
    let old: CollectionStatus = serde_json::from_value(found.data["status"].clone()).unwrap_or_default();
    let message =
        format!("this operator cannot read it, and serves what it accepted last, if anything: {}", one.problem);
    let generation = found.metadata.generation;
    let accepted = condition(&old.conditions, Type::Accepted, false, Reason::Invalid, message, generation, now);
    let new = CollectionStatus { observed_generation: generation, conditions: vec![accepted], ..old.clone() };
    let collection = Collection { metadata: found.metadata, ..Collection::default() };
    tell(context, &collection, Some(&old), &new).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: Type, status: &str, reason: Reason, message: &str) -> Condition {
        Condition {
            kind: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.to_string(),
            message: message.to_owned(),
            last_transition_time: "1970-01-01T00:00:00Z".to_owned(),
            observed_generation: Some(1),
        }
    }

    #[test]
    fn an_event_for_each_transition_and_each_thing_once() {
        let planning = [
            condition(Type::Available, "False", Reason::Planning, "a plan is made"),
            condition(Type::Ready, "False", Reason::Planning, "a plan is made"),
            condition(Type::Reconciling, "True", Reason::Planning, "a plan is made"),
            condition(Type::Stalled, "False", Reason::Planning, "a plan is made"),
        ];
        let waiting = [
            condition(Type::Available, "False", Reason::Planning, "a plan is made"),
            condition(Type::Ready, "False", Reason::ApprovalRequired, "drop a.b waits"),
            condition(Type::Reconciling, "False", Reason::ApprovalRequired, "drop a.b waits"),
            condition(Type::Stalled, "True", Reason::ApprovalRequired, "drop a.b waits"),
        ];
        let ready = [
            condition(Type::Available, "True", Reason::Ready, "1 of 1"),
            condition(Type::Ready, "True", Reason::Ready, "1 of 1 run this"),
            condition(Type::Reconciling, "False", Reason::Ready, "x"),
            condition(Type::Stalled, "False", Reason::Ready, "1 of 1 run this"),
        ];
        let told = |old: &[Condition], new: &[Condition]| -> Vec<(bool, String)> {
            transitions(old, new).into_iter().map(|(_, note)| (note.warning, note.message)).collect()
        };
        assert_eq!(told(&[], &planning), [(false, "a plan is made".to_owned())]);
        assert_eq!(told(&planning, &planning), []);
        assert_eq!(told(&planning, &waiting), [(true, "drop a.b waits".to_owned())]);
        assert_eq!(told(&waiting, &ready), [(false, "1 of 1".to_owned()), (false, "1 of 1 run this".to_owned())]);
        // Another message alone is no transition.
        let mut other = ready.clone();
        other[0].message = "2 of 2".to_owned();
        assert_eq!(told(&ready, &other), []);
    }

    #[test]
    fn failures_warn() {
        let failed = [condition(Type::Ready, "False", Reason::DatabaseUnavailable, "x")];
        assert!(transitions(&[], &failed)[0].1.warning);
        let refused = [condition(Type::Accepted, "False", Reason::Invalid, "x")];
        assert!(transitions(&[], &refused)[0].1.warning);
    }

    #[test]
    fn what_was_written_just_now_is_not_ready() {
        let backend = Backend::default();
        let now = Timestamp::from_second(10).unwrap();
        let with = |ready: &str| BackendStatus {
            conditions: vec![condition(Type::Ready, ready, Reason::Ready, "as seen")],
            ..BackendStatus::default()
        };
        let told = rolling(with("True"), &backend, Some("servers are being made".to_owned()), now);
        let of = |kind: Type| told.conditions.iter().find(|one| one.kind == kind.as_str()).unwrap();
        assert_eq!((of(Type::Ready).status.as_str(), of(Type::Ready).reason.as_str()), ("False", "RollingOut"));
        assert_eq!(of(Type::Reconciling).status, "True");
        // What was not ready has its own reason.
        assert_eq!(rolling(with("False"), &backend, Some("x".to_owned()), now), with("False"));
        assert_eq!(rolling(with("True"), &backend, None, now), with("True"));
    }

    #[test]
    fn an_obstacle_stalls_and_keeps_its_time() {
        let mut backend = Backend::default();
        let conflict = [Obstacle::Conflict("Service shop belongs to Helm x".to_owned())];
        let first = Timestamp::from_second(10).unwrap();
        let planned = BackendStatus {
            conditions: vec![condition(Type::Ready, "True", Reason::Ready, "fine")],
            ..BackendStatus::default()
        };
        let told = with_obstacles(planned.clone(), &backend, &conflict, first);
        let of = |status: &BackendStatus, kind: Type| {
            status.conditions.iter().find(|one| one.kind == kind.as_str()).cloned().unwrap()
        };
        assert_eq!(of(&told, Type::Ready).status, "False");
        assert_eq!(of(&told, Type::Stalled).reason, "ObjectConflict");
        assert_eq!(of(&told, Type::Ready).last_transition_time, first.to_string());
        backend.status = Some(told.clone());
        let again = with_obstacles(planned.clone(), &backend, &conflict, Timestamp::from_second(20).unwrap());
        assert_eq!(again, told);
        assert_eq!(with_obstacles(planned.clone(), &backend, &[], first), planned);
    }
}
