//! The key that signs tokens on a laptop: made once, and kept beside the database for its owner alone.
//!
//! Called by `serve` on SQLite when no key is given; the file was locked to this process before. On PostgreSQL several
//! servers have to share a key, so that it has to be given.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{Exit, Failure};
use crate::config::{JwtKeys, Parameter, Raw};
use crate::service::signing::{SigningKey, new_file};
use crate::store::DatabaseUrl;

/// The keys of a server that was given none.
pub fn own(url: &DatabaseUrl) -> Result<Vec<Arc<SigningKey>>, Failure> {
    let made = || new_file().map_err(|error| Failure::new(Exit::Bug, format!("no random numbers: {error}")));
    match url {
        DatabaseUrl::Postgres(_) => {
            tracing::info!(
                "nobody can sign in: there is no key for tokens; give MAINSTAY_JWT_KEYS_FILE or --jwt-secret"
            );
            Ok(Vec::new())
        }
        // The database ends with the process, and so do its sessions.
        DatabaseUrl::SqliteTemporary => read(&made()?, "a new key"),
        DatabaseUrl::Sqlite(path) => {
            let file = file_beside(path);
            let wrong = |error: io::Error| {
                Failure::new(Exit::Unavailable, format!("the signing key in {}: {error}", file.display()))
            };
            let text = match fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let text = made()?;
                    write(&file, &text).map_err(wrong)?;
                    text
                }
                Err(error) => return Err(wrong(error)),
            };
            read(&text, &file.display().to_string())
        }
    }
}

fn read(text: &str, place: &str) -> Result<Vec<Arc<SigningKey>>, Failure> {
    let mut keys = JwtKeys::default();
    let parsed = keys.parse(&Raw::Text(text.to_owned()));
    let hint = "; repair it, or remove it to have a new one: people sign in again then";
    parsed.map_err(|rule| Failure::new(Exit::Settings, format!("{place}: {rule}{hint}")))?;
    Ok(keys.0)
}

/// The file beside the database `path` that a key is written to.
fn file_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".jwt-keys");
    PathBuf::from(name)
}

/// Whole or not at all: a start that is killed leaves no half of a key.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    super::admin_key::write(&temporary, text)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let url = DatabaseUrl::Sqlite(path.clone());
        let kids = |keys: Vec<Arc<SigningKey>>| keys.iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>();
        let first = kids(own(&url).unwrap());
        assert_eq!(first, kids(own(&url).unwrap()));
        let file = file_beside(&path);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(&file, "{\"keys\":[{}]}").unwrap();
        assert!(own(&url).is_err(), "a file that cannot be used is never replaced");
        assert_ne!(first, kids(own(&DatabaseUrl::SqliteTemporary).unwrap()));
    }
}
