//! What the operator was started with. Read once from flags and the environment by `cli`.
//!
//! [`Settings`] is what planners may look at; [`Process`] is what only the running program needs.

use std::net::SocketAddr;

/// The operator's settings, as far as they shape what a Backend gets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of servers whose Backend names none.
    pub server_image: String,
    /// Only these namespaces; all when empty.
    pub namespaces: Vec<String>,
    /// Only Backends whose label `mainstay.dev/class` is this; only those without the label when absent.
    pub class: Option<String>,
    /// The namespace of the operator itself: its Lease, and who may reach the admin port of servers.
    pub own_namespace: String,
    /// The domain of the cluster's Services.
    pub cluster_domain: String,
}

/// How the program runs.
#[derive(Clone, Debug)]
pub struct Process {
    /// What planners may look at.
    pub settings: Settings,
    /// Where metrics and probes are served.
    pub listen: SocketAddr,
    /// One of several operators works at a time; off, each believes itself alone.
    pub leader_election: bool,
    /// metadata.name of the Lease.
    pub lease_name: String,
    /// What this process writes into the Lease; no other process may use it.
    pub identity: String,
    /// How many Backends are reconciled at a time.
    pub concurrency: usize,
    /// Whether the leader applies the custom resource definitions that it carries.
    pub apply_crds: bool,
}

#[cfg(test)]
impl Settings {
    /// Those of the chart.
    pub fn for_tests() -> Settings {
        Settings {
            server_image: "registry.example/mainstay/server:0.1.0".to_owned(),
            namespaces: Vec::new(),
            class: None,
            own_namespace: "mainstay-system".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
        }
    }
}
