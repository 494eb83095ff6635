//! Names of component schemas and operations: fit for types and methods in any language, and never twice.
//!
//! Called while the document is built. The check of documents refuses collections whose records share a name; what only
//! this document adds (`MarketAnswer`, `listMarkets`) gets a number where it collides.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_crds::name::Name;
use mainstay_crds::schema::Schema;

/// Schemas that are no collection's.
pub const SHARED: [&str; 30] = [
    "ErrorAnswer",
    "ErrorDetail",
    "ProblemAnswer",
    "JsonPatch",
    "JsonPatchOperation",
    "ListMeta",
    "HealthAnswer",
    "ReadinessAnswer",
    "AffectedAnswer",
    "BatchAnswer",
    "BatchBody",
    "BatchOperation",
    "BatchResult",
    "ImportAnswer",
    "ImportFailure",
    "Key",
    "KeyAnswer",
    "KeyCreate",
    "KeyList",
    "IssuedKeyAnswer",
    "KeyRateLimit",
    "KeyRotate",
    "IssuedKey",
    "LoginBody",
    "RefreshBody",
    "RegisterBody",
    "ChangePasswordBody",
    "SetPasswordBody",
    "TokensAnswer",
    "MeAnswer",
];

/// What is appended to the name of a record.
const SUFFIXES: [&str; 16] = [
    "",
    "Partial",
    "Create",
    "CreateBody",
    "Created",
    "CreatedData",
    "Update",
    "Patch",
    "List",
    "Answer",
    "Search",
    "Aggregate",
    "Aggregates",
    "History",
    "Version",
    "VersionRecord",
];

/// The names of every collection.
pub struct Names(BTreeMap<Name, Singular>);

/// The names of one collection.
#[derive(Debug, Default, PartialEq)]
pub struct Singular {
    /// One record, such as `Market`.
    pub one: String,
    /// Several, such as `Markets`.
    pub many: String,
}

impl Singular {
    /// The component schema with that suffix, such as `MarketCreate`.
    pub fn schema(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.one)
    }

    /// A reference to it.
    pub fn reference(&self, suffix: &str) -> serde_json::Value {
        super::reference(&self.schema(suffix))
    }

    /// Everything that must be nobody else's: schemas, and the operation whose name comes from the plural.
    fn claims(&self) -> impl Iterator<Item = String> + '_ {
        SUFFIXES.iter().map(|suffix| self.schema(suffix)).chain([format!("list{}", self.many)])
    }
}

impl Names {
    /// Names for every collection of the schema, in its order.
    pub fn of(schema: &Schema) -> Names {
        let mut taken: BTreeSet<String> = SHARED.iter().map(|name| (*name).to_owned()).collect();
        let mut names = BTreeMap::new();
        for collection in &schema.collections {
            let (one, many) = (pascal(&collection.singular), pascal(collection.name.as_str()));
            let mut chosen = Singular { one: one.clone(), many: many.clone() };
            let mut number = 2;
            while chosen.claims().any(|name| taken.contains(&name)) {
                chosen = Singular { one: format!("{one}{number}"), many: format!("{many}{number}") };
                number += 1;
            }
            taken.extend(chosen.claims());
            names.insert(collection.name.clone(), chosen);
        }
        Names(names)
    }

    /// The names of a collection of the schema.
    pub fn get(&self, collection: &Name) -> &Singular {
        static NONE: Singular = Singular { one: String::new(), many: String::new() };
        self.0.get(collection).unwrap_or(&NONE)
    }
}

/// `order-items` as `OrderItems`.
fn pascal(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.filter_map(|part| Some((part.get(..1)?.to_ascii_uppercase(), part.get(1..)?))).map(|(a, b)| a + b).collect()
}

#[cfg(test)]
mod tests {
    use super::pascal;

    #[test]
    fn names_are_fit_for_types() {
        for (name, expected) in [("market", "Market"), ("order-items", "OrderItems"), ("a_1-b", "A1B"), ("-x", "X")] {
            assert_eq!(pascal(name), expected, "{name}");
        }
    }
}
