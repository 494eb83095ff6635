//! Whether every server runs the applied documents, and since when. Pure.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use crate::backend::observed::Observed;
use crate::backend::plan::pod::DOCUMENTS_ANNOTATION;
use crate::backend::release::Release;

/// Since when no server of other documents is left; `None` while one is, or new ones are not there yet.
pub fn complete(seen: &Observed, documents: &str, now: Timestamp) -> Option<Timestamp> {
    let deployment = seen.deployment.as_ref()?;
    let (spec, status) = (deployment.spec.as_ref()?, deployment.status.as_ref()?);
    let annotations = spec.template.metadata.as_ref()?.annotations.as_ref()?;
    let serves = annotations.get(DOCUMENTS_ANNOTATION).is_some_and(|serves| serves == documents);
    let current = status.observed_generation >= deployment.metadata.generation;
    let wanted = spec.replicas.unwrap_or(1);
    let counts = [status.replicas, status.updated_replicas, status.available_replicas];
    let counted = counts.iter().all(|count| count.unwrap_or(0) == wanted);
    // A pod that is ending is not counted, and serves still; one that was evicted serves no more, and may stay for ever.
    let old = |pod: &Pod| {
        let annotations = pod.metadata.annotations.as_ref();
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
            && annotations.and_then(|all| all.get(DOCUMENTS_ANNOTATION)).is_none_or(|serves| serves != documents)
    };
    if !serves || !current || !counted || seen.pods.iter().any(old) {
        return None;
    }
    let conditions = status.conditions.iter().flatten();
    let mut done = conditions
        .filter(|condition| condition.type_ == "Progressing")
        .filter(|condition| condition.reason.as_deref() == Some("NewReplicaSetAvailable"));
    let since = done.find_map(|condition| condition.last_update_time.as_ref());
    Some(since.map_or(now, |time| time.0.min(now)))
}

/// What servers run now, as far as their Deployment or StatefulSet says.
pub fn current(seen: &Observed) -> Option<Release> {
    let deployment = seen.deployment.as_ref().and_then(|one| Some(&one.spec.as_ref()?.template));
    let stateful = || seen.stateful_set.as_ref().and_then(|one| Some(&one.spec.as_ref()?.template));
    let template = deployment.or_else(stateful)?;
    let documents = template.metadata.as_ref()?.annotations.as_ref()?.get(DOCUMENTS_ANNOTATION)?.clone();
    let containers = &template.spec.as_ref()?.containers;
    let image = containers.iter().find(|container| container.name == "server")?.image.clone()?;
    let parts = parts(seen, &documents);
    Some(Release { image, documents, parts })
}

/// How many ConfigMaps carry documents.
pub fn parts(seen: &Observed, documents: &str) -> usize {
    let prefix = format!("{}-r{documents}-", seen.backend.metadata.name.as_deref().unwrap_or_default());
    let names = seen.config_maps.iter().filter_map(|map| map.name.as_deref());
    names.filter(|name| name.starts_with(&prefix)).count()
}
