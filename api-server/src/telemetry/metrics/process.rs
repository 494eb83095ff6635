//! Figures of the process, as Linux tells them in `/proc/self`; elsewhere they are absent.
//!
//! Looked at by each scrape. The library's own collector counts processor time in whole seconds.

use std::fs;

use prometheus::{Counter, Error, Gauge};

use super::making::Making;

/// What a kernel counts processor time in, whatever its own clock is: a hundredth of a second.
const TICKS: f64 = 100.0;

/// The group.
#[derive(Clone)]
pub struct Process {
    cpu: Counter,
    resident: Gauge,
    descriptors: Gauge,
    most_descriptors: Gauge,
    threads: Gauge,
    started: Gauge,
}

impl Process {
    pub(super) fn new(make: &mut Making) -> Result<Process, Error> {
        Ok(Process {
            cpu: make.add(Counter::new("process_cpu_seconds_total", "Processor time, of the user and the system."))?,
            resident: make.number("process_resident_memory_bytes", "Memory in use.")?,
            descriptors: make.number("process_open_fds", "Open file descriptors, sockets among them.")?,
            most_descriptors: make.number("process_max_fds", "The most file descriptors that it may open.")?,
            threads: make.number("process_threads", "Threads.")?,
            started: make.number("process_start_time_seconds", "When it was started, since 1970.")?,
        })
    }

    /// Takes over what is true now. What cannot be read stays as it was.
    pub(super) fn look(&self) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (stat, system) = (read("/proc/self/stat"), read("/proc/stat"));
        // The second field is the program's name, in brackets and with any character in it.
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        if let (Some(user), Some(kernel)) = (fields.get(11), fields.get(12)) {
            self.cpu.inc_by(((user + kernel) / TICKS - self.cpu.get()).max(0.0));
        }
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        if let (Some(boot), Some(since)) = (boot, fields.get(19)) {
            self.started.set(boot + since / TICKS);
        }
        let status = read("/proc/self/status");
        let named = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse::<f64>().ok()
        };
        named("VmRSS").into_iter().for_each(|kilobytes| self.resident.set(kilobytes * 1024.0));
        named("Threads").into_iter().for_each(|threads| self.threads.set(threads));
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is one of them.
            self.descriptors.set(f64::from(u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX)));
        }
        let limits = read("/proc/self/limits");
        let most = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
        most.and_then(|most| most.parse().ok()).into_iter().for_each(|most| self.most_descriptors.set(most));
    }
}
