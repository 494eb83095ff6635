//! The Backend custom resource.
