//! Settings of traces: where they go, and which part of them.
//!
//! Used by the settings' table.

use super::parameter::{Parameter, Raw, text};

/// The base URL of a collector; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpEndpoint(pub Option<String>);

/// A part of all, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio(pub f64);

/// Where traces go, and which.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Where they go.
    pub otlp_endpoint: OtlpEndpoint,
    /// How many of them.
    pub sample_ratio: Ratio,
}

impl Parameter for OtlpEndpoint {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        if text.is_empty() {
            self.0 = None;
            return Ok(());
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        // A user would be a password beside it, which is printed with every other setting.
        let right = |rest: &str| {
            let host = rest.split('/').next().unwrap_or_default();
            !host.is_empty() && !rest.contains(['?', '#', '@']) && !rest.contains(char::is_whitespace)
        };
        if !rest.is_some_and(right) || reqwest::Url::parse(text).is_err() {
            let form = "write it as http://collector:4318, without user, query and fragment";
            return Err(format!("this is not the base URL of a collector: {form}"));
        }
        self.0 = Some(text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.0.clone().unwrap_or_default()
    }
}

impl Parameter for Ratio {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let ratio = text.parse().ok().filter(|ratio| plain && (0.0..=1.0).contains(ratio));
        self.0 = ratio.ok_or_else(|| format!("`{text}` is no part of all: write it from 0 to 1, such as 0.01"))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}
