//! How far a long transfer is, on a terminal's standard error.
//!
//! Used by `import` and `export`. Silent elsewhere, so that logs and pipes stay clean.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;
/// How often the line is drawn.
const PAUSE: Duration = Duration::from_millis(100);

/// One line that is drawn again and again.
pub struct Progress {
    what: String,
    /// All bytes, where that is known.
    total: Option<u64>,
    done: u64,
    drawn: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub fn new(what: String, total: Option<u64>) -> Progress {
        Progress { what, total, done: 0, drawn: None, shown: io::stderr().is_terminal() }
    }

    /// So many bytes more have passed.
    pub fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.shown && self.drawn.is_none_or(|drawn| drawn.elapsed() > PAUSE) {
            self.drawn = Some(Instant::now());
            self.draw();
        }
    }

    /// Leaves the line as the last word.
    fn end(&mut self) {
        if self.shown && self.drawn.is_some() {
            self.draw();
            // A terminal that is gone has nobody to tell.
            if writeln!(io::stderr()).is_err() {}
        }
    }

    fn draw(&self) {
        if write!(io::stderr(), "\r{}\x1b[K", self.line()).is_err() {}
    }

    fn line(&self) -> String {
        let size = self.done as f64 / 1_048_576.0;
        let Some(total) = self.total.filter(|total| *total > 0) else { return format!("{}  {size:.1} MiB", self.what) };
        let part = (self.done.min(total) as f64) / total as f64;
        let full = (part * WIDTH as f64) as usize;
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(WIDTH - full));
        format!("{}  [{bar}] {:3.0} %  {size:.1} MiB", self.what, part * 100.0)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// A reader whose bytes are counted as they pass.
pub struct Counted<R> {
    pub reader: R,
    pub progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.progress.add(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        let line = |done, total| {
            let progress = Progress { what: "x".to_owned(), total, done, drawn: None, shown: false };
            progress.line()
        };
        assert_eq!(line(1 << 20, None), "x  1.0 MiB");
        assert_eq!(line(0, Some(0)), "x  0.0 MiB");
        assert!(line(50, Some(100)).contains(&format!("[{}{}]  50 %", "#".repeat(15), "-".repeat(15))));
        assert!(line(300, Some(100)).contains(&format!("[{}] 100 %", "#".repeat(30))), "a file may grow meanwhile");
    }
}
