//! The right side of a test: constants of the field's kind, and the variables that the place allows.
//!
//! Called by the tree's reader alone. In requests everything but `$now` on a timestamp, and `$field` within `exists`, is a
//! constant.

use serde_json::Value as Json;

use super::{Place, Reader, asked};
use crate::filter::{Op, Operand};
use crate::name::{Name, did_you_mean};
use crate::problem::Problems;
use crate::schema::{Collection, ID};
use crate::value::Value;

/// The variables, as they are offered in hints.
const VARIABLES: [&str; 3] = ["$now", "$auth.id", "$auth.roles"];

impl Reader<'_> {
    /// One operand of `op` on the field at `position`.
    pub(super) fn operand(
        &self,
        position: usize,
        op: Op,
        json: &Json,
        collection: &Collection,
        problems: &mut Problems,
    ) -> Option<Operand> {
        let field = &collection.fields[position];
        let kind = asked(field, op)?;
        if let Json::String(text) = json {
            let timestamp = kind.name() == "timestamp";
            let variable = match self.place {
                Place::Request => text == "$now" && timestamp || self.outer.is_some() && text.starts_with("$field."),
                // `$5` is a price; `$word` is meant as a variable, and must not quietly become a constant.
                Place::Rule | Place::Check => text.strip_prefix('$').is_some_and(starts_with_letter),
            };
            if variable {
                return self.variable(position, op, text, collection, problems);
            }
        }
        if json.is_null() {
            problems.hint("wrong_type", "nothing equals null", "use `isnull`");
            return None;
        }
        constant(kind, op, json, problems).map(Operand::Value)
    }

    fn variable(
        &self,
        position: usize,
        op: Op,
        text: &str,
        collection: &Collection,
        problems: &mut Problems,
    ) -> Option<Operand> {
        let field = &collection.fields[position];
        let (column, kind) = (asked(field, op)?.column(), asked(field, op)?.name());
        let compares = matches!(op, Op::Eq | Op::Ne | Op::Gt | Op::Gte | Op::Lt | Op::Lte);
        if let Some(name) = text.strip_prefix("$field.") {
            let of = self.outer.unwrap_or(collection);
            let other = self.field(name, of, &[], problems)?;
            if !compares {
                problems.add("not_allowed", format!("`{}` does not compare with another field", op.name()));
                return None;
            }
            self.same((collection, position), (of, other), problems)?;
            return Some(if self.outer.is_some() { Operand::Outer(other) } else { Operand::Field(other) });
        }
        if self.place == Place::Check {
            let message = format!("`{text}` depends on the request, and here only the record's own fields count");
            problems.hint("not_allowed", message, "write a constant or `$field.<name>`");
            return None;
        }
        let equals = matches!(op, Op::Eq | Op::Ne | Op::In | Op::Nin | Op::Has);
        let (operand, fits, wanted) = match text {
            "$now" => (Operand::Now, kind == "timestamp" && compares, "compares with a timestamp"),
            "$auth.id" => (Operand::AuthId, matches!(kind, "uuid" | "ref") && equals, "equals a uuid or a ref"),
            "$auth.roles" => {
                let fits = matches!(kind, "text" | "enum") && op.takes_list();
                (Operand::AuthRoles, fits, "is a list of texts, for `in` and `nin`")
            }
            _ => match text.strip_prefix("$auth.claims.").filter(|claim| !claim.is_empty()) {
                Some(claim) => {
                    let operand = Operand::AuthClaim { name: claim.to_owned(), column };
                    (operand, compares || equals, "is compared, not searched")
                }
                None => {
                    let hint = did_you_mean(text, VARIABLES).unwrap_or_else(|| {
                        format!("there are {}, $auth.claims.<name>, $field.<name>", VARIABLES.join(", "))
                    });
                    problems.hint("unknown_variable", format!("there is no variable `{text}`"), hint);
                    return None;
                }
            },
        };
        if !fits {
            let message =
                format!("`{text}` {wanted}; `{}` is of the kind `{kind}` and is asked for `{}`", field.name, op.name());
            problems.add("wrong_type", message);
            return None;
        }
        Some(operand)
    }

    /// Whether two fields can be compared in SQL: the same kind or both ids of one collection, and the same column type.
    fn same(&self, this: (&Collection, usize), that: (&Collection, usize), problems: &mut Problems) -> Option<()> {
        let ids = identifies(this).is_some() && identifies(this) == identifies(that);
        let (this, that) = (&this.0.fields[this.1], &that.0.fields[that.1]);
        if that.write_only && self.place != Place::Check {
            problems.add("not_allowed", format!("`{}` is writeOnly, and so not filtered by", that.name));
            return None;
        }
        if !ids && (this.kind.name() != that.kind.name() || this.target() != that.target()) {
            let message = format!(
                "`{}` ({}) and `{}` ({}) are not of one kind",
                this.name,
                this.kind.name(),
                that.name,
                that.kind.name()
            );
            problems.add("wrong_type", message);
            return None;
        }
        if this.kind.column() != that.kind.column() {
            let message = format!("`{}` and `{}` are stored differently", this.name, that.name);
            problems.hint("wrong_type", message, "give both the same precision and scale");
            return None;
        }
        Some(())
    }
}

/// Of which collection the values of a field are ids.
fn identifies((collection, position): (&Collection, usize)) -> Option<&Name> {
    match position {
        ID => Some(&collection.name),
        _ => collection.fields[position].target(),
    }
}

/// A constant of the kind. Judged like a query parameter: a value that the field could never hold, such as a text
/// shorter than `minLength`, is no mistake in a question.
fn constant(
    kind: &dyn crate::field::FieldKind,
    op: Op,
    json: &Json,
    problems: &mut Problems,
) -> Option<Value<'static>> {
    let searched = matches!(op, Op::Contains | Op::Icontains | Op::Startswith);
    match json {
        Json::String(text) if searched && !text.contains('\0') => Some(Value::from(text.clone())),
        Json::String(text) if !matches!(kind.name(), "integer" | "number" | "boolean") => {
            kind.parse_parameter(text, problems)
        }
        Json::Number(number) if matches!(kind.name(), "integer" | "number") => match integral(number) {
            Some(text) => kind.parse_parameter(&text, problems),
            None if kind.name() == "number" => kind.parse_parameter(&number.to_string(), problems),
            None => kind.parse(json, problems),
        },
        _ => kind.parse(json, problems),
    }
}

/// `1.0` and `1e2` as `1` and `100`.
fn integral(number: &serde_json::Number) -> Option<String> {
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 9e15).then(|| format!("{float:.0}"))
}

fn starts_with_letter(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
}
