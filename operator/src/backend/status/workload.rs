//! How the servers are: from the Deployment or StatefulSet and their pods. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec};
use kube::ResourceExt;
use mainstay_crds::conditions::Reason;

use crate::backend::migration::Wait;
use crate::backend::observed::Observed;
use crate::backend::plan::pod::DOCUMENTS_ANNOTATION;
use crate::backend::release::Release;

/// How the servers are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// There is a Deployment or StatefulSet.
    pub exists: bool,
    /// How many there shall be.
    pub wanted: i32,
    /// How many there are.
    pub replicas: i32,
    /// How many have the newest template.
    pub updated: i32,
    /// How many are ready.
    pub ready: i32,
    /// At least one has been ready for long enough.
    pub available: bool,
    /// All have the newest template, it is that of the release, and no other is left.
    pub rolled_out: bool,
    /// The image of the template.
    pub image: Option<String>,
    /// Why they do not become ready.
    pub trouble: Option<Wait>,
}

impl Workload {
    /// As seen. `release` is what shall run.
    pub fn of(seen: &Observed, release: Option<&Release>) -> Workload {
        let mut workload = deployment(seen).or_else(|| stateful_set(seen)).unwrap_or_default();
        let template = template(seen);
        let (spec, documents) = template.unzip();
        workload.image = spec.and_then(|spec| spec.containers.first()).and_then(|server| server.image.clone());
        let documents = documents.flatten();
        workload.rolled_out &= release.is_some_and(|release| {
            documents.as_deref() == Some(&release.documents) && workload.image.as_deref() == Some(&release.image)
        });
        workload.trouble = if workload.rolled_out && workload.ready >= workload.wanted { None } else { trouble(seen) };
        workload
    }
}

fn deployment(seen: &Observed) -> Option<Workload> {
    let deployment = seen.deployment.as_ref()?;
    let status = deployment.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| number.unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let (replicas, updated) = (count(status.replicas), count(status.updated_replicas));
    let current = status.observed_generation >= deployment.metadata.generation;
    Some(Workload {
        exists: true,
        wanted,
        replicas,
        updated,
        ready: count(status.ready_replicas),
        available: count(status.available_replicas) > 0,
        rolled_out: current && updated == wanted && replicas == wanted && count(status.available_replicas) >= wanted,
        ..Workload::default()
    })
}

fn stateful_set(seen: &Observed) -> Option<Workload> {
    let set = seen.stateful_set.as_ref()?;
    let status = set.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| number.unwrap_or_default();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = count(status.ready_replicas);
    let current = status.observed_generation >= set.metadata.generation;
    let updated = count(status.updated_replicas);
    Some(Workload {
        exists: true,
        wanted,
        replicas: status.replicas,
        updated,
        ready,
        available: ready > 0,
        rolled_out: current && updated == wanted && ready >= wanted,
        ..Workload::default()
    })
}

/// The pods' template and the documents that it names.
fn template(seen: &Observed) -> Option<(&PodSpec, Option<String>)> {
    let deployment =
        seen.deployment.as_ref().and_then(|deployment| deployment.spec.as_ref().map(|spec| &spec.template));
    let set = || seen.stateful_set.as_ref().and_then(|set| set.spec.as_ref().map(|spec| &spec.template));
    let template = deployment.or_else(set)?;
    let annotations = template.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
    Some((template.spec.as_ref()?, annotations.and_then(|annotations| annotations.get(DOCUMENTS_ANNOTATION)).cloned()))
}

/// Why pods do not become ready: what the kubelet says of the newest that does not.
fn trouble(seen: &Observed) -> Option<Wait> {
    let mut waiting: Vec<&Pod> = seen.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    waiting.sort_by_key(|pod| std::cmp::Reverse(pod.metadata.creation_timestamp.clone()));
    let told = waiting.iter().find_map(|pod| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref())?;
        statuses.iter().find_map(|status| of_container(&pod.name_any(), status))
    });
    told.or_else(|| overdue(seen))
}

fn of_container(pod: &str, status: &ContainerStatus) -> Option<Wait> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let word = waiting.reason.as_deref()?;
    let (reason, message) = match word {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => (
            Reason::ImageUnavailable,
            format!("pod {pod} cannot pull `{}` ({word}); correct spec.image or the pull secrets", status.image),
        ),
        "CrashLoopBackOff" | "RunContainerError" | "CreateContainerError" | "CreateContainerConfigError" => {
            let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let exit = ended.map(|ended| format!("; it ended with {}", ended.exit_code)).unwrap_or_default();
            (Reason::PodsNotReady, format!("pod {pod} does not run ({word}){exit}; see `kubectl logs {pod}`"))
        }
        _ => return None,
    };
    Some(Wait { reason, message, stalled: true })
}

fn overdue(seen: &Observed) -> Option<Wait> {
    let status = seen.deployment.as_ref()?.status.as_ref()?;
    let late = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })?;
    let message = late.message.clone().unwrap_or_default();
    Some(Wait { reason: Reason::RolloutFailed, message: format!("{message}; see the pods' logs"), stalled: true })
}
