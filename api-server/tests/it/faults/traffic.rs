//! Steady requests by several callers at once, each with its answer and how long it took.
//!
//! Used where something happens to a database that servers work on. A request that fails is told with what was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// Callers at work.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Seen>>,
}

/// What became of it.
#[derive(Default)]
pub struct Seen {
    /// How long each answer took, once sorted from the fastest.
    pub took: Vec<Duration>,
    pub failed: Vec<String>,
}

impl Traffic {
    /// `work` is one request, given its number; its error is a request that failed. Each caller begins one every `pace`.
    pub fn start(
        callers: usize,
        pace: Duration,
        work: impl Fn(usize) -> Result<(), String> + Send + Sync + 'static,
    ) -> Traffic {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let work = Arc::new(work);
        let caller = |_| {
            let (stop, asked, work) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&work));
            thread::spawn(move || {
                let mut seen = Seen::default();
                while !stop.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    let done = work(asked.fetch_add(1, Ordering::SeqCst));
                    seen.took.push(begun.elapsed());
                    seen.failed.extend(done.err());
                    thread::sleep(pace.saturating_sub(begun.elapsed()));
                }
                seen
            })
        };
        let callers = (0..callers).map(caller).collect();
        Traffic { stop, asked, callers }
    }

    /// Returns once so many more requests were asked.
    pub fn wait_for(&self, more: usize) {
        let until = self.asked.load(Ordering::SeqCst) + more;
        wait_until("more requests", || self.asked.load(Ordering::SeqCst) >= until);
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let each = self.callers.into_iter().map(|caller| caller.join().unwrap());
        each.fold(Seen::default(), Seen::and)
    }
}

impl Seen {
    pub fn and(mut self, other: Seen) -> Seen {
        self.took.extend(other.took);
        self.took.sort();
        self.failed.extend(other.failed);
        self
    }

    /// What this part of the requests took at most.
    pub fn within(&self, part: f64) -> Duration {
        let at = (self.took.len() as f64 * part).ceil() as usize;
        self.took.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// A request that has to be answered with this status; its body.
pub fn ask(caller: &Caller, method: Method, path: &str, body: Option<&Json>, status: u16) -> Result<Json, String> {
    match caller.send(method.clone(), path, &[], body) {
        Ok(answer) if answer.status == status => Ok(answer.body),
        Ok(answer) => Err(format!("{method} {path} {body:?}: {} {}", answer.status, answer.body)),
        Err(error) => Err(format!("{method} {path}: {error:?}")),
    }
}
