//! The changes found so far: each thing once, however many schemas and operations show it.
//!
//! Filled by the comparisons. One change often shows in several ways (a removed field in answers and in bodies); at the end
//! those that only repeat another are left out.

use super::Change;

/// A collector.
#[derive(Default)]
pub(super) struct Found {
    changes: Vec<Change>,
}

/// Codes with the code beside which they say nothing new about the same field.
const REPEATS: &[(&str, &str)] = &[
    ("refused_field", "removed_field"),
    ("read_only_now", "refused_field"),
    ("null_refused", "required_now"),
    ("narrower", "type_changed"),
    ("narrower", "format_changed"),
    ("narrower", "removed_values"),
];

impl Found {
    /// Records a change unless it is known.
    pub fn add(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Whether something of a field breaks clients, so that nothing new is said by the parameters that go with it.
    pub fn breaks(&self, collection: Option<&str>, field: &str) -> bool {
        let place =
            |known: &&Change| known.collection.as_deref() == collection && known.field.as_deref() == Some(field);
        self.changes.iter().filter(place).any(|known| known.breaks)
    }

    pub fn collection_gone(&mut self, name: &str) {
        self.add(Change {
            collection: Some(name.to_owned()),
            field: None,
            code: "removed_collection",
            message: format!("{name} is gone, and all of /api/v1/{name} with it"),
            hint: "keep its document until nobody calls it",
            breaks: true,
        });
    }

    pub fn route_gone(&mut self, route: &str, collection: Option<&str>) {
        self.add(Change {
            collection: collection.map(str::to_owned),
            field: None,
            code: "removed_route",
            message: format!("`{route}` is gone"),
            hint: "serve it until nobody calls it",
            breaks: true,
        });
    }

    /// The changes, without repetitions.
    pub fn into_changes(self) -> Vec<Change> {
        let has = |change: &Change, code: &str| {
            let place = |other: &&Change| other.collection == change.collection && other.field == change.field;
            self.changes.iter().filter(place).any(|other| other.code == code)
        };
        let repeats = |change: &Change| REPEATS.iter().any(|(code, by)| change.code == *code && has(change, by));
        let mut kept: Vec<Change> = self.changes.iter().filter(|change| !repeats(change)).cloned().collect();
        for change in kept.iter_mut().filter(|change| change.code == "removed_field") {
            if has(change, "refused_field") {
                change.message = change.message.replace("is answered no longer", "is gone");
            }
        }
        kept
    }
}
