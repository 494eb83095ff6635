//! The types of settings: each parses one text (or a document's list) and prints itself, secrets masked.
//!
//! Used by the settings' table through [`Parameter`]. Knows no setting by name.

use std::net::SocketAddr;
use std::time::Duration;

use mainstay_crds::backend::ForwardedHeader;

use crate::store::DatabaseUrl;

/// A value as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// By a flag, a variable, a file, or a document's scalar.
    Text(String),
    /// By a document's list of texts; also by one that is empty.
    List(Vec<String>),
    /// By a document's list of anything else, of which the document's own check has judged the structure.
    Objects(Vec<serde_json::Value>),
}

/// A type that a setting may have.
pub trait Parameter {
    /// Takes a value over, or says which form it must have.
    fn parse(&mut self, raw: &Raw) -> Result<(), String>;
    /// As it could be typed again; secrets are masked.
    fn show(&self) -> String;
}

/// A number of bytes: `1MiB`, `64KiB`, `10MB`, `512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Whether a start changes the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// Safe plans are applied, others refused.
    Auto,
    /// Nothing is changed.
    Verify,
}

/// The name of a PostgreSQL schema, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// The name, not quoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Directives of tracing-subscriber's `EnvFilter`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn text(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Text(text) => Ok(text.trim()),
        Raw::List(_) | Raw::Objects(_) => Err("this takes one value, not a list".to_owned()),
    }
}

/// The elements of a list, which in a text stand between commas.
pub(super) fn items(raw: &Raw) -> Result<Vec<String>, String> {
    match raw {
        Raw::List(items) => Ok(items.clone()),
        Raw::Text(text) => {
            Ok(text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
        }
        Raw::Objects(_) => Err("this takes a list of texts".to_owned()),
    }
}

impl Parameter for bool {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        *self = text.parse().map_err(|_| format!("`{text}` is neither true nor false"))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parameter for Duration {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let wrong = || format!("`{text}` is not a duration: write it as 250ms, 5s, 2m or 1h");
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => return Err(wrong()),
        };
        // Two hundred days: beyond every use, within every integer that a timer or a database takes.
        *self = millis.filter(|millis| *millis <= 17_280_000_000).map(Duration::from_millis).ok_or_else(wrong)?;
        Ok(())
    }

    fn show(&self) -> String {
        match self.as_millis() {
            0 => "0s".to_owned(),
            millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
            millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
            millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
            millis => format!("{millis}ms"),
        }
    }
}

/// Units of sizes: SI by 1000, IEC by 1024.
const UNITS: [(&str, usize); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
];

impl Parameter for Size {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let wrong = || format!("`{text}` is not a size: write it as 64KiB, 1MiB or 10MB");
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: usize = number.parse().map_err(|_| wrong())?;
        let factor = match unit {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
        };
        // Half of the address space, so that sums of sizes never overflow.
        *self = Size(number.checked_mul(factor).filter(|bytes| *bytes <= usize::MAX / 2).ok_or_else(wrong)?);
        Ok(())
    }

    fn show(&self) -> String {
        let unit = UNITS[..3].iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        unit.map_or_else(|| self.0.to_string(), |(name, factor)| format!("{}{name}", self.0 / factor))
    }
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Parameter for $kind {
            fn parse(&mut self, raw: &Raw) -> Result<(), String> {
                let text = text(raw)?;
                *self = text.parse().map_err(|_| format!("`{text}` is not a whole number up to {}", <$kind>::MAX))?;
                Ok(())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
number!(u32, usize);

impl Parameter for SocketAddr {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let parsed = numeric.as_deref().unwrap_or(text).parse();
        *self = parsed.map_err(|_| {
            format!("`{text}` is not an address with a port: write it as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080")
        })?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parameter for DatabaseUrl {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        *self = DatabaseUrl::parse(text(raw)?)?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parameter for Option<DatabaseUrl> {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        *self = match text(raw)? {
            "" => None,
            text => Some(DatabaseUrl::parse(text)?),
        };
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map(DatabaseUrl::to_string).unwrap_or_default()
    }
}

/// A name without form, such as `namespace/name`; empty is none.
impl Parameter for Option<String> {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        if text.len() > 500 || text.chars().any(char::is_control) {
            return Err("a name has at most 500 bytes and no control character".to_owned());
        }
        *self = (!text.is_empty()).then(|| text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

impl Parameter for SchemaName {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !starts || text.len() > 63 || !text.chars().all(letters) || text.starts_with("pg_") {
            return Err(format!(
                "`{text}` is not the name of a schema: a-z, 0-9, _ and -, not first a digit, at most 63, no pg_"
            ));
        }
        *self = SchemaName(text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// A choice of words.
macro_rules! choice {
    ($kind:ty: $($word:literal => $value:path),*) => {
        impl Parameter for $kind {
            fn parse(&mut self, raw: &Raw) -> Result<(), String> {
                *self = match text(raw)? {
                    $($word => $value,)*
                    text => return Err(format!("`{text}` is none of {}", [$($word),*].join(", "))),
                };
                Ok(())
            }

            fn show(&self) -> String {
                match self {
                    $($value => $word,)*
                }.to_owned()
            }
        }
    };
}
choice!(ForwardedHeader: "xForwardedFor" => ForwardedHeader::XForwardedFor, "forwarded" => ForwardedHeader::Forwarded);
choice!(LogFormat: "text" => LogFormat::Text, "json" => LogFormat::Json);
choice!(Migrate: "auto" => Migrate::Auto, "verify" => Migrate::Verify);

impl Parameter for LogFilter {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let checked = tracing_subscriber::EnvFilter::builder().parse(text);
        checked.map_err(|error| {
            format!("`{text}` is not a log filter ({error}): write it as info or mainstay=debug,info")
        })?;
        *self = LogFilter(text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Origins (RFC 6454): scheme, host, and port where it is not the scheme's own; `*` is all.
impl Parameter for Vec<String> {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let items = items(raw)?;
        let origin = |item: &String| {
            let host = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
            item == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']))
        };
        match items.iter().find(|item| !origin(item)) {
            Some(item) => {
                Err(format!("`{item}` is not an origin: write it as https://app.example.com, without a path"))
            }
            None => {
                *self = items;
                Ok(())
            }
        }
    }

    fn show(&self) -> String {
        self.join(",")
    }
}
