//! Every kind with its options: what is taken, what it is answered as, what is refused, and what is published.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{FieldKind, KINDS, Kind};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::problem::{Problem, Problems};
use crate::value::Value;

mod cases;
mod options;

fn try_kind(mut spec: Json) -> Result<Kind, Vec<Problem>> {
    spec["name"] = json!("field");
    let spec: FieldSpec = serde_json::from_value(spec).unwrap();
    let row = KINDS.iter().find(|row| row.name == spec.kind).unwrap();
    let mut problems = Problems::at("/f");
    let kind = (row.build)(&spec, &mut problems);
    assert_eq!(kind.is_some(), problems.is_empty(), "{spec:?}");
    kind.ok_or_else(|| problems.into_vec())
}

fn kind(spec: Json) -> Kind {
    try_kind(spec).unwrap()
}

fn parse(kind: &Kind, json: &Json) -> Result<Value<'static>, Vec<Problem>> {
    let mut problems = Problems::at("/v");
    let value = kind.parse(json, &mut problems);
    assert_eq!(value.is_some(), problems.is_empty(), "{json}");
    value.ok_or_else(|| problems.into_vec())
}

fn written(kind: &dyn FieldKind, value: &Value<'_>) -> String {
    let mut out = Vec::new();
    kind.write_json(value, &mut out);
    String::from_utf8(out).unwrap()
}

/// One of every kind, without bounds that random values would miss.
fn one_of_each() -> Vec<Kind> {
    [
        json!({"type":"text"}),
        json!({"type":"integer"}),
        json!({"type":"number"}),
        json!({"type":"decimal","precision":18,"scale":4}),
        json!({"type":"boolean"}),
        json!({"type":"timestamp"}),
        json!({"type":"date"}),
        json!({"type":"uuid"}),
        json!({"type":"enum","values":["open","closed","\"é\\,"]}),
        json!({"type":"ref","collection":"users"}),
        json!({"type":"json"}),
        json!({"type":"list","items":"text"}),
        json!({"type":"bytes"}),
    ]
    .map(kind)
    .into()
}

#[test]
fn every_row_builds_its_own_kind() {
    let kinds = one_of_each();
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, KINDS.iter().map(|row| row.name).collect::<Vec<_>>());
    for kind in &kinds {
        let order = |op: &Op| Op::ALL.iter().position(|(_, known)| known == op);
        assert!(kind.operators().is_sorted_by_key(order), "{}", kind.name());
        assert!(kind.operators().contains(&Op::Isnull), "{}", kind.name());
        assert_eq!(kind.sortable(), !matches!(kind.name(), "list" | "json" | "bytes"), "{}", kind.name());
        assert_eq!(kind.item().is_some(), kind.operators().contains(&Op::Has), "{}", kind.name());
        assert_eq!(written(&**kind, &Value::Null), "null", "{}", kind.name());
    }
}

#[test]
fn operators_are_those_of_the_contract() {
    let cases = [
        ("text", "eq ne gt gte lt lte in nin contains icontains startswith isnull"),
        ("integer", "eq ne gt gte lt lte in nin isnull"),
        ("number", "eq ne gt gte lt lte in nin isnull"),
        ("decimal", "eq ne gt gte lt lte in nin isnull"),
        ("boolean", "eq ne isnull"),
        ("timestamp", "eq ne gt gte lt lte in nin isnull"),
        ("date", "eq ne gt gte lt lte in nin isnull"),
        ("uuid", "eq ne in nin isnull"),
        ("enum", "eq ne in nin isnull"),
        ("ref", "eq ne in nin isnull"),
        ("json", "isnull"),
        ("list", "isnull has"),
        ("bytes", "isnull"),
    ];
    for (kind, (name, operators)) in one_of_each().iter().zip(cases) {
        let names: Vec<_> = kind.operators().iter().map(|op| op.name()).collect();
        assert_eq!((kind.name(), names.join(" ").as_str()), (name, operators));
    }
}

#[test]
fn key_bytes_bound_the_value() {
    assert_eq!(kind(json!({"type":"text"})).key_bytes(), None);
    assert_eq!(kind(json!({"type":"text","maxLength":80})).key_bytes(), Some(320));
    assert_eq!(kind(json!({"type":"enum","values":["a","éé"]})).key_bytes(), Some(4));
    for kind in one_of_each() {
        let bounded = !matches!(kind.name(), "text" | "list" | "json" | "bytes");
        assert_eq!(kind.key_bytes().is_some(), bounded, "{}", kind.name());
    }
}

#[test]
fn a_list_is_read_back_from_its_text() {
    let Kind::List(list) = kind(json!({"type":"list","items":"enum","values":["a","b"],"maxItems":1})) else {
        panic!()
    };
    let stored = list.parse_stored(r#"["b","gone"]"#).unwrap();
    assert_eq!(written(&list, &stored), r#"["b","gone"]"#, "a later schema does not hide what is stored");
    assert_eq!(list.parse_stored("[1]"), None);
    assert_eq!(list.parse_stored("{}"), None);
    let Kind::List(list) = kind(json!({"type":"list","items":"integer"})) else { panic!() };
    assert_eq!(list.parse_stored("[-1,2]"), Some(Value::List(vec![Value::Integer(-1), Value::Integer(2)])));
}

fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::String),
        "[-+0-9:.TZtz ]{0,30}".prop_map(Json::String),
        "[A-Za-z0-9+/=]{0,12}".prop_map(Json::String),
    ];
    scalar.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// A value that the kind at that place of [`one_of_each`] may hold.
fn any_value() -> impl Strategy<Value = (usize, Value<'static>)> {
    let safe = crate::json::MAX_SAFE_INTEGER;
    let text = any::<String>().prop_map(|text| text.replace('\0', ""));
    let uuid = any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits)));
    let double = any::<f64>().prop_filter("finite", |double| double.is_finite());
    let (first, last) = (super::timestamp::MIN_TIMESTAMP, super::timestamp::MAX_TIMESTAMP);
    let values = [
        text.clone().prop_map(Value::from).boxed(),
        (-safe..=safe).prop_map(Value::Integer).boxed(),
        double.prop_map(|double| Value::Number(if double == 0.0 { 0.0 } else { double })).boxed(),
        (-999_999_999_999_999_999i64..=999_999_999_999_999_999).prop_map(Value::Decimal).boxed(),
        any::<bool>().prop_map(Value::Boolean).boxed(),
        (first..=last).prop_map(Value::Timestamp).boxed(),
        (super::date::MIN_DATE..=super::date::MAX_DATE).prop_map(Value::Date).boxed(),
        uuid.clone().boxed(),
        proptest::sample::select(vec!["open", "closed", "\"é\\,"]).prop_map(|v| Value::from(v.to_owned())).boxed(),
        uuid.boxed(),
        any_json()
            .prop_filter("not null", |json| !json.is_null())
            .prop_map(|json| Value::Json(crate::json::canonical(&json).into()))
            .boxed(),
        proptest::collection::vec(text.prop_map(Value::from), 0..5).prop_map(Value::List).boxed(),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
    ];
    (0..values.len()).prop_flat_map(move |place| (Just(place), values[place].clone()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read_back((place, value) in any_value()) {
        let kind = &one_of_each()[place];
        let json: Json = serde_json::from_str(&written(&**kind, &value)).unwrap();
        prop_assert_eq!(parse(kind, &json), Ok(value.clone()));
        let schema = kind.json_schema();
        let formats = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        prop_assert!(formats.is_valid(&json), "{} is outside its own schema {}", json, schema);
        if let (Kind::List(list), Value::List(_)) = (kind, &value) {
            prop_assert_eq!(list.parse_stored(&written(&**kind, &value)), Some(value));
        }
    }

    #[test]
    fn whatever_comes_is_taken_or_refused(json in any_json(), text in any::<String>()) {
        for kind in one_of_each() {
            if let (false, Ok(value)) = (json.is_null(), parse(&kind, &json)) {
                let again: Json = serde_json::from_str(&written(&*kind, &value)).unwrap();
                prop_assert_eq!(parse(&kind, &again), Ok(value), "{}", kind.name());
            }
            let mut problems = Problems::new();
            let value = kind.parse_parameter(&text, &mut problems);
            prop_assert_eq!(value.is_some(), problems.is_empty(), "{}", kind.name());
        }
    }

    #[test]
    fn a_parameter_reads_what_is_answered((place, value) in any_value()) {
        let kind = &one_of_each()[place];
        if !matches!(value, Value::List(_)) {
            let json: Json = serde_json::from_str(&written(&**kind, &value)).unwrap();
            let text = match (&value, json) {
                (Value::Json(text), _) => text.clone().into_owned(),
                (_, Json::String(text)) => text,
                (_, other) => other.to_string(),
            };
            let mut problems = Problems::new();
            // A text of `json` may hold an integer beyond the reader's range, printed from a double.
            let read = kind.parse_parameter(&text, &mut problems);
            if problems.is_empty() || !matches!(value, Value::Json(_)) {
                prop_assert_eq!(read, Some(value));
            }
        }
    }
}
