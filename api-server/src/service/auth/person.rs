//! A person as sign-in sees one: the record of `users`, less what the backend itself has added.
//!
//! Called by the other files of this folder, in their reads and transactions.

use mainstay_crds::Value;
use mainstay_crds::schema::{CREATED_AT, Collection, ID, Schema};
use uuid::Uuid;

use crate::service::Error;
use crate::store::auth::Owner;
use crate::store::{self, Conn, records};

/// The collection of people, which every backend has.
pub const USERS: &str = "users";

/// A record of `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The record's id, and when it was created.
    pub owner: Owner,
    /// The address.
    pub email: String,
    /// What people call the user.
    pub name: Option<String>,
    /// The person's own roles.
    pub roles: Vec<String>,
    /// Whether the user is locked out.
    pub disabled: bool,
}

impl Person {
    /// The roles of a caller.
    pub fn roles(&self) -> Vec<String> {
        self.roles.iter().cloned().chain(["user".to_owned()]).collect()
    }
}

/// The collection of people.
pub fn users(schema: &Schema) -> Result<&Collection, Error> {
    schema.get(USERS).map(|users| &**users).ok_or_else(|| Error::bug("the schema has no users"))
}

/// The person of that id.
pub fn by_id(conn: &mut Conn, users: &Collection, id: Uuid) -> Result<Option<Person>, store::Error> {
    Ok(records::select_record(conn, users, id, false)?.map(|record| person(users, &record)))
}

/// The person of that address, whatever its case.
pub fn by_email(
    conn: &mut Conn,
    schema: &Schema,
    users: &Collection,
    email: &str,
) -> Result<Option<Person>, store::Error> {
    let Some(position) = users.position("email") else { return Ok(None) };
    let of_email = |fields: &[usize]| fields == [position];
    let Some(key) = users.unique.iter().find(|key| of_email(&key.fields) && key.case_insensitive) else {
        return Ok(None);
    };
    let mut record = vec![Value::Null; users.fields.len()];
    record[ID] = Value::Uuid(Uuid::nil());
    record[position] = Value::from(email.to_owned());
    match records::holder(conn, users, schema, key, &record, true)? {
        Some(id) => by_id(conn, users, id),
        None => Ok(None),
    }
}

fn person(users: &Collection, record: &[Value<'static>]) -> Person {
    let value = |name: &str| users.position(name).and_then(|position| record.get(position));
    let text = |name: &str| match value(name) {
        Some(Value::Text(text)) => Some(text.clone().into_owned()),
        _ => None,
    };
    let id = match record.get(ID) {
        Some(Value::Uuid(id)) => *id,
        _ => Uuid::nil(),
    };
    let created_at = match record.get(CREATED_AT) {
        Some(Value::Timestamp(time)) => *time,
        _ => 0,
    };
    let roles = match value("roles") {
        Some(Value::List(roles)) => roles.iter().filter_map(role).collect(),
        _ => Vec::new(),
    };
    let disabled = value("disabled") == Some(&Value::Boolean(true));
    let owner = Owner { id, created_at };
    Person { owner, email: text("email").unwrap_or_default(), name: text("name"), roles, disabled }
}

fn role(value: &Value<'static>) -> Option<String> {
    match value {
        Value::Text(role) => Some(role.clone().into_owned()),
        _ => None,
    }
}
