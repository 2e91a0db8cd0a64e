//! How a schedd is named here. Where the name comes from is the shell's matter.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A schedd, as it named itself when it connected. The shell keeps two connections from having one
/// name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheddName(Arc<str>);

impl ScheddName {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScheddName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
