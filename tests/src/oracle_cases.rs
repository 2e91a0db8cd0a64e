//! What all comparisons with the real HTCondor have alike: their arguments, and the cases of a
//! seed, several at a time. What a case is, each of them knows.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Context;

/// Which cases, compared with what.
#[derive(Clone, Debug, clap::Args)]
pub struct CaseArgs {
    /// What the cases are made from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many.
    #[arg(long, value_name = "M")]
    cases: Option<u64>,
    /// Only this one.
    #[arg(long, value_name = "I")]
    case: Option<u64>,
    /// How many at a time.
    #[arg(long, value_name = "K")]
    at_once: Option<u64>,
    /// Where a real HTCondor was set up in a chroot (HTCONDOR_REFERENCE, if not given).
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// Our program.
    #[arg(long, value_name = "FILE", default_value = "target/release/updraft")]
    updraft: PathBuf,
    /// Only say which differences are meant, and why.
    #[arg(long)]
    pub meant: bool,
    /// Write cases of which both make the same, with what that is.
    #[arg(long, value_name = "PATH")]
    pub record: Option<PathBuf>,
    /// Ask ours alone about what was recorded in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub replay: Option<PathBuf>,
}

/// How many cases there are, and at a time, where nobody says.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    pub cases: u64,
    pub at_once: u64,
}

impl CaseArgs {
    /// The numbers of the cases.
    pub fn numbers(&self, usual: Usual) -> Range<u64> {
        match self.case {
            Some(index) => index..index + 1,
            None => 0..self.cases.unwrap_or(usual.cases),
        }
    }

    /// How many cases there are.
    pub fn count(&self, usual: Usual) -> u64 {
        let numbers = self.numbers(usual);
        numbers.end - numbers.start
    }

    /// How many at a time.
    pub fn at_once(&self, usual: Usual) -> u64 {
        self.at_once.unwrap_or(usual.at_once).max(1)
    }

    /// Where a real HTCondor was set up.
    pub fn reference(&self) -> PathBuf {
        let named = || std::env::var_os("HTCONDOR_REFERENCE").unwrap_or_default().into();
        self.reference.clone().unwrap_or_else(named)
    }

    /// Our program's path, from the root.
    ///
    /// # Errors
    /// If it is not there.
    pub fn updraft(&self) -> anyhow::Result<PathBuf> {
        std::fs::canonicalize(&self.updraft)
            .with_context(|| format!("there is no program {}", self.updraft.display()))
    }

    /// Does all cases: each is given to `one`, with the number of the worker that does it.
    ///
    /// # Errors
    /// What `one` says first.
    pub fn each(
        &self,
        usual: Usual,
        one: impl Fn(u64, u64) -> anyhow::Result<()> + Sync,
    ) -> anyhow::Result<()> {
        let numbers = self.numbers(usual);
        let next = AtomicU64::new(numbers.start);
        let (next, one, numbers) = (&next, &one, &numbers);
        thread::scope(|threads| {
            let work = |worker| {
                move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if !numbers.contains(&index) {
                            return Ok(());
                        }
                        one(worker, index)?;
                    }
                }
            };
            let workers: Vec<_> =
                (0..self.at_once(usual)).map(|worker| threads.spawn(work(worker))).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        cases: CaseArgs,
    }

    const USUAL: Usual = Usual { cases: 7, at_once: 3 };

    #[test]
    fn each_case_is_done_once_and_the_first_failure_is_told() {
        for (words, expected) in [
            (&["oracle"][..], 0..7),
            (&["oracle", "--cases", "2"], 0..2),
            (&["oracle", "--case", "9"], 9..10),
        ] {
            let line = Line::parse_from(words);
            let done = Mutex::new(Vec::new());
            let one = |_, index| {
                done.lock().unwrap().push(index);
                Ok(())
            };
            line.cases.each(USUAL, one).unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, expected.collect::<Vec<_>>());
        }
        let line = Line::parse_from(["oracle"]);
        let fails = |_, index| if index == 4 { anyhow::bail!("the fifth") } else { Ok(()) };
        assert_eq!(line.cases.each(USUAL, fails).unwrap_err().to_string(), "the fifth");
    }
}
