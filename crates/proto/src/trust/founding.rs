//! The beginning of a pool that other machines may join: its authority, and the papers of its own
//! machine. Its roll is the negotiator's alone.

use std::path::Path;

use super::authority::{Authorities, Authority};
use super::papers::Signed;
use super::{NodeRole, Papers, TrustError};

/// Makes the trust of a pool in this folder, if it is not there: its authority, and the papers of
/// the machine that has its negotiator. Those are written again, so that they are never old.
///
/// # Errors
///
/// If the folder cannot be used, or no machine can be called so.
pub fn found_pool(folder: &Path, pool: &str, manager: &str, now_s: i64) -> Result<(), TrustError> {
    let all = Authorities::in_folder(folder, pool, now_s)?;
    let papers = match Papers::in_folder(folder)? {
        Some(papers) => papers,
        None => Papers::of_newcomer()?,
    };
    // What all machines know is what they are shown.
    let by = all.oldest();
    let dates = Authority::dates(now_s);
    let certificate = by.sign(manager, NodeRole::Manager, &papers.public()?, dates)?.pem();
    let signed = Signed { certificate, authorities: all.certificates() };
    papers.signed_here(signed)?.save(folder)
}
