//! The objects of migrations: what Jobs look like, what is said of their pods, what is thrown away.
//!
//! Over the same simulated cluster as the scenarios.

use std::collections::BTreeSet;

use super::*;

#[test]
fn an_image_that_cannot_be_pulled_is_told() {
    let mut world = running();
    world.edit(json!({ "image": "server:none" }));
    world.stopped = true;
    world.settle_for(Duration::from_secs(8));
    let job = world.seen.jobs[0].metadata.name.clone().unwrap();
    let pod = json!({
        "metadata": { "name": "p", "labels": { "batch.kubernetes.io/job-name": job } },
        "status": { "containerStatuses": [{
            "name": "migrate", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } },
        }] },
    });
    world.seen.job_pods.push(serde_json::from_value(pod).unwrap());
    let way = world.way();
    assert_eq!(waits(&way), (Reason::ImageUnavailable, false));
    assert!(way.waits.unwrap().message.contains("no such image"));
    assert_eq!(way.release.unwrap().image, "server:1");
    // Mended in the spec, the pod is made again; with another image the Job goes.
    world.edit(json!({ "podTemplate": { "imagePullSecrets": [{ "name": "registry" }] } }));
    world.settle_for(Duration::from_secs(2));
    assert!(world.seen.jobs[0].metadata.name.as_ref().unwrap().ends_with("-2"));
    world.stopped = false;
    world.edit(json!({ "image": "server:1" }));
    assert_eq!(world.settle().waits, None);
    assert!(world.ran.is_empty() && world.seen.jobs.is_empty());
}

#[test]
fn plans_are_kept_ten_at_most_and_documents_as_long_as_they_are_named() {
    let mut world = running();
    for at in 0..13 {
        world.declare("markets", &["name", "old", &format!("f{at}")]);
        world.edit(json!({ "migrations": { "policy": { "destructive": "Auto" }, "soak": "0s" } }));
        assert_eq!(world.settle_for(minutes(3)).waits, None);
    }
    assert_eq!(world.seen.plans.len(), 10);
    let documents = world.seen.config_maps.iter().filter(|map| map.name.as_ref().unwrap().starts_with("shop-r"));
    assert!(documents.count() <= 11, "{:?}", world.seen.config_maps.len());
}

#[test]
fn jobs_are_made_as_promised() {
    let mut world = running();
    world.edit(json!({ "migrations": { "timeout": "5m", "backoffLimit": 1 } }));
    world.declare("markets", &["name", "old", "slug"]);
    world.stopped = true;
    world.settle_for(Duration::from_secs(8));
    let job = serde_json::to_value(&world.seen.jobs[0]).unwrap();
    let spec = &job["spec"];
    assert_eq!((&spec["activeDeadlineSeconds"], &spec["backoffLimit"]), (&json!(300), &json!(1)));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    let container = &pod["containers"][0];
    assert_eq!(
        (&container["name"], &container["terminationMessagePolicy"]),
        (&json!("migrate"), &json!("FallbackToLogsOnError"))
    );
    assert_eq!(container["args"], json!(["migrate", "plan", "-f", "/etc/mainstay/documents", "--report"]));
    assert_eq!(spec["template"]["metadata"]["labels"]["mainstay.dev/component"], "migration");
    let rules = &spec["podFailurePolicy"]["rules"];
    assert_eq!((&rules[0]["action"], &rules[1]["action"]), (&json!("FailJob"), &json!("Ignore")));
    for code in [42, 64, 65] {
        assert!(rules[0]["onExitCodes"]["values"].as_array().unwrap().contains(&json!(code)));
    }
    assert!(spec["ttlSecondsAfterFinished"].is_null());
}

#[test]
fn documents_that_were_replaced_go_in_time_though_nothing_else_happens() {
    let mut world = running();
    let documents = |world: &World| -> BTreeSet<String> {
        let names = world.seen.config_maps.iter().filter_map(|map| map.name.clone());
        names.filter(|name| name.starts_with("shop-r")).collect()
    };
    let before = documents(&world);
    world.declare("markets", &["name", "old", "first"]);
    world.settle_for(Duration::from_secs(1));
    let replaced: BTreeSet<String> = documents(&world).difference(&before).cloned().collect();
    assert_eq!(replaced.len(), 1, "{replaced:?}");
    world.declare("markets", &["name", "old", "second"]);
    world.settle_for(Duration::from_secs(20));
    assert!(documents(&world).is_superset(&replaced), "what is young may be on its way to be named");
    world.settle_for(minutes(2));
    assert!(documents(&world).is_disjoint(&replaced), "{:?}", documents(&world));
}
