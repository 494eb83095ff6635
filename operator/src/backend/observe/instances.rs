//! Asks ready pods which keys they have. Only while a rotation waits for it; a pod that does not answer is left out.

use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::net::TcpStream;

use crate::backend::observed::Instance;

/// For one pod.
const PATIENCE: Duration = Duration::from_secs(2);
/// No honest answer is longer.
const LONGEST: usize = 256 << 10;

/// What ready pods answer.
pub async fn ask(pods: &[Pod]) -> Vec<Instance> {
    let asked =
        pods.iter().filter_map(|pod| address(pod).map(|ip| (pod.name_any(), ip))).map(|(name, ip)| async move {
            let answer = tokio::time::timeout(PATIENCE, one(&ip)).await;
            match answer.unwrap_or_else(|_| Err("no answer in time".into())) {
                // The pod is who it is by its address, whatever it says.
                Ok(said) => Some(Instance { instance: name, ..said }),
                Err(error) => {
                    tracing::info!(pod = name, %error, "a pod does not say which keys it has");
                    None
                }
            }
        });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The address of a pod that is ready.
fn address(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let ready = |kind: &str, status: &str| kind == "Ready" && status == "True";
    let ready = status.conditions.iter().flatten().any(|condition| ready(&condition.type_, &condition.status));
    (ready && pod.metadata.deletion_timestamp.is_none()).then(|| status.pod_ip.clone()).flatten()
}

async fn one(ip: &str) -> Result<Instance, Box<dyn std::error::Error + Send + Sync>> {
    let host = if ip.contains(':') { format!("[{ip}]:9090") } else { format!("{ip}:9090") };
    let stream = TcpStream::connect(&host).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/instance").header("host", &host).body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()).into());
        }
        let body = Limited::new(answer.into_body(), LONGEST).collect().await?;
        Ok(serde_json::from_slice(&body.to_bytes())?)
    };
    tokio::pin!(connection, answer);
    // The connection works only while it is polled.
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_pods_are_asked() {
        let pod = |ready: &str| -> Pod {
            let condition = json!({"type": "Ready", "status": ready});
            serde_json::from_value(json!({"status": {"podIP": "10.0.0.1", "conditions": [condition]}})).unwrap()
        };
        assert_eq!(address(&pod("True")).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(&pod("False")), None);
        assert_eq!(address(&Pod::default()), None);
    }
}
