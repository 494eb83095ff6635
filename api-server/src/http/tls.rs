//! TLS on the public port: one certificate, which is exchanged while connections go on.
//!
//! Made and exchanged by the command line, which reads the files; used by [`super::start`]. TLS 1.2 and 1.3, by rustls over
//! ring. A handshake takes the certificate that holds at its beginning, so that none is dropped when it changes. HTTP/1.1
//! alone is offered by ALPN: docs/decisions/0020 says why.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

/// The certificate that clients are shown. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Certificate(Arc<ArcSwap<CertifiedKey>>);

impl Certificate {
    /// A chain and its key, as PEM.
    ///
    /// Errors: what is wrong with them, without a word of the key.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Certificate, String> {
        Ok(Certificate(Arc::new(ArcSwap::from_pointee(certified(chain, key)?))))
    }

    /// Takes another one for handshakes from now on; the old one stays when the new one is wrong.
    pub fn exchange(&self, chain: &[u8], key: &[u8]) -> Result<(), String> {
        self.0.store(Arc::new(certified(chain, key)?));
        Ok(())
    }

    /// What listens with it.
    pub(super) fn config(&self) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?.with_no_client_auth();
        Ok(builder.with_cert_resolver(Arc::new(self.clone())))
    }
}

impl ResolvesServerCert for Certificate {
    /// Whatever name the client asks for: there is one.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|error| format!("the certificate is no PEM: {error}"))?;
    if chain.is_empty() {
        return Err("the certificate's file holds no `BEGIN CERTIFICATE`".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key is no PEM: {error}"))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("the certificate and the key cannot be used together: {error}"))
}
