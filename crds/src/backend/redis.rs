//! Where servers of a Backend share what they count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// A Redis that the Backend's servers share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisSpec {
    /// A Secret of this namespace that holds a URL such as `redis://user:password@host:6379`, or `rediss://` over TLS.
    /// When the Secret changes, servers read it again without a restart.
    pub url_from: SecretSource,
}
