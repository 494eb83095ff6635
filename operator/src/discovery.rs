//! Which kinds the cluster has beyond Kubernetes itself: asked at the start and every minute, for a kind may come later.

use std::time::Duration;

use kube::Client;
use tokio::sync::watch;

use crate::backend::observed::Apis;
use crate::cluster::ask;
use crate::kind::{self, Kind};

/// Which kinds the cluster has, asked every minute. Ends when nobody listens.
pub async fn discover(client: Client, apis: watch::Sender<Apis>) {
    while !apis.is_closed() {
        if let Some(found) = apis_of(&client).await {
            apis.send_if_modified(|known| std::mem::replace(known, found) != found);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The kinds that the cluster has; `None` when it does not say.
pub async fn apis_of(client: &Client) -> Option<Apis> {
    let service_monitor = has(client, &kind::SERVICE_MONITOR).await?;
    let http_route = has(client, &kind::HTTP_ROUTE).await?;
    Some(Apis { service_monitor, http_route })
}

async fn has(client: &Client, kind: &Kind) -> Option<bool> {
    let version = kind.api_version();
    let list = ask(|| format!("discovering {version}"), client.list_api_group_resources(&version)).await;
    match list {
        Ok(list) => Some(list.resources.iter().any(|resource| resource.kind == kind.kind)),
        Err(error) if error.code() == Some(404) => Some(false),
        Err(error) => {
            tracing::warn!(%error, "the cluster does not say which kinds it has");
            None
        }
    }
}
