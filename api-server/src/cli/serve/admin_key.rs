//! The admin key of a first start: made, and handed to the person who started the server.
//!
//! Called by `serve` when no key is given and the database holds none. The key itself is never stored or logged:
//! it is shown once on a terminal, or written beside the database for its owner alone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a key begins with, so that people and scanners of secrets recognise it.
const PREFIX: &str = "mainstay_admin_";

/// A new key: 160 random bits in hex. Errors: the system has no random numbers.
pub fn make() -> io::Result<String> {
    let mut bits = [0; 20];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{PREFIX}{hex}"))
}

/// The file beside the database `path` that a key is written to.
pub fn file_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".admin-key");
    PathBuf::from(name)
}

/// Writes the key for its owner alone. A file that is left from another database is replaced, never widened.
pub fn write(path: &Path, key: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_differ() {
        let (one, two) = (make().unwrap(), make().unwrap());
        assert_eq!(one.len(), PREFIX.len() + 40);
        assert_ne!(one, two);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = file_beside(&folder.path().join("a.db"));
        fs::write(&path, "old").unwrap();
        write(&path, "secret").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(path.ends_with("a.db.admin-key"));
    }
}
