//! `list`: an array of texts, integers, UUIDs or enum values; an array in PostgreSQL, a JSON text in SQLite.
//!
//! Each item is judged by its own kind, with the path of the item.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::enumeration::Enumeration;
use super::integer::Integer;
use super::text::Text;
use super::uuid::{Uuid, parse_uuid};
use super::{FieldKind, Kind, KindRow, bounds, write_null, wrong_type};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::sql::{ColumnType, ItemType};
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow =
    KindRow { name: "list", options: &["items", "values", "minItems", "maxItems", "uniqueItems"], build };

const ITEMS: [&str; 4] = ["text", "integer", "uuid", "enum"];

/// A `list` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct List {
    /// The kind of every item: text, integer, uuid or enum.
    pub items: Box<Kind>,
    /// Fewest items.
    pub min_items: Option<u32>,
    /// Most items.
    pub max_items: Option<u32>,
    /// No item twice.
    pub unique_items: bool,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    bounds::counts("minItems", spec.min_items, spec.max_items, problems);
    let items = items(spec, problems);
    if spec.values.is_some() && spec.items.as_deref() != Some("enum") {
        let message = "only a list whose `items` are enum takes `values`";
        problems.within("values", |problems| problems.add("invalid_option", message));
    }
    let kind = List {
        items: Box::new(items?),
        min_items: spec.min_items,
        max_items: spec.max_items,
        unique_items: spec.unique_items,
    };
    (problems.len() == before).then_some(Kind::List(kind))
}

fn items(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    match spec.items.as_deref() {
        Some("text") => Some(Kind::Text(Text::ANY)),
        Some("integer") => Some(Kind::Integer(Integer::ANY)),
        Some("uuid") => Some(Kind::Uuid(Uuid {})),
        Some("enum") => Enumeration::read(spec, problems).map(Kind::Enumeration),
        Some(other) => {
            let hint = did_you_mean(other, ITEMS);
            let message = "`items` is text, integer, uuid or enum".to_owned();
            problems.within("items", |problems| problems.push("invalid_option", message, hint));
            None
        }
        None => {
            problems.add("missing_option", "a list needs `items`: text, integer, uuid or enum");
            None
        }
    }
}

impl List {
    /// The type of the items in the database.
    pub fn item_type(&self) -> ItemType {
        match self.items.column() {
            ColumnType::Integer => ItemType::Integer,
            ColumnType::Uuid => ItemType::Uuid,
            _ => ItemType::Text,
        }
    }

    /// A value from the JSON text that SQLite stores; `None` when it is not what this kind writes. What only a later
    /// schema forbids (an enum's removed value, more items) is still read.
    pub fn parse_stored(&self, json_text: &str) -> Option<Value<'static>> {
        let Ok(Json::Array(elements)) = serde_json::from_str(json_text) else { return None };
        let item = |element: Json| match (self.item_type(), element) {
            (ItemType::Text, Json::String(text)) => Some(Value::from(text)),
            (ItemType::Integer, Json::Number(number)) => number.as_i64().map(Value::Integer),
            (ItemType::Uuid, Json::String(text)) => parse_uuid(&text).map(Value::Uuid),
            _ => None,
        };
        elements.into_iter().map(item).collect::<Option<Vec<_>>>().map(Value::List)
    }

    fn judge(&self, items: &[Option<Value<'static>>], problems: &mut Problems) {
        let length = items.len();
        if let Some(least) = self.min_items
            && length < least as usize
        {
            problems.add("too_few_items", format!("has {length} items, at least {least} are needed"));
        }
        if let Some(most) = self.max_items
            && length > most as usize
        {
            problems.add("too_many_items", format!("has {length} items, at most {most} are allowed"));
        }
        if !self.unique_items {
            return;
        }
        let mut seen = HashSet::new();
        for (position, item) in items.iter().enumerate() {
            let mut text = Vec::new();
            let Some(item) = item else { continue };
            self.items.write_json(item, &mut text);
            if !seen.insert(text) {
                problems.within(position, |problems| problems.add("duplicate_item", "the item is given twice"));
            }
        }
    }
}

impl FieldKind for List {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::List(self.item_type())
    }

    fn operators(&self) -> &'static [Op] {
        &[Op::Isnull, Op::Has]
    }

    fn sortable(&self) -> bool {
        false
    }

    fn key_bytes(&self) -> Option<usize> {
        None
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let Json::Array(elements) = json else {
            wrong_type("an array", json, problems);
            return None;
        };
        let before = problems.len();
        let mut items = Vec::with_capacity(elements.len());
        for (position, element) in elements.iter().enumerate() {
            items.push(problems.within(position, |problems| self.items.parse(element, problems)));
        }
        self.judge(&items, problems);
        (problems.len() == before).then(|| Value::List(items.into_iter().flatten().collect()))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        self.items.parse_parameter(text, problems)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        let Value::List(items) = value else { return write_null(out) };
        out.push(b'[');
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            self.items.write_json(item, out);
        }
        out.push(b']');
    }

    fn json_schema(&self) -> Json {
        let mut schema = json!({ "type": "array", "items": self.items.json_schema() });
        if let Some(least) = self.min_items {
            schema["minItems"] = json!(least);
        }
        if let Some(most) = self.max_items {
            schema["maxItems"] = json!(most);
        }
        if self.unique_items {
            schema["uniqueItems"] = json!(true);
        }
        schema
    }

    fn item(&self) -> Option<&dyn FieldKind> {
        let item: &(dyn FieldKind + Send + Sync) = &**self.items;
        Some(item)
    }
}
