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
