//! Bugs that the simulator plants in the core, to show that it would find them. In a build without the feature `planted` there are none:
//! the question is a constant.

#[cfg(feature = "planted")]
use super::state::Core;

/// A mistake that a startd could well make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A run that ended by itself is reported before its files are back.
    EndBeforeStored,
    /// An order to stop a run whose files are being brought is forgotten when they are there.
    StopForgotten,
    /// A run whose files are being brought back counts as over: its slot is free.
    SlotFreedWhileStoring,
    /// What has ended while the launcher's connection was down is not noticed when it is there again.
    EndForgotten,
    /// A startd that is restarted does not bring back what its predecessor was bringing back.
    StoringForgotten,
}

#[cfg(feature = "planted")]
impl Core {
    /// Plants a bug.
    pub fn plant(&mut self, bug: Planted) {
        self.planted = Some(bug);
    }

    pub(super) fn has(&self, bug: Planted) -> bool {
        self.planted == Some(bug)
    }
}

#[cfg(not(feature = "planted"))]
impl super::state::Core {
    #[expect(clippy::unused_self, reason = "the other build looks")]
    pub(super) const fn has(&self, _: Planted) -> bool {
        false
    }
}
