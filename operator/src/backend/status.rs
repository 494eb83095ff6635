//! What a Backend's status says of what was seen and decided. Pure.
//!
//! Conditions read as Flux, Argo CD and `kubectl wait` expect: Reconciling while something is under way, Stalled when
//! nothing goes on without a person, Ready when this generation serves.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::{BackendSpec, BackendStatus, ExposeSpec};
use mainstay_crds::conditions::{Condition, Reason, Type};

use super::documents::Documents;
use super::migration::{self, Migration, Wait};
use super::observed::Observed;
use super::secrets::Secrets;
use crate::settings::Settings;

pub mod workload;

use workload::Workload;

/// The status.
pub fn status(
    seen: &Observed,
    settings: &Settings,
    documents: &Documents,
    keys: &Secrets,
    way: &Migration,
    now: Timestamp,
) -> BackendStatus {
    let workload = Workload::of(seen, way.release.as_ref());
    let generation = seen.backend.metadata.generation;
    let old = seen.backend.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let conditions = judge(seen, documents, keys, way, &workload)
        .into_iter()
        .map(|(kind, is, reason, message)| condition(old, kind, is, reason, message, generation, now));
    BackendStatus {
        observed_generation: generation,
        conditions: conditions.collect(),
        url: Some(url(&seen.backend.spec, &seen.backend.name_any(), &namespace(seen), settings)),
        image: workload.image.clone(),
        replicas: Some(workload.replicas),
        selector: Some(selector(&seen.backend.name_any())),
        schema: way.schema.clone(),
        plan: way.plan.clone(),
        keys: Some(keys.keys.clone()).filter(|keys| !keys.admin.is_empty() || !keys.jwt.is_empty()),
    }
}

/// The selector of the servers' pods, as in the Deployment and the Service.
pub fn selector(backend: &str) -> String {
    format!("{}={backend},mainstay.dev/component=server", crate::desired::BACKEND_LABEL)
}

type Judged = (Type, bool, Reason, String);

fn judge(seen: &Observed, documents: &Documents, keys: &Secrets, way: &Migration, workload: &Workload) -> [Judged; 5] {
    let schema_ready = way.waits.is_none() && (way.schema.is_some() || is_embedded(seen) && workload.available);
    let blocked = obstacle(seen, documents, way, workload);
    let ready = blocked.is_none() && schema_ready && workload.available && workload.rolled_out;
    let why = blocked.unwrap_or_else(|| going_on(workload));
    let available = match workload.available {
        true => {
            (Type::Available, true, Reason::Ready, format!("{} of {} servers answer", workload.ready, workload.wanted))
        }
        false => (Type::Available, false, why.reason, why.message.clone()),
    };
    let schema = match (&way.waits, &way.contract, schema_ready) {
        (Some(wait), _, _) => (Type::SchemaReady, false, wait.reason, wait.message.clone()),
        (None, Some(open), true) => (Type::SchemaReady, true, Reason::ContractPending, open.message.clone()),
        (None, _, true) => (Type::SchemaReady, true, Reason::Ready, revision(way)),
        (None, _, false) => (Type::SchemaReady, false, why.reason, why.message.clone()),
    };
    let serves = format!("{} of {} servers run this generation", workload.ready, workload.wanted);
    let suspended = seen.backend.spec.suspend == Some(true);
    let stalled = !ready && why.stalled;
    let reconciling = match (ready, suspended, stalled) {
        (_, true, _) => {
            let said = "spec.suspend is set: nothing is written but this status".to_owned();
            let overdue = keys.overdue.iter();
            (false, Reason::Suspended, overdue.fold(said, |said, overdue| format!("{said}; {overdue}")))
        }
        (true, ..) => (false, Reason::Ready, serves.clone()),
        (false, _, true) => (false, why.reason, why.message.clone()),
        (false, _, false) => (true, why.reason, why.message.clone()),
    };
    let (kind, is, reason, message) = match ready {
        true => (Type::Ready, true, Reason::Ready, serves.clone()),
        false => (Type::Ready, false, why.reason, why.message.clone()),
    };
    let stall = match stalled {
        true => (Type::Stalled, true, why.reason, why.message.clone()),
        false => (Type::Stalled, false, reconciling.1, reconciling.2.clone()),
    };
    [
        available,
        (kind, is, reason, message),
        schema,
        (Type::Reconciling, reconciling.0, reconciling.1, reconciling.2),
        stall,
    ]
}

/// What stands in the way of this generation, the first cause first.
fn obstacle(seen: &Observed, documents: &Documents, way: &Migration, workload: &Workload) -> Option<Wait> {
    let backend = &seen.backend;
    if backend.metadata.deletion_timestamp.is_some() || seen.namespace_terminating {
        return Some(Wait { reason: Reason::Terminating, message: "it is being deleted".to_owned(), stalled: false });
    }
    if let Some((reason, message)) = &documents.problem {
        return Some(Wait { reason: *reason, message: message.clone(), stalled: true });
    }
    migration::secret(seen).or_else(|| way.waits.clone()).or_else(|| workload.trouble.clone())
}

/// Nothing is wrong; it takes its time.
fn going_on(workload: &Workload) -> Wait {
    let (reason, message) = match workload.exists {
        false => (Reason::Pending, "its objects are being made".to_owned()),
        true if workload.rolled_out => {
            (Reason::PodsNotReady, format!("{} of {} servers are ready", workload.ready, workload.wanted))
        }
        true => {
            (Reason::RollingOut, format!("{} of {} servers run this generation", workload.updated, workload.wanted))
        }
    };
    Wait { reason, message, stalled: false }
}

fn revision(way: &Migration) -> String {
    let revision = way.schema.as_ref().map(|schema| format!("the database has revision {}", schema.revision));
    revision.unwrap_or_else(|| "the server keeps its own schema".to_owned())
}

fn is_embedded(seen: &Observed) -> bool {
    seen.backend.spec.database.as_ref().is_some_and(|database| database.embedded.is_some())
}

fn namespace(seen: &Observed) -> String {
    seen.backend.namespace().unwrap_or_default()
}

/// A condition; since when is kept while its status stays.
pub fn condition(
    old: &[Condition],
    kind: Type,
    is: bool,
    reason: Reason,
    message: String,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = if is { "True" } else { "False" };
    let before = old.iter().find(|condition| condition.kind == kind.as_str() && condition.status == status);
    Condition {
        kind: kind.as_str().to_owned(),
        status: status.to_owned(),
        observed_generation: generation,
        last_transition_time: before.map_or_else(|| seconds(now), |before| before.last_transition_time.clone()),
        reason: reason.to_string(),
        message,
    }
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
pub fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Where clients reach the API.
fn url(spec: &BackendSpec, name: &str, namespace: &str, settings: &Settings) -> String {
    let ExposeSpec { service, ingress, gateway } = spec.expose.clone().unwrap_or_default();
    if let Some(ingress) = ingress {
        let scheme = if ingress.tls_secret_name.is_some() { "https" } else { "http" };
        return format!("{scheme}://{}", ingress.host);
    }
    if let Some(host) = gateway.and_then(|gateway| gateway.hostnames.into_iter().next()) {
        return format!("http://{host}");
    }
    let port = service.and_then(|service| service.port).filter(|port| *port != 80);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("http://{name}.{namespace}.svc.{}{port}", settings.cluster_domain)
}

#[cfg(test)]
mod tests;
