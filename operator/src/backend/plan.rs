//! From what was seen to what shall be. Pure: no I/O, no clock, no random numbers.
//!
//! One object a file below; this one puts them together and decides what goes.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::Backend;

use super::documents::{self, Documents};
use super::migration::{self, Migration};
use super::observed::Observed;
use super::planned::Planned;
use super::release::Release;
use super::secrets::{self, Secrets};
use super::status;
use crate::desired::{Desired, Doomed};
use crate::kind;
use crate::settings::Settings;

pub mod config;
pub mod deployment;
pub mod hpa;
pub mod http_route;
pub mod ingress;
pub mod network_policy;
pub mod pdb;
pub mod pod;
pub mod quantity;
pub mod service;
pub mod service_account;
pub mod service_monitor;
pub mod stateful_set;
#[cfg(test)]
mod tests;

/// What the planner of one object may look at.
pub struct Inputs<'a> {
    /// The Backend.
    pub backend: &'a Backend,
    /// What was seen around it.
    pub seen: &'a Observed,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// What servers shall run; `None` before the first schema is there.
    pub release: Option<&'a Release>,
}

impl Inputs<'_> {
    /// metadata.name of the Backend, and of most of its objects.
    pub fn name(&self) -> String {
        self.backend.name_any()
    }

    /// Records live in SQLite on a volume of their own.
    pub fn embedded(&self) -> bool {
        self.backend.spec.database.as_ref().is_some_and(|database| database.embedded.is_some())
    }
}

/// What shall be.
pub fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Planned {
    let documents = documents::documents(seen, now);
    let keys = secrets::secrets(seen, now);
    let way = migration::migration(seen, settings, &documents, now);
    let mut planned = Planned {
        status: status::status(seen, settings, &documents, &keys, &way, now),
        collections: documents.statuses.clone(),
        api_keys: keys.api_keys.clone(),
        plans: way.plans.clone(),
        again: [keys.again, way.again].into_iter().flatten().min(),
        ..Planned::default()
    };
    let leaving = seen.namespace_terminating || seen.backend.metadata.deletion_timestamp.is_some();
    if leaving || seen.backend.spec.suspend == Some(true) {
        return planned;
    }
    let Documents { desired: documents, notes: said_of_documents, .. } = documents;
    let Secrets { desired: secrets, notes: said_of_keys, .. } = keys;
    let Migration { desired: steps, doomed, release, notes: said_of_schema, .. } = way;
    let inputs = Inputs { backend: &seen.backend, seen, settings, release: release.as_ref() };
    let needed = NEEDED.iter().filter_map(|plan| plan(&inputs));
    let objects = OBJECTS.iter().filter_map(|plan| plan(&inputs));
    planned.desired = documents.into_iter().chain(secrets).chain(needed).chain(steps).chain(objects).collect();
    planned.doomed = gone(&inputs, &planned.desired).chain(doomed).collect();
    planned.notes = [said_of_documents, said_of_keys, said_of_schema].concat();
    planned
}

/// What pods need, those of Jobs too: written before any of them.
const NEEDED: [fn(&Inputs<'_>) -> Option<Desired>; 3] = [service_account::plan, config::plan, network_policy::plan];

/// In the order in which they are written.
const OBJECTS: [fn(&Inputs<'_>) -> Option<Desired>; 8] = [
    service::plan,
    stateful_set::plan,
    deployment::plan,
    pdb::plan,
    hpa::plan,
    ingress::plan,
    http_route::plan,
    service_monitor::plan,
];

/// What is there and no longer planned. While it is not known what servers shall run, those that run stay as they are.
fn gone<'a>(inputs: &'a Inputs<'_>, desired: &'a [Desired]) -> impl Iterator<Item = Doomed> + 'a {
    let running = [&kind::DEPLOYMENT, &kind::STATEFUL_SET, &kind::PDB, &kind::HPA];
    inputs.seen.present.iter().filter_map(move |(kind, metadata)| {
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        let planned = desired.iter().any(|object| object.kind == *kind && object.name == name);
        let kept = planned || (inputs.release.is_none() && running.contains(kind));
        (!kept && metadata.deletion_timestamp.is_none()).then_some(Doomed { kind, name, uid })
    })
}
