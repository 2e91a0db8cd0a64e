//! Advance reservations: asked for, confirmed by the negotiator, begun and ended by time, given up.
//! What they mean for matching the negotiator knows; here is what is stored, and what becomes of
//! their queues and of the jobs in them
//! ([ADR 0045](../../../../../../docs/adr/0045-a-reservation-is-a-window-of-a-queue.md)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::planted::{Bug, planted};
use model::queues::{Became, DELETED_BY, Denied, QueueSettings, Reserved, Stage, Window};
use model::{Now, Timestamp, UserName};
use proto::client::{Action, BookAsk, FrontEnd, Happening, Recorded, Selector};
use proto::matchmaking::{Booking, BookingAnswer};

use crate::core::records::acts::{Deed, Target};
use crate::core::records::bookings::{bookings_of, name_of, number_of};
use crate::core::state::core::Core;
use crate::core::words::{ActFact, Actor, ClusterFact, Fact, Rejection, RoundFact};

/// The wall clock may be set: what is to come by it is looked at as often as this.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What may be said of a reservation that is only shown: it is written with all others at each
/// change of one.
const SAID_BYTES_MAX: usize = 16 * 1024;

impl Core {
    pub(crate) fn book(&self, now: Now, by: &Actor, ask: &BookAsk) -> Result<Vec<Fact>, Denied> {
        if self.reserved.number_of(ask.token) != Some(ask.number) {
            return Err(Denied::InvalidRequest);
        }
        check_window(now, ask.window)?;
        check_length(&ask.shown, ask.who.users.as_deref())?;
        let reserved = Reserved {
            owner: by.user.to_string(),
            window: ask.window,
            parts: ask.parts.clone(),
            stage: Stage::Unconfirmed,
            created: now.wall,
            changed: now.wall,
            question: 0,
            shown: ask.shown.clone(),
        };
        let name = name_of(ask.number);
        let settings = self.settings.with_reservation(&name, reserved, &ask.who)?;
        let used = ClusterFact::ReservationForgotten { cluster: ask.number };
        Ok(vec![settled(settings), Fact::Cluster(used)])
    }

    pub(crate) fn rebook(
        &self,
        now: Now,
        by: &Actor,
        (queue, window): (&str, Window),
        (shown, users): (&BTreeMap<String, String>, Option<&str>),
    ) -> Result<Vec<Fact>, Denied> {
        let reserved = self.own_reservation(by, queue)?;
        check_length(shown, users)?;
        let said = |settings: QueueSettings| settings.with_said(queue, shown, users);
        let before = reserved.window;
        if window == before && reserved.stage != Stage::Over {
            let mut same = QueueSettings::clone(&self.settings);
            if let Some(reserved) = same.reservations.get_mut(queue) {
                reserved.changed = now.wall;
            }
            return Ok(vec![settled(said(same))]);
        }
        check_window(now, window)?;
        let has_jobs = self.queued.of(Some(queue), None, None) > 0;
        if matches!(reserved.stage, Stage::Running(_)) && window.start != before.start && has_jobs {
            return Err(Denied::NotEmpty);
        }
        let stage = match &reserved.stage {
            Stage::Unconfirmed => Stage::Unconfirmed,
            Stage::Confirmed(places) | Stage::Running(places) => {
                Stage::Altering { places: places.clone(), before }
            }
            Stage::Altering { .. } | Stage::Over => return Err(Denied::BadState),
        };
        let mut new = self.settings.with_stage(queue, stage);
        if let Some(reserved) = new.reservations.get_mut(queue) {
            (reserved.window, reserved.changed) = (window, now.wall);
            reserved.question = reserved.question.wrapping_add(1);
        }
        Ok(vec![settled(said(new))])
    }

    pub(crate) fn unbook(&self, by: &Actor, queue: &str) -> Result<Vec<Fact>, Denied> {
        let reserved = self.own_reservation(by, queue)?;
        if reserved.stage == Stage::Over {
            return Err(Denied::BadState);
        }
        Ok(self.give_up(queue, "its reservation was deleted", Some(by)))
    }

    fn own_reservation(&self, by: &Actor, queue: &str) -> Result<&Reserved, Denied> {
        let known = self.settings.reservations.get(queue);
        let reserved = known.ok_or(Denied::UnknownReservation)?;
        let permitted = reserved.owner == by.user.as_str() || self.is_operator(by);
        if permitted { Ok(reserved) } else { Err(Denied::NotPermitted) }
    }

    /// The reservation is over, deleted by somebody or by itself, and the jobs in its queue are
    /// removed, however many there are.
    fn give_up(&self, queue: &str, reason: &str, by: Option<&Actor>) -> Vec<Fact> {
        let mut over = self.settings.with_stage(queue, Stage::Over);
        if let Some((by, reserved)) = by.zip(over.reservations.get_mut(queue)) {
            reserved.shown.insert(DELETED_BY.to_owned(), by.user.to_string());
        }
        [settled(over)].into_iter().chain(self.removal_of(queue, reason, 0)).collect()
    }

    /// What removes the jobs in the queue of a reservation, if there are any. `earlier` is how many
    /// such acts the same decision may begin before this one: each has a number of its own.
    fn removal_of(&self, queue: &str, reason: &str, earlier: u64) -> Option<Fact> {
        let clusters = self.queued.clusters_of(queue);
        let words = clusters.map(|id| Target::Named(Selector::Cluster(id)));
        let targets: Vec<Target> = words.collect();
        let owner = self.settings.reservations.get(queue).map(|reserved| reserved.owner.as_str());
        (!targets.is_empty()).then(|| {
            let action = Action::Remove { reason: Some(reason.to_owned()), force: false };
            let deed = Deed::Act { action, through: FrontEnd::Pbs };
            let user = UserName::new(owner.unwrap_or_default());
            let mut act = self.implied_act(user, deed, targets);
            act.id += earlier;
            Fact::Act(ActFact::Began(Box::new(act)))
        })
    }

    /// What time alone brings.
    pub(crate) fn bookings_due(&self, now: Now) -> Vec<Fact> {
        let moved = |(name, reserved): (&String, &Reserved)| self.moved_on(now, name, reserved);
        if let Some(facts) = self.settings.reservations.iter().find_map(moved) {
            return facts;
        }
        let is_due = self.booking_edge_ms.is_some_and(|edge| edge <= now.boot_ms);
        is_due.then_some(Fact::Round(RoundFact::BookingsSeen)).into_iter().collect()
    }

    fn moved_on(&self, now: Now, name: &str, reserved: &Reserved) -> Option<Vec<Fact>> {
        if reserved.stage == Stage::Over {
            let is_empty = self.queued.of(Some(name), None, None) == 0;
            return is_empty.then(|| vec![settled(self.settings.without_reservation(name))]);
        }
        if reserved.next_moment().is_none_or(|moment| now.wall < moment) {
            return None;
        }
        match &reserved.stage {
            Stage::Confirmed(places) if now.wall < reserved.window.end => {
                let running = Stage::Running(places.clone());
                Some(vec![settled(self.settings.with_stage(name, running))])
            }
            Stage::Running(_) if planted(Bug::ReservationOutlived) => None,
            Stage::Confirmed(_)
            | Stage::Unconfirmed
            | Stage::Altering { .. }
            | Stage::Running(_)
            | Stage::Over => Some(self.give_up(name, "its reservation has ended", None)),
        }
    }

    /// When the next of them moves on by itself, as far as clocks can be trusted.
    pub(in crate::core) fn note_bookings(&mut self, at: Now) {
        let moments = self.settings.reservations.values().filter_map(Reserved::next_moment);
        let ahead = |moment: Timestamp| {
            let ms = moment.as_millis().saturating_sub(at.wall.as_millis());
            // What is over already is moved on in the batch that sees it.
            let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0).unwrap_or(1000);
            Duration::from_millis(ms).min(LOOK_EVERY)
        };
        self.booking_edge_ms = moments.min().map(|moment| at.deadline(ahead(moment)));
    }

    /// What becomes of reservations by these settings, as the record has it.
    pub(in crate::core) fn reservations_became(
        &mut self,
        at: Now,
        after: &QueueSettings,
    ) -> Vec<Recorded> {
        let before = Arc::clone(&self.settings);
        let known = after.reservations.iter();
        let news = known.filter_map(|(name, reserved)| {
            let became = Became::between(before.reservations.get(name), reserved, at.wall)?;
            Some(Happening::Reservation {
                number: number_of(name)?,
                became,
                reserved: Box::new(reserved.clone()),
            })
        });
        news.map(|what| self.record(at, what)).collect()
    }

    /// All that the negotiator is to keep places for.
    pub(crate) fn bookings(&self) -> Vec<Booking> {
        bookings_of(&self.settings)
    }

    /// What the negotiator says of reservations that it was asked for. An answer to an earlier
    /// question is none: it is about another window.
    pub(crate) fn booked(
        &self,
        now: Now,
        answers: &[BookingAnswer],
    ) -> Result<Vec<Fact>, Rejection> {
        let mut new = QueueSettings::clone(&self.settings);
        let (mut is_news, mut denied) = (false, Vec::new());
        for (earlier, BookingAnswer { queue, question, places }) in (0..).zip(answers) {
            let Some(reserved) = new.reservations.get_mut(queue) else { continue };
            if reserved.question != *question && !planted(Bug::ReservationAnswerMistaken) {
                continue;
            }
            let stage = match (&reserved.stage, places) {
                (Stage::Unconfirmed | Stage::Altering { .. }, Some(places)) => {
                    Stage::Confirmed(places.clone())
                }
                (Stage::Unconfirmed, None) => {
                    denied.extend(self.removal_of(queue, "its reservation was denied", earlier));
                    Stage::Over
                }
                (Stage::Altering { places, before }, None) => {
                    let (places, before) = (places.clone(), *before);
                    (reserved.window, reserved.changed) = (before, now.wall);
                    Stage::Confirmed(places)
                }
                (Stage::Confirmed(_) | Stage::Running(_) | Stage::Over, _) => continue,
            };
            new.set_stage(queue, stage);
            is_news = true;
        }
        if !is_news {
            return Err(Rejection::Stale);
        }
        Ok([settled(new)].into_iter().chain(denied).collect())
    }
}

fn settled(settings: QueueSettings) -> Fact {
    Fact::Settings(Arc::new(settings))
}

/// Whether so much may be said of a reservation.
fn check_length(shown: &BTreeMap<String, String>, users: Option<&str>) -> Result<(), Denied> {
    let said = shown.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let all = said + users.map_or(0, str::len);
    if all <= SAID_BYTES_MAX { Ok(()) } else { Err(Denied::BadValue) }
}

fn check_window(now: Now, window: Window) -> Result<(), Denied> {
    let is_near = window.end.as_secs() <= now.wall.as_secs().saturating_add(Window::AHEAD_S);
    let is_one = window.start < window.end && now.wall < window.end && is_near;
    if is_one { Ok(()) } else { Err(Denied::BadTimes) }
}
