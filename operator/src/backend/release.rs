//! What servers run: an image over the documents of one applied schema.

/// Chosen by `migration`, consumed by the planners of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The servers' image.
    pub image: String,
    /// The hash of the Collections' documents; names their ConfigMaps.
    pub documents: String,
    /// How many ConfigMaps they fill.
    pub parts: usize,
}

impl Release {
    /// metadata.name of one of the ConfigMaps with documents; parts count from 0.
    pub fn config_map(&self, backend: &str, part: usize) -> String {
        format!("{backend}-r{}-{part}", self.documents)
    }
}
