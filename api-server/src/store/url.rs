//! The database URL as a user types it, checked before anything is opened.
//!
//! Used by `config` and [`super::Store::open`]. A URL that is not understood is refused by name and never becomes
//! a file; passwords are left out wherever it is printed.

use std::fmt;
use std::path::PathBuf;

/// Which database to open.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: a file, created when it is missing and its folder exists. Always absolute.
    Sqlite(PathBuf),
    /// `sqlite::memory:`: a temporary file that is removed when the server stops.
    SqliteTemporary,
    /// `postgres://…` or `postgresql://…`, as libpq reads it.
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads a URL; the error says what is wrong and what is understood.
    pub fn parse(url: &str) -> Result<DatabaseUrl, String> {
        const FORMS: &str = "write sqlite:PATH, sqlite::memory: or postgres://USER@HOST/DATABASE";
        if url.contains('\0') {
            return Err(format!("a database URL holds no NUL; {FORMS}"));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite:") {
            Some(":memory:") => Ok(DatabaseUrl::SqliteTemporary),
            Some("") => Err(format!("the database URL `sqlite:` names no file; {FORMS}")),
            Some(path) if path.starts_with("//") || path.starts_with("file:") || path.starts_with(':') => {
                Err(format!("`sqlite:` is followed by a plain path, not by `{path}`; {FORMS}"))
            }
            Some(path) if path.contains("://") => Err(format!("the database URL names two databases; {FORMS}")),
            Some(path) => std::path::absolute(path)
                .map(DatabaseUrl::Sqlite)
                .map_err(|error| format!("the path of the database `{path}` is not usable: {error}")),
            None => {
                let scheme: String = url.chars().take_while(|c| *c != ':').take(20).collect();
                Err(format!("the database URL starts with `{scheme}`, which is not understood; {FORMS}"))
            }
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::SqliteTemporary => f.write_str("sqlite::memory:"),
            DatabaseUrl::Postgres(url) => f.write_str(&redact(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Scheme, host and database; user, password and parameters (which may hold a password too) are left out.
fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_forms_are_read() {
        assert_eq!(DatabaseUrl::parse("sqlite:/a/b.db"), Ok(DatabaseUrl::Sqlite("/a/b.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite::memory:"), Ok(DatabaseUrl::SqliteTemporary));
        assert!(matches!(DatabaseUrl::parse("sqlite:a.db"), Ok(DatabaseUrl::Sqlite(path)) if path.is_absolute()));
        assert!(matches!(DatabaseUrl::parse("postgresql://h/d"), Ok(DatabaseUrl::Postgres(_))));
        let wrong = [
            "",
            "sqlite",
            "sqlite:",
            "a.db",
            "postgress://h/d",
            "postgres:h",
            "sqlite:///a",
            "sqlite://a",
            "sqlite:file:a",
            "sqlite::memoy:",
            "sqlite:postgres://h/d",
            "mysql://h/d",
            "sqlite:a\0b",
        ];
        for url in wrong {
            assert!(DatabaseUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for url in ["postgres://ann:s3cret@h:1/d", "postgres://h/d?password=s3cret", "postgres://a:x@s3cret@h/d#s3cret"]
        {
            let url = DatabaseUrl::parse(url).unwrap();
            assert!(!format!("{url} {url:?}").contains("s3cret"), "{url}");
        }
    }
}
