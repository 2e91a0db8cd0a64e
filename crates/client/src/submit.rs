//! Gets clusters into the queue: each once, however often the connection fails.
//!
//! Every cluster has a token. A schedd that has seen a token's `Submit` gives the same answer
//! again, so everything may be repeated until an answer comes. A number that was reserved is lost
//! when the schedd restarts; then the jobs are made again for another, because their values may
//! contain it.

use std::fmt;
use std::thread;

use jobspec::htcondor::{Description, Submission, SubmitOptions};
use jobspec::{Diagnostic, Site};
use model::diagnostic::About;
use model::{ClusterId, ClusterSpec, Procs, SubmitToken};
use proto::client::{Answer, AskSchedd};
use proto::command::AskError;
use proto::frame::{self, FrameError, MAX_FRAME_BYTES};
use proto::net::NetError;

use crate::connect::Schedd;
use crate::home::Home;
use crate::outlook;
use crate::patience::Patience;

/// How many jobs travel in one message, and bytes of them: the last ones have the rest of the
/// description beside them in the frame.
pub(crate) const JOBS_PER_MESSAGE: usize = 2000;
pub(crate) const BYTES_PER_MESSAGE: usize = MAX_FRAME_BYTES / 4;

/// Why nothing was submitted, or perhaps something.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The description makes no sense here. Nothing is in the queue.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The schedd refuses or is not there. Nothing is in the queue.
    #[error(transparent)]
    Ask(AskError),
    /// The schedd was asked to take the jobs, has not answered, and does not come back: look into
    /// the queue before you submit again.
    #[error(
        "submit: the schedd has gone before it said whether it took the jobs; look into the queue before you submit them again"
    )]
    Unknown(#[source] AskError),
}

/// What is wrong with a description, in the order it was found.
#[derive(Debug)]
pub struct Wrong(pub Vec<Diagnostic>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> =
            self.0.iter().filter(|d| d.is_error()).map(Diagnostic::render).collect();
        f.write_str(&errors.join("\n"))
    }
}

impl std::error::Error for Wrong {}

/// Reads a submit description. `name` is what diagnostics call it.
///
/// # Errors
///
/// If it is none.
pub fn parse(text: &str, name: &str) -> Result<Description, Wrong> {
    jobspec::htcondor::parse(text, name).map_err(Wrong)
}

/// A token for a submission: nobody else has it.
///
/// # Errors
///
/// If the system has no random numbers.
#[expect(clippy::disallowed_methods, reason = "a submission's token is drawn here, once")]
pub fn new_token() -> Result<SubmitToken, TokenError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(SubmitToken(bytes))
}

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("no random number for the submission: {0}")]
pub struct TokenError(#[from] getrandom::Error);

/// The cluster that a description with one `queue` statement makes under this number: for
/// [`Home::submit_cluster`] and [`asynchronous`](crate::asynchronous), in which a program makes its
/// own tokens.
///
/// # Errors
///
/// What is wrong with it; or that it has another number of statements.
pub fn cluster_of(
    description: &Description,
    site: &dyn Site,
    options: &SubmitOptions,
    cluster: ClusterId,
) -> Result<ClusterSpec, Wrong> {
    let made = description.expand(site, &mut || Ok(cluster), options).map_err(Wrong)?;
    let mut clusters = made.clusters.into_iter().map(|(_, spec)| spec);
    match (clusters.next(), clusters.next()) {
        (Some(spec), None) => Ok(spec),
        (Some(_), Some(_)) | (None, _) => {
            let told = "a description with one queue statement is wanted".to_owned();
            Err(Wrong(vec![Diagnostic::error(told).about(About::Submission)]))
        }
    }
}

impl Home {
    /// Submits what a description asks for, and says what that was: the clusters with their
    /// numbers, and warnings.
    ///
    /// # Errors
    ///
    /// If the description is wrong, no pool answers or it refuses; then nothing is in the queue.
    /// [`SubmitError::Unknown`] if that is not certain.
    pub fn submit(
        &self,
        description: &Description,
        site: &dyn Site,
        options: &SubmitOptions,
    ) -> Result<Submission, SubmitError> {
        self.submit_if(description, site, options, |_| Ok(()))
    }

    /// As [`Home::submit`], if `accept` has nothing against what would be submitted; it may add
    /// warnings.
    ///
    /// # Errors
    ///
    /// As [`Home::submit`], and [`SubmitError::Wrong`] with what `accept` says.
    pub fn submit_if(
        &self,
        description: &Description,
        site: &dyn Site,
        options: &SubmitOptions,
        mut accept: impl FnMut(&mut Submission) -> Result<(), Vec<Diagnostic>>,
    ) -> Result<Submission, SubmitError> {
        let mut tokens = Vec::new();
        self.until_answered(|schedd, is_sent| {
            submit_once(schedd, is_sent, &mut tokens, |number| {
                let mut submission = description.expand(site, number, options)?;
                accept(&mut submission)?;
                submission.warnings.extend(outlook::make_log_folders(&submission));
                Ok(submission)
            })
        })
    }

    /// Submits one cluster, which `make` describes once its number is known; more than once, if the
    /// number is lost with a schedd that is started again. The same token again is the same
    /// submission.
    ///
    /// # Errors
    ///
    /// As [`Home::submit`].
    pub fn submit_cluster(
        &self,
        token: SubmitToken,
        mut make: impl FnMut(ClusterId) -> ClusterSpec,
    ) -> Result<ClusterId, SubmitError> {
        self.until_answered(|schedd, is_sent| {
            let cluster = schedd.reserve(token)?;
            Ok(send(schedd, is_sent, asks(token, cluster, make(cluster)))?)
        })
    }

    /// Tries until an answer comes. Each try says whether it has come as far as to ask that jobs be
    /// taken.
    fn until_answered<T>(
        &self,
        mut attempt: impl FnMut(&mut Schedd, &mut bool) -> Result<T, Failure>,
    ) -> Result<T, SubmitError> {
        let mut patience = Patience::with(self);
        let mut is_sent = false;
        loop {
            let tried = self
                .schedd()
                .map_err(Failure::Ask)
                .and_then(|mut schedd| attempt(&mut schedd, &mut is_sent));
            match tried {
                Ok(done) => return Ok(done),
                Err(Failure::Wrong(wrong)) => return Err(wrong.into()),
                Err(Failure::Ask(error)) => match patience.pause_after(&error, is_sent) {
                    Some(pause) => thread::sleep(pause),
                    None => return Err(SubmitError::after(error, is_sent)),
                },
            }
        }
    }
}

impl SubmitError {
    /// The last error of a submission. An answer is certain, whatever it is; silence after jobs
    /// were sent is not.
    pub(crate) fn after(error: AskError, is_sent: bool) -> Self {
        match &error {
            // It was not sent, whatever was sent before it.
            AskError::Net(NetError::Frame(FrameError::TooLong(_))) => Self::Ask(error),
            AskError::Net(_) if is_sent => Self::Unknown(error),
            AskError::Net(_) | AskError::Refused(_) | AskError::Unexpected { .. } => {
                Self::Ask(error)
            }
        }
    }
}

enum Failure {
    Ask(AskError),
    Wrong(Wrong),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

/// One attempt at all clusters of a description. Tokens are kept from attempt to attempt.
fn submit_once(
    schedd: &mut Schedd,
    is_sent: &mut bool,
    tokens: &mut Vec<SubmitToken>,
    expand: impl FnOnce(
        &mut dyn FnMut() -> Result<ClusterId, Diagnostic>,
    ) -> Result<Submission, Vec<Diagnostic>>,
) -> Result<Submission, Failure> {
    let mut reserved = 0;
    let mut failure = None;
    let spaced = |error: String| Diagnostic::error(error).about(About::Submission);
    let made = expand(&mut || {
        if tokens.len() == reserved {
            tokens.push(new_token().map_err(|error| spaced(error.to_string()))?);
        }
        reserved += 1;
        schedd.reserve(tokens[reserved - 1]).map_err(|error| {
            let told = spaced(error.to_string());
            failure = Some(error);
            told
        })
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut submission = made.map_err(|diagnostics| Failure::Wrong(Wrong(diagnostics)))?;
    for ((cluster, spec), token) in submission.clusters.iter_mut().zip(&*tokens) {
        *cluster = send(schedd, is_sent, asks(*token, *cluster, spec.clone()))?;
    }
    Ok(submission)
}

impl Schedd {
    /// A cluster number for a submission: the same for the same token.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn reserve(&mut self, token: SubmitToken) -> Result<ClusterId, AskError> {
        reserved(self.ask(AskSchedd::ReserveCluster { token })?)
    }
}

fn send(
    schedd: &mut Schedd,
    is_sent: &mut bool,
    asks: Vec<AskSchedd>,
) -> Result<ClusterId, AskError> {
    let mut answer = Answer::Done;
    for ask in asks {
        *is_sent |= matches!(ask, AskSchedd::Submit { .. });
        answer = schedd.ask(ask)?;
    }
    submitted(answer)
}

/// The number in the answer to a reservation.
pub(crate) fn reserved(answer: Answer) -> Result<ClusterId, AskError> {
    match answer {
        Answer::Reserved(cluster) => Ok(cluster),
        other => Err(AskError::unexpected("a cluster number", &other)),
    }
}

/// The number in the last answer to a submission.
pub(crate) fn submitted(answer: Answer) -> Result<ClusterId, AskError> {
    match answer {
        Answer::Submitted { cluster, .. } => Ok(cluster),
        other => Err(AskError::unexpected("a submission", &other)),
    }
}

/// What to ask to submit a cluster, in order and over one connection: listed jobs that are too many
/// for one message go before.
pub(crate) fn asks(
    token: SubmitToken,
    cluster: ClusterId,
    mut spec: ClusterSpec,
) -> Vec<AskSchedd> {
    let mut asks = Vec::new();
    if let Procs::Listed(jobs) = &mut spec.procs {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for job in std::mem::take(jobs) {
            // What cannot be measured cannot be sent either, and says so then.
            let own = frame::size(&job).unwrap_or(0);
            if part.len() == JOBS_PER_MESSAGE || bytes + own > BYTES_PER_MESSAGE && bytes > 0 {
                let procs = std::mem::take(&mut part);
                asks.push(AskSchedd::StageProcs { token, procs });
                bytes = 0;
            }
            bytes += own;
            part.push(job);
        }
        *jobs = part;
    }
    asks.push(AskSchedd::Submit { token, cluster, spec: Box::new(spec) });
    asks
}
