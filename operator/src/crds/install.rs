//! Brings the cluster's custom resource definitions to those that this operator carries; never to older ones.
//!
//! Called by the leader before it reconciles anything.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value as Json;
use tokio::time::sleep;

use super::{NAMES, VERSION, VERSION_ANNOTATION, definition};
use crate::backend::compare;
use crate::cluster::{Error, ask};

/// The field manager of definitions.
const MANAGER: &str = "mainstay-operator";

/// Whether this operator may work under the cluster's definitions.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Fit,
    /// They are older than the operator, and it may not write them.
    TooOld(String),
}

/// Applies the definitions that are missing, older or changed, if `write`; else only looks.
pub async fn install(client: &Client, write: bool) -> Result<Standing, Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for name in NAMES {
        let ours = definition(name).map_err(|error| Error::Own(error.to_string()))?;
        let full = ours["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let live = match ask(|| format!("reading the definition {full}"), api.get_opt(&full)).await {
            Ok(live) => live,
            Err(error) if error.code() == Some(403) => {
                tracing::warn!(
                    definition = full,
                    "whether the definition is old cannot be seen: reading it is forbidden"
                );
                continue;
            }
            Err(error) => return Err(error),
        };
        let age = match &live {
            None => Age::Missing,
            Some(live) => {
                let shape = |error| Error::Own(format!("the definition {full} cannot be read: {error}"));
                age(version(live), compare::is_as_desired(&ours, &serde_json::to_value(live).map_err(shape)?))
            }
        };
        match (age, write) {
            (Age::Newer | Age::Same, _) | (Age::Changed, false) => continue,
            (Age::Missing | Age::Older, false) => return Ok(Standing::TooOld(too_old(&full))),
            (_, true) => {}
        }
        match put(&api, &full, &ours).await {
            Ok(()) => tracing::info!(definition = full, version = VERSION, "applied"),
            Err(error) if error.code() == Some(403) => return Ok(Standing::TooOld(too_old(&full))),
            Err(error) => return Err(error),
        }
    }
    Ok(Standing::Fit)
}

fn too_old(name: &str) -> String {
    format!(
        "the definition {name} is older than this operator, which may not write it: run `mainstay-operator crds | kubectl \
         apply --server-side -f -` with the operator's version"
    )
}

/// What a live definition is beside ours.
#[derive(Debug, PartialEq, Eq)]
enum Age {
    Missing,
    Older,
    /// Of our version, and another.
    Changed,
    Same,
    Newer,
}

fn age(live: u32, same: bool) -> Age {
    match live {
        live if live > VERSION => Age::Newer,
        live if live < VERSION => Age::Older,
        _ if same => Age::Same,
        _ => Age::Changed,
    }
}

/// The version in a definition's annotation; 0 without one.
fn version(definition: &CustomResourceDefinition) -> u32 {
    definition.annotations().get(VERSION_ANNOTATION).and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Applies a definition, and waits until the API server serves it.
async fn put(api: &Api<CustomResourceDefinition>, name: &str, definition: &Json) -> Result<(), Error> {
    let params = PatchParams::apply(MANAGER).force();
    ask(|| format!("applying the definition {name}"), api.patch(name, &params, &Patch::Apply(definition))).await?;
    for _ in 0..100 {
        let live = ask(|| format!("reading the definition {name}"), api.get(name)).await?;
        let conditions = live.status.and_then(|status| status.conditions).unwrap_or_default();
        if conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Error::Changed(format!("the definition {name} is not served yet")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_older_or_changed_is_written() {
        assert_eq!(age(VERSION - 1, false), Age::Older);
        assert_eq!(age(VERSION - 1, true), Age::Older);
        assert_eq!(age(VERSION, true), Age::Same);
        assert_eq!(age(VERSION, false), Age::Changed);
        assert_eq!(age(VERSION + 1, false), Age::Newer);
    }

    #[test]
    fn every_definition_says_its_version() {
        for name in NAMES {
            let definition: CustomResourceDefinition = serde_json::from_value(definition(name).unwrap()).unwrap();
            assert_eq!(version(&definition), VERSION, "{name}");
        }
        assert_eq!(version(&CustomResourceDefinition::default()), 0);
    }
}
