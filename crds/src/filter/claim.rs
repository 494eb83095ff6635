//! Claims of a token as operands: JSON of somebody else's making, read as the field that it is compared with.
//!
//! Called when a rule is bound to a caller. What does not fit is as if the token lacked it, so that the rule grants nothing.

use serde_json::Value as Json;

use super::parse::MAX_OPERANDS;
use crate::field::{Kind, boolean, date, decimal, integer, number, text, timestamp, uuid};
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The values that a claim stands for, in the type of a column: exactly one, or with `many` (`in`, `nin`) those of a list, of
/// which a single value is one too. `None` when one of them does not fit: a list that is read in part would grant what
/// `nin` is to keep.
pub fn values(claim: &Json, column: ColumnType, many: bool) -> Option<Vec<Value<'static>>> {
    let kind = kind(column)?;
    let one = |json: &Json| kind.parse(json, &mut Problems::new());
    match claim {
        Json::Array(items) if many && items.len() <= MAX_OPERANDS => items.iter().map(one).collect(),
        Json::Null | Json::Array(_) => None,
        single => Some(vec![one(single)?]),
    }
}

/// A kind that takes every value of the column: `minLength` and the like are no rules for questions.
fn kind(column: ColumnType) -> Option<Kind> {
    Some(match column {
        ColumnType::Text => Kind::Text(text::Text::ANY),
        ColumnType::Integer => Kind::Integer(integer::Integer::ANY),
        ColumnType::Number => Kind::Number(number::Number { minimum: None, maximum: None }),
        ColumnType::Decimal { precision, scale } => {
            Kind::Decimal(decimal::Decimal { precision, scale, minimum: None, maximum: None })
        }
        ColumnType::Boolean => Kind::Boolean(boolean::Boolean {}),
        ColumnType::Timestamp => Kind::Timestamp(timestamp::Timestamp::ANY),
        ColumnType::Date => Kind::Date(date::Date { minimum: None, maximum: None }),
        ColumnType::Uuid => Kind::Uuid(uuid::Uuid {}),
        ColumnType::Json | ColumnType::List(_) | ColumnType::Bytes => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_read_as_the_field_that_it_is_compared_with() {
        let id = "0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071";
        let text = |text: &str| Value::from(text.to_owned());
        let decimal = ColumnType::Decimal { precision: 5, scale: 2 };
        let uuid = Value::Uuid(::uuid::Uuid::parse_str(id).unwrap());
        for (claim, column, many, expected) in [
            (json!("a"), ColumnType::Text, false, Some(vec![text("a")])),
            (json!("a"), ColumnType::Text, true, Some(vec![text("a")])),
            (json!(["a", "b"]), ColumnType::Text, true, Some(vec![text("a"), text("b")])),
            (json!([]), ColumnType::Text, true, Some(vec![])),
            (json!(["a"]), ColumnType::Text, false, None),
            (json!(["a", 1]), ColumnType::Text, true, None),
            (json!(["a", null]), ColumnType::Text, true, None),
            (json!([["a"]]), ColumnType::Text, true, None),
            (json!("a\0"), ColumnType::Text, false, None),
            (Json::Null, ColumnType::Text, true, None),
            (json!({ "a": 1 }), ColumnType::Text, true, None),
            (json!(1), ColumnType::Text, false, None),
            (json!("1"), ColumnType::Integer, false, None),
            (json!(2.0), ColumnType::Integer, false, Some(vec![Value::Integer(2)])),
            (json!(1e300), ColumnType::Integer, false, None),
            (json!("1.5"), decimal, false, Some(vec![Value::Decimal(150)])),
            (json!(true), ColumnType::Boolean, false, Some(vec![Value::Boolean(true)])),
            (json!(id), ColumnType::Uuid, false, Some(vec![uuid])),
            (json!("nobody"), ColumnType::Uuid, true, None),
            (json!(1_706_702_400), ColumnType::Timestamp, false, None),
            (json!({}), ColumnType::Json, false, None),
        ] {
            assert_eq!(values(&claim, column, many), expected, "{claim} as {column:?}");
        }
        let many = json!(vec!["a"; MAX_OPERANDS + 1]);
        assert_eq!(values(&many, ColumnType::Text, true), None, "more than a statement should hold");
    }
}
