//! The only place where the core's state changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use classad::{AttrName, ClassAd, Expr};
use model::{
    AfterRun, ClassId, IdleReason, JobEvent, JobId, JobPriority, JobState, MachineName, Now,
    RunEnd, RunId, Seq, Universe,
    planted::{Bug, planted},
};
use proto::client::{Happening, Recorded};
use proto::matchmaking::{FromSchedd, Match};

use crate::core::job::timing::starts_at;
use crate::core::policy::at_end;
use crate::core::records::rows::{
    ClaimRecord, ClusterRecord, JobRecord, Lost, Tally, WITHOUT_END_S,
};
use crate::core::runs::ahead::SHORT;
use crate::core::runs::beside::RUN_AGAIN;
use crate::core::runs::matching::told_of;
use crate::core::runs::over::backoff;
use crate::core::state::classes::{Aside, Class};
use crate::core::state::core::{Claiming, Core, Machine, Negotiator, Told};
use crate::core::state::gangs::Members;
use crate::core::state::promises::PATIENCE;
use crate::core::state::round::Round;
use crate::core::state::waiting::Untold;
use crate::core::words::{
    Change, ClaimFact, ClusterFact, Event, Fact, JobFact, MachineFact, NegotiatorFact, RoundFact,
    RunFact,
};

impl Core {
    /// Makes an event true.
    ///
    /// # Panics
    ///
    /// If the event cannot follow from the state: then the core is wrong, and going on would make
    /// the record wrong too.
    pub fn apply(&mut self, event: &Event) -> Change {
        let at = event.at;
        let mut change = Change::default();
        match &event.fact {
            Fact::Cluster(fact) => self.apply_to_cluster(at, fact, &mut change),
            Fact::Job { job, fact } => self.apply_to_job(at, *job, fact, &mut change),
            Fact::Run { run, fact } => self.apply_to_run(at, *run, fact, &mut change),
            Fact::Claim(fact) => self.apply_to_claim(at, fact, &mut change),
            Fact::Machine { machine, fact } => self.apply_to_machine(at, machine, fact),
            Fact::Negotiator(fact) => self.apply_to_negotiator(at, fact, &mut change),
            Fact::Round(fact) => self.apply_to_round(at, fact, &mut change),
            Fact::Act(fact) => self.apply_act(fact, &mut change),
            Fact::Settings(settings) => {
                change.booked = self.reservations_became(at, settings);
                self.put_settings(settings, &mut change);
                self.note_bookings(at);
                // What was promised by other rules is promised again if it may be.
                self.promises.call_all_back(at);
            }
        }
        change
    }

    fn apply_to_cluster(&mut self, at: Now, fact: &ClusterFact, change: &mut Change) {
        match fact {
            ClusterFact::Reserved { token, by, cluster } => {
                self.reserved.insert(*cluster, *token, by.clone());
                self.next_reserved = cluster.next();
            }
            ClusterFact::ReservationForgotten { cluster } => self.reserved.remove(*cluster),
            ClusterFact::Submitted(record) => self.cluster_submitted(at, record, change),
            ClusterFact::Factory { cluster, step } => self.factory(at, *cluster, step, change),
            ClusterFact::JobsWait { cluster, jobs, reason } => {
                change.recorded = Some(self.jobs_wait(at, *cluster, *jobs, reason));
            }
        }
    }

    fn apply_to_job(&mut self, at: Now, job: JobId, fact: &JobFact, change: &mut Change) {
        match fact {
            JobFact::Happened(event) => self.apply_job(at, job, event, change),
            JobFact::Edited { changes } => self.apply_edit(at, job, changes, change),
            JobFact::Said { text } => change.recorded = Some(self.job_said(at, job, text)),
            // Its Requirements may look at what it took from its machine.
            JobFact::Matched { changes } | JobFact::Spooled { changes } => {
                self.change_ad(job, changes, change);
            }
            JobFact::Timed => self.job_timed(at, job, change),
            JobFact::BackoffOver => self.backoff_over(job),
            JobFact::Left => self.job_left(job, change),
        }
    }

    fn apply_to_run(&mut self, at: Now, run: RunId, fact: &RunFact, change: &mut Change) {
        self.tally(run, change, |tally| match fact {
            RunFact::Placed { scratch_dir } => tally.scratch_dir = Some(scratch_dir.clone()),
            RunFact::UsageSeen { usage } => tally.last_usage = *usage,
            RunFact::Disconnected => tally.disconnected = Some(at.wall),
            RunFact::Reconnected => tally.note_reconnection(),
            RunFact::Unfinished { ended } => tally.unfinished = Some(*ended),
        });
    }

    fn apply_to_claim(&mut self, at: Now, fact: &ClaimFact, change: &mut Change) {
        match fact {
            ClaimFact::Requested(matched) => self.claim_requested(at, matched),
            ClaimFact::ShareRequested { claim, matched } => {
                self.share_requested(at, *claim, *matched);
            }
            ClaimFact::PartUsed { claim, usage } => self.part_used(*claim, *usage),
            ClaimFact::Failed { matched, reason, .. } => {
                self.end_claiming(at, *matched, Some(reason));
            }
            ClaimFact::Granted(record) => self.claim_granted(at, record, change),
            ClaimFact::SlotSeen { claim, ad } => self.slot_seen(*claim, ad),
            ClaimFact::Promised { claim, run } => self.promise(at, *claim, *run, change),
            ClaimFact::CalledBack { claim } => self.call_back(*claim),
            ClaimFact::TakenBack { claim } => self.take_back(*claim, change),
            ClaimFact::Slow { claim } => self.set_brisk(*claim, false),
            ClaimFact::PartOver { claim, end, usage } => {
                self.part_over(*claim, end, usage, change);
            }
            ClaimFact::FirstOver { claim, end, usage } => {
                self.first_over(*claim, end, *usage, change);
            }
            ClaimFact::Dropped { claim, release: _ } => {
                change.dropped = Some(Box::new(self.unindex_claim(*claim)));
                change.claim = Some((*claim, None));
            }
        }
    }

    fn apply_to_machine(&mut self, at: Now, machine: &MachineName, fact: &MachineFact) {
        match fact {
            MachineFact::Came => {
                self.set_up(machine, true);
                self.machine_is_clear(machine);
            }
            MachineFact::Went => self.set_up(machine, false),
            MachineFact::BeatSeen { beat } => self.beat_seen(at, machine, *beat),
            MachineFact::Repeated { .. } => {}
            MachineFact::Forgotten => drop(self.machines.remove(machine)),
        }
    }

    fn apply_to_negotiator(&mut self, at: Now, fact: &NegotiatorFact, change: &mut Change) {
        match fact {
            NegotiatorFact::Came => {
                self.drained.clear();
                self.negotiator_came();
            }
            NegotiatorFact::Went => self.negotiator = None,
            NegotiatorFact::DrainsHeard(machines) => self.drained.clone_from(machines),
            NegotiatorFact::Told(message) => self.note_told(at, message),
            NegotiatorFact::SignificantHeard(names) => {
                change.claims = self.sort_anew(names.iter().cloned().collect());
            }
            NegotiatorFact::ReasonsHeard(reasons) => self.reasons_heard(at, reasons),
            NegotiatorFact::Drains { .. } => {}
            NegotiatorFact::MatchSeen { matched } => self.match_seen(*matched),
            NegotiatorFact::MatchDeclined { class, .. } => self.doubt(*class),
        }
    }

    fn apply_to_round(&mut self, at: Now, fact: &RoundFact, change: &mut Change) {
        match fact {
            RoundFact::DependenciesSeen => self.dependencies.seen(),
            RoundFact::BookingsSeen => self.note_bookings(at),
            RoundFact::KeptChecked => self.kept_checked_ms = at.boot_ms,
            RoundFact::TurnSeen { job } => self.promises.seen(*job),
            RoundFact::PoliciesChecked { began_ms, next } => {
                self.round = Round { began_ms: *began_ms, next: *next };
            }
            RoundFact::FenceLifted => {
                self.lift_fence();
                change.meta = Some(self.meta);
            }
            RoundFact::RunLimitsAsked => self.run_limits.asked(at.boot_ms),
            RoundFact::WaitsTold => self.untold = Untold::default(),
            RoundFact::ClassAside { class, reason, until_ms, for_others } => {
                let aside = Aside { until_ms: *until_ms, for_others: *for_others };
                self.put_aside(*class, reason, aside);
            }
            RoundFact::StartsPaused { owner, until_ms } => self.set_pause(owner, *until_ms),
        }
    }

    /// It is to be told of every class.
    fn negotiator_came(&mut self) {
        self.negotiator = Some(Negotiator::default());
        self.classes.changed = self.classes.by_id.keys().copied().collect();
    }

    fn match_seen(&mut self, matched: model::MatchId) {
        if let Some(negotiator) = &mut self.negotiator {
            negotiator.seen = Some(matched);
        }
    }

    fn tally(&mut self, run: RunId, change: &mut Change, note: impl FnOnce(&mut Tally)) {
        let record = self.job_mut(run.job);
        note(&mut record.tally);
        change.job = Some(record.clone());
    }

    fn slot_seen(&mut self, claim: model::ClaimId, ad: &Arc<ClassAd>) {
        if let Some(claim) = self.claims.get_mut(&claim) {
            claim.slot_ad = Some(Arc::clone(ad));
        }
    }

    fn beat_seen(&mut self, at: Now, machine: &MachineName, beat: model::Beat) {
        if let Some(machine) = self.machines.get_mut(machine) {
            machine.heard_ms = at.boot_ms;
            machine.beat = Some(beat);
        }
    }

    fn cluster_submitted(&mut self, at: Now, record: &Arc<ClusterRecord>, change: &mut Change) {
        self.reserved.remove(record.cluster);
        self.meta.next_cluster = self.meta.next_cluster.max(record.cluster.next());
        self.index_cluster(record);
        change.meta = Some(self.meta);
        change.new_cluster = Some(Arc::clone(record));
        let happened = Happening::ClusterSubmitted {
            cluster: record.cluster,
            owner: record.body.owner.clone(),
            procs: record.spec.count(),
        };
        change.recorded = Some(self.record(at, happened));
    }

    fn reasons_heard(&mut self, at: Now, reasons: &[(ClassId, Option<IdleReason>)]) {
        for (class, reason) in reasons {
            if let Some(class) = self.classes.by_id.get_mut(class) {
                class.reason.clone_from(reason);
                class.heard = reason.as_ref().map(|_| at.wall);
            }
        }
    }

    fn backoff_over(&mut self, job: JobId) {
        if let Some(until_ms) = self.backing_off.remove(&job) {
            self.backoff_ends.remove(&(until_ms, job));
            let (owner, place) = self.owner_and_place(job);
            let rank = self.rank_of(job);
            self.classes.add_idle(&place, rank, &owner, job);
        }
    }

    fn apply_job(&mut self, at: Now, id: JobId, event: &JobEvent, change: &mut Change) {
        self.touch(id, change);
        let state = self.job_mut(id).state.clone();
        let next = state.next(event).unwrap_or_else(|illegal| panic!("job {id}: {illegal}"));
        self.leave(id, &state);
        self.check_promise(id, event);
        let claim = match event {
            JobEvent::RunAuthorised { claim, .. } => self.claims.get(claim),
            JobEvent::RunStarted { .. }
            | JobEvent::PauseRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::StopRequested { .. }
            | JobEvent::RunOver { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. }
            | JobEvent::Removed { .. } => None,
        };
        let claim = claim.map(|claim| claim.record.clone());
        let other_cpus = claim.as_ref().map_or(0, |claim| self.cpus_of_others(claim.claim));
        let recorded = self.record(at, Happening::Job { job: id, event: event.clone() });
        let record = self.job_mut(id);
        record.tally.note(&state, event, claim.as_ref());
        if claim.is_some() {
            record.tally.other_cpus = other_cpus;
        }
        if state.status() != next.status() {
            record.tally.last_status = Some(state.status());
        }
        if next.is_final() {
            record.tally.ended = Some(recorded.seq);
        }
        record.state = next.clone();
        if matches!(next, JobState::Idle { .. }) {
            self.give_next_time(at, id);
        }
        let written = self.job_mut(id).clone();
        let (_, place) = self.owner_and_place(id);
        let backoff_until_ms = backoff_until(at, event, &state, &written, place.universe);
        self.enter(id, &next, backoff_until_ms.max(self.waits_until(at, id)));
        match event {
            JobEvent::RunAuthorised { attempt, claim, .. } => {
                let run = RunId { job: id, attempt: *attempt };
                self.begin_run(at, *claim, run, change);
            }
            JobEvent::RunOver { .. } => {
                self.promises.end(id);
                if let Some(running) = state.running() {
                    let keep = self.job(id).and_then(|job| at_end::keep_claim(job, at));
                    self.vacate(at, running.claim, keep, change);
                }
            }
            JobEvent::RunStarted { .. } | JobEvent::StopRequested { .. } => self.promises.end(id),
            JobEvent::PauseRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. }
            | JobEvent::Removed { .. } => {}
        }
        if !state.is_final() && self.note_progress(id, event) {
            change.cluster = Some(id.cluster);
        }
        self.note_run_limit(at, id);
        change.job = Some(written);
        change.recorded = Some(recorded);
    }

    /// Before anything else becomes of a job whose run is promised, that is called up.
    fn check_promise(&mut self, id: JobId, event: &JobEvent) {
        let promised = self.promises.claim_of(id);
        let called = matches!(event, JobEvent::RunAuthorised { .. });
        if planted(Bug::PromiseForgotten) && !called {
            self.promises.end(id);
            return;
        }
        assert!(
            promised.is_none() || called,
            "job {id} has a run that waits on claim {promised:?}, and becomes {event:?}"
        );
    }

    /// A job has other attributes, and so may belong to another class.
    fn change_ad(&mut self, id: JobId, changes: &ClassAd, change: &mut Change) {
        self.touch(id, change);
        let state = self.job_mut(id).state.clone();
        let backoff_until_ms = self.backing_off.get(&id).copied();
        self.leave(id, &state);
        self.put_edits(id, changes);
        self.sort_edited(id);
        change.job = Some(self.job_mut(id).clone());
        self.enter(id, &state, backoff_until_ms);
    }

    fn job_timed(&mut self, at: Now, id: JobId, change: &mut Change) {
        self.touch(id, change);
        let state = self.job_mut(id).state.clone();
        self.leave(id, &state);
        self.give_next_time(at, id);
        change.job = Some(self.job_mut(id).clone());
        self.enter(id, &state, self.waits_until(at, id));
    }

    /// Gives a job that is idle now the next time of its crontab, if it has one.
    fn give_next_time(&mut self, at: Now, id: JobId) {
        let time = self.job(id).and_then(|job| self.cron_time(job, at));
        if let Some(time) = time {
            self.put_edits(id, &starts_at(time));
            self.sort_edited(id);
        }
    }

    /// Until when an idle job waits for its time, milliseconds of the boot clock.
    fn waits_until(&self, at: Now, id: JobId) -> Option<u64> {
        self.time_to_wait(id, at).map(|wait| at.deadline(wait))
    }

    fn put_edits(&mut self, id: JobId, changes: &ClassAd) {
        let record = self.job_mut(id);
        let mut edits = record.edits.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        edits.update(changes);
        record.edits = Some(Arc::new(edits));
    }

    fn apply_edit(&mut self, at: Now, id: JobId, changes: &ClassAd, change: &mut Change) {
        self.change_ad(id, changes, change);
        self.note_edited_waits(id, changes);
        self.note_run_limit(at, id);
        let text = |(name, expr): (&AttrName, &Expr)| (name.to_string(), expr.to_string());
        let happened =
            Happening::JobEdited { job: id, changes: changes.iter().map(text).collect() };
        change.recorded = Some(self.record(at, happened));
    }

    fn job_said(&mut self, at: Now, job: JobId, text: &str) -> Recorded {
        self.record(at, Happening::JobSaid { job, text: text.to_owned() })
    }

    /// Gives a job its own record, if nothing has happened to it before.
    fn touch(&mut self, id: JobId, change: &mut Change) {
        let record = self
            .job(id)
            .unwrap_or_else(|| panic!("an event is about job {id}, which is not in the queue"))
            .record();
        let cluster = self.clusters.get_mut(&id.cluster);
        if let Some(cluster) = cluster
            && cluster.untouched.remove(id.proc)
        {
            cluster.jobs.insert(id.proc, record);
            change.cluster = Some(id.cluster);
        }
    }

    fn job_mut(&mut self, id: JobId) -> &mut JobRecord {
        let cluster = self.clusters.get_mut(&id.cluster);
        let record = cluster.and_then(|cluster| cluster.jobs.get_mut(&id.proc));
        record.unwrap_or_else(|| panic!("an event is about job {id}, which has no record"))
    }

    fn job_left(&mut self, id: JobId, change: &mut Change) {
        let state = self.job_mut(id).state.clone();
        assert!(state.is_final(), "job {id} leaves the queue and is {state:?}");
        self.leave(id, &state);
        change.kept = self.job(id).is_some_and(|job| job.keeps_files() || job.was_spooled());
        if let Some(cluster) = self.clusters.get_mut(&id.cluster) {
            let record = cluster.jobs.remove(&id.proc);
            change.job = record.map(|record| JobRecord { finished: record.tally.ended, ..record });
            cluster.left -= 1;
            match cluster.left {
                0 => self.forget_cluster(id.cluster),
                _ => self.recount_queued(id.cluster),
            }
            change.cluster = Some(id.cluster);
        }
    }

    /// The run is its job's from now on. One that was promised is on its claim already.
    fn begin_run(&mut self, at: Now, id: model::ClaimId, run: RunId, change: &mut Change) {
        if self.promises.claim_of(run.job) == Some(id) {
            match self.in_front_of(id) {
                Some(_) => self.promises.end_early(run.job),
                None => self.promises.end(run.job),
            }
            change.called_up = true;
        } else {
            let lease_s = self.job(run.job).map_or(0, |job| at_end::lease_s(job, at));
            self.occupy(id, run, lease_s, change);
            self.occupy_others(id, run, lease_s, change);
        }
        if let Some(held) = self.claims.get_mut(&id) {
            held.run_since_ms = at.boot_ms;
        }
    }

    fn promise(&mut self, at: Now, id: model::ClaimId, run: RunId, change: &mut Change) {
        self.touch(run.job, change);
        change.job = Some(self.job_mut(run.job).clone());
        let (owner, place) = self.owner_and_place(run.job);
        if !planted(Bug::PromisedTwice) {
            self.classes.remove_idle(&place, self.rank_of(run.job), &owner, run.job);
        }
        let since_ms = self.in_front_of(id).map_or(at.boot_ms, |front| front.run_since_ms);
        let recall_ms = since_ms.saturating_add(millis(PATIENCE));
        self.promises.make(run.job, id, recall_ms);
        let lease_s = self.job(run.job).map_or(0, |job| at_end::lease_s(job, at));
        self.occupy(id, run, lease_s, change);
    }

    fn call_back(&mut self, id: model::ClaimId) {
        let run = self.claims.get(&id).and_then(|claim| claim.record.run);
        if let Some(run) = run {
            self.promises.call_back(run.job);
        }
    }

    /// The job waits as before. The number of the run is not given again.
    fn take_back(&mut self, id: model::ClaimId, change: &mut Change) {
        let Some(held) = self.claims.get_mut(&id) else { return };
        let Some(run) = held.record.run.take() else { return };
        self.classes.runs.note_run(run.job.cluster, false);
        let record = held.record.clone();
        change.claim = Some((id, Some(record.clone())));
        change.taken_back = Some(run);
        self.promises.end(run.job);
        let tally = &mut self.job_mut(run.job).tally;
        tally.attempt = run.attempt;
        tally.taken_back += 1;
        change.job = Some(self.job_mut(run.job).clone());
        let (owner, place) = self.owner_and_place(run.job);
        self.classes.add_idle(&place, self.rank_of(run.job), &owner, run.job);
        // What was thought of the slot's runs was wrong.
        self.set_brisk(id, false);
    }

    /// Takes note of whether the last run on a slot was short, and regroups its claims.
    fn set_brisk(&mut self, id: model::ClaimId, brisk: bool) {
        let others: Vec<_> = self.companions(id).map(|(other, _)| other).collect();
        let is_alone = others.is_empty();
        for id in others.into_iter().chain([id]) {
            let Some(held) = self.claims.get_mut(&id) else { continue };
            held.brisk = brisk;
            let may = held.record.can_share && held.record.limits.is_empty();
            let wants = brisk && is_alone && may && !held.share_asked;
            let (key, owner) = (Arc::clone(&held.record.class_key), held.record.owner.clone());
            self.classes.change(&key, &owner, |class| {
                if wants {
                    class.brisk.insert(id);
                } else {
                    class.brisk.remove(&id);
                }
            });
        }
        let record = self.claims.get(&id).map(|held| &held.record);
        let slot = record.map(|record| (record.machine.clone(), record.place()));
        if let Some((machine, slot)) = slot {
            self.regroup(&machine, &slot);
        }
    }

    fn occupy(&mut self, claim: model::ClaimId, run: RunId, lease_s: u32, change: &mut Change) {
        let held = self.claims.get_mut(&claim);
        let held = held.unwrap_or_else(|| {
            panic!("run {run} is authorised on claim {claim}, which is not ours")
        });
        assert!(
            held.record.run.is_none(),
            "run {run} is authorised on claim {claim}, which has run {:?}",
            held.record.run
        );
        self.beside.note_run(held.record.universe, true);
        self.classes.runs.note_run(run.job.cluster, true);
        held.record.run = Some(run);
        held.record.ordinal += 1;
        set_lease(&mut self.machines, &mut held.record, lease_s);
        let record = held.record.clone();
        self.regroup(&record.machine, &record.place());
        self.note_places();
        change.claim = Some((claim, Some(record)));
    }

    /// A run with several claims begins on all of them.
    fn occupy_others(
        &mut self,
        first: model::ClaimId,
        run: RunId,
        lease_s: u32,
        change: &mut Change,
    ) {
        let gang = self.claims.get(&first).and_then(|claim| claim.record.gang.as_ref());
        let Some(gang) = gang.map(|gang| gang.share.gang) else { return };
        let others: Vec<_> = self.others_of(gang).iter().map(|part| part.record.claim).collect();
        for other in others {
            let Some(part) = self.claims.get_mut(&other) else { continue };
            part.record.run = Some(run);
            part.record.ordinal += 1;
            set_lease(&mut self.machines, &mut part.record, lease_s);
            self.beside.note_run(part.record.universe, true);
            change.claims.push(part.record.clone());
        }
    }

    fn part_used(&mut self, id: model::ClaimId, usage: model::Usage) {
        if let Some(part) = self.claims.get_mut(&id) {
            part.used = usage;
        }
    }

    fn part_over(
        &mut self,
        id: model::ClaimId,
        end: &RunEnd,
        usage: &model::Usage,
        change: &mut Change,
    ) {
        let record = self.unindex_claim(id);
        let goes_on = record.run.is_some_and(|run| self.goes_on_without(run.job, end));
        let waits = record.run.is_some_and(|run| self.waits_for_all(run.job));
        let gang = record.gang.as_ref().and_then(|gang| self.gangs.get(gang.share.gang));
        let first = gang.and_then(Members::first);
        if let Some(first) = first.and_then(|first| self.claims.get_mut(&first)) {
            if let Some(gang) = &mut first.record.gang {
                gang.used = gang.used.and(usage);
                let counts = gang.ended.is_none() || waits;
                if counts && gang.lost.is_none() && !goes_on {
                    let machine = record.machine.clone();
                    gang.lost = Some(Lost { machine, end: end.clone() });
                }
            }
            change.claims.push(first.record.clone());
        }
        change.dropped = Some(Box::new(record));
        change.claim = Some((id, None));
    }

    /// Its lease counts no more: nothing of its run is left, and it stays until the others are
    /// over.
    fn first_over(
        &mut self,
        id: model::ClaimId,
        end: &RunEnd,
        usage: model::Usage,
        change: &mut Change,
    ) {
        let Some(first) = self.claims.get_mut(&id) else { return };
        if let Some(gang) = &mut first.record.gang {
            gang.ended = Some((end.clone(), usage));
        }
        set_lease(&mut self.machines, &mut first.record, WITHOUT_END_S);
        change.claim = Some((id, Some(first.record.clone())));
    }

    fn vacate(
        &mut self,
        at: Now,
        claim: model::ClaimId,
        keep: Option<Duration>,
        change: &mut Change,
    ) {
        let Some(held) = self.claims.get_mut(&claim) else { return };
        if let Some(run) = held.record.run.take() {
            self.classes.runs.note_run(run.job.cluster, false);
        }
        held.free_since_ms = at.boot_ms;
        held.keep = keep;
        let took_ms = at.boot_ms.saturating_sub(held.run_since_ms);
        let record = held.record.clone();
        if !planted(Bug::PlaceNotFreed) {
            self.beside.note_run(record.universe, false);
        }
        self.place_freed(record.universe);
        self.set_brisk(claim, took_ms < millis(SHORT));
        self.note_places();
        let others: Vec<_> = self.companions(claim).map(|(other, _)| other).collect();
        others.into_iter().for_each(|other| self.note_turn(other));
        change.claim = Some((claim, Some(record)));
    }

    pub(super) fn record(&mut self, at: Now, what: Happening) -> Recorded {
        let before = Seq::before_generation(self.config.generation);
        self.last_seq = self.last_seq.max(before).next();
        self.happened.note(at, &what);
        Recorded { seq: self.last_seq, at: at.wall, what }
    }

    fn note_told(&mut self, at: Now, message: &FromSchedd) {
        self.classes.changed.clear();
        let Some(negotiator) = &mut self.negotiator else { return };
        negotiator.introduced = true;
        let FromSchedd::Requests { full, changed, gone, .. } = message else { return };
        if *full {
            negotiator.told.clear();
            negotiator.told_all_ms = at.boot_ms;
        }
        for class in gone {
            negotiator.told.remove(class);
        }
        for request in changed {
            negotiator.told.insert(request.class, told_of(request));
        }
    }

    /// The negotiator seems to believe something else of a class than what it was told.
    fn doubt(&mut self, class: ClassId) {
        if let Some(negotiator) = &mut self.negotiator {
            let nothing =
                Told { priority: JobPriority::default(), first: JobId::new(0, 0), idle: 0 };
            negotiator.told.insert(class, nothing);
            self.classes.changed.insert(class);
        }
    }

    fn claim_requested(&mut self, at: Now, matched: &Match) {
        let Some(class) = self.classes.by_id.get(&matched.class) else { return };
        let (class_key, owner, universe) = (class.key.clone(), class.owner.clone(), class.universe);
        self.beside.note_asked(matched.id, universe);
        if let Some(share) = &matched.gang {
            self.gangs.note_asked(share, matched.id, true);
        }
        let machine = self.machine(&matched.machine, &matched.address, at);
        machine.claiming.insert(matched.id);
        let claiming = Claiming {
            matched: matched.clone(),
            class_key,
            owner,
            universe,
            since_ms: at.boot_ms,
            shares: None,
        };
        let counts = u32::from(claiming.counts());
        self.classes.change(&claiming.class_key, &claiming.owner, |class| class.claiming += counts);
        self.claiming.insert(matched.id, claiming);
    }

    fn share_requested(&mut self, at: Now, id: model::ClaimId, matched: model::MatchId) {
        let Some(held) = self.claims.get_mut(&id) else { return };
        held.share_asked = true;
        let record = held.record.clone();
        let class = self.classes.id_of(&record.class_key).unwrap_or_default();
        self.classes.change(&record.class_key, &record.owner, |class| {
            class.brisk.remove(&id);
        });
        self.beside.note_match(matched);
        self.machine(&record.machine, &record.address, at).claiming.insert(matched);
        let asked = Match {
            id: matched,
            class,
            machine: record.machine,
            address: record.address,
            resources: record.resources,
            limits: Vec::new(),
            term: record.term,
            gang: None,
        };
        let claiming = Claiming {
            matched: asked,
            class_key: record.class_key,
            owner: record.owner,
            universe: record.universe,
            since_ms: at.boot_ms,
            shares: Some(id),
        };
        self.claiming.insert(matched, claiming);
    }

    fn claim_granted(&mut self, at: Now, record: &ClaimRecord, change: &mut Change) {
        self.end_claiming(at, record.matched, None);
        self.index_claim(record.clone(), at);
        change.claim = Some((record.claim, Some(record.clone())));
    }

    fn end_claiming(&mut self, at: Now, matched: model::MatchId, refused: Option<&str>) {
        let Some(claiming) = self.claiming.remove(&matched) else { return };
        self.beside.note_answered(at, claiming.universe, refused);
        if refused.is_some() {
            self.place_freed(claiming.universe);
        }
        if let Some(machine) = self.machines.get_mut(&claiming.matched.machine) {
            machine.claiming.remove(&matched);
        }
        if let Some(share) = &claiming.matched.gang {
            self.gangs.note_asked(share, matched, false);
        }
        if claiming.counts() {
            let change = |class: &mut Class| class.claiming -= 1;
            self.classes.change(&claiming.class_key, &claiming.owner, change);
        }
    }

    fn set_up(&mut self, machine: &MachineName, up: bool) {
        if let Some(machine) = self.machines.get_mut(machine) {
            machine.up = up;
            for claim in &machine.claims {
                // Its class may have work for it, or lose what worked for it.
                if let Some(class) = self.classes.id_of(&self.claims[claim].record.class_key) {
                    self.classes.changed.insert(class);
                }
            }
        }
    }
}

/// A claim's run has another lease, as its machine counts.
fn set_lease(
    machines: &mut BTreeMap<MachineName, Machine>,
    record: &mut ClaimRecord,
    lease_s: u32,
) {
    let before_s = std::mem::replace(&mut record.lease_s, lease_s);
    if let Some(machine) = machines.get_mut(&record.machine) {
        machine.remove_lease(before_s);
        machine.add_lease(lease_s);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A job whose run failed through no doing of its own is not tried again at once; nor is one that
/// runs beside the schedd and asked for another run as soon as it had begun. `state` is that in
/// which it ran.
fn backoff_until(
    at: Now,
    event: &JobEvent,
    state: &JobState,
    record: &JobRecord,
    universe: Universe,
) -> Option<u64> {
    let JobEvent::RunOver { end, next: AfterRun::Requeue { .. }, .. } = event else { return None };
    match end {
        RunEnd::StartFailed(_) | RunEnd::Lost { .. } => {
            Some(at.deadline(backoff(record.tally.failures)))
        }
        RunEnd::Program(_) | RunEnd::UpToDate => {
            let began = state.running().map_or(at.wall, |running| running.since);
            let left = RUN_AGAIN.saturating_sub(at.wall.since(began));
            (universe.is_beside() && !left.is_zero()).then(|| at.deadline(left))
        }
        RunEnd::OutputFailed { .. } | RunEnd::ScriptFailed { .. } | RunEnd::Vacated { .. } => None,
    }
}
