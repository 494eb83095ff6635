//! How many connections the process can hold: each takes two descriptors, and the system gives only so many.
//!
//! Called once by `serve`. A system that gives few to begin with lets a process ask for more. Without this, the first thing to
//! fail under many clients would be a connection to the database, or its file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections of clients and of the database: files, sockets, pipes.
const OTHERS: u64 = 128;

/// As many connections of clients as were asked for, or as fit beside those of the database, which are `pool`.
pub fn connections(asked: usize, pool: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where it fails, what there is has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    let fit = getrlimit(Resource::Nofile).current.map_or(asked, |all| fitting(all, pool as u64));
    if fit < asked {
        tracing::info!(
            asked,
            fit,
            "the system allows fewer connections; raise its limit of open files (ulimit -n) for more"
        );
    }
    asked.min(fit)
}

/// SQLite has up to three files a connection.
fn fitting(all: u64, pool: u64) -> usize {
    let left = all.saturating_sub(OTHERS + 3 * (pool + 1)) / 2;
    usize::try_from(left.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn connections_leave_room_for_the_database() {
        for (all, pool, fit) in [(1024, 10, 431), (1_048_576, 10, 524_207), (64, 10, 1), (0, 1000, 1)] {
            assert_eq!(fitting(all, pool), fit, "{all} {pool}");
        }
    }
}
