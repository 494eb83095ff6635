//! Settings of what web pages and browsers may do: names of methods and of headers, yes or no, files.
//!
//! Read by the table of settings. Nothing here opens a file.

use std::path::PathBuf;

use super::parameter::{Parameter, Raw, items, text};

/// Methods of the API.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Some methods of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods(pub Vec<String>);

/// Names of headers (RFC 9110, section 5.1), in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames(pub Vec<String>);

impl Parameter for Methods {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let items = items(raw)?;
        match items.iter().find(|item| !METHODS.contains(&item.as_str())) {
            Some(item) => Err(format!("`{item}` is none of {}", METHODS.join(", "))),
            None => {
                self.0 = items;
                Ok(())
            }
        }
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

impl Parameter for HeaderNames {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let items = items(raw)?;
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match items.iter().find(|item| item.is_empty() || item.len() > 64 || !item.chars().all(letter)) {
            Some(item) => Err(format!("`{item}` is no name of a header: write it as X-API-Key")),
            None => {
                self.0 = items.iter().map(|item| item.to_ascii_lowercase()).collect();
                Ok(())
            }
        }
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

impl Parameter for Option<PathBuf> {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        *self = (!text.is_empty()).then(|| text.into());
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}
