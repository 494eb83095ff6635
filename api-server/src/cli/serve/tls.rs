//! The certificate's files: read at the start, and taken over again when they change, without a restart.
//!
//! Called by `serve`, and polled beside the server. As with keys, the content is compared and not its time, for Kubernetes
//! swaps a whole folder behind a link. Two files are not changed at one moment: they are taken over when they are the
//! same at two looks. Files that cannot be used are told once, by the rule and never with their content; the certificate
//! from before stays.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Exit, Failure};
use crate::app::App;
use crate::config::Tls;
use crate::http::tls::Certificate;

const PAUSE: Duration = Duration::from_secs(1);

/// What both files hold.
type Content = Result<(Vec<u8>, Vec<u8>), String>;

/// The files, what they held when they were taken over, and what they became.
pub struct Files<'a> {
    chain: &'a Path,
    key: &'a Path,
    known: Content,
    /// What clients are shown.
    pub certificate: Certificate,
}

impl Files<'_> {
    /// Reads them; none where the settings name none.
    ///
    /// Errors: files that cannot be read, or do not belong together.
    pub fn open(settings: &Tls) -> Result<Option<Files<'_>>, Failure> {
        let Tls { cert_file: Some(chain), key_file: Some(key) } = settings else { return Ok(None) };
        let known = read(chain, key);
        let certificate = known.clone().and_then(|(chain, key)| Certificate::new(&chain, &key));
        let certificate = certificate.map_err(|rule| {
            let rule = format!(
                "--tls-cert-file, --tls-key-file: {rule}; give a certificate with its chain, and its key, as PEM"
            );
            Failure::new(Exit::Settings, rule)
        })?;
        Ok(Some(Files { chain, key, known, certificate }))
    }

    /// Follows them until it is dropped.
    pub async fn follow(mut self, app: &App) {
        let mut last = self.known.clone();
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = read(self.chain, self.key);
            let settled = now == last;
            last = now;
            if settled && last != self.known {
                self.known.clone_from(&last);
                self.take(app);
            }
        }
    }

    fn take(&self, app: &App) {
        let taken = self.known.as_ref().map_err(String::clone);
        let taken = taken.and_then(|(chain, key)| self.certificate.exchange(chain, key));
        app.metrics.server.certificate_read(taken.is_ok());
        match taken {
            Ok(()) => tracing::info!("the certificate was read again; connections from now on are shown it"),
            Err(reason) => {
                tracing::error!(reason, "the certificate cannot be used; the one from before stays in force")
            }
        }
    }
}

fn read(chain: &Path, key: &Path) -> Content {
    let read = |path: &Path| std::fs::read(path).map_err(|error: io::Error| format!("{}: {error}", path.display()));
    Ok((read(chain)?, read(key)?))
}
