//! What holds at any time, whatever happens: exactly one key signs, and whatever signed within the life of a token is
//! verified by every pod.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

/// What happens to a Backend.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, in seconds; the operator looks at the end.
    Pass(u64),
    /// The operator is away for as long.
    Away(u64),
    /// Its clock is set back.
    Back(u64),
    /// A pod starts, or stops.
    Pod(usize),
    /// A pod reads its file.
    Read(usize),
    /// A new value of the annotation.
    Ask,
    /// The operator dies after it has planned.
    Die,
    /// The algorithm changes.
    Algorithm(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (1..400_u64).prop_map(Event::Pass),
        1 => (1..5000_u64).prop_map(Event::Pass),
        1 => (1..9000_u64).prop_map(Event::Away),
        1 => (1..9000_u64).prop_map(Event::Back),
        1 => (0..3_usize).prop_map(Event::Pod),
        3 => (0..3_usize).prop_map(Event::Read),
        2 => Just(Event::Ask),
        1 => Just(Event::Die),
        1 => any::<bool>().prop_map(Event::Algorithm),
    ];
    prop::collection::vec(event, 1..80)
}

/// One pod: the file that it has, and since when the Secret says something else.
#[derive(Clone)]
struct Server {
    file: Json,
    stale_since: Option<u64>,
}

/// The Backend, with time as it really passes.
struct Life {
    world: World,
    clock: u64,
    servers: [Option<Server>; 3],
    /// Which key signed last when.
    signed: BTreeMap<String, u64>,
    asked: u64,
}

impl Life {
    fn secret(&mut self) -> Json {
        serde_json::from_str(&self.world.text("shop-jwt-keys", "keys.json")).unwrap()
    }

    /// Pods sign with what they have; a file that changed reaches each within [`jwt_keys::SPREAD`].
    fn live(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        for step in [seconds / 2, seconds - seconds / 2] {
            self.clock += step;
            let file = self.secret();
            for server in self.servers.iter_mut().flatten() {
                if server.file == file {
                    server.stale_since = None;
                } else if self.clock - *server.stale_since.get_or_insert(self.clock - step) >= 180 {
                    *server = Server { file: file.clone(), stale_since: None };
                }
            }
            self.hold(&file)?;
        }
        Ok(())
    }

    fn hold(&mut self, file: &Json) -> Result<(), TestCaseError> {
        prop_assert_eq!(signing(file).len(), 1);
        for server in self.servers.iter().flatten() {
            self.signed.insert(signing(&server.file).remove(0), self.clock);
        }
        let life = jwt_keys::TOKEN_LIFE.as_secs();
        for (kid, at) in &self.signed {
            let verifies = |file: &Json| kids(file).contains(kid);
            if self.clock < at + life {
                prop_assert!(verifies(file), "the Secret lacks {} at {}, signed at {}", kid, self.clock, at);
                for server in self.servers.iter().flatten() {
                    prop_assert!(verifies(&server.file), "a pod lacks {} at {}", kid, self.clock);
                }
            }
        }
        Ok(())
    }

    /// The operator looks, and asks pods when it says so.
    fn reconcile(&mut self, dies: bool) {
        self.world.seen.instances.clear();
        if asks_pods(&self.world.seen, self.world.now) {
            for (index, server) in self.servers.clone().iter().enumerate() {
                if let Some(server) = server {
                    self.world.report(&format!("p{index}"), &kids(&server.file));
                }
            }
        }
        if dies {
            self.world.look();
        } else {
            self.world.pass();
        }
    }

    fn happens(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Pass(seconds) | Event::Away(seconds) => {
                self.live(*seconds)?;
                self.world.wait(&format!("{seconds}s"));
                if matches!(event, Event::Away(_)) {
                    return Ok(());
                }
            }
            Event::Back(seconds) => self.world.back(&format!("{seconds}s")),
            Event::Pod(index) => {
                let file = self.secret();
                let server = &mut self.servers[*index];
                *server = if server.is_some() { None } else { Some(Server { file, stale_since: None }) };
                let ready: Vec<String> =
                    (0..3).filter(|at| self.servers[*at].is_some()).map(|at| format!("p{at}")).collect();
                self.world.ready_pods(&ready.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Event::Read(index) => {
                let file = self.secret();
                if let Some(server) = &mut self.servers[*index] {
                    *server = Server { file, stale_since: None };
                }
            }
            Event::Ask => {
                self.asked += 1;
                let value = self.asked.to_string();
                self.world.annotate(jwt_keys::ROTATE, &value);
            }
            Event::Algorithm(ed) => {
                use mainstay_crds::backend::JwtAlgorithm::{ES256, EdDSA};
                let secrets = self.world.backend().spec.secrets.as_mut().unwrap();
                secrets.jwt_keys.as_mut().unwrap().algorithm = Some(if *ed { EdDSA } else { ES256 });
            }
            Event::Die => {}
        }
        self.reconcile(matches!(event, Event::Die));
        self.live(0)
    }
}

fn kids(file: &Json) -> Vec<String> {
    file["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signing(file: &Json) -> Vec<String> {
    let keys = file["keys"].as_array().unwrap().iter().filter(|key| key["state"] == "signing");
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn one_signs_and_what_signed_verifies(events in events()) {
        let mut world = World::jwt("1h");
        world.pass();
        let mut life = Life { world, clock: 0, servers: [None, None, None], signed: BTreeMap::new(), asked: 0 };
        for event in &events {
            life.happens(event)?;
        }
        prop_assert_eq!(life.world.pass().notes.iter().filter(|note| note.reason.ends_with("Replaced")).count(), 0);
    }
}
