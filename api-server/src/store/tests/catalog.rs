//! What a database says of its own tables, to be compared: after a way of changes and made at once.

use mainstay_crds::sql::Dialect;

use super::*;

/// What the database says of its tables, one line each thing, without what the server keeps for itself.
const POSTGRES: &str = "SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, numeric_precision, is_nullable, column_default) \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%mainstay%' \
    AND table_name NOT LIKE '%diesel%' \
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%mainstay%' \
    AND tablename NOT LIKE '%diesel%' \
    UNION ALL SELECT format('%s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) \
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%mainstay%' \
    AND conrelid::regclass::text NOT LIKE '%diesel%' ORDER BY 1";
const SQLITE: &str = "SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || ifnull(c.dflt_value, '') \
    FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE '%mainstay%' \
    AND t.name NOT LIKE '%diesel%' \
    UNION ALL SELECT t.name || ' ' || f.\"from\" || ' refers to ' || f.\"table\" FROM sqlite_master t, \
    pragma_foreign_key_list(t.name) f WHERE t.type = 'table' \
    UNION ALL SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name NOT LIKE '%mainstay%' \
    ORDER BY 1";

pub(super) async fn catalog(store: &Store) -> Vec<String> {
    let query = if store.dialect() == Dialect::Postgres { POSTGRES } else { SQLITE };
    let found = read(store, move |conn| {
        let mut sql = Sql::new();
        sql.push(query);
        let mut lines = Vec::new();
        conn.query(sql, |row| {
            if let Value::Text(line) = row.value(0, ColumnType::Text)? {
                lines.push(line.replace(" IF NOT EXISTS", ""));
            }
            Ok(())
        })?;
        Ok(lines)
    });
    let mut found = found.await.unwrap();
    found.sort();
    found
}

/// The same without the names of indexes and constraints, with columns under other names, and without what SQLite cannot
/// change in place: the constants that it gives to writers which do not know a column.
pub(super) async fn bare_catalog(store: &Store, columns: &[(String, String)]) -> Vec<String> {
    let lines = catalog(store).await;
    let mut bare: Vec<String> = lines.iter().map(|line| named(&unnamed(line, store.dialect()), columns)).collect();
    bare.sort();
    bare
}

fn unnamed(line: &str, dialect: Dialect) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let name = match words.as_slice() {
        ["CREATE", "UNIQUE", ..] => Some(3),
        ["CREATE", ..] => Some(2),
        [_, _, "FOREIGN" | "CHECK" | "PRIMARY", ..] => Some(1),
        _ => None,
    };
    let keeps = |at: usize| name != Some(at);
    let is_column = name.is_none() && !line.contains(" refers to ");
    // `table.column TYPE notnull default`
    let most = if dialect == Dialect::Sqlite && is_column { 3 } else { words.len() };
    let kept = words.iter().enumerate().filter(|(at, _)| keeps(*at) && *at < most);
    kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

fn named(line: &str, columns: &[(String, String)]) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (head, tail) = rest.split_at(word.max(first));
        let other = columns.iter().find(|(column, _)| column == head);
        out.push_str(other.map_or(head, |(_, name)| name));
        rest = tail;
    }
    // PostgreSQL quotes what needs it, SQLite what was quoted.
    out.replace('"', "")
}
