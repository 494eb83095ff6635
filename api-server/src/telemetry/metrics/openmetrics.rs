//! OpenMetrics 1.0, made of the text format: other names of counters, exemplars, an end.
//!
//! Used by [`super::Metrics::render`]. The library writes the older format alone, and the two differ by little more than this.

use std::collections::HashMap;
use std::fmt::Write as _;

/// A request that stands for the others of its bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Where to look.
    pub trace: String,
    /// Its own value.
    pub value: f64,
    /// Microseconds since 1970.
    pub at: i64,
}

/// By series, as the text format writes it. As many as there are buckets: routes and methods are bounded.
pub type Exemplars = HashMap<String, Exemplar>;

/// How the text format writes a bucket, up to its value. `bound` is none of the last one.
pub fn bucket(name: &str, labels: &[(&str, &str)], bound: Option<f64>) -> String {
    let labels: String = labels.iter().map(|(name, value)| format!("{name}=\"{value}\",")).collect();
    let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
    format!("{name}_bucket{{{labels}le=\"{bound}\"}}")
}

/// The text in the newer format. A line that cannot be written is left out, which a String never does.
pub fn from_text(text: &str, exemplars: &Exemplars) -> String {
    let mut out = String::with_capacity(text.len() + 128 * exemplars.len());
    for line in text.lines() {
        let written = match line.split_once(' ') {
            Some(("#", described)) => {
                // The name of a counter's family is that of its samples without their suffix.
                let (kind, rest) = described.split_once(' ').unwrap_or((described, ""));
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                writeln!(out, "# {kind} {} {rest}", name.strip_suffix("_total").unwrap_or(name))
            }
            _ => match line.rsplit_once(' ').and_then(|(series, _)| exemplars.get(series)) {
                Some(Exemplar { trace, value, at }) => {
                    let (seconds, millis) = (at / 1_000_000, at / 1000 % 1000);
                    writeln!(out, "{line} # {{trace_id=\"{trace}\"}} {value} {seconds}.{millis:03}")
                }
                None => writeln!(out, "{line}"),
            },
        };
        if written.is_err() {}
    }
    out.push_str("# EOF\n");
    out
}
