//! Which unique key or id is taken, after the database has refused a record.

use mainstay_crds::schema::{Collection, ID, UniqueKey};
use mainstay_crds::{Problems, Value};

use super::draft::Record;
use super::{Target, Tx, id_of};
use crate::service::{Code, Error};
use crate::store::records::{exists_where, holder};
use crate::store::{self, Conn};

/// The taken keys of `record` as problems below `path`: all keys of a new record, those of a stored one that the
/// change from `before` may have touched. None found for a refused record means that the other record has gone meanwhile,
/// and the write may be tried again.
pub fn explain(
    conn: &mut Conn,
    target: &Target,
    record: &Record,
    path: &str,
    before: Option<&[Value<'static>]>,
) -> Tx<Problems> {
    let Target { schema, collection } = target;
    let created = before.is_none();
    let touched = |key: &UniqueKey| {
        before.is_none_or(|before| key.condition.is_some() || key.fields.iter().any(|f| before[*f] != record[*f]))
    };
    let mut problems = Problems::new();
    if created && !exists_where(conn, collection, schema, &[id_of(record)], None)?.is_empty() {
        problems.extend(at(collection, ID, path, "the id is taken".to_owned()).into_vec());
    }
    for key in collection.unique.iter().filter(|key| touched(key)) {
        if holder(conn, collection, schema, key, record, created)?.is_some() {
            problems.extend(taken(collection, key, path).into_vec());
        }
    }
    Ok(problems)
}

/// That another record has this key.
pub fn taken(collection: &Collection, key: &UniqueKey, path: &str) -> Problems {
    at(collection, key.fields[0], path, message(collection, key))
}

fn at(collection: &Collection, field: usize, path: &str, message: String) -> Problems {
    let mut here = Problems::at(format!("{path}/{}", collection.fields[field].name));
    here.add("taken", message);
    here
}

/// The refusal for these problems, or a new try when there are none left.
pub fn refusal(problems: Problems) -> store::Abort<Error> {
    let problems = problems.into_vec();
    match problems.as_slice() {
        [] => store::Error::Retry.into(),
        [one] => Error::with(Code::Conflict, one.message.clone(), problems).into(),
        many => Error::with(Code::Conflict, format!("{} keys are taken; see details", many.len()), problems).into(),
    }
}

fn message(collection: &Collection, key: &UniqueKey) -> String {
    let names: Vec<&str> = key.fields.iter().map(|field| collection.fields[*field].name.as_str()).collect();
    match names.as_slice() {
        [one] => format!("another record of {} has this `{one}`", collection.name),
        many => format!("another record of {} has this combination of {}", collection.name, many.join(", ")),
    }
}
