//! What the database has, as `<backend>-applied` says it to people, to CI and to the next reconciliation. Pure.
//!
//! Taken from the reports of Jobs alone. When it is lost, the next plan Job tells it again.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use mainstay_crds::backend::{Backend, SchemaStatus};
use mainstay_crds::json::canonical;
use serde_json::{Value as Json, json};

use super::target::digest;
use crate::backend::report::Report;
use crate::desired::{Desired, How};
use crate::kind;

/// A schema that is longer is left out: a ConfigMap holds 1 MiB.
const LONGEST: usize = 900 * 1024;

/// How many plans are remembered to have been carried out.
const HISTORY: usize = 20;

/// What the database has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The applied schema as the image wrote it; empty when it is too long.
    pub schema: String,
    /// SHA-256 of it, its first 12 hex digits.
    pub schema_hash: String,
    /// Its revision; 0 is an empty database.
    pub revision: i64,
    /// The oldest revision whose servers may run.
    pub compatible_from: i64,
    /// The names of its collections.
    pub collections: Vec<String>,
    /// The hash of the documents that it was made from; empty when they are not known.
    pub documents: String,
    /// How many ConfigMaps they fill.
    pub parts: usize,
    /// The image that was last seen to fit it.
    pub image: String,
    /// Which database it is.
    pub database: String,
    /// metadata.name of the MigrationPlan that led here.
    pub plan: String,
    /// Its hash.
    pub plan_hash: String,
    /// Whether its contract steps are still to be done.
    pub open: bool,
    /// metadata.name of the MigrationPlan that the newest plan Job found.
    pub next: String,
    /// Names of MigrationPlans whose expand phase was carried out, the latest last.
    pub history: Vec<String>,
    /// When the expand phase of `plan` ended, in RFC 3339.
    pub expanded_at: String,
    /// When its contract phase ended.
    pub contracted_at: String,
}

impl Applied {
    /// metadata.name of the ConfigMap.
    pub fn name(backend: &Backend) -> String {
        format!("{}-applied", backend.name_any())
    }

    /// As it was written; `None` when it is not there or not understood.
    pub fn read(map: Option<&ConfigMap>) -> Option<Applied> {
        let data = map?.data.as_ref()?;
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let list = |key: &str| text(key).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Applied {
            schema: text("schema.json"),
            schema_hash: text("schemaHash"),
            revision: text("revision").parse().ok()?,
            compatible_from: text("compatibleFrom").parse().ok()?,
            collections: list("collections"),
            documents: text("documents"),
            parts: text("parts").parse().unwrap_or(0),
            image: text("image"),
            database: text("database"),
            plan: text("plan"),
            plan_hash: text("planHash"),
            open: text("contract") == "open",
            next: text("next"),
            history: list("history"),
            expanded_at: text("expandedAt"),
            contracted_at: text("contractedAt"),
        })
    }

    /// The ConfigMap.
    pub fn desired(&self, backend: &Backend) -> Desired {
        let data = [
            ("schema.json", self.schema.clone()),
            ("schemaHash", self.schema_hash.clone()),
            ("revision", self.revision.to_string()),
            ("compatibleFrom", self.compatible_from.to_string()),
            ("collections", self.collections.join(",")),
            ("documents", self.documents.clone()),
            ("parts", self.parts.to_string()),
            ("image", self.image.clone()),
            ("database", self.database.clone()),
            ("plan", self.plan.clone()),
            ("planHash", self.plan_hash.clone()),
            ("contract", if self.open { "open".to_owned() } else { String::new() }),
            ("next", self.next.clone()),
            ("history", self.history.join(",")),
            ("expandedAt", self.expanded_at.clone()),
            ("contractedAt", self.contracted_at.clone()),
        ];
        let data: BTreeMap<&str, String> = data.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let content = json!({ "data": data });
        Desired::new(backend, &kind::CONFIG_MAP, Applied::name(backend), &backend.name_any(), content, How::Apply)
    }

    /// Takes over what a report says of the schema; `None` when it says nothing.
    pub fn with_schema(self, report: &Report) -> Option<Applied> {
        let stored = report.applied.as_ref()?;
        let revision = stored.get("revision").and_then(Json::as_i64)?;
        let collections = stored.get("collections").and_then(Json::as_array).into_iter().flatten();
        let names = collections.filter_map(|one| one.get("name").and_then(Json::as_str)).map(str::to_owned);
        let schema = canonical(stored);
        Some(Applied {
            schema_hash: digest(&schema, 12),
            schema: if schema.len() > LONGEST { String::new() } else { schema },
            revision,
            compatible_from: report.compatible_from,
            collections: names.collect(),
            ..self
        })
    }

    /// Remembers that a plan's expand phase was carried out.
    pub fn remember(&mut self, plan: &str) {
        self.history.retain(|name| name != plan);
        self.history.push(plan.to_owned());
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// For the Backend's status.
    pub fn status(&self) -> Option<SchemaStatus> {
        let status = SchemaStatus { revision: self.revision, hash: self.schema_hash.clone() };
        (self.revision > 0).then_some(status)
    }
}
