//! A Backend from nothing: everything that belongs to it is there, it serves records, and then nothing moves.

use mainstay_e2e::cluster::wait_for;
use serde_json::json;

use crate::fixture::with_operator;

#[test]
fn a_backend_serves_collections_over_postgresql() {
    with_operator("create", |its| {
        its.markets();
        its.backend("replicas: 2");
        its.ready();
        let (_way, admin) = its.api();
        let made = admin.post("/api/v1/users", &json!({"email": "a@example.com", "name": "A"}));
        assert_eq!(made.status, 201, "{made:?}");
        let market = json!({"title": "Will it rain?", "slug": "rain", "creator": made.body["data"]["id"]});
        let made = admin.post("/api/v1/markets", &market);
        assert_eq!(made.status, 201, "{made:?}");

        let backend = its.here.object("backend/markets").unwrap();
        assert_eq!(backend["status"]["schema"]["revision"], 1);
        assert_eq!(backend["status"]["replicas"], 2);
        for owned in ["deployment", "service", "serviceaccount", "networkpolicy", "poddisruptionbudget"] {
            its.here.object(&format!("{owned}/markets")).unwrap();
        }
        for collection in ["accounts", "markets", "positions", "transfers"] {
            its.here.wait_until(&format!("collection/{collection}"), "Accepted", std::time::Duration::from_secs(10));
        }
        let plans = its.here.objects("migrationplans", &[]);
        assert_eq!(plans.len(), 1, "{plans:?}");
        assert_eq!(plans[0]["status"]["phase"], "Complete");
    });
}

#[test]
fn an_embedded_backend_serves_and_its_data_outlives_it() {
    with_operator("embedded", |its| {
        its.markets();
        let class = its.class().to_owned();
        let backend = crate::fixture::backend("markets", &class, "");
        let database = "database: {urlFrom: {secretKeyRef: {name: database, key: url}}}";
        let backend = backend.replace(database, "database: {embedded: {size: 1Gi, storageClassName: by-hand}}");
        its.volume();
        its.here.apply(&backend);
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.post("/api/v1/users", &json!({"email": "a@example.com", "name": "A"})).status, 201);
        its.here.kubectl(&["delete", "backend", "markets"]);
        wait_for("the pods are gone", mainstay_e2e::cluster::PATIENCE, || {
            let pods = its.here.objects("pods", &[]);
            if pods.is_empty() { Ok(()) } else { Err(format!("{} are left", pods.len())) }
        });
        its.here.apply(&backend);
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/users", &[("count", "exact")]).body["meta"]["total"], 1);
    });
}
