//! What is printed when a test of the cluster fails: the objects, events and logs of its namespace and of the
//! operator's. Never a Secret.

use super::Cluster;

/// Where the operator runs.
const OPERATOR: &str = "mainstay-system";
/// What is told in full. No Secrets.
const KINDS: &str = "deployments,replicasets,statefulsets,jobs,pods,services,horizontalpodautoscalers,configmaps";
/// Our own resources: they are told when the cluster has them.
const OURS: &str = "backends,collections,apikeys,migrationplans";
/// Lines of each log.
const TAIL: &str = "--tail=200";

/// Prints all about a namespace, and about the operator.
#[expect(clippy::print_stderr, reason = "shown with the failure of a test")]
pub fn print(cluster: &Cluster, namespace: &str) {
    for namespace in [namespace, OPERATOR] {
        let within = ["--namespace", namespace];
        let ask = |words: &[&str]| cluster.try_kubectl(&[&within, words].concat()).unwrap_or_else(|why| why);
        let mut parts = vec![
            ("objects", ask(&["get", KINDS, "--output=wide"])),
            ("ours", ask(&["get", OURS, "--output=yaml"])),
            ("events", ask(&["get", "events", "--sort-by=.lastTimestamp"])),
            ("pods", ask(&["describe", "pods"])),
        ];
        let pods = ask(&["get", "pods", "--output=name"]);
        for pod in pods.lines().filter(|line| line.starts_with("pod/")) {
            parts.push((pod, ask(&["logs", pod, "--all-containers", "--prefix", TAIL])));
            if let Ok(before) = cluster.try_kubectl(&[&within[..], &["logs", pod, "--previous", TAIL]].concat()) {
                parts.push(("before its restart", before));
            }
        }
        for (title, text) in parts {
            eprintln!("──── {namespace}: {title}\n{}", text.trim_end());
        }
    }
}
