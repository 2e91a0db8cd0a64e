//! Gets a description's clusters into the queue: each once, however often the connection fails.
//!
//! Every cluster has a token. A schedd that has seen a token's `Submit` gives the same answer again, so everything may be
//! repeated until an answer comes. A number that was reserved is lost when the schedd restarts; then the jobs are made again
//! for another, because their values may contain it.

use std::thread;

use anyhow::Result;
use jobspec::submit::{Description, Submission, SubmitOptions};
use jobspec::{Diagnostic, Form};
use model::{ClusterId, ClusterSpec, Procs, SubmitToken};
use proto::client::{Answer, Ask, Refusal};
use proto::command::{AskError, Client};

use super::Wrong;
use crate::connect::{self, ATTEMPTS, PAUSE, unexpected};
use crate::site::RealSite;

/// How many jobs travel in one message. With 4 kB of their own each they fill half of the longest frame.
const JOBS_PER_MESSAGE: usize = 2000;

/// Submits, and says what was submitted.
pub(super) fn submit(
    description: &Description,
    site: &RealSite,
    options: &SubmitOptions,
) -> Result<Submission> {
    let mut tokens = Vec::new();
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match attempt(description, site, options, &mut tokens) {
            Err(Failure::Passing(error)) if left == 0 => return Err(error.into()),
            Err(Failure::Passing(_)) => thread::sleep(PAUSE),
            Err(Failure::Lasting(error)) => return Err(error),
            Ok(submission) => return Ok(submission),
        }
    }
}

enum Failure {
    /// May be over after a while.
    Passing(AskError),
    Lasting(anyhow::Error),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Net(_) | AskError::Refused(Refusal::NotReserved(_) | Refusal::Busy(_)) => {
                Self::Passing(error)
            }
            AskError::Refused(Refusal::Limit { .. } | Refusal::Invalid(_))
            | AskError::Unexpected { .. } => Self::Lasting(error.into()),
        }
    }
}

fn attempt(
    description: &Description,
    site: &RealSite,
    options: &SubmitOptions,
    tokens: &mut Vec<SubmitToken>,
) -> Result<Submission, Failure> {
    let mut client = connect::schedd().map_err(Failure::Lasting)?;
    let mut reserved = 0;
    let mut failure = None;
    let made = description.expand(
        site,
        &mut || {
            if tokens.len() == reserved {
                tokens.push(token()?);
            }
            reserved += 1;
            reserve(&mut client, tokens[reserved - 1]).map_err(|error| {
                let told = Diagnostic::error(error.to_string()).form(Form::Spaced);
                failure = Some(error);
                told
            })
        },
        options,
    );
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut submission = made.map_err(|diagnostics| Failure::Lasting(Wrong(diagnostics).into()))?;
    for ((cluster, spec), token) in submission.clusters.iter_mut().zip(&*tokens) {
        *cluster = send(&mut client, *token, *cluster, spec)?;
    }
    Ok(submission)
}

fn reserve(client: &mut Client, token: SubmitToken) -> Result<ClusterId, AskError> {
    match client.ask(Ask::ReserveCluster { token })? {
        Answer::Reserved(cluster) => Ok(cluster),
        other => Err(unexpected("a cluster number", &other)),
    }
}

fn send(
    client: &mut Client,
    token: SubmitToken,
    cluster: ClusterId,
    spec: &ClusterSpec,
) -> Result<ClusterId, AskError> {
    let mut last = spec.clone();
    if let Procs::Listed(jobs) = &mut last.procs {
        while jobs.len() > JOBS_PER_MESSAGE {
            let rest = jobs.split_off(JOBS_PER_MESSAGE);
            let procs = std::mem::replace(jobs, rest);
            match client.ask(Ask::StageProcs { token, procs })? {
                Answer::Done => {}
                other => return Err(unexpected("a part of a submission", &other)),
            }
        }
    }
    match client.ask(Ask::Submit { token, cluster, spec: Box::new(last) })? {
        Answer::Submitted { cluster, .. } => Ok(cluster),
        other => Err(unexpected("a submission", &other)),
    }
}

#[expect(clippy::disallowed_methods, reason = "a submission's token is drawn here, once")]
fn token() -> Result<SubmitToken, Diagnostic> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Diagnostic::error(format!("no random number for the submission: {error}"))
            .form(Form::Spaced)
    })?;
    Ok(SubmitToken(bytes))
}
