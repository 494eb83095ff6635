//! A database and the server image's part of it, as the tests know them: fields by collection, plans between them.
//!
//! Called by the simulated cluster when a Job runs. A removed field loses data (contract), a required one depends on the
//! data, everything else is safe.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_crds::json::canonical;
use mainstay_crds::plan::{Class, Phase, Plan, Step, StepSql};
use serde_json::{Value as Json, json};

use crate::backend::migration::target::digest;
use crate::backend::report::{Outcome, Report};

/// Fields by collection.
pub type Schema = BTreeMap<String, BTreeSet<String>>;

/// What the database has.
#[derive(Clone, Debug, Default)]
pub struct Database {
    pub revision: i64,
    pub compatible_from: i64,
    pub schema: Schema,
    /// The plan that led here, while its contract is open.
    pub open: Option<Plan>,
    /// Plans that led to the present revision.
    pub done: Vec<String>,
    /// Images whose own tables are there.
    pub system: BTreeSet<String>,
}

/// The schema of documents.
pub fn schema(documents: &BTreeMap<String, Json>) -> Schema {
    let fields = |document: &Json| {
        let fields = document["spec"]["fields"].as_array().unwrap();
        let name = |field: &Json| {
            let required = field["required"] == json!(true);
            format!("{}{}", field["name"].as_str().unwrap(), if required { "!" } else { "" })
        };
        fields.iter().map(name).collect()
    };
    documents.iter().map(|(name, document)| (name.clone(), fields(document))).collect()
}

impl Database {
    fn next(&self, declared: &Schema, image: &str) -> Plan {
        let mut steps = Vec::new();
        for (name, fields) in declared {
            match self.schema.get(name) {
                None => steps.push(step(format!("create table {name}"), name, Phase::Expand, Class::Safe)),
                Some(before) => {
                    for field in fields.difference(before) {
                        let class = if field.ends_with('!') { Class::DataDependent } else { Class::Safe };
                        steps.push(step(format!("add field {name}.{field}"), name, Phase::Expand, class));
                    }
                    for field in before.difference(fields) {
                        let effect = format!("drop field {name}.{field}");
                        steps.push(step(effect, name, Phase::Contract, Class::Destructive));
                    }
                }
            }
        }
        let to = self.revision + i64::from(*declared != self.schema);
        let gated: Vec<&Step> =
            steps.iter().filter(|step| matches!(step.class, Class::DataDependent | Class::Destructive)).collect();
        let approval = (!gated.is_empty()).then(|| digest(&canonical(&json!(gated)), 64));
        let hash = digest(&canonical(&json!([self.revision, to, steps, declared])), 64);
        Plan {
            from_revision: self.revision,
            to_revision: to,
            system: self.lacks(image),
            steps,
            plan_hash: hash,
            approval_hash: approval,
        }
    }

    /// Migrations of the image's own tables that are still to run.
    pub fn lacks(&self, image: &str) -> Vec<String> {
        let lacks = image.contains("tables") && !self.system.contains(image);
        if lacks { vec!["0002_more".to_owned()] } else { Vec::new() }
    }

    fn stored(&self) -> Json {
        let users = [json!({ "name": "users", "spec": {} })];
        let all = self.schema.iter().map(|(name, fields)| json!({ "name": name, "fields": fields })).chain(users);
        json!({ "revision": self.revision, "collections": all.collect::<Vec<_>>() })
    }

    fn report(&self, outcome: Outcome, plan: Option<Plan>) -> Report {
        Report {
            version: 1,
            outcome,
            plan,
            applied: Some(self.stored()),
            compatible_from: self.compatible_from,
            ..Report::default()
        }
    }

    fn failed(&self, reason: &str) -> Report {
        let (reason, message) = (Some(reason.to_owned()), Some(format!("because of {reason}")));
        Report { reason, message, ..self.report(Outcome::Failed, None) }
    }

    /// What `mainstay migrate` with these arguments would do and print.
    pub fn run(&mut self, arguments: &[&str], declared: &Schema, image: &str) -> Report {
        let value = |flag: &str| arguments.iter().position(|word| *word == flag).map(|at| arguments[at + 1]);
        let next = self.next(declared, image);
        let same = *declared == self.schema;
        if arguments[1] == "plan" {
            return match &self.open {
                Some(open) if same => {
                    self.report(Outcome::Planned, Some(Plan { system: self.lacks(image), ..open.clone() }))
                }
                Some(_) => self.failed("ContractOpen"),
                None => self.report(Outcome::Planned, Some(next)),
            };
        }
        let (hash, contract) = (value("--expect-hash").unwrap(), value("--phase") == Some("contract"));
        let allowed = value("--allow").unwrap_or_default();
        if self.open.as_ref().is_some_and(|open| open.plan_hash == hash) {
            let open = self.open.clone().unwrap();
            self.system.insert(image.to_owned());
            if contract {
                assert!(allowed.contains("destructive"), "{arguments:?}");
                (self.open, self.compatible_from) = (None, self.revision);
            }
            return self.report(Outcome::Applied, Some(open));
        }
        if self.done.contains(&hash.to_owned()) && same {
            return self.report(Outcome::Applied, Some(next));
        }
        if next.plan_hash != hash {
            return self.failed("PlanStale");
        }
        assert!(!contract && self.open.is_none());
        let dependent = next.steps.iter().any(|step| step.class == Class::DataDependent);
        assert!(!dependent || allowed.contains("dataDependent"), "{arguments:?}");
        self.system.insert(image.to_owned());
        if next.to_revision > self.revision {
            let first = self.revision == 0;
            (self.revision, self.schema) = (next.to_revision, declared.clone());
            self.done.push(hash.to_owned());
            if next.steps.iter().any(|step| step.phase == Phase::Contract) {
                self.open = Some(next.clone());
            }
            if first {
                self.compatible_from = self.revision;
            }
        }
        self.report(Outcome::Applied, Some(next))
    }
}

fn step(effect: String, collection: &str, phase: Phase, class: Class) -> Step {
    let sql = |text: &str| StepSql { up: vec![text.to_owned()], down: Vec::new(), violations: None };
    Step {
        sqlite: sql(&effect),
        postgres: sql(&effect),
        effect,
        collection: collection.to_owned(),
        phase,
        class,
        reversible: class == Class::Safe,
        transactional: true,
        judges: None,
        indexes_words: false,
    }
}
