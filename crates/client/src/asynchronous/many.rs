//! Many clusters that are submitted in few messages: two, where they fit into one. Each is taken or
//! refused by itself, once, as with [`Schedd::submit`].

use std::mem;

use model::{ClusterId, ClusterSpec, Procs, SubmitToken};
use proto::client::{Answer, AskSchedd, Refusal};
use proto::command::AskError;
use proto::frame::FrameError;
use proto::net::NetError;
use proto::together::{MAX_TOGETHER, NewCluster, Together};
use tokio::time::sleep;

use super::Schedd;
use crate::patience::{self, Patience};
use crate::submit::{self, BYTES_PER_MESSAGE, JOBS_PER_MESSAGE, SubmitError};

/// Why one of many clusters is not in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken<W> {
    /// It was not made: what whoever makes it says.
    NotMade(W),
    /// The schedd refused it.
    Refused(Refusal),
}

/// What came of one of many.
type Taken<W> = Result<ClusterId, NotTaken<W>>;

impl Schedd {
    /// Submits a cluster for each token, which `make` describes once its number is known: by its
    /// place among the tokens. It may be asked more than once, if numbers are lost with a schedd
    /// that is started again. What came of each is told in the order of the tokens.
    ///
    /// # Errors
    ///
    /// If no schedd answers; [`SubmitError::Unknown`] if some may be in the queue. The same tokens
    /// again are the same submissions.
    pub async fn submit_all<W>(
        &self,
        tokens: &[SubmitToken],
        mut make: impl FnMut(usize, ClusterId) -> Result<ClusterSpec, W>,
    ) -> Result<Vec<Result<ClusterId, NotTaken<W>>>, SubmitError> {
        let mut patience = Patience::with(&self.shared.home);
        let mut round = Round { taken: tokens.iter().map(|_| None).collect(), is_sent: false };
        loop {
            let failed = self.try_all(tokens, &mut make, &mut round).await;
            let error = match failed {
                Ok(None) => return Ok(round.taken.into_iter().flatten().collect()),
                Ok(Some(refusal)) => refusal.into(),
                Err(error) => error,
            };
            match patience.pause_after(&error, round.is_sent) {
                Some(pause) => sleep(pause).await,
                None => return Err(SubmitError::after(error, round.is_sent)),
            }
        }
    }

    /// One attempt at all that are open. Gives a refusal that passes, if there was one: then some
    /// are open still.
    async fn try_all<W>(
        &self,
        tokens: &[SubmitToken],
        make: &mut impl FnMut(usize, ClusterId) -> Result<ClusterSpec, W>,
        round: &mut Round<W>,
    ) -> Result<Option<Refusal>, AskError> {
        let open: Vec<usize> = (0..tokens.len()).filter(|at| round.taken[*at].is_none()).collect();
        let mut passing = None;
        for some in open.chunks(MAX_TOGETHER) {
            let ask =
                AskSchedd::ReserveClusters { tokens: some.iter().map(|at| tokens[*at]).collect() };
            let reserved = numbers(self.ask(ask).await?, some.len())?;
            let mut made = Vec::new();
            for (at, number) in some.iter().zip(reserved) {
                let new = match number {
                    Ok(cluster) => make(*at, cluster).map(|spec| (cluster, spec)),
                    Err(refusal) => {
                        round.note(*at, Err(refusal), &mut passing);
                        continue;
                    }
                };
                match new {
                    Ok((cluster, spec)) => {
                        made.push((*at, NewCluster { token: tokens[*at], cluster, spec }));
                    }
                    Err(why) => round.taken[*at] = Some(Err(NotTaken::NotMade(why))),
                }
            }
            self.send_all(made, round, &mut passing).await?;
        }
        Ok(passing)
    }

    /// Sends what was made, in as few messages as may be.
    async fn send_all<W>(
        &self,
        made: Vec<(usize, NewCluster)>,
        round: &mut Round<W>,
        passing: &mut Option<Refusal>,
    ) -> Result<(), AskError> {
        let (long, short): (Vec<_>, Vec<_>) = made.into_iter().partition(|(_, new)| is_long(new));
        for (at, new) in long {
            let number = self.send_one(new, &mut round.is_sent).await?;
            round.note(at, number, passing);
        }
        let mut left = vec![short];
        while let Some(mut some) = left.pop() {
            if some.len() <= 1 {
                let Some((at, new)) = some.pop() else { continue };
                let number = self.send_one(new, &mut round.is_sent).await?;
                round.note(at, number, passing);
                continue;
            }
            let (places, clusters): (Vec<usize>, Vec<NewCluster>) = some.into_iter().unzip();
            let together = Together::of(clusters);
            if together.bytes() > BYTES_PER_MESSAGE {
                let mut first: Vec<_> = places.into_iter().zip(together.into_clusters()).collect();
                let second = first.split_off(first.len() / 2);
                left.extend([second, first]);
                continue;
            }
            round.is_sent = true;
            let answer = self.ask(AskSchedd::SubmitClusters(together)).await?;
            for (at, number) in places.iter().zip(numbers(answer, places.len())?) {
                round.note(*at, number, passing);
            }
        }
        Ok(())
    }

    /// Sends one by itself, in as many messages as its jobs take.
    async fn send_one(
        &self,
        new: NewCluster,
        is_sent: &mut bool,
    ) -> Result<Result<ClusterId, Refusal>, AskError> {
        *is_sent = true;
        match self.converse(submit::asks(new.token, new.cluster, new.spec)).await {
            Ok(answers) => {
                let last = answers.into_iter().next_back().unwrap_or(Answer::Done);
                submit::submitted(last).map(Ok)
            }
            Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
            // What is too long for a message stays so, and is nobody else's matter.
            Err(AskError::Net(NetError::Frame(error @ FrameError::TooLong(_)))) => {
                Ok(Err(Refusal::Invalid(error.to_string())))
            }
            Err(error) => Err(error),
        }
    }
}

/// What is known of the clusters so far, over all attempts.
struct Round<W> {
    /// None of those that are open.
    taken: Vec<Option<Taken<W>>>,
    /// Whether it has come as far as to ask that jobs be taken.
    is_sent: bool,
}

impl<W> Round<W> {
    /// What came of one. A refusal that passes leaves it open.
    fn note(
        &mut self,
        at: usize,
        number: Result<ClusterId, Refusal>,
        passing: &mut Option<Refusal>,
    ) {
        match number {
            Err(refusal) if patience::passes(&refusal) => *passing = Some(refusal),
            number => self.taken[at] = Some(number.map_err(NotTaken::Refused)),
        }
    }
}

/// Whether a cluster's jobs may be too many for one message.
fn is_long(new: &NewCluster) -> bool {
    matches!(&new.spec.procs, Procs::Listed(jobs) if jobs.len() > JOBS_PER_MESSAGE / 20)
}

/// The numbers of an answer, as many as were asked for.
fn numbers(mut answer: Answer, many: usize) -> Result<Vec<Result<ClusterId, Refusal>>, AskError> {
    match &mut answer {
        Answer::Numbers(all) if all.len() == many => Ok(mem::take(all)),
        _ => Err(AskError::unexpected("numbers of clusters", &answer)),
    }
}
