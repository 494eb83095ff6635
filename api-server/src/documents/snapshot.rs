//! Which files `-f` leads to, and what the file system says of each: whether documents have changed, without reading them.
//!
//! Taken again and again by `serve --watch`. Links are followed, so that a ConfigMap whose folder was swapped shows, and an
//! editor's new file under the old name too: both are other files. Decides nothing about their content.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{MAX_FOLDERS, is_document};

/// The state of every file at one moment. Equal as long as no file was written, made, renamed or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Stamp>);

/// What changes with every change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Snapshot {
    /// Looks at everything below `paths`. What cannot be looked at counts as not there.
    pub fn take(paths: &[PathBuf]) -> Snapshot {
        let mut files = BTreeMap::new();
        for path in paths {
            look(path, 0, true, &mut files);
        }
        Snapshot(files)
    }
}

fn look(path: &Path, depth: usize, named: bool, files: &mut BTreeMap<PathBuf, Stamp>) {
    let Ok(found) = fs::metadata(path) else { return };
    if !found.is_dir() {
        if named || is_document(path) {
            let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
            let stamp = Stamp { inode: found.ino(), bytes: found.len(), modified, changed };
            files.insert(path.to_owned(), stamp);
        }
        return;
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| depth < MAX_FOLDERS && !entry.file_name().to_string_lossy().starts_with('.')) {
        look(&entry.path(), depth + 1, false, files);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_change_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paths = [at("docs"), at("link")];
        for made in ["docs", "one", "two"] {
            fs::create_dir(at(made)).unwrap();
        }
        fs::write(at("docs/a.yaml"), "a").unwrap();
        fs::write(at("one/b.yaml"), "b").unwrap();
        fs::write(at("two/b.yaml"), "b").unwrap();
        symlink(at("one"), at("link")).unwrap();
        let mut last = Snapshot::take(&paths);
        type Change<'a> = (&'a str, bool, Box<dyn Fn() + 'a>);
        let changes: Vec<Change<'_>> = vec![
            ("nothing", false, Box::new(|| {})),
            ("another kind of file", false, Box::new(|| fs::write(at("docs/notes.txt"), "x").unwrap())),
            ("a hidden file", false, Box::new(|| fs::write(at("docs/.a.yaml.swp"), "x").unwrap())),
            ("the same length", true, Box::new(|| fs::write(at("docs/a.yaml"), "b").unwrap())),
            ("a new file", true, Box::new(|| fs::write(at("docs/c.json"), "c").unwrap())),
            ("a removed file", true, Box::new(|| fs::remove_file(at("docs/c.json")).unwrap())),
            (
                "an editor's rename",
                true,
                Box::new(|| {
                    fs::write(at("new"), "b").unwrap();
                    fs::rename(at("new"), at("docs/a.yaml")).unwrap();
                }),
            ),
            (
                "a swapped link",
                true,
                Box::new(|| {
                    symlink(at("two"), at("next")).unwrap();
                    fs::rename(at("next"), at("link")).unwrap();
                }),
            ),
            ("a removed folder", true, Box::new(|| fs::remove_dir_all(at("docs")).unwrap())),
        ];
        for (what, shows, change) in changes {
            change();
            let now = Snapshot::take(&paths);
            assert_eq!(now != last, shows, "{what}");
            last = now;
        }
    }
}
