//! How long what is asked of a schedd may be. What is longer is refused before anybody looks at the
//! queue, so that no single request takes the time or the memory of everybody.
//!
//! Does not know what is in the queue: what hangs on that, the schedd bounds itself.

use super::{Action, Arrange, AskSchedd, Query, Refusal, Select};

/// Words that name jobs in one question to the queue: they are sorted for each page of the answer,
/// for which the queue does nothing else.
pub const WORDS_ASKED_MAX: usize = 10_000;

/// Words that name jobs in one order, or in a question about the history or the record, which are
/// read beside the queue.
pub const WORDS_MAX: usize = 100_000;

/// Bytes of the reason for an act: each of its jobs has it in its row, in the record and in its
/// log.
pub const REASON_BYTES_MAX: usize = 8 * 1024;

/// Bytes of an expression that chooses jobs.
pub const CONSTRAINT_BYTES_MAX: usize = 256 * 1024;

impl AskSchedd {
    /// Looks at the length of what is asked.
    ///
    /// # Errors
    ///
    /// What is too long, and how long it may be.
    pub fn check_length(&self) -> Result<(), Refusal> {
        match self {
            Self::Act { action, select, .. } => {
                check_reason(action)?;
                check_select(select, "act on jobs", WORDS_MAX)
            }
            Self::Edit { select, .. } => check_select(select, "edit jobs", WORDS_MAX),
            Self::Arrange(Arrange::RunNow(words)) => {
                check_words(words.len(), "run jobs now", WORDS_MAX)
            }
            Self::Arrange(Arrange::Hold { jobs, .. }) => {
                check_words(jobs.len(), "hold jobs", WORDS_MAX)
            }
            Self::Arrange(Arrange::Forget { jobs }) => {
                check_words(jobs.len(), "delete the history of jobs", WORDS_MAX)
            }
            Self::QueryJobs(Query { select, finished: true, .. }) => {
                check_select(select, "look for finished jobs", WORDS_MAX)
            }
            Self::QueryJobs(Query { select, .. }) => {
                check_select(select, "look for jobs in the queue", WORDS_ASKED_MAX)
            }
            Self::Events { select, .. } => check_select(select, "read the record", WORDS_MAX),
            Self::Arrange(_)
            | Self::ReserveCluster { .. }
            | Self::ReserveClusters { .. }
            | Self::SubmitClusters(_)
            | Self::StageProcs { .. }
            | Self::Submit { .. }
            | Self::Totals
            | Self::Queues
            | Self::Identify
            | Self::Statistics
            | Self::Files(_)
            | Self::Chirp { .. } => Ok(()),
        }
    }
}

fn check_reason(action: &Action) -> Result<(), Refusal> {
    let reason = match action {
        Action::Remove { reason, .. }
        | Action::Hold { reason, .. }
        | Action::Release { reason } => reason.as_deref().unwrap_or_default(),
        Action::Vacate { .. } | Action::Suspend | Action::Continue | Action::Prioritise(_) => "",
    };
    let what = || format!("give a reason of {} bytes", reason.len());
    check(reason.len(), REASON_BYTES_MAX, what, "bytes")
}

fn check_select(select: &Select, what: &str, most: usize) -> Result<(), Refusal> {
    match select {
        Select::All => Ok(()),
        Select::Any(words) => check_words(words.len(), what, most),
        Select::Constraint(expr) => {
            let length = expr.to_string().len();
            let what = || format!("{what} by a constraint of {length} bytes");
            check(length, CONSTRAINT_BYTES_MAX, what, "bytes")
        }
    }
}

fn check_words(count: usize, what: &str, most: usize) -> Result<(), Refusal> {
    check(count, most, || format!("{what} that {count} words name"), "words in one request")
}

fn check(is: usize, most: usize, what: impl FnOnce() -> String, unit: &str) -> Result<(), Refusal> {
    if is <= most {
        return Ok(());
    }
    Err(Refusal::Limit { what: what(), limit: format!("{most} {unit}") })
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, HoldCode};

    use super::*;
    use crate::client::{FrontEnd, Selector};

    #[test]
    fn what_is_too_long_is_refused_with_its_limit_and_what_just_fits_is_not() {
        let words = |n| Select::Any(vec![Selector::Cluster(ClusterId(1)); n]);
        let act = |action, select| AskSchedd::Act { action, select, through: FrontEnd::Updraft };
        let hold = |bytes| Action::Hold {
            reason: Some("x".repeat(bytes)),
            code: HoldCode::UserRequest,
            subcode: 0,
        };
        let query =
            |select, finished| AskSchedd::QueryJobs(Query { finished, ..Query::of(select) });
        let edit = |select| AskSchedd::Edit { select, changes: Vec::new(), dry_run: false };
        let long = format!("\"{}\" == Owner", "x".repeat(CONSTRAINT_BYTES_MAX));
        let long = Select::Constraint(long.parse().unwrap());
        let check = |ask: &AskSchedd, expected: Option<&str>| {
            let refused = ask.check_length().err().map(|refusal| refusal.to_string());
            assert_eq!(refused.as_deref(), expected);
        };
        check(&act(hold(8192), words(100_000)), None);
        check(
            &act(hold(8193), words(1)),
            Some("give a reason of 8193 bytes: 8192 bytes is the limit"),
        );
        check(
            &act(hold(1), words(100_001)),
            Some("act on jobs that 100001 words name: 100000 words in one request is the limit"),
        );
        check(
            &edit(words(100_001)),
            Some("edit jobs that 100001 words name: 100000 words in one request is the limit"),
        );
        check(&query(words(10_000), false), None);
        check(
            &query(words(10_001), false),
            Some(
                "look for jobs in the queue that 10001 words name: 10000 words in one request is the limit",
            ),
        );
        check(&query(words(10_001), true), None);
        check(
            &edit(long),
            Some("edit jobs by a constraint of 262155 bytes: 262144 bytes is the limit"),
        );
    }
}
