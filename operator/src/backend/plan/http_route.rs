//! The HTTPRoute of a Backend. Pure.

use super::Inputs;
use crate::desired::Desired;

/// As it shall be; `None` when there shall be none.
pub fn plan(_inputs: &Inputs<'_>) -> Option<Desired> {
    None
}
