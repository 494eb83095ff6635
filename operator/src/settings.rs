//! What the operator was started with. Read once from flags and the environment.

/// The operator's settings.
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
