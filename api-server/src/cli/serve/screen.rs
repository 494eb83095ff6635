//! The one screen that a newcomer sees: where the API is, who is admin, and a command that works when pasted.
//!
//! Printed by `serve` on a terminal or beside text logs; JSON logs stay clean. Holds the admin key only on a terminal.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use mainstay_crds::schema::{Collection, Schema};

use crate::config::{LogFormat, Settings};

/// What there is to say of a new admin key.
pub enum Key {
    /// On a terminal: the key itself, once.
    Shown(String),
    /// Elsewhere: where it was written.
    File(PathBuf),
}

/// What the screen tells.
pub struct Screen<'a> {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub settings: &'a Settings,
    pub schema: &'a Schema,
    pub key: Option<Key>,
    pub is_ready: bool,
}

impl Screen<'_> {
    /// Prints it where someone reads it.
    pub fn print(&self, terminal: bool) -> io::Result<()> {
        if let Some(Key::File(file)) = &self.key {
            tracing::info!(file = %file.display(), "a new admin key was written");
        }
        match terminal || self.settings.log_format == LogFormat::Text {
            true => io::stdout().write_all(self.text().as_bytes()),
            false => Ok(()),
        }
    }

    fn text(&self) -> String {
        let scheme = if self.settings.tls.cert_file.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", reachable(self.public));
        let state = if self.is_ready { "is ready" } else { "waits for its database" };
        let key = match &self.key {
            Some(Key::Shown(key)) => format!("{key}\n               shown this once: keep it"),
            Some(Key::File(file)) => format!("in {}", file.display()),
            None if self.settings.admin_key.is_given() => "as given".to_owned(),
            None => "as made at the first start".to_owned(),
        };
        let mut text = format!(
            "\n  Mainstay {} {state}\n\n  API          {base}/api/v1\n  Docs         {base}/docs\n  OpenAPI      \
             {base}/openapi.json\n  Metrics      http://{}/metrics\n  Database     {}\n  Admin key    {key}\n",
            env!("CARGO_PKG_VERSION"),
            reachable(self.admin),
            self.settings.database.url,
        );
        if let Some((collection, open)) = first(self.schema) {
            let header = match (open, &self.key) {
                (true, _) => String::new(),
                (false, Some(Key::Shown(key))) => format!(" -H 'X-API-Key: {key}'"),
                (false, Some(Key::File(file))) => format!(" -H \"X-API-Key: $(cat '{}')\"", file.display()),
                (false, None) => " -H \"X-API-Key: $MAINSTAY_ADMIN_KEY\"".to_owned(),
            };
            // A write to a String cannot fail; the result is of the trait.
            if writeln!(text, "\n  Try          curl{header} {base}/api/v1/{}\n", collection.name).is_err() {}
        }
        text
    }
}

/// The first declared collection, and whether anyone may read it; one that anyone may read is preferred.
fn first(schema: &Schema) -> Option<(&Collection, bool)> {
    let open = |collection: &Collection| {
        collection.access.read.iter().any(|rule| rule.roles.iter().any(|role| role == "anyone"))
    };
    let mut collections = schema.collections.iter().map(|collection| &**collection);
    let preferred = collections.clone().find(|collection| open(collection));
    preferred.or_else(|| collections.next()).map(|collection| (collection, open(collection)))
}

/// An address that a client on this machine can use: 0.0.0.0 listens everywhere and is nowhere.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
