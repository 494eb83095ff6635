//! The keys of a Backend over time: a small world that keeps Secrets as an API server does, and passes of the planner.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::core::ObjectMeta;
use mainstay_crds::backend::{AdminKeySpec, Backend, BackendStatus, JwtKeysSpec, SecretsSpec};
use serde_json::json;

use super::*;
use crate::backend::observed::{Entropy, Instance};
use crate::desired::How;

mod admin;
mod api_keys;
mod jwt;
mod rotation;

/// A Backend, its Secrets, its pods and the operator's clock.
struct World {
    seen: Observed,
    /// Secrets that are not the Backend's own.
    others: BTreeMap<String, Option<Secret>>,
    now: Timestamp,
    passes: u64,
}

impl World {
    fn new(spec: SecretsSpec) -> World {
        let mut backend = Backend { spec: Default::default(), ..Backend::default() };
        backend.spec.secrets = Some(spec);
        let (name, namespace, uid) = (Some("shop".to_owned()), Some("default".to_owned()), Some("u-1".to_owned()));
        backend.metadata = ObjectMeta { name, namespace, uid, ..ObjectMeta::default() };
        let seen = Observed { backend: Arc::new(backend), ..Observed::default() };
        World { seen, others: BTreeMap::new(), now: "2026-01-01T00:00:00Z".parse().unwrap(), passes: 0 }
    }

    fn admin(every: Option<&str>, overlap: Option<&str>) -> World {
        let [rotate_every, overlap] = [every, overlap].map(|text| text.map(str::to_owned));
        World::new(SecretsSpec { admin_key: Some(AdminKeySpec { rotate_every, overlap }), ..SecretsSpec::default() })
    }

    fn jwt(every: &str) -> World {
        let spec = JwtKeysSpec { rotate_every: Some(every.to_owned()), ..JwtKeysSpec::default() };
        World::new(SecretsSpec { jwt_keys: Some(spec), ..SecretsSpec::default() })
    }

    fn backend(&mut self) -> &mut Backend {
        Arc::make_mut(&mut self.seen.backend)
    }

    fn annotate(&mut self, key: &str, value: &str) {
        self.backend().metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    }

    fn wait(&mut self, time: &str) {
        self.now = held::later(self.now, mainstay_crds::duration::parse(time).unwrap());
    }

    fn back(&mut self, time: &str) {
        self.now = self.now.checked_sub(mainstay_crds::duration::parse(time).unwrap()).unwrap();
    }

    fn ready_pods(&mut self, names: &[&str]) {
        let pod = |name: &&str| {
            let status = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
            serde_json::from_value::<Pod>(json!({ "metadata": { "name": name }, "status": status })).unwrap()
        };
        self.seen.pods = names.iter().map(pod).collect();
    }

    /// What a pod answers when it is asked.
    fn report(&mut self, pod: &str, kids: &[String]) {
        self.seen.instances.retain(|instance| instance.instance != pod);
        let instance = Instance { instance: pod.to_owned(), jwt_keys: kids.to_vec(), ..Instance::default() };
        self.seen.instances.push(instance);
    }

    /// What would be written now.
    fn look(&mut self) -> Secrets {
        self.passes += 1;
        self.seen.entropy = Entropy(self.passes.to_le_bytes().repeat(32));
        let own = |key: &Arc<ApiKey>| Some((key.name_any(), self.others.get(&api_key::secret_name(key)).cloned()??));
        self.seen.api_key_secrets = self.seen.api_keys.iter().filter_map(own).collect();
        secrets(&self.seen, self.now)
    }

    /// One reconciliation, planned and written, and what the next one tells of it.
    fn pass(&mut self) -> Secrets {
        let mut planned = self.look();
        for desired in &planned.desired {
            self.write(desired).unwrap();
        }
        if !planned.desired.is_empty() {
            assert!(planned.again <= Some(SETTLE), "{planned:?}");
            let Secrets { keys, api_keys, again, .. } = self.look();
            planned = Secrets { keys, api_keys, again, ..planned };
        }
        let status = BackendStatus { keys: Some(planned.keys.clone()), ..BackendStatus::default() };
        self.backend().status = Some(status);
        for (key, (name, status)) in self.seen.api_keys.iter_mut().zip(&planned.api_keys) {
            assert_eq!(key.name_any(), *name);
            Arc::make_mut(key).status = Some(status.clone());
        }
        planned
    }

    /// Where the Secret of that name is, or will be.
    fn slot(&mut self, name: &str) -> &mut Option<Secret> {
        match name {
            "shop-admin-key" => &mut self.seen.admin_key,
            "shop-jwt-keys" => &mut self.seen.jwt_keys,
            "shop-api-keys" => &mut self.seen.api_key_hashes,
            name => self.others.entry(name.to_owned()).or_default(),
        }
    }

    /// As an API server does: made when absent, replaced only as it was seen.
    fn write(&mut self, desired: &Desired) -> Result<(), String> {
        let mut secret: Secret = serde_json::from_value(desired.object.clone()).unwrap();
        let slot = self.slot(&desired.name);
        let version = slot.as_ref().and_then(|live| live.metadata.resource_version.clone());
        if desired.how != How::Guarded(version.clone()) {
            return Err(format!("409: {:?} over {version:?}", desired.how));
        }
        let next = version.map_or(1, |version| version.parse::<u64>().unwrap() + 1);
        secret.metadata.resource_version = Some(next.to_string());
        *slot = Some(secret);
        Ok(())
    }

    fn text(&mut self, secret: &str, key: &str) -> String {
        held::text(self.slot(secret).as_ref().unwrap(), key).unwrap().to_owned()
    }

    fn keys(&mut self) -> Vec<String> {
        self.text("shop-admin-key", "keys").lines().map(str::to_owned).collect()
    }
}

fn reasons(planned: &Secrets) -> Vec<&str> {
    planned.notes.iter().map(|note| note.reason.as_str()).collect()
}

#[test]
fn a_steady_state_writes_nothing() {
    let mut world = World::jwt("30d");
    assert_eq!(world.pass().desired.len(), 3);
    for _ in 0..3 {
        world.wait("1h");
        let planned = world.pass();
        assert!(planned.desired.is_empty() && planned.notes.is_empty(), "{planned:?}");
    }
}

#[test]
fn secrets_are_ours_opaque_and_guarded() {
    let mut world = World::jwt("30d");
    let planned = world.pass();
    for desired in &planned.desired {
        assert_eq!(desired.how, How::Guarded(None), "{}", desired.name);
        assert_eq!(desired.object["type"], "Opaque");
        let owner = &desired.object["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["uid"], &owner["controller"]), (&json!("u-1"), &json!(true)));
    }
}

#[test]
fn only_what_is_there_is_told() {
    let mut world = World::jwt("30d");
    let first = world.look();
    assert_eq!(first.keys, KeysStatus::default());
    world.backend().status = Some(BackendStatus { keys: Some(first.keys), ..BackendStatus::default() });
    assert!(world.look().notes.is_empty(), "a first write that failed is no deletion");
    world.pass();
    let ids = |secrets: &Secrets| [secrets.keys.admin.clone(), secrets.keys.jwt.clone()].concat();
    let told = ids(&world.look());
    world.annotate(admin_key::ROTATE, "1");
    world.annotate(jwt_keys::ROTATE, "1");
    assert_eq!(ids(&world.look()), told);
    assert_eq!(ids(&world.pass()).len(), 4);
}

#[test]
fn what_others_added_stays() {
    let mut world = World::admin(Some("30d"), None);
    world.pass();
    let secret = world.slot("shop-admin-key").as_mut().unwrap();
    secret.metadata.labels.get_or_insert_default().insert("team".to_owned(), "a".to_owned());
    secret.metadata.annotations.get_or_insert_default().insert("note".to_owned(), "b".to_owned());
    secret.data.get_or_insert_default().insert("more".to_owned(), k8s_openapi::ByteString(b"c".to_vec()));
    assert!(world.pass().desired.is_empty());
    world.wait("30d");
    assert_eq!(world.pass().desired.len(), 1);
    let secret = world.slot("shop-admin-key").as_ref().unwrap();
    assert_eq!(secret.labels()["team"], "a");
    assert_eq!(secret.annotations()["note"], "b");
    assert_eq!(held::text(secret, "more"), Some("c"));
}

#[test]
fn a_stale_view_never_overwrites_a_key() {
    let mut world = World::admin(Some("30d"), None);
    let first = world.look();
    world.pass();
    assert!(world.write(&first.desired[0]).is_err(), "made by another in the meantime");
    world.wait("30d");
    let stale = world.look();
    world.pass();
    assert!(world.write(&stale.desired[0]).is_err(), "rotated by another in the meantime");
}

#[test]
fn nothing_is_printed() {
    let mut world = World::jwt("1h");
    let planned = world.pass();
    let key = world.keys().remove(0);
    let secret = world.text("shop-jwt-keys", "keys.json");
    let private = serde_json::from_str::<serde_json::Value>(&secret).unwrap()["keys"][0]["jwk"]["d"].clone();
    let encoded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let printed = format!("{planned:?} {:?}", world.seen);
    let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
    for secret in [key.as_str(), private.as_str().unwrap(), &encoded(&key), &encoded(&secret), &bytes(&key)] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("shop-jwt-keys") && printed.contains('…'));
}

#[test]
fn another_s_secret_is_left() {
    let mut world = World::jwt("30d");
    world.pass();
    for name in ["shop-admin-key", "shop-jwt-keys", "shop-api-keys"] {
        let before = world.slot(name).clone();
        let owners = &mut world.slot(name).as_mut().unwrap().metadata.owner_references;
        owners.as_mut().unwrap()[0].name = "other".to_owned();
        let planned = world.pass();
        assert_eq!((planned.desired.len(), reasons(&planned)), (0, vec!["ObjectConflict"]), "{name}");
        assert!(planned.notes[0].message.contains(name) && planned.notes[0].warning);
        *world.slot(name) = before;
    }
}

#[test]
fn a_secret_that_lost_its_owner_is_taken_up_with_its_keys() {
    let mut world = World::jwt("30d");
    world.pass();
    world.backend().metadata.uid = Some("u-2".to_owned());
    for name in ["shop-admin-key", "shop-jwt-keys", "shop-api-keys"] {
        world.slot(name).as_mut().unwrap().metadata.owner_references = None;
    }
    let before = (world.keys(), world.text("shop-jwt-keys", "keys.json"));
    assert_eq!(world.pass().desired.len(), 3);
    assert_eq!((world.keys(), world.text("shop-jwt-keys", "keys.json")), before);
    assert!(world.pass().desired.is_empty());
}

#[test]
fn secrets_of_a_namesake_that_is_gone_are_waited_for() {
    let mut world = World::jwt("30d");
    world.pass();
    world.backend().metadata.uid = Some("u-2".to_owned());
    let planned = world.pass();
    assert!(planned.desired.is_empty() && planned.notes.is_empty());
    assert_eq!(planned.again, Some(SOON));
}

#[test]
fn nothing_is_made_without_random_bytes() {
    let mut world = World::jwt("30d");
    world.seen.entropy = Entropy(vec![7; 31]);
    let planned = secrets(&world.seen, world.now);
    let names: Vec<&str> = planned.desired.iter().map(|desired| desired.name.as_str()).collect();
    assert_eq!(names, ["shop-api-keys"], "which holds no key");
}

#[test]
fn a_backend_that_goes_away_writes_nothing() {
    let mut world = World::jwt("1h");
    world.seen.namespace_terminating = true;
    assert!(world.look().desired.is_empty());
    world.seen.namespace_terminating = false;
    world.pass();
    world.wait("1h");
    world.backend().spec.suspend = Some(true);
    let planned = world.look();
    assert!(planned.desired.is_empty() && planned.notes.is_empty());
    assert_eq!(planned.keys.jwt.len(), 1, "as it is, not as it would be");
    assert_eq!(planned.overdue.len(), 1, "{:?}", planned.overdue);
    assert!(planned.again > Some(Duration::ZERO));
}

/// The Secret's data as text.
fn data(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
}
