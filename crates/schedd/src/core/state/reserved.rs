//! The cluster numbers that are given and not used yet, and who has them.
//!
//! They are found by number, by token and by user, for one message may ask for a thousand. How many
//! there may be, the submission decides.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClusterId, SubmitToken, UserName};

/// Numbers that are given and not used yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserved {
    by_number: BTreeMap<ClusterId, (SubmitToken, UserName)>,
    by_token: BTreeMap<SubmitToken, ClusterId>,
    by_user: BTreeMap<UserName, BTreeSet<ClusterId>>,
}

impl Reserved {
    /// A user's token has got a number.
    pub(in crate::core) fn insert(&mut self, number: ClusterId, token: SubmitToken, by: UserName) {
        self.by_token.insert(token, number);
        self.by_user.entry(by.clone()).or_default().insert(number);
        self.by_number.insert(number, (token, by));
    }

    /// The number is used, or nobody's any more.
    pub(in crate::core) fn remove(&mut self, number: ClusterId) {
        let Some((token, by)) = self.by_number.remove(&number) else { return };
        self.by_token.remove(&token);
        if let Some(own) = self.by_user.get_mut(&by) {
            own.remove(&number);
            if own.is_empty() {
                self.by_user.remove(&by);
            }
        }
    }

    /// Which number a token has got.
    pub(crate) fn number_of(&self, token: SubmitToken) -> Option<ClusterId> {
        self.by_token.get(&token).copied()
    }

    /// All of them.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The one that was given first.
    pub(crate) fn oldest(&self) -> Option<ClusterId> {
        self.by_number.keys().next().copied()
    }

    /// How many a user has, and which of them was given first.
    pub(crate) fn of(&self, user: &UserName) -> (usize, Option<ClusterId>) {
        let own = self.by_user.get(user);
        (own.map_or(0, BTreeSet::len), own.and_then(BTreeSet::first).copied())
    }
}
