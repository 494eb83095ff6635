//! The passwords, as hashes: one a person.
//!
//! Called by the services inside their transactions.

use mainstay_crds::Value;
use mainstay_crds::schema::{CREATED_AT, Collection, ID};
use mainstay_crds::sql::{ColumnType, Sql};

use super::{Owner, push_lock, push_owner};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// The hash of a person's password. `lock` holds it as it is until the transaction ends.
pub fn find(conn: &mut Conn, owner: Owner, lock: bool) -> Result<Option<String>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT hash FROM mainstay_passwords WHERE ");
    push_owner(owner, &mut sql);
    if lock {
        push_lock(conn.dialect(), &mut sql);
    }
    let mut found = None;
    conn.query(sql, |row| {
        if let Value::Text(hash) = row.value(0, ColumnType::Text)? {
            found = Some(hash.into_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

/// Sets it, in the place of the one before, which may be that of an earlier person of the same id.
pub fn set(conn: &mut Conn, owner: Owner, hash: &str, now: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_passwords (user_id, user_created_at, hash, changed_at) VALUES (");
    sql.bind(ColumnType::Uuid, Value::Uuid(owner.id)).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(owner.created_at)).push(", ");
    sql.bind(ColumnType::Text, Value::from(hash.to_owned())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(
        ") ON CONFLICT (user_id) DO UPDATE SET user_created_at = excluded.user_created_at, hash = excluded.hash, \
         changed_at = excluded.changed_at",
    );
    conn.execute(sql).map(drop)
}

/// Deletes the passwords of people whose record is gone.
pub fn sweep(conn: &mut Conn, users: &Collection) -> Result<(), Error> {
    let [id, created_at] = [ID, CREATED_AT].map(|field| &users.fields[field].column);
    let mut sql = Sql::new();
    sql.push("DELETE FROM mainstay_passwords WHERE NOT EXISTS (SELECT 1 FROM ")
        .ident(&users.table)
        .push(" AS t WHERE t.");
    sql.ident(id).push(" = user_id AND t.").ident(created_at).push(" = user_created_at)");
    conn.execute(sql).map(drop)
}
