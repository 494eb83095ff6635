//! Documents as files in immutable ConfigMaps, named by what is in them. Pure.
//!
//! Called by `documents`. The same documents make the same names, so that nothing is written twice.

use std::collections::BTreeMap;

use kube::ResourceExt;
use mainstay_crds::json::canonical;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::Generations;
use crate::backend::observed::Observed;
use crate::backend::release::Release;
use crate::desired::{Desired, How};
use crate::kind;

/// A ConfigMap with more than one file holds no more than this.
const PART: usize = 700 * 1024;
/// A ConfigMap with one file; Kubernetes takes 1 MiB with its metadata.
const FILE: usize = 1000 * 1024;
/// All files of a Backend.
const ALL: usize = 4 * 1024 * 1024;

/// Documents as files.
pub struct Files {
    /// Over all files: 12 hex digits.
    pub hash: String,
    /// File names and texts, by ConfigMap.
    pub parts: Vec<BTreeMap<String, String>>,
}

/// Files of the documents, or why they are too large.
pub fn files(documents: &BTreeMap<String, Json>) -> Result<Files, String> {
    let mut hash = Sha256::new();
    let mut parts: Vec<BTreeMap<String, String>> = Vec::new();
    let (mut size, mut all) = (0, 0);
    for (name, document) in documents {
        let (file, text) = (format!("{name}.json"), canonical(document));
        // A file's name holds no zero byte, nor does JSON.
        for bytes in [file.as_bytes(), &[0], text.as_bytes(), &[0]] {
            hash.update(bytes);
        }
        let length = file.len() + text.len();
        if length > FILE {
            return Err(format!("collection `{name}` is {length} bytes long; a document may have {FILE}: split it"));
        }
        all += length;
        if parts.is_empty() || size + length > PART {
            parts.push(BTreeMap::new());
            size = 0;
        }
        size += length;
        if let Some(part) = parts.last_mut() {
            part.insert(file, text);
        }
    }
    if all > ALL {
        return Err(format!(
            "the Collections of this Backend are {all} bytes long together; they may have {ALL}: give some to another \
             Backend"
        ));
    }
    let hash = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(Files { hash, parts })
}

impl Files {
    /// The ConfigMaps that are not there yet, and then the one that names them.
    pub fn desired(&self, seen: &Observed, generations: &Generations) -> Vec<Desired> {
        let (backend, name) = (&*seen.backend, seen.backend.name_any());
        let release = Release { image: String::new(), documents: self.hash.clone(), parts: self.parts.len() };
        let there = |wanted: &String| seen.config_maps.iter().any(|map| map.name.as_ref() == Some(wanted));
        let parts = self.parts.iter().enumerate().map(|(at, files)| (release.config_map(&name, at), files));
        let parts = parts.filter(|(wanted, _)| !there(wanted)).map(|(wanted, files)| {
            let content = json!({ "immutable": true, "data": files });
            Desired::new(backend, &kind::CONFIG_MAP, wanted, &name, content, How::Create)
        });
        let data = json!({
            "hash": self.hash, "parts": self.parts.len().to_string(), "generations": canonical(&json!(generations)),
        });
        let accepted = super::accepted_name(seen);
        let content = json!({ "data": data });
        let last = Desired::new(backend, &kind::CONFIG_MAP, accepted, &name, content, How::Apply);
        parts.chain([last]).collect()
    }
}
