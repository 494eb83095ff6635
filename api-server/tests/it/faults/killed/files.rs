//! `migrate up` over a file of SQLite, ended by the kernel in the first write behind each of its commits.
//!
//! A process may be told how large its files may become; the write that goes beyond ends it as SIGKILL would. The log of SQLite
//! only grows, and tells where each commit ends.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use super::*;

/// What the kernel ends a process with whose file becomes too large.
const SIGXFSZ: i32 = 25;

/// A folder with a file and its log.
struct Disk(TempDir);

impl Disk {
    fn path(&self, end: &str) -> PathBuf {
        self.0.path().join(format!("a.db{end}"))
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path("").display())
    }

    fn copy(&self) -> Disk {
        let copy = Disk(tempfile::tempdir().unwrap());
        copy_files(self.0.path(), copy.0.path());
        copy
    }

    /// With a log that is long already: a process that may not write 32 KiB cannot open a file at all. Copied while it is
    /// open, for the last one who leaves empties the log.
    fn with_a_log(&self) -> Disk {
        let (url, copy) = (DatabaseUrl::parse(&self.url()).unwrap(), Disk(tempfile::tempdir().unwrap()));
        let store = Store::open(&url, PoolOptions::default()).unwrap();
        let (from, to) = (self.0.path().to_owned(), copy.0.path().to_owned());
        let filled = store.session(move |conn| {
            conn.batch("CREATE TABLE filler (x BLOB); INSERT INTO filler VALUES (zeroblob(60000)); DROP TABLE filler")?;
            copy_files(&from, &to);
            Ok(())
        });
        actix_web::rt::System::new().block_on(filled).unwrap();
        copy
    }

    /// Where each commit of the log ends.
    fn commits(&self) -> Vec<u64> {
        let log = std::fs::read(self.path("-wal")).unwrap_or_default();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        if log.len() < 32 {
            return Vec::new();
        }
        let frame = 24 + number(8) as usize;
        let frames = (32..).step_by(frame).take_while(|at| at + frame <= log.len());
        let frames = frames.take_while(|at| log[at + 8..at + 16] == log[16..24]);
        frames.filter(|at| number(at + 4) > 0).map(|at| (at + frame) as u64).collect()
    }
}

fn copy_files(from: &Path, to: &Path) {
    for file in ["a.db", "a.db-wal"] {
        if exists(from.join(file)) {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}

/// Runs `up` where no file may grow beyond so many bytes: whether the kernel ended it.
fn limited(life: &Life, words: &str, disk: &Disk, bytes: u64) -> bool {
    let whole = life.command(&disk.url(), words);
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}:{bytes}")).arg("--core=0").arg(whole.get_program()).args(whole.get_args());
    let output = command.output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(SIGXFSZ), _) => true,
        (None, Some(0)) => false,
        _ => panic!("{}: {bytes} bytes: {output:?}", life.case.name),
    }
}

/// The ends of all commits that a run makes: as they are in the longest log that a killed run leaves.
fn commits(life: &Life, words: &str, start: &Disk) -> Vec<u64> {
    let begun = std::fs::metadata(start.path("-wal")).map_or(0, |log| log.len());
    let (mut low, mut high, mut found) = (begun, begun * 64, Vec::new());
    assert!(!limited(life, words, &start.copy(), high), "{}: its log is too long", life.case.name);
    while high - low > 4096 {
        let (limit, disk) = (low.midpoint(high), start.copy());
        if limited(life, words, &disk, limit) {
            (low, found) = (limit, disk.commits());
        } else {
            high = limit;
        }
    }
    found.retain(|end| *end >= begun);
    found
}

fn every_commit(life: &Life) {
    let (name, first) = (life.case.name, Disk(tempfile::tempdir().unwrap()));
    life.prepare(&first.url());
    let words = life.last(&first.url());
    let (clean, start) = (first.copy(), first.with_a_log());
    life.up(&clean.url(), name);
    let (expected, ends) = (state(&clean.url()), commits(life, &words, &start));
    assert!(ends.len() > 2, "{name}: no commits");
    for (at, end) in ends.iter().enumerate() {
        let (what, disk) = (format!("{name}, killed after commit {at} of {}", ends.len()), start.copy());
        // In the middle of the next frame's head.
        let killed = limited(life, &words, &disk, end + 12);
        assert!(killed || at + 1 == ends.len(), "{what}: it ended before");
        assert!(!killed || disk.commits().last() == Some(end), "{what}: {:?}", disk.commits());
        life.up(&disk.url(), &what);
        assert_same(&state(&disk.url()), &expected, &what);
    }
}

#[test]
fn after_every_commit_of_sqlite() {
    let lives: Vec<Life> = all().into_iter().map(Life::new).collect();
    at_once(lives.len(), |at| every_commit(&lives[at]));
}
