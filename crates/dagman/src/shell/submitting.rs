//! Submissions that are under way: the clusters of many nodes travel in few messages, beside the
//! loop, which hears everything else meanwhile, also while no schedd answers.
//!
//! Knows neither when a node's turn has come nor what follows.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use client::SubmitError;
use client::asynchronous::{NotTaken, Schedd};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use model::{ClusterId, SubmitToken};
use proto::client::Refusal;
use proto::command::AskError;
use proto::net::NetError;

use super::submit::{NotMade, Prepared};
use crate::core::Input;
use crate::workflow::NodeIndex;

/// Nodes of one message. While the schedd makes the jobs of some durable, others are written.
const AT_ONCE: usize = 250;

/// Nodes that are made ready at a time: what is known of each is large, and of those behind them
/// little is kept.
const READY_AT_ONCE: usize = 4000;

/// How long a schedd is left alone that does not answer, and that nobody seems to start again.
const AGAIN: Duration = Duration::from_secs(1);

/// Nodes that are being submitted, and those that are next.
pub(super) struct Submissions {
    schedd: Schedd,
    /// Nodes, and which attempt of each.
    waiting: VecDeque<(NodeIndex, u32)>,
    under_way: Option<LocalBoxFuture<'static, Vec<Input>>>,
}

impl Submissions {
    pub(super) fn with(schedd: &Schedd) -> Self {
        Self { schedd: schedd.clone(), waiting: VecDeque::new(), under_way: None }
    }

    /// One more attempt of a node that is to be submitted.
    pub(super) fn put(&mut self, node: NodeIndex, retry: u32) {
        self.waiting.push_back((node, retry));
    }

    /// Whether some are under way, so that the record may tell of clusters whose numbers are not
    /// known yet.
    pub(super) fn are_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether some are to be sent, and may be: those before them have their numbers.
    pub(super) fn may_begin(&self) -> bool {
        self.under_way.is_none() && !self.waiting.is_empty()
    }

    /// Those that are next.
    pub(super) fn take_next(&mut self) -> Vec<(NodeIndex, u32)> {
        self.waiting.drain(..self.waiting.len().min(READY_AT_ONCE)).collect()
    }

    /// Sends these, where none are under way.
    pub(super) fn begin(&mut self, mut ready: Vec<Prepared>) {
        let mut parts = Vec::new();
        while !ready.is_empty() {
            let rest = ready.split_off(ready.len().min(AT_ONCE));
            parts.push(std::mem::replace(&mut ready, rest));
        }
        if parts.is_empty() {
            return;
        }
        let schedd = self.schedd.clone();
        let all = async move {
            let parts = parts.into_iter().map(|part| submit(&schedd, part));
            join_all(parts).await.into_iter().flatten().collect()
        };
        self.under_way = Some(all.boxed_local());
    }

    /// What came of those that are under way; for ever nothing, if none are. May be cancelled.
    pub(super) async fn next(&mut self) -> Vec<Input> {
        let Some(under_way) = &mut self.under_way else { return pending().await };
        let inputs = under_way.await;
        self.under_way = None;
        inputs
    }

    /// What came of those that are under way, if some are: then none is on its way.
    pub(super) async fn settle(&mut self) -> Vec<Input> {
        if self.are_under_way() { self.next().await } else { Vec::new() }
    }

    /// Forgets those that were not sent yet.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }
}

/// Finds out what some nodes want to know of their last attempts, for as long as no schedd answers.
async fn measure(schedd: &Schedd, part: &mut [Prepared]) {
    for one in part {
        while let Some(query) = one.asks() {
            match schedd.jobs(query.clone()).await {
                Ok(jobs) => one.measured(&jobs),
                Err(AskError::Net(_)) => tokio::time::sleep(AGAIN).await,
                // Nothing is known of it then.
                Err(AskError::Refused(_) | AskError::Unexpected { .. }) => one.measured(&[]),
            }
        }
    }
}

/// Submits some nodes, for as long as no schedd answers.
async fn submit(schedd: &Schedd, mut part: Vec<Prepared>) -> Vec<Input> {
    measure(schedd, &mut part).await;
    let tokens: Vec<SubmitToken> = part.iter().map(|one| one.token).collect();
    let mut jobs = vec![0; part.len()];
    let (why, lasting) = loop {
        let made = schedd.submit_all(&tokens, |at, cluster| {
            let spec = part[at].make(cluster)?;
            jobs[at] = spec.count();
            Ok::<_, NotMade>(spec)
        });
        match made.await {
            Ok(taken) => {
                let each = part.iter().zip(&jobs).zip(taken);
                return each.map(|((one, jobs), taken)| came_of(one, *jobs, taken)).collect();
            }
            // What is too long stays so.
            Err(SubmitError::Ask(error @ AskError::Net(NetError::Frame(_)))) => {
                break (error.to_string(), true);
            }
            Err(SubmitError::Unknown(_) | SubmitError::Ask(AskError::Net(_))) => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => break (error.to_string(), false),
        }
    };
    let failed = part.iter().map(|one| {
        let (node, retry, why) = (one.node, one.retry, why.clone());
        Input::SubmitFailed { node, retry, lasting, why }
    });
    failed.collect()
}

fn came_of(one: &Prepared, jobs: u32, taken: Result<ClusterId, NotTaken<NotMade>>) -> Input {
    let (node, retry) = (one.node, one.retry);
    match taken {
        Ok(cluster) => Input::Submitted { node, retry, cluster, jobs },
        Err(NotTaken::NotMade(NotMade::NoItems)) => Input::NoItems { node, retry },
        Err(NotTaken::NotMade(NotMade::Wrong(why))) => {
            Input::SubmitFailed { node, retry, lasting: true, why }
        }
        Err(NotTaken::Refused(refusal)) => {
            let lasting = match &refusal {
                Refusal::Invalid(_)
                | Refusal::NotRunning(_)
                | Refusal::HasLeft(_)
                | Refusal::Gone { .. } => true,
                // Also what is too much now, or not allowed now, as condor_dagman tries it again.
                Refusal::NotReserved(_)
                | Refusal::Busy(_)
                | Refusal::Failed(_)
                | Refusal::Limit { .. }
                | Refusal::Denied(_) => false,
            };
            Input::SubmitFailed { node, retry, lasting, why: refusal.to_string() }
        }
    }
}
