//! Conditions on other records: through a reference, and `exists` over those of another collection.
//!
//! Called by the tree's reader alone. Whether related records may be read is not asked here: [`Filter::guard`] holds them
//! to their rule.

use serde_json::Value as Json;

use super::{Place, Reader};
use crate::filter::Filter;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::schema::Collection;

impl Reader<'_> {
    /// `{"creator": {"name": "ann"}}`: on the record that the `ref` field at `position` points to.
    pub(super) fn through(
        &self,
        position: usize,
        target: &str,
        value: &Json,
        (depth, leaves): (usize, &mut usize),
        collection: &Collection,
        problems: &mut Problems,
    ) -> Option<Filter> {
        if self.place == Place::Check {
            let name = &collection.fields[position].name;
            let message = format!("`{name}` leads to another record, and here only the record's own fields count");
            problems.hint("not_allowed", message, "compare the reference itself");
            return None;
        }
        // A missing target is reported where the reference is declared.
        let target = self.schema.get(target)?;
        let filter = Box::new(self.tree(value, target, depth + 1, leaves, problems)?);
        Some(Filter::Through { field: position, target: target.name.clone(), readable: None, filter })
    }

    /// `{"exists": {"collection": "parts", "where": {"thing": "$field.id"}}}`; without `where` any record will do.
    pub(super) fn exists(
        &self,
        value: &Json,
        outer: &Collection,
        depth: usize,
        leaves: &mut usize,
        problems: &mut Problems,
    ) -> Option<Filter> {
        *leaves += 1;
        if self.place == Place::Check {
            let message = "`exists` asks of other records, and here only the record's own fields count";
            problems.add("not_allowed", message);
            return None;
        }
        let before = problems.len();
        let Json::Object(members) = value else {
            problems.hint("wrong_type", "`exists` is an object", "write {\"collection\": \"…\", \"where\": {…}}");
            return None;
        };
        for name in members.keys().filter(|name| !["collection", "where"].contains(&name.as_str())) {
            let hint = did_you_mean(name, ["collection", "where"]);
            problems.within(name, |p| p.push("unknown_key", format!("`exists` has no `{name}`"), hint));
        }
        let target = problems.within("collection", |problems| self.collection(members.get("collection"), problems));
        let filter = match (target, members.get("where")) {
            (Some(target), Some(tree)) => {
                let inner = Reader { outer: Some(outer), ..*self };
                problems.within("where", |problems| inner.tree(tree, target, depth + 1, leaves, problems))
            }
            _ => Some(Filter::And(Vec::new())),
        };
        let (collection, filter) = (target?.name.clone(), Box::new(filter?));
        (problems.len() == before).then_some(Filter::Exists { collection, filter })
    }

    fn collection(&self, name: Option<&Json>, problems: &mut Problems) -> Option<&Collection> {
        let Some(Json::String(name)) = name else {
            problems.add("required", "`exists` names a `collection`");
            return None;
        };
        let found = self.schema.get(name);
        if found.is_none() {
            let names = self.schema.collections.iter().map(|collection| collection.name.as_str());
            problems.push("unknown_collection", format!("there is no collection `{name}`"), did_you_mean(name, names));
        }
        found.map(|collection| &**collection)
    }
}
