//! What is no longer needed: Jobs whose result is stored, old plans, documents that nothing names. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;

use super::course::Course;
use super::job::{self, Phase, Run};
use super::{plans, rollout};
use crate::backend::plan::config;
use crate::desired::Doomed;
use crate::kind::{self, Kind};

/// What was made so lately may be on its way to be named.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

impl Course<'_> {
    /// Jobs whose result is stored, and those that are of no use.
    pub(super) fn collect_jobs(&mut self) {
        let done: Vec<Doomed> = self
            .runs
            .iter()
            .filter(|run| self.is_done_with(run))
            .filter_map(|run| doomed(&kind::JOB, &run.job.metadata))
            .collect();
        self.out.doomed.extend(done);
    }

    fn is_done_with(&self, run: &Run<'_>) -> bool {
        let later = |run: &Run<'_>| {
            let mut others = self.runs.iter().filter(|other| other.phase == run.phase && other.key == run.key);
            others.any(|other| other.attempt > run.attempt && (other.report.is_some() || run.report.is_none()))
        };
        if run.phase == Phase::Plan {
            // Read-only: it may go at any time.
            return self.key.as_ref() != Some(&run.key) || later(run);
        }
        if run.report.is_none() {
            return false;
        }
        let Some(stored) = &self.stored else { return false };
        let (plan, hash) = (run.says(job::PLAN), run.says(job::PLAN_HASH));
        match (run.phase, run.success()) {
            (Phase::Expand, Some(report)) => {
                let revision = report.applied.as_ref().and_then(|applied| applied.get("revision")?.as_i64());
                self.is_taken(stored, run) || revision.is_none_or(|revision| revision < stored.revision)
            }
            (Phase::Expand, None) => stored.next != plan || later(run),
            (_, Some(_)) => stored.plan_hash != hash || !stored.open,
            (_, None) => stored.plan_hash != hash || !stored.open || later(run),
        }
    }

    /// Plans that are old or replaced, with their SQL.
    pub(super) fn collect_plans(&mut self) {
        let old = plans::old(&self.seen.plans, &self.needed());
        let replaced = self.seen.plans.iter().filter(|plan| self.replaced.contains(&plan.name_any()));
        let going: Vec<Doomed> =
            old.into_iter().chain(replaced).filter_map(|plan| doomed(&kind::MIGRATION_PLAN, &plan.metadata)).collect();
        let maps = self.seen.config_maps.iter().filter(|map| {
            let plan = map.name.as_deref().and_then(|name| name.strip_suffix("-sql"));
            plan.is_some_and(|plan| self.find(plan).is_none())
        });
        let maps = maps.collect();
        self.out.doomed.extend(going);
        self.collect_maps(maps);
    }

    /// ConfigMaps of documents and of configuration that nothing names any more.
    pub(super) fn collect_documents(&mut self) {
        let backend = self.seen.backend.name_any();
        let mut hashes = BTreeSet::from([self.target.documents.clone()]);
        hashes.extend(self.out.release.iter().map(|release| release.documents.clone()));
        hashes.extend(self.applied.iter().map(|applied| applied.documents.clone()));
        hashes.extend(rollout::current(self.seen).map(|current| current.documents));
        hashes.extend(self.needed().into_iter().filter_map(|name| Some(self.find(name)?.spec.documents.clone())));
        let mut names = self.mounted();
        names.insert(config::name(&self.seen.backend));
        let unnamed = self.seen.config_maps.iter().filter(|map| {
            let Some(name) = map.name.as_deref() else { return false };
            let Some(rest) = name.strip_prefix(&format!("{backend}-")) else { return false };
            let of_documents = rest.strip_prefix('r').and_then(|rest| rest.split_once('-'));
            let is_ours = match of_documents {
                Some((hash, part)) => {
                    is_hash(hash) && part.bytes().all(|byte| byte.is_ascii_digit()) && !hashes.contains(hash)
                }
                None => rest.strip_prefix('c').is_some_and(is_hash),
            };
            is_ours && !names.contains(name)
        });
        let unnamed = unnamed.collect();
        self.collect_maps(unnamed);
    }

    /// ConfigMaps that nothing names, once they are old enough.
    fn collect_maps(&mut self, unnamed: Vec<&ObjectMeta>) {
        for map in unnamed {
            let ripe = map.creation_timestamp.as_ref().map_or(self.now, |made| made.0 + YOUNG);
            match ripe <= self.now {
                true => self.out.doomed.extend(doomed(&kind::CONFIG_MAP, map)),
                false => self.again_at(Some(ripe)),
            }
        }
    }

    /// Names of the ConfigMaps that pods mount, or would if they were made.
    fn mounted(&self) -> BTreeSet<String> {
        let seen = self.seen;
        let sets = seen.replica_sets.iter().filter_map(|set| set.spec.as_ref()?.template.as_ref());
        let deployment = seen.deployment.iter().filter_map(|one| Some(&one.spec.as_ref()?.template));
        let stateful = seen.stateful_set.iter().filter_map(|one| Some(&one.spec.as_ref()?.template));
        let jobs = seen.jobs.iter().filter_map(|one| Some(&one.spec.as_ref()?.template));
        let of_templates = sets.chain(deployment).chain(stateful).chain(jobs);
        let of_templates = of_templates.filter_map(|template: &PodTemplateSpec| template.spec.as_ref());
        let of_pods = seen.pods.iter().chain(&seen.job_pods).filter_map(|pod| pod.spec.as_ref());
        let volumes = of_templates.chain(of_pods).filter_map(|spec| spec.volumes.as_ref()).flatten();
        let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref()).flatten();
        sources.filter_map(|source| Some(source.config_map.as_ref()?.name.clone())).collect()
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One that is going already is left alone.
fn doomed(kind: &'static Kind, metadata: &ObjectMeta) -> Option<Doomed> {
    let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
    metadata.deletion_timestamp.is_none().then_some(Doomed { kind, name, uid })
}
