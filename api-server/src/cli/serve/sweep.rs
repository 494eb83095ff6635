//! What is ended in time: sessions that have expired, answers of requests with an `Idempotency-Key` that are given no more, counts
//! of clients that come no more, and connections whose clients say nothing.
//!
//! Polled by `serve` beside the server. Servers of one database do not agree on who sweeps: a second one finds nothing.

use std::time::Duration;

use crate::app::App;
use crate::http::clock;
use crate::http::connections::Connections;
use crate::service::{auth, idempotency};

/// Between two looks at connections.
const LOOK: Duration = Duration::from_millis(500);
/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(3600);
/// Between two looks for clients to forget.
const SHORT: Duration = Duration::from_secs(60);

/// Forgets clients that are as if they had never come, until it is dropped.
pub async fn forget(app: &App) {
    loop {
        tokio::time::sleep(super::jittered(SHORT)).await;
        app.limiter.sweep();
    }
}

/// Ends connections that stand still, until it is dropped.
pub async fn connections(connections: &Connections) {
    loop {
        tokio::time::sleep(LOOK).await;
        let ended = connections.sweep();
        if ended > 0 {
            tracing::debug!(ended, "connections stood still");
        }
    }
}

/// Sweeps until it is dropped.
pub async fn sweep(app: &App) {
    loop {
        tokio::time::sleep(super::jittered(PAUSE)).await;
        if !app.readiness.is_started() {
            continue;
        }
        if let Err(error) = idempotency::sweep(&app.service, clock::now()).await {
            tracing::warn!(cause = error.to_string(), "old answers were not deleted; tried again in an hour");
        }
        if let Err(error) = auth::sweep(&app.service, clock::now()).await {
            tracing::warn!(cause = error.to_string(), "expired sessions were not deleted; tried again in an hour");
        }
    }
}
