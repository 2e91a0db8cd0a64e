//! Which HTCondor this program behaves like, in the words that ads and `condor_version` have for
//! it.

use std::env::consts::{ARCH, OS};

use model::version::FOLLOWS;

/// What `CondorVersion` of every ad says.
pub fn condor_version() -> String {
    format!("$CondorVersion: {FOLLOWS} PackageID: Updraft-{} $", env!("CARGO_PKG_VERSION"))
}

/// What `CondorPlatform` of every ad says.
pub fn condor_platform() -> String {
    let system = OS[..1].to_ascii_uppercase() + &OS[1..];
    format!("$CondorPlatform: {}-{system} $", ARCH.to_ascii_uppercase())
}
