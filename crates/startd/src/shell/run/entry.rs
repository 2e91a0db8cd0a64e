//! Whether somebody is let to a run that executes here: to its files, or to a shell beside it. What
//! he does there is not known here.

use std::path::PathBuf;

use model::{JobId, UserName};
use nix::unistd::Uid;
use proto::client::Refusal;
use proto::net::Peer;
use tokio::sync::mpsc;

use crate::core::RunKey;
use crate::shell::engine::{EngineInput, Question, ask};

/// On whose word somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The kernel's, which knows the processes of this machine.
    Here { uid: u32, user: UserName },
    /// That of the job's schedd, which has looked whether he may: about this job and no other.
    Visitor(JobId),
}

/// Where a run is, and whose it is.
#[derive(Debug)]
pub(crate) struct RunPlace {
    pub(crate) key: RunKey,
    pub(crate) owner: UserName,
    /// The owner's number, where runs are their owners'.
    pub(crate) uid: Option<u32>,
    pub(crate) scratch: PathBuf,
    /// Its files are its owner's, and only a helper may touch them.
    pub(crate) is_owners: bool,
}

/// Why somebody is not let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NoEntry {
    #[error("look at job {0}: it does not run on this machine")]
    NoRun(JobId),
    #[error("look at job {0}: it is somebody else's")]
    NotYours(JobId),
    /// It would have to become the job's user.
    #[error("look at job {0}: a startd that runs as root does not show it yet")]
    Root(JobId),
}

impl Asker {
    pub(crate) fn of(peer: &Peer) -> Self {
        Self::Here { uid: peer.uid(), user: peer.user() }
    }

    fn may_enter(
        &self,
        job: JobId,
        (owner, owners): (&UserName, Option<u32>),
        ours: Uid,
    ) -> Result<(), NoEntry> {
        let may = match self {
            Self::Here { uid, user } => {
                owners.map_or(user == owner, |owners| *uid == owners)
                    || *uid == 0
                    || *uid == ours.as_raw()
            }
            Self::Visitor(visited) => *visited == job,
        };
        if !may {
            return Err(NoEntry::NotYours(job));
        }
        if ours.is_root() && owner.as_str() != "root" {
            return Err(NoEntry::Root(job));
        }
        Ok(())
    }
}

/// Where the run of a job is, for who asks.
///
/// # Errors
///
/// Why he is not told.
pub(crate) async fn place_for(
    engine: &mpsc::Sender<EngineInput>,
    asker: &Asker,
    job: JobId,
) -> Result<RunPlace, Refusal> {
    let stopping = || Refusal::Busy("the startd is stopping".to_owned());
    let place = ask(engine, |answer| Question::WhichRun { job, answer }).await;
    let place = place.ok_or_else(stopping)?.ok_or(NoEntry::NoRun(job));
    let entered = place.and_then(|place| {
        asker.may_enter(job, (&place.owner, place.uid), Uid::effective()).map(|()| place)
    });
    entered.map_err(|why| match why {
        NoEntry::NoRun(_) => Refusal::NotRunning(why.to_string()),
        NoEntry::NotYours(_) | NoEntry::Root(_) => Refusal::Invalid(why.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_its_owner_s_and_a_visitor_sees_the_job_that_he_visits() {
        let job = JobId::new(7, 1);
        let here = |uid, user: &str| Asker::Here { uid, user: UserName::new(user) };
        let (ours, root) = (Uid::from_raw(1000), Uid::from_raw(0));
        for (asker, us, expected) in [
            (here(1001, "ann"), ours, None),
            (here(1002, "bob"), ours, Some(NoEntry::NotYours(job))),
            (here(1000, "pool"), ours, None),
            (here(0, "root"), ours, None),
            (Asker::Visitor(job), ours, None),
            (Asker::Visitor(JobId::new(7, 2)), ours, Some(NoEntry::NotYours(job))),
            (here(1001, "ann"), root, Some(NoEntry::Root(job))),
            (Asker::Visitor(job), root, Some(NoEntry::Root(job))),
        ] {
            let entered = asker.may_enter(job, (&UserName::new("ann"), None), us);
            assert_eq!(entered.err(), expected, "{asker:?}");
        }
        for (asker, expected) in
            [(here(1001, "ann-adm"), None), (here(1005, "ann"), Some(NoEntry::NotYours(job)))]
        {
            let entered = asker.may_enter(job, (&UserName::new("ann"), Some(1001)), ours);
            assert_eq!(entered.err(), expected, "{asker:?}");
        }
    }
}
