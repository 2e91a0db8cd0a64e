//! A run that waits behind another on its slot. Who is next is `runs::turns`'s matter.

use crate::core::records::files::StartOrder;

/// What is kept for the start of a run that waits for its turn. A restart forgets it, and the run
/// is over then: it never began.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::core) struct HeldBack {
    /// Rises with each that is held back: the first comes first.
    pub(in crate::core) number: u64,
    pub(in crate::core) order: Box<StartOrder>,
}
