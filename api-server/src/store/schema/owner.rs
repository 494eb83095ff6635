//! Whose database this is: one row that names a Backend, so that a second one is refused instead of migrating it.
//!
//! Read by `migrate` and `serve`, claimed by [`super::apply()`] under its lock. A process that names no owner, as on a
//! laptop, is never refused and claims nothing.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Sql};

use super::{Refusal, table_exists};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Whom a process acts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// `<namespace>/<name>/<uid>` of the Backend, or any other text.
    pub owner: Option<String>,
    /// `<namespace>/<name>` of an owner whose place it takes.
    pub take_over_from: Option<String>,
}

impl Claim {
    /// Refuses a database that belongs to another owner.
    pub fn judge(&self, conn: &mut Conn) -> Result<(), Refusal> {
        match (owner(conn)?, &self.owner) {
            (Some(present), Some(mine)) if present != *mine && !self.takes_over(&present) => {
                Err(Refusal::InUse { owner: present })
            }
            _ => Ok(()),
        }
    }

    /// What a run would write, in words: the owner of a database that is nobody's, or is taken over. None where nothing
    /// is to be written.
    pub fn pending(&self, conn: &mut Conn) -> Result<Option<String>, Error> {
        let present = owner(conn)?;
        let mine = self.owner.as_ref().filter(|mine| present.as_ref() != Some(*mine));
        Ok(mine.map(|mine| match present {
            Some(present) => format!("owner {mine} in place of {present}"),
            None => format!("owner {mine}"),
        }))
    }

    fn takes_over(&self, present: &str) -> bool {
        self.take_over_from.as_deref().is_some_and(|from| from == present || from == name(present))
    }
}

/// `<namespace>/<name>` of `<namespace>/<name>/<uid>`.
pub fn name(owner: &str) -> &str {
    let end = owner.match_indices('/').nth(1).map_or(owner.len(), |(at, _)| at);
    &owner[..end]
}

/// The present owner.
pub fn owner(conn: &mut Conn) -> Result<Option<String>, Error> {
    let mut found = None;
    if !table_exists(conn, "mainstay_owner")? {
        return Ok(found);
    }
    let mut sql = Sql::new();
    sql.push("SELECT owner FROM mainstay_owner");
    conn.query(sql, |row| {
        if let Value::Text(owner) = row.value(0, ColumnType::Text)? {
            found = Some(owner.into_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

/// Writes the owner's name into a database that is nobody's, its own, or taken over. Under the lock of [`super::apply()`].
pub(super) fn claim(conn: &mut Conn, claim: &Claim, now: i64) -> Result<(), Refusal> {
    claim.judge(conn)?;
    let Some(mine) = &claim.owner else { return Ok(()) };
    if owner(conn)?.as_ref() == Some(mine) {
        return Ok(());
    }
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_owner (position, owner, claimed_at) VALUES (1, ");
    sql.bind(ColumnType::Text, Value::from(mine.clone())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(") ON CONFLICT (position) DO UPDATE SET owner = excluded.owner, claimed_at = excluded.claimed_at");
    Ok(conn.execute(sql).map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_named_without_its_uid() {
        for (owner, expected) in [("a/b/c", "a/b"), ("a/b", "a/b"), ("a", "a"), ("a/b/c/d", "a/b"), ("", "")] {
            assert_eq!(name(owner), expected);
        }
    }

    #[test]
    fn only_the_named_owner_is_taken_over() {
        let claim = |from: &str| Claim { owner: Some("a/new/1".to_owned()), take_over_from: Some(from.to_owned()) };
        assert!(claim("a/old").takes_over("a/old/9") && claim("a/old/9").takes_over("a/old/9"));
        assert!(!claim("a/ol").takes_over("a/old/9") && !claim("a").takes_over("a/old/9"));
    }
}
