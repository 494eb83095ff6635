//! One operation of a batch: its members against its collection.
//!
//! Read before the transaction, and once more inside it when the members refer to earlier results. Never looks at records.

use mainstay_crds::Problems;
use mainstay_crds::Value;
use mainstay_crds::name::did_you_mean;
use mainstay_crds::schema::{ID, VERSION};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::condition::{self, Expected};
use super::{Head, Verb};
use crate::query::{self, Context, page};
use crate::service::Ctx;
use crate::service::access::may_read;
use crate::service::records::draft::increment::{self, Increment};
use crate::service::records::draft::{self, Record};
use crate::service::records::upsert;

/// An operation whose members are right, as far as the request and the schema can tell.
pub enum Operation {
    /// A new record, complete.
    Create(Record),
    /// A merge patch and increments.
    Update { id: Uuid, data: Map<String, Json>, increments: Vec<Increment>, expected: Expected },
    /// A whole record.
    Replace { id: Uuid, data: Map<String, Json>, expected: Expected },
    /// A record by a unique key, of which it is the position.
    Upsert { key: usize, data: Map<String, Json> },
    /// The end of a record.
    Delete { id: Uuid, expected: Expected },
}

impl Operation {
    /// The record that it changes, where it names one.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Operation::Create(_) | Operation::Upsert { .. } => None,
            Operation::Update { id, .. } | Operation::Replace { id, .. } | Operation::Delete { id, .. } => Some(*id),
        }
    }
}

/// The members of one operation, and what they are read against.
pub struct Members<'a> {
    pub ctx: &'a Ctx,
    pub head: &'a Head,
    pub page: page::Limits,
    pub members: &'a Map<String, Json>,
}

impl Members<'_> {
    /// The operation, or every problem of its members.
    pub fn read(&self, problems: &mut Problems) -> Option<Operation> {
        let before = problems.len();
        let known: Vec<&str> = ["op", "collection"].iter().chain(self.head.verb.members()).copied().collect();
        refuse_unknown(self.members, &known, problems);
        let operation = match self.head.verb {
            Verb::Create => self.create(problems),
            Verb::Update => self.update(problems),
            Verb::Replace => self.replace(problems),
            Verb::Upsert => self.upsert(problems),
            Verb::Delete => self.delete(problems),
        };
        operation.filter(|_| problems.len() == before)
    }

    fn create(&self, problems: &mut Problems) -> Option<Operation> {
        let data = self.data(problems)?;
        let collection = &self.head.target.collection;
        let record = problems.within("data", |problems| draft::create(self.ctx, collection, data, None, problems));
        Some(Operation::Create(record))
    }

    fn update(&self, problems: &mut Problems) -> Option<Operation> {
        let (nothing, id, expected) = (Map::new(), self.id(problems), self.expected(problems));
        let data = if self.members.contains_key("data") { self.patch(problems)? } else { &nothing };
        let increments = match self.members.get("increment") {
            Some(json) => problems.within("increment", |problems| {
                increment::parse(self.ctx, &self.head.target.collection, json, data, problems)
            }),
            None if self.members.contains_key("data") => Vec::new(),
            None => {
                problems.add("required", "an update has `data`, `increment` or both");
                Vec::new()
            }
        };
        Some(Operation::Update { id: id?, data: data.clone(), increments, expected: expected? })
    }

    fn replace(&self, problems: &mut Problems) -> Option<Operation> {
        let (id, expected, data) = (self.id(problems), self.expected(problems), self.patch(problems)?);
        Some(Operation::Replace { id: id?, data: data.clone(), expected: expected? })
    }

    fn upsert(&self, problems: &mut Problems) -> Option<Operation> {
        let target = &self.head.target;
        let visible = |collection: &mainstay_crds::schema::Collection, field: usize| {
            may_read(self.ctx, &collection.fields[field])
        };
        let context =
            Context { collection: &target.collection, schema: &target.schema, visible: &visible, page: self.page };
        let key = problems.within("on_conflict", |problems| match self.members.get("on_conflict") {
            Some(Json::String(text)) => query::upsert::key(text, context, problems),
            Some(_) => {
                problems.add("wrong_type", "must be the fields of a unique key, separated by commas");
                None
            }
            None => {
                problems.add("required", "an upsert names the unique key by which it finds the record");
                None
            }
        });
        let data = self.data(problems)?;
        problems.within("data", |problems| match key {
            Some(key) => upsert::preview(self.ctx, target, key, data, problems),
            None => draft::preview(self.ctx, &target.collection, data, problems),
        });
        Some(Operation::Upsert { key: key?, data: data.clone() })
    }

    fn delete(&self, problems: &mut Problems) -> Option<Operation> {
        let (id, expected) = (self.id(problems), self.expected(problems));
        Some(Operation::Delete { id: id?, expected: expected? })
    }

    fn id(&self, problems: &mut Problems) -> Option<Uuid> {
        let kind = &self.head.target.collection.fields[ID].kind;
        problems.within("id", |problems| match self.members.get("id") {
            Some(json) => match kind.parse(json, problems)? {
                Value::Uuid(id) => Some(id),
                _ => None,
            },
            None => {
                problems.add("required", "the operation names a record by its id");
                None
            }
        })
    }

    fn expected(&self, problems: &mut Problems) -> Option<Expected> {
        let before = problems.len();
        let kind = &self.head.target.collection.fields[VERSION].kind;
        let version = self.members.get("version").and_then(|json| {
            problems.within("version", |problems| match kind.parse(json, problems)? {
                Value::Integer(version) => Some(version),
                _ => None,
            })
        });
        let condition = self.members.get("if").and_then(|json| {
            problems.within("if", |problems| condition::parse(json, self.ctx, &self.head.target, problems))
        });
        (problems.len() == before).then_some(Expected { version, condition })
    }

    fn data(&self, problems: &mut Problems) -> Option<&Map<String, Json>> {
        problems.within("data", |problems| match self.members.get("data") {
            Some(json) => draft::object(json, problems),
            None => {
                problems.add("required", "the operation has the record's fields as `data`");
                None
            }
        })
    }

    /// `data` of a change, of which the rest is judged on the locked row.
    fn patch(&self, problems: &mut Problems) -> Option<&Map<String, Json>> {
        let data = self.data(problems)?;
        let collection = &self.head.target.collection;
        problems.within("data", |problems| draft::preview(self.ctx, collection, data, problems));
        Some(data)
    }
}

/// A problem for each member that is not known.
pub fn refuse_unknown(members: &Map<String, Json>, known: &[&str], problems: &mut Problems) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        problems.within(name, |problems| {
            let hint = did_you_mean(name, known.iter().copied());
            let hint = hint.or_else(|| Some(format!("it takes {}", known.join(", "))));
            problems.push("unknown_member", format!("there is no member `{name}` here"), hint);
        });
    }
}

/// The problems of an element that does not say what to do with which collection.
pub fn refuse_headless(json: &Json, problems: &mut Problems) {
    let Some(members) = json.as_object() else {
        problems.hint("wrong_type", "an operation is an object", "write {\"op\": \"create\", \"collection\": …}");
        return;
    };
    let names = || Verb::ALL.iter().map(|(name, ..)| *name);
    problems.within("op", |problems| match members.get("op") {
        None => problems.add("required", "an operation says what to do"),
        Some(Json::String(name)) if Verb::from_name(name).is_some() => {}
        Some(Json::String(name)) => {
            let hint = did_you_mean(name, names()).or_else(|| Some(names().collect::<Vec<_>>().join(", ")));
            problems.push("unknown_operation", format!("there is no operation `{name}`"), hint);
        }
        Some(_) => problems.add("wrong_type", format!("must be one of {}", names().collect::<Vec<_>>().join(", "))),
    });
    problems.within("collection", |problems| match members.get("collection") {
        None => problems.add("required", "an operation names a collection"),
        Some(Json::String(_)) => {}
        Some(_) => problems.add("wrong_type", "must be the name of a collection"),
    });
}
