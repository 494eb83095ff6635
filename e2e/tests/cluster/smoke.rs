//! The cluster itself works: pods under the strictest Pod Security, names, Jobs, metrics, databases, and our image.

use mainstay_e2e::cluster::{BUSYBOX_IMAGE, Cluster, Namespace, PATIENCE, SERVER_IMAGE, wait_for};
use mainstay_e2e::http::Caller;

/// What Pod Security `restricted` asks of a pod and of a container.
const POD: &str = "runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}";
const CONTAINER: &str = "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}";
const ADMIN_KEY: &str = "an-admin-key-of-a-pod-in-a-test";

#[test]
fn pods_services_names_and_metrics_work() {
    Cluster::get().with_namespace("smoke", |here| {
        here.apply(&web());
        here.wait_until("deployment/web", "Available", PATIENCE);
        let names = here.kubectl(&["get", "pods", "--selector=app=web", "--output=name"]);
        assert_eq!(names.lines().count(), 2);

        let script =
            format!("until busybox wget -qO- http://web.{}.svc.cluster.local/; do busybox sleep 1; done", here.name);
        here.apply(&job("once", BUSYBOX_IMAGE, &["/bin/busybox", "sh", "-c", &script]));
        here.wait_until("job/once", "Complete", PATIENCE);
        assert!(here.logs("job/once").ends_with("hello\n"), "{}", here.logs("job/once"));

        assert_eq!(here.exec("deployment/web", &["/bin/busybox", "id", "-u"]).unwrap(), "65532\n");
        wait_for("metrics of the pods", PATIENCE, || {
            here.try_kubectl(&["top", "pods", "--no-headers"]).and_then(|text| {
                let all = text.lines().filter(|line| line.starts_with("web-")).count() == 2;
                all.then_some(()).ok_or(text)
            })
        });
    });
}

#[test]
fn a_pod_that_is_not_restricted_is_refused() {
    Cluster::get().with_namespace("refused", |here| {
        let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, image: {BUSYBOX_IMAGE}}}]}}}}");
        let complaint = here.try_apply(&pod).unwrap_err();
        assert!(complaint.contains("violates PodSecurity"), "{complaint}");
    });
}

#[test]
fn the_servers_image_serves_on_sqlite() {
    Cluster::get().with_namespace("sqlite", |here| serve(here, "sqlite:/data/mainstay.db"));
}

#[test]
fn the_servers_image_serves_on_postgresql() {
    Cluster::get().with_namespace("postgresql", |here| {
        let url = here.database("database");
        serve(here, &url);
    });
}

/// A record of the example goes in and comes out, over the Service.
fn serve(here: &Namespace, database: &str) {
    let example = mainstay_e2e::server::repository().join("examples/markets");
    here.kubectl(&["create", "configmap", "documents", &format!("--from-file={}", example.display())]);
    here.apply(&server(database));
    here.wait_until("deployment/server", "Available", PATIENCE);
    let way = here.way("server", 80);
    let admin = Caller::new(&way.url, Some(ADMIN_KEY));
    let made = admin.post("/api/v1/users", &serde_json::json!({"email": "a@example.com", "name": "A"}));
    assert_eq!(made.status, 201, "{made:?}");
}

fn web() -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      securityContext: {{{POD}}}
      containers:
        - name: web
          image: {BUSYBOX_IMAGE}
          command: [/bin/sh, -c, "echo hello >/www/index.html; exec busybox httpd -f -p 8080 -h /www"]
          securityContext: {{{CONTAINER}}}
          readinessProbe: {{httpGet: {{path: /index.html, port: 8080}}, periodSeconds: 1}}
          resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}
          volumeMounts: [{{name: www, mountPath: /www}}]
      volumes: [{{name: www, emptyDir: {{}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"#
    )
}

fn job(name: &str, image: &str, command: &[&str]) -> String {
    format!(
        r#"
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  template:
    spec:
      restartPolicy: Never
      securityContext: {{{POD}}}
      containers:
        - {{name: {name}, image: {image}, command: {command:?}, securityContext: {{{CONTAINER}}}}}
"#
    )
}

fn server(database: &str) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: server}}
spec:
  selector: {{matchLabels: {{app: server}}}}
  template:
    metadata: {{labels: {{app: server}}}}
    spec:
      securityContext: {{{POD}, fsGroup: 65532}}
      containers:
        - name: server
          image: {SERVER_IMAGE}
          args: [serve, -f, /documents, --listen, "0.0.0.0:8080", --admin-listen, "0.0.0.0:9090"]
          env:
            - {{name: MAINSTAY_DATABASE_URL, value: "{database}"}}
            - {{name: MAINSTAY_ADMIN_KEY, value: {ADMIN_KEY}}}
          securityContext: {{{CONTAINER}}}
          readinessProbe: {{httpGet: {{path: /health/ready, port: 8080}}, periodSeconds: 1}}
          volumeMounts: [{{name: documents, mountPath: /documents}}, {{name: data, mountPath: /data}}]
      volumes: [{{name: documents, configMap: {{name: documents}}}}, {{name: data, emptyDir: {{}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{port: 80, targetPort: 8080}}]}}
"#
    )
}
