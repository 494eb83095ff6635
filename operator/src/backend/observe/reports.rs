//! What finished migration Jobs printed: read from their pods' logs once, then remembered.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::LogParams;

use super::Reader;
use crate::backend::memory::Memory;
use crate::backend::report::{self, Outcome, Report};
use crate::cluster::Error;

/// A report holds a plan with its SQL; nothing longer is read.
const LONGEST: i64 = 16 << 20;

/// A log that could not be read for so long after the Job's end is lost, as with its node.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// The reports of those Jobs that are finished, by the Job's name. One whose log cannot be read yet is left out.
pub async fn read(
    reader: &Reader<'_>,
    jobs: &[Job],
    memory: &mut Memory,
    now: Timestamp,
) -> Result<BTreeMap<String, Report>, Error> {
    let known = |uid: &String| jobs.iter().any(|job| job.metadata.uid.as_ref() == Some(uid));
    memory.reports.retain(|uid, _| known(uid));
    let mut reports = BTreeMap::new();
    for job in jobs {
        let Some(end) = end(job) else { continue };
        let uid = job.uid().unwrap_or_default();
        if !memory.reports.contains_key(&uid) {
            match of_job(reader, &job.name_any(), &uid, &end.message).await {
                Ok(report) => {
                    memory.reports.insert(uid.clone(), report);
                }
                Err(error) if end.at.is_some_and(|at| now.duration_since(at) > PATIENCE) => {
                    memory.reports.insert(uid.clone(), failed(format!("its log is lost: {error}")));
                }
                // The rest of the Backend does not wait for it.
                Err(error) => tracing::warn!(job = job.name_any(), %error, "the log of a Job cannot be read yet"),
            }
        }
        if let Some(report) = memory.reports.get(&uid) {
            reports.insert(job.name_any(), report.clone());
        }
    }
    Ok(reports)
}

/// Whether a Job has ended, well or not.
pub fn is_finished(job: &Job) -> bool {
    end(job).is_some()
}

/// How and when a Job ended.
struct End {
    message: String,
    at: Option<Timestamp>,
}

/// The end of a Job that is finished.
fn end(job: &Job) -> Option<End> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let done = |kind: &str| matches!(kind, "Complete" | "Failed");
    let end = conditions.iter().find(|condition| done(&condition.type_) && condition.status == "True")?;
    let message = end.message.clone().or_else(|| end.reason.clone()).unwrap_or_else(|| end.type_.clone());
    Some(End { message, at: end.last_transition_time.as_ref().map(|time| time.0) })
}

async fn of_job(reader: &Reader<'_>, job: &str, uid: &str, end: &str) -> Result<Report, Error> {
    // By the uid: a Job of this name may have been deleted by hand, and its pod may be there still.
    let mut pods: Vec<Pod> = reader.list("Pods", &format!("batch.kubernetes.io/controller-uid={uid}")).await?;
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
    // One that ended is never taken for one that was still being made when the Job's time was up.
    let Some(pod) = pods.iter().rev().find(|pod| ended(pod)) else {
        return Ok(failed(format!("{job} left no pod: {end}")));
    };
    let params = LogParams {
        container: Some("migrate".to_owned()),
        tail_lines: Some(50),
        limit_bytes: Some(LONGEST),
        ..LogParams::default()
    };
    let name = pod.name_any();
    let api = reader.api::<Pod>();
    let asked = reader.context.ask(|| format!("reading the log of {name}"), api.logs(&name, &params)).await;
    let log = match asked {
        Ok(log) => log,
        // The pod went after it was listed, or its node did.
        Err(error) if matches!(error.code(), Some(400 | 404)) => String::new(),
        Err(error) => return Err(error),
    };
    Ok(report::read(&log).unwrap_or_else(|| failed(last_words(pod, &log).unwrap_or_else(|| format!("{job}: {end}")))))
}

fn ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn failed(message: String) -> Report {
    Report { outcome: Outcome::Failed, message: Some(message), ..Report::default() }
}

/// The termination message of a pod, or the last line of its log.
fn last_words(pod: &Pod, log: &str) -> Option<String> {
    let states = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut terminated = states.filter_map(|container| container.state.as_ref()?.terminated.as_ref());
    let message = terminated.find_map(|end| end.message.as_deref());
    let lines = [message, Some(log)].into_iter().flatten();
    let line = lines.filter_map(|text| text.trim().lines().next_back()).find(|line| !line.is_empty())?;
    // What was cut is a report that is not whole, and of no use to people.
    (!line.starts_with("mainstay-report ")).then(|| line.chars().take(500).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_ends_by_a_true_condition() {
        let job = |conditions: serde_json::Value| -> Job {
            serde_json::from_value(json!({"metadata": {"name": "j"}, "status": {"conditions": conditions}})).unwrap()
        };
        let failed = json!([
            {"type": "FailureTarget", "status": "True"},
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "it was too long"},
        ]);
        let cases = [
            (json!([]), None),
            (json!([{"type": "Complete", "status": "False"}]), None),
            (json!([{"type": "SuccessCriteriaMet", "status": "True"}]), None),
            (json!([{"type": "Complete", "status": "True"}]), Some("Complete")),
            (failed, Some("it was too long")),
        ];
        for (conditions, expected) in cases {
            assert_eq!(end(&job(conditions.clone())).map(|end| end.message).as_deref(), expected, "{conditions}");
        }
    }

    #[test]
    fn last_words_come_from_the_container_or_its_log() {
        let pod = |message: Option<&str>| -> Pod {
            let state = json!({"terminated": {"exitCode": 1, "message": message}});
            let status = json!({"name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": state});
            serde_json::from_value(json!({"status": {"containerStatuses": [status]}})).unwrap()
        };
        let cases = [
            (Some("one\ntwo\n"), "log", Some("two")),
            (None, "first\nlast\n", Some("last")),
            (None, "\n", None),
            (None, "first\nmainstay-report 12 {", None),
        ];
        for (message, log, expected) in cases {
            assert_eq!(last_words(&pod(message), log).as_deref(), expected, "{log}");
        }
    }
}
