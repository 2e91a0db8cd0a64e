//! The programs of one run, and which of them has its turn: the script before, the run's own
//! program, the script after. Pure: it starts nothing and does not know what else of the run is
//! alive.

use std::borrow::Cow;

use crate::wire::{
    Companion, End, FailedScript, KilledBy, OsBytes, Outcome, Script, Start, Stdio, Step, Success,
};

/// Whether a run is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    No,
    /// What runs was asked to end, and may have been killed since.
    Asked,
    /// Nothing of it may begin any more.
    AtOnce,
}

/// How far a run has come with its programs.
#[derive(Debug)]
pub(crate) struct Steps {
    start: Box<Start>,
    current: Step,
    /// How the run's own program ended.
    main: Option<Outcome>,
    failed: Option<FailedScript>,
}

impl Steps {
    /// The programs of a request, the first of which has its turn.
    pub(crate) fn new(start: Box<Start>) -> Self {
        let current = if start.before.is_some() { Step::Before } else { Step::Main };
        Self { start, current, main: None, failed: None }
    }

    /// Whose turn it is.
    pub(crate) fn current(&self) -> Step {
        self.current
    }

    /// What is to be started for it.
    pub(crate) fn process(&self) -> Cow<'_, Start> {
        let script = match self.current {
            Step::Before => &self.start.before,
            Step::Main | Step::Beside => &None,
            Step::After => &self.start.after,
        };
        match script {
            Some(script) => Cow::Owned(as_start(script, &self.start)),
            None => Cow::Borrowed(&self.start),
        }
    }

    /// What has its turn whatever ends the run, if it has it now.
    pub(crate) fn finishing(&self) -> Option<&Script> {
        match self.current {
            Step::After => self.start.after.as_deref().filter(|after| after.when_killed),
            Step::Before | Step::Main | Step::Beside => None,
        }
    }

    /// The program whose turn it is has ended. A run that is being killed is not failed by its
    /// scripts, but for the one that should have come to its end all the same.
    pub(crate) fn ended(&mut self, outcome: Outcome, killed_by: Option<KilledBy>) {
        let script = match self.current {
            Step::Before => &self.start.before,
            Step::Main | Step::Beside => {
                self.main = Some(outcome);
                return;
            }
            Step::After => &self.start.after,
        };
        let success = script.as_ref().and_then(|script| script.success);
        let finishes = self.finishing().is_some();
        let succeeded = match (success, &outcome) {
            (Some(success), _) => is(&outcome, success),
            (None, Outcome::Exited { .. }) => true,
            (None, Outcome::Signaled { .. }) => !finishes,
            (None, Outcome::StartFailed { .. } | Outcome::NotExecuted | Outcome::Lost) => false,
        };
        if (killed_by.is_none() || finishes) && !succeeded {
            self.failed = Some(FailedScript { step: self.current, outcome });
        }
    }

    /// Whose turn is next when the present program has ended; none if the run is over.
    pub(crate) fn next(&self, ending: Ending) -> Option<Step> {
        let after = self.start.after.as_ref();
        let goes_on = match ending {
            Ending::No => true,
            Ending::Asked => after.is_some_and(|after| after.when_killed),
            Ending::AtOnce => false,
        };
        if !goes_on || self.failed.is_some() {
            return None;
        }
        match self.current {
            Step::Before if ending == Ending::Asked => Some(Step::After),
            Step::Before => Some(Step::Main),
            Step::Main | Step::Beside => {
                let main = self.main.as_ref()?;
                let executed = matches!(main, Outcome::Exited { .. } | Outcome::Signaled { .. });
                let after = after.filter(|_| executed)?;
                let pauses = after.unless.is_some_and(|pause| is(main, pause));
                (!pauses).then_some(Step::After)
            }
            Step::After => None,
        }
    }

    /// What is to be started beside the run's own program, which is this process.
    pub(crate) fn companion(&self, main_pid: u32) -> Option<Start> {
        let companion = self.start.beside.as_ref()?;
        let Companion { program, argv, mut env, pid_variable, stdin, stdout, stderr } =
            (**companion).clone();
        env.push((pid_variable, OsBytes::from(main_pid.to_string())));
        let rest = with_program(&self.start, program, argv, env);
        Some(Start { stdin, stdout, stderr, ..rest })
    }

    /// It could not be executed.
    pub(crate) fn companion_failed(&mut self, outcome: Outcome) {
        self.failed = Some(FailedScript { step: Step::Beside, outcome });
    }

    /// Gives this program its turn.
    pub(crate) fn turn_to(&mut self, step: Step) {
        self.current = step;
    }

    /// An end with what is known here.
    pub(crate) fn end(&self, rest: &End) -> End {
        let outcome = self.main.clone().unwrap_or(Outcome::NotExecuted);
        End { outcome, failed: self.failed.clone(), ..rest.clone() }
    }
}

fn is(outcome: &Outcome, said: Success) -> bool {
    match (outcome, said) {
        (Outcome::Exited { code }, Success::ExitCode(said)) => *code == said,
        (Outcome::Signaled { signal, .. }, Success::Signal(said)) => *signal == said,
        (Outcome::Exited { .. }, Success::Signal(_))
        | (Outcome::Signaled { .. }, Success::ExitCode(_))
        | (Outcome::StartFailed { .. } | Outcome::NotExecuted | Outcome::Lost, _) => false,
    }
}

/// A script as if it were the run's own program.
fn as_start(script: &Script, start: &Start) -> Start {
    let Script { program, argv, env, success: _, unless: _, when_killed: _, limit: _ } =
        script.clone();
    with_program(start, program, argv, env)
}

/// Another program in the place of the run's own, without files.
fn with_program(
    start: &Start,
    program: OsBytes,
    argv: Vec<OsBytes>,
    env: Vec<(OsBytes, OsBytes)>,
) -> Start {
    Start {
        run_key: start.run_key.clone(),
        program,
        argv,
        env,
        cwd: start.cwd.clone(),
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::Null,
        uid: start.uid,
        gid: start.gid,
        umask: start.umask,
        limits: start.limits.clone(),
        kill_grace_ms: start.kill_grace_ms,
        lease_until_boot_ms: start.lease_until_boot_ms,
        before: None,
        after: None,
        beside: None,
        stop_at_exec: false,
        private: start.private.clone(),
    }
}
