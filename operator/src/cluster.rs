//! The way to the API server: the client, deadlines, and what went wrong in words.
//!
//! Used by everything that talks to the cluster. Retries nothing: whoever asks decides when to ask again.

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};

use crate::mandate::Mandate;

/// One request, and all requests of one observation, take no longer.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Why a reconciliation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or could not be reached.
    #[error("{what}: {}", said(source))]
    Api {
        /// What was asked.
        what: String,
        /// The answer.
        source: kube::Error,
    },
    /// No answer in time.
    #[error("{0}: no answer in time")]
    Late(String),
    /// What was read has changed since, or is about to go: look again.
    #[error("{0}")]
    Changed(String),
    /// Something of this process failed.
    #[error("{0}")]
    Own(String),
}

impl Error {
    /// The HTTP status, when the API server answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Error::Api { source: kube::Error::Api(status), .. } => Some(status.code),
            _ => None,
        }
    }

    /// Whether the same request would be refused again: what is asked for is wrong or forbidden.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Some(400 | 403 | 405 | 422))
    }
}

/// What an API server says, without the form that errors have in a program.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

/// The answer of the API server, within the deadline. `what` names the request in an error.
pub async fn ask<T>(what: impl Fn() -> String, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Api { what: what(), source }),
        Err(_) => Err(Error::Late(what())),
    }
}

/// How the cluster of the kubeconfig or of the pod is reached.
pub async fn config() -> Result<Config, String> {
    let mut config = Config::infer().await.map_err(|error| format!("there is no cluster to talk to: {error}"))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(DEADLINE);
    // A reconciliation that fails is tried again as a whole.
    config.default_retry = false;
    Ok(config)
}

/// A client whose connections carry nothing any more when the mandate has ended.
pub fn client(config: Config, mandate: Mandate) -> Result<Client, String> {
    let builder = ClientBuilder::try_from((config, mandate));
    builder.map(ClientBuilder::build).map_err(|error| format!("the cluster cannot be talked to: {error}"))
}
