//! Users: they submit, lose answers and ask again with the same token, hold, release, vacate and remove. In the end they
//! remove what is held.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{
    ClusterId, ClusterSpec, HoldCode, JobId, Piece, ProcId, ProcTemplate, Procs, SubmitToken,
    UserName, attr,
};
use proto::client::{Action, Answer, Refusal, Select, Selector};
use schedd::core::{Actor, Input};

use super::rng::Rng;
use super::world::{Happens, World};

/// Submissions of one seed.
const SUBMISSIONS: usize = 8;

/// Whose answer an input's answer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Reservation(usize),
    Submission(usize),
    Nothing,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    submissions: Vec<Submission>,
    clusters: Vec<(ClusterId, u32)>,
}

#[derive(Clone, Debug)]
struct Submission {
    by: Actor,
    token: SubmitToken,
    spec: Arc<ClusterSpec>,
    reserved: Option<ClusterId>,
    done: bool,
}

impl Users {
    pub(super) fn is_done(&self) -> bool {
        self.submissions.iter().all(|submission| submission.done)
    }
}

impl World {
    pub(super) fn users_act(&mut self) {
        let pause = if self.calm { 20_000 } else { self.rng.between(1, 4_000) };
        self.after(pause, Happens::UserActs);
        if !self.schedd.is_up() {
            return;
        }
        if self.calm {
            self.remove_held();
        } else if self.users.submissions.len() < SUBMISSIONS && self.rng.chance(400) {
            let submission = submission(&mut self.rng);
            self.users.submissions.push(submission);
        } else {
            self.act_on_a_job();
        }
        for n in 0..self.users.submissions.len() {
            if !self.users.submissions[n].done {
                self.go_on_submitting(n);
            }
        }
    }

    fn go_on_submitting(&mut self, n: usize) {
        let Submission { by, token, spec, reserved, .. } = self.users.submissions[n].clone();
        match reserved {
            None => self.ask(Asked::Reservation(n), Input::Reserve { by, token }),
            Some(cluster) => {
                let times = if self.rng.chance(200) { 2 } else { 1 };
                for _ in 0..times {
                    let (by, spec) = (by.clone(), Arc::clone(&spec));
                    self.ask(Asked::Submission(n), Input::Submit { by, token, cluster, spec });
                }
            }
        }
    }

    /// The schedd's answer reaches the client. It may be lost with the schedd, or on its own.
    pub(super) fn answered(&mut self, asked: Asked, answer: &Answer) -> Result<(), String> {
        match (asked, answer) {
            (Asked::Reservation(n), Answer::Reserved(cluster)) => {
                self.users.submissions[n].reserved = Some(*cluster);
                self.go_on_submitting(n);
            }
            (Asked::Submission(n), Answer::Submitted { cluster, procs }) => {
                let token = self.users.submissions[n].token;
                self.oracle.accepted(token, *cluster, *procs)?;
                if !self.users.submissions[n].done {
                    self.users.submissions[n].done = true;
                    self.users.clusters.push((*cluster, *procs));
                }
            }
            (Asked::Submission(n), Answer::Refused(Refusal::NotReserved(_))) => {
                self.users.submissions[n].reserved = None;
            }
            (Asked::Nothing, Answer::Acted(_)) => {}
            (asked, answer) => return Err(format!("{asked:?} is answered with {answer:?}")),
        }
        Ok(())
    }

    fn act_on_a_job(&mut self) {
        let Some((cluster, procs)) = self.rng.pick(&self.users.clusters).copied() else { return };
        let proc = ProcId(u32::try_from(self.rng.below(u64::from(procs))).unwrap_or(0));
        let job = JobId { cluster, proc };
        let selector =
            if self.rng.chance(100) { Selector::Cluster(cluster) } else { Selector::Job(job) };
        let action = match self.rng.below(10) {
            0..3 => Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 },
            3..6 => Action::Release { reason: None },
            6 => Action::Remove { reason: None, force: false },
            7..9 => Action::Vacate { fast: self.rng.chance(500) },
            _ => Action::Remove { reason: None, force: true },
        };
        if let Action::Remove { force: true, .. } = action {
            let jobs = (0..procs).map(|proc| JobId { cluster, proc: ProcId(proc) });
            self.oracle.forced.extend(jobs);
        }
        let by = actor(&mut self.rng);
        let select = Select::Any(vec![selector]);
        self.ask(Asked::Nothing, Input::Act { by, action, select });
    }

    fn remove_held(&mut self) {
        let held: Result<Expr, _> = "JobStatus == 5".parse();
        let Ok(held) = held else { return };
        let by = Actor { user: UserName::new("root"), superuser: true };
        let action = Action::Remove { reason: None, force: false };
        self.ask(Asked::Nothing, Input::Act { by, action, select: Select::Constraint(held) });
    }
}

fn actor(rng: &mut Rng) -> Actor {
    let user = if rng.chance(500) { "alice" } else { "bob" };
    Actor { user: UserName::new(user), superuser: rng.chance(200) }
}

fn submission(rng: &mut Rng) -> Submission {
    let mut ad = ClassAd::new();
    ad.set(attr::CMD, "/bin/x");
    ad.set(attr::REQUEST_CPUS, i64::try_from(rng.between(1, 2)).unwrap_or(1));
    ad.set(attr::REQUEST_MEMORY, 128);
    ad.set(attr::REQUEST_DISK, 1024);
    ad.set(attr::JOB_PRIO, i64::try_from(rng.below(3)).unwrap_or(0));
    ad.set(attr::JOB_LEASE_DURATION, i64::try_from(rng.between(30, 90)).unwrap_or(30));
    ad.set(attr::KILL_SIG_TIMEOUT, i64::try_from(rng.below(8)).unwrap_or(0));
    let mut set = |name: &str, text: &str| {
        if let Ok(expr) = text.parse::<Expr>() {
            ad.set(name, expr);
        }
    };
    set(attr::REQUIREMENTS, "TARGET.Memory >= RequestMemory && TARGET.Cpus >= RequestCpus");
    match rng.below(8) {
        0 => set(attr::ON_EXIT_REMOVE, "NumJobCompletions > 2 || ExitCode =?= 0"),
        1 => set(attr::ON_EXIT_HOLD, "ExitCode =?= 1"),
        2 => set(attr::LEAVE_JOB_IN_QUEUE, "time() - CompletionDate < 30"),
        _ => {}
    }
    let count = u32::try_from(rng.between(1, 6)).unwrap_or(1);
    let procs = if rng.chance(500) {
        let args = vec![Piece::Text("p".to_owned()), Piece::ProcId];
        Procs::Counted { count, template: ProcTemplate(vec![(attr::ARGS.into(), args)]) }
    } else {
        let own = (0..count).map(|n| {
            let mut own = ClassAd::new();
            own.set(attr::ARGS, n.to_string());
            if n == 1 {
                own.set(attr::REQUEST_MEMORY, 256);
            }
            if n == 2 {
                own.set(attr::JOB_PRIO, 7);
            }
            own
        });
        Procs::Listed(own.collect())
    };
    Submission {
        by: Actor { superuser: false, ..actor(rng) },
        token: SubmitToken(rng.bytes()),
        spec: Arc::new(ClusterSpec { ad, procs }),
        reserved: None,
        done: false,
    }
}
