//! Users with idle jobs, and whose turn it is: the next part goes to the user who holds the least
//! for their share. What they are given is not known here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{UserName, is_nice};

use crate::core::matching::booked::Booked;
use crate::core::matching::reserve::Reservation;
use crate::core::matching::search::{Search, Seeker};
use crate::core::matching::snapshot::Snapshot;
use crate::core::shares::policy::Policy;
use crate::core::values::ordered::Ordered;

/// When it is a user's turn: see [`User::key`].
type Turn = (bool, Ordered, Ordered, usize);

/// Users with idle jobs, by whose turn it is.
pub(crate) struct Users<'a> {
    waiting: BTreeSet<Turn>,
    users: Vec<Option<User<'a>>>,
    pub(crate) finished: Vec<User<'a>>,
}

pub(crate) struct User<'a> {
    index: usize,
    pub(crate) user: &'a UserName,
    effective_priority: f64,
    held: f64,
    pub(crate) seekers: Vec<Seeker<'a>>,
    pub(crate) position: usize,
}

impl<'a> Users<'a> {
    pub(crate) fn of(snapshot: &Snapshot<'a>, policy: &Policy, booked: &Booked) -> Self {
        let mut by_user: BTreeMap<&UserName, Vec<Seeker<'a>>> = BTreeMap::new();
        for (schedd, classes) in &snapshot.demand.schedds {
            for (id, class) in classes {
                let wants = class.wanted();
                if wants > 0 {
                    let own = booked.of_class(schedd, class);
                    let (id, search) = (*id, Search::Fresh);
                    let seeker = Seeker { schedd, id, class, own, wants, search };
                    by_user.entry(&class.request.owner).or_default().push(seeker);
                }
            }
        }
        let offered = snapshot.pool.offered();
        let (accounts, now) = (snapshot.accounts, snapshot.now);
        let mut users = Self { waiting: BTreeSet::new(), users: Vec::new(), finished: Vec::new() };
        for (index, (user, mut seekers)) in by_user.into_iter().enumerate() {
            seekers.sort_by_key(|seeker| {
                let request = &seeker.class.request;
                (Reverse(request.priority), request.first, seeker.schedd, seeker.id)
            });
            let user = User {
                index,
                user,
                effective_priority: accounts.effective_priority(user, now, policy),
                held: accounts.held(user) + offered.get(user).copied().unwrap_or(0.0),
                seekers,
                position: 0,
            };
            users.waiting.insert(user.key());
            users.users.push(Some(user));
        }
        users
    }

    /// Whose turn it is. The user is put back or finished.
    pub(crate) fn next(&mut self) -> Option<User<'a>> {
        let (_, _, _, index) = self.waiting.pop_first()?;
        self.users[index].take()
    }

    /// Who has the class for which this place is kept, and where among its classes that is, if it
    /// is to have the place before everybody else: not if the user would rather have another job
    /// first, nor before others' jobs if it is nice. The user is put back.
    pub(crate) fn with_place(&mut self, kept: &Reservation) -> Option<(User<'a>, usize)> {
        let is_it = |seeker: &Seeker<'_>| (seeker.schedd, seeker.id) == (&kept.schedd, kept.class);
        let found =
            self.users.iter().flatten().filter(|user| !is_nice(user.user)).find_map(|user| {
                let position = user.seekers.iter().position(is_it)?;
                let priority = |at: usize| user.seekers[at].class.request.priority;
                (priority(0) == priority(position)).then(|| (user.key(), user.index, position))
            });
        let (turn, index, position) = found?;
        self.waiting.remove(&turn);
        Some((self.users[index].take()?, position))
    }

    pub(crate) fn put_back(&mut self, mut user: User<'a>, weight: f64) {
        user.held += weight;
        let index = user.index;
        self.waiting.insert(user.key());
        self.users[index] = Some(user);
    }

    pub(crate) fn finish(&mut self, user: User<'a>) {
        self.finished.push(user);
    }
}

impl User<'_> {
    /// What the user holds divided by the share that is due: lower comes first, then the better
    /// priority, then the name. Nice submitters come behind everybody, even those who hold nothing
    /// yet.
    pub(crate) fn key(&self) -> Turn {
        let filled = self.held * self.effective_priority;
        (is_nice(self.user), Ordered(filled), Ordered(self.effective_priority), self.index)
    }
}
