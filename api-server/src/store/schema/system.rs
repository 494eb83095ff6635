//! The system tables: which of their migrations are applied, applying and undoing them, and whether this server may run on
//! them.
//!
//! Called by [`super::applied()`], [`super::apply()`] and [`super::down_system()`]. A newer server's migrations are no
//! obstacle as long as each of them still serves this version: it says so in `mainstay_system`, where an older server can
//! read it.

use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Sql};

use super::table_exists;
use crate::store::conn::{Conn, Raw};
use crate::store::error::{Error, first_line};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The name of this server's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The system migrations of this server that the database lacks, such as `0002_instances`, in their order.
pub fn pending(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let (mut known, applied) = (known(conn)?, applied(conn)?);
    known.retain(|(version, _)| !applied.contains(version));
    Ok(known.into_iter().map(|(_, name)| name).collect())
}

/// The last system migration that the database has; none in an empty one. What undoes it is in the server that knows it.
pub fn last(conn: &mut Conn) -> Result<Option<String>, Error> {
    let Some(last) = applied(conn)?.into_iter().max() else { return Ok(None) };
    match known(conn)?.into_iter().find(|(version, _)| *version == last) {
        Some((_, name)) => Ok(Some(name)),
        None => Err(Error::Refused(format!("the system migration {last} is a newer server's: undo it with that one"))),
    }
}

/// Version and name of each system migration of this server, in their order.
fn known(conn: &Conn) -> Result<Vec<(String, String)>, Error> {
    let mut known: Vec<(String, String)> = match &conn.raw {
        Raw::Postgres(_) => named::<diesel::pg::Pg>(&POSTGRES.migrations().map_err(unreadable)?),
        Raw::Sqlite(_) => named::<diesel::sqlite::Sqlite>(&SQLITE.migrations().map_err(unreadable)?),
    };
    known.sort();
    Ok(known)
}

/// The versions that the database has.
fn applied(conn: &mut Conn) -> Result<Vec<String>, Error> {
    match table_exists(conn, "__diesel_schema_migrations")? {
        true => texts(conn, "SELECT version FROM __diesel_schema_migrations"),
        false => Ok(Vec::new()),
    }
}

/// Version and name of each.
fn named<DB: diesel::backend::Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<(String, String)> {
    migrations.iter().map(|one| (one.name().version().to_string(), one.name().to_string())).collect()
}

/// Brings the system tables up to date. Under the lock of [`super::apply()`], or where no other process can be.
pub(super) fn migrate(conn: &mut Conn) -> Result<(), Error> {
    let done = match &mut conn.raw {
        Raw::Postgres(connection) => connection.run_pending_migrations(POSTGRES).map(drop),
        Raw::Sqlite(connection) => connection.run_pending_migrations(SQLITE).map(drop),
    };
    done.map_err(unreadable)
}

/// Undoes the last of them. Under the lock of [`super::down_system()`].
pub(super) fn take_back(conn: &mut Conn) -> Result<(), Error> {
    let done = match &mut conn.raw {
        Raw::Postgres(connection) => connection.revert_last_migration(POSTGRES).map(drop),
        Raw::Sqlite(connection) => connection.revert_last_migration(SQLITE).map(drop),
    };
    done.map_err(unreadable)
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Other(format!("the system tables: {}", first_line(&error.to_string())))
}

/// Refuses a database whose system tables have left this version behind.
pub(super) fn admit(conn: &mut Conn) -> Result<(), Error> {
    if !table_exists(conn, "mainstay_system")? {
        return Ok(());
    }
    let demanded = texts(conn, "SELECT oldest_server FROM mainstay_system")?;
    match demanded.iter().filter(|version| is_older(VERSION, version)).max_by_key(|version| numbers(version)) {
        None => Ok(()),
        Some(version) => Err(Error::Refused(format!(
            "the system tables of the database serve servers from {version} on, this is {VERSION}: run a newer server"
        ))),
    }
}

fn is_older(version: &str, than: &str) -> bool {
    numbers(version) < numbers(than)
}

/// `0.12.3` as its numbers.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

fn texts(conn: &mut Conn, query: &str) -> Result<Vec<String>, Error> {
    let mut sql = Sql::new();
    sql.push(query);
    let mut found = Vec::new();
    conn.query(sql, |row| {
        if let Value::Text(text) = row.value(0, ColumnType::Text)? {
            found.push(text.into_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (version, than, older) in
            [("0.1.0", "0.1.0", false), ("0.1.0", "0.1.1", true), ("0.9.0", "0.10.0", true), ("1.0.0", "0.10.0", false)]
        {
            assert_eq!(is_older(version, than), older, "{version} {than}");
        }
    }
}
