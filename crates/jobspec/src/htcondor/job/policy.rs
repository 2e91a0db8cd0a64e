//! What happens when the job ends, is held, loses contact or must go: retries, hold at submit,
//! signals, lease.

use classad::Expr;
use model::{HoldCode, Universe, attr, spooling};

use super::Job;
use crate::language::evaluate;
use model::diagnostic::Diagnostic;

/// How often a job is run again when a description asks for retries without saying how many
/// (HTCondor 25.14).
const DEFAULT_RETRIES: i64 = 2;

/// How long an execute machine goes on without word from the schedd, in seconds (HTCondor 25.14).
const DEFAULT_LEASE_SECONDS: i64 = 2400;

/// A shorter lease would end between two renewals (HTCondor 25.14).
const SHORTEST_LEASE_SECONDS: i64 = 20;

impl Job<'_> {
    pub(super) fn set_policy(&mut self) -> Result<(), Diagnostic> {
        let hold = self.truth("hold")? == Some(true);
        if self.spool {
            self.set_spooling(hold)?;
        } else if hold {
            self.ad.set(attr::JOB_STATUS, 5);
            self.ad.set(attr::HOLD_REASON, "submitted on hold at user's request");
            self.ad.set(attr::HOLD_REASON_CODE, 15);
        }
        self.set_retries()?;
        self.set_signals()?;
        self.set_lease()
    }

    /// Held until its files are there.
    fn set_spooling(&mut self, hold: bool) -> Result<(), Diagnostic> {
        if hold {
            let message = "Cannot set 'hold' to 'true' when using -remote or -spool";
            let hint = "the job is held until its files are there; hold it then";
            return Err(Diagnostic::error(message).at(self.place("hold")).hint(hint));
        }
        for keyword in ["max_materialize", "max_idle"] {
            if self.word(keyword)?.is_some() {
                let message = format!("{keyword} cannot be used with -spool");
                let hint = "jobs that come into the queue later have no files to be copied now";
                return Err(Diagnostic::error(message).at(self.place(keyword)).hint(hint));
            }
        }
        self.ad.set(attr::JOB_STATUS, 5);
        self.ad.set(attr::HOLD_REASON, spooling::HOLD_REASON);
        self.ad.set(attr::HOLD_REASON_CODE, i64::from(HoldCode::SpoolingInput.number()));
        Ok(())
    }

    /// Retries become `OnExitRemove`: gone after the last retry, or with the right exit code, or
    /// when the user says so.
    fn set_retries(&mut self) -> Result<(), Diagnostic> {
        let max_retries = self.integer("max_retries")?;
        let success = self.integer("success_exit_code")?;
        if let Some(code) = success.filter(|code| i32::try_from(*code).is_err()) {
            let message = format!("success_exit_code={code} is invalid, must eval to an integer.");
            return Err(Diagnostic::error(message).at(self.place("success_exit_code")));
        }
        let until = self.text("retry_until")?;
        let on_exit_remove = self.text("on_exit_remove")?;
        let on_exit_hold = self.text("on_exit_hold")?;
        if let Some(text) = &on_exit_hold {
            self.set_expression("on_exit_hold", attr::ON_EXIT_HOLD, text)?;
        }
        if let Some(code) = success {
            self.ad.set(attr::JOB_SUCCESS_EXIT_CODE, code);
        }
        if max_retries.is_none() && success.is_none() && until.is_none() {
            if let Some(text) = on_exit_remove {
                self.set_expression("on_exit_remove", attr::ON_EXIT_REMOVE, &text)?;
            }
            return Ok(());
        }
        self.ad.set(attr::JOB_MAX_RETRIES, max_retries.unwrap_or(DEFAULT_RETRIES));
        let succeeded = if success.is_some() { attr::JOB_SUCCESS_EXIT_CODE } else { "0" };
        let mut clauses = format!("NumJobCompletions > JobMaxRetries || ExitCode =?= {succeeded}");
        for (keyword, text) in [("retry_until", until), ("on_exit_remove", on_exit_remove)] {
            let Some(text) = text else { continue };
            // each on its own first, so that a mistake is told in the user's words
            let clause =
                self.parsed(keyword, &text, self.place(keyword)).map_err(|mut error| {
                    let right = match keyword {
                        "retry_until" => "an integer or boolean expression",
                        _ => "a boolean expression",
                    };
                    error.message = format!("{keyword}={text} is invalid, it must be {right}.");
                    error
                })?;
            // What names an attribute is no constant, whatever it comes to now.
            let constant = evaluate::constant(&text).filter(|_| clause.references().is_empty());
            let code = constant
                .and_then(|value| value.as_i64().or_else(|| value.as_bool().map(i64::from)));
            let clause = match code {
                Some(code) if keyword == "retry_until" => format!("ExitCode =?= {code}"),
                _ if binds_looser_than_or(&clause) => format!("({text})"),
                _ => text,
            };
            clauses = format!("{clauses} || {clause}");
        }
        self.set_default(attr::ON_EXIT_HOLD, false);
        self.set_expression("max_retries", attr::ON_EXIT_REMOVE, &clauses)
    }

    fn set_signals(&mut self) -> Result<(), Diagnostic> {
        for (keyword, attr) in [
            ("kill_sig", attr::KILL_SIG),
            ("remove_kill_sig", attr::REMOVE_KILL_SIG),
            ("hold_kill_sig", attr::HOLD_KILL_SIG),
        ] {
            let Some(text) = self.word(keyword)? else { continue };
            let name = signal_name(&text).ok_or_else(|| {
                let error = Diagnostic::error(format!("invalid signal {text}"));
                error.at(self.place(keyword)).hint("a number, or a name such as SIGTERM")
            })?;
            self.ad.set(attr, name);
        }
        if self.universe != Universe::Vanilla {
            self.set_default(attr::KILL_SIG, "SIGTERM");
        }
        Ok(())
    }

    fn set_lease(&mut self) -> Result<(), Diagnostic> {
        let Some(text) = self.word("job_lease_duration")? else {
            if self.universe == Universe::Vanilla {
                self.ad.set(attr::JOB_LEASE_DURATION, DEFAULT_LEASE_SECONDS);
            }
            return Ok(());
        };
        let number =
            |value: &classad::Value| value.as_i64().or_else(|| value.as_bool().map(i64::from));
        let seconds = Expr::parse(&text).ok().and_then(|expr| number(expr.as_literal()?));
        if seconds.is_some_and(|seconds| (1..SHORTEST_LEASE_SECONDS).contains(&seconds)) {
            let message = format!(
                "JobLeaseDuration less than {SHORTEST_LEASE_SECONDS} seconds is not allowed, using \
                 {SHORTEST_LEASE_SECONDS} instead"
            );
            self.warn("job_lease_duration", message);
            self.ad.set(attr::JOB_LEASE_DURATION, SHORTEST_LEASE_SECONDS);
            return Ok(());
        }
        self.set_expression("job_lease_duration", attr::JOB_LEASE_DURATION, &text)
    }
}

/// Whether `a || EXPRESSION` would mean something else than `a || (EXPRESSION)`.
fn binds_looser_than_or(expr: &Expr) -> bool {
    let joined = Expr::parse(&format!("false || {expr}"));
    joined.is_ok_and(|joined| joined != Expr::from(false).or(expr.clone()))
}

/// The name of a signal, from its name or its number on Linux.
fn signal_name(text: &str) -> Option<&'static str> {
    const SIGNALS: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let by_name = SIGNALS.iter().find(|name| name.eq_ignore_ascii_case(text)).copied();
    by_name.or_else(|| {
        // Of a number its beginning counts (HTCondor 25.14).
        let number = usize::try_from(evaluate::leading_integer(text)).ok()?;
        SIGNALS.get(number.checked_sub(1)?).copied()
    })
}
