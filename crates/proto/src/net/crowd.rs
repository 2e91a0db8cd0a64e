//! How many connections each user has to a socket that all users of a machine may connect to: so
//! many that none keeps the others out, also before it has said a word. It knows users by number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of all users.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    of_a_user: usize,
    there: Arc<Mutex<BTreeMap<u32, usize>>>,
}

/// One of them; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct InCrowd {
    crowd: Crowd,
    uid: u32,
}

impl Crowd {
    pub(crate) fn of_at_most(of_a_user: usize) -> Self {
        Self { of_a_user: of_a_user.max(1), there: Arc::default() }
    }

    /// One more of this user, if there are not too many.
    pub(crate) fn enter(&self, uid: u32) -> Option<InCrowd> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let count = there.entry(uid).or_default();
        if *count >= self.of_a_user {
            return None;
        }
        *count += 1;
        drop(there);
        Some(InCrowd { crowd: self.clone(), uid })
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let mut there = self.crowd.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = there.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                there.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_has_too_many_connections_keeps_no_other_out() {
        let crowd = Crowd::of_at_most(2);
        let held = [crowd.enter(7), crowd.enter(7)].map(Option::unwrap);
        assert!(crowd.enter(7).is_none());
        assert!(crowd.enter(8).is_some());
        drop(held);
        assert!(crowd.enter(7).is_some());
        assert!(crowd.there.lock().unwrap().is_empty(), "who has none is forgotten");
    }
}
