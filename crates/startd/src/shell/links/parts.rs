//! Passes on what processes of a run have to say to its other parts: to the schedd whose run it is,
//! on a connection of their own. What they say is not read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{ScheddName, UserName};
use nix::unistd::Uid;
use proto::files::FilesFor;
use proto::net::{Connection, NetError, Peer, Role, Way, chain, join};
use proto::parts::{PartAnswer, PartCall, TaskCall};
use proto::seats::Seats;
use tokio::time::timeout;

use crate::core::RunKey;
use crate::shell::links::callers::CalledSchedds;

/// How long a process may take to say what it wants.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// How many processes of one run may have something to say to other parts at a time: each has two
/// connections here.
const MOST_OF_RUN: usize = 1024;

/// Where schedds are.
#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    /// The name under which this machine calls.
    pub(crate) machine: String,
    /// The socket of the schedd of this machine.
    pub(crate) schedd: PathBuf,
    /// Those of other machines, if this one's are there.
    pub(crate) callers: Option<Arc<CalledSchedds>>,
    /// The processes of each run that have something to say.
    pub(crate) speaking: Seats<RunKey>,
    /// The processes of each user that carry files.
    pub(crate) carrying: Seats<u32>,
}

/// Whose a run is, and the right to it.
#[derive(Debug)]
pub(crate) struct WhoseRun {
    pub(crate) owner: UserName,
    /// The owner's number, where runs are their owners': a name may be another's by now, or one of
    /// several.
    pub(crate) uid: Option<u32>,
    pub(crate) schedd: ScheddName,
    pub(crate) of: FilesFor,
}

impl WhoseRun {
    /// Whether somebody is the run's owner, as the kernel says.
    pub(crate) fn is_of(&self, peer: &Peer) -> bool {
        match self.uid {
            Some(uid) => peer.identity.is_local(uid),
            None => peer.user() == self.owner,
        }
    }
}

/// Serves a process of a run until either end has gone. `whose` says whose a run is.
pub(crate) async fn relay<F>(
    mut connection: Connection,
    schedds: &Whereabouts,
    whose: impl FnOnce(RunKey) -> F,
) -> Result<(), NetError>
where
    F: Future<Output = Option<WhoseRun>>,
{
    let call = timeout(SAYS_WHAT, connection.receiver.recv::<TaskCall>());
    let Ok(Some(TaskCall { key, wants })) = call.await.unwrap_or(Ok(None)) else {
        return Ok(());
    };
    let key: Option<RunKey> = key.parse().ok();
    let whose = match key {
        Some(key) => whose(key).await,
        None => None,
    };
    let whose = whose.filter(|run| may_speak(&connection.peer, run));
    let Some((key, WhoseRun { schedd, of, .. })) = key.zip(whose) else {
        return refuse(connection, "there is no such run of this user's on the machine").await;
    };
    let Some(_speaker) = schedds.speaking.take(&key, MOST_OF_RUN) else {
        return refuse(connection, "so many processes of the run speak to other parts").await;
    };
    let way = match &schedds.callers {
        None => Some(Way::Here(schedds.schedd.clone())),
        Some(callers) => callers.far(&schedd).map(Way::Far),
    };
    let Some(way) = way else {
        return refuse(connection, "it is not known where the schedd is called").await;
    };
    match way.connect(Role::Part(schedds.machine.clone())).await {
        Ok(mut far) if far.peer.role == Role::Schedd(schedd.to_string()) => {
            far.sender.send(&PartCall { of, wants }).await?;
            join(connection, far).await
        }
        Ok(_) => refuse(connection, "somebody else is where the schedd was").await,
        Err(error) => {
            refuse(connection, &format!("cannot call the schedd: {}", chain(&error))).await
        }
    }
}

async fn refuse(mut connection: Connection, why: &str) -> Result<(), NetError> {
    connection.sender.send(&PartAnswer::Refused(why.to_owned())).await
}

/// Whether a process is one of the run's user, or of the pool's: nobody else's run is spoken for.
fn may_speak(peer: &Peer, run: &WhoseRun) -> bool {
    peer.identity.is_local(0)
        || peer.identity.is_local(Uid::effective().as_raw())
        || run.is_of(peer)
}

#[cfg(test)]
mod tests {
    use model::{ClaimId, ClaimSecret, JobId, RunId};
    use proto::net::PeerIdentity;

    use super::*;

    #[test]
    fn a_run_is_its_owner_s_by_number_where_runs_are_their_owners_and_else_by_name() {
        let run = |uid| WhoseRun {
            owner: UserName::new("ann"),
            uid,
            schedd: ScheddName::new("s"),
            of: FilesFor {
                claim: ClaimId { journal: 1, number: 1 },
                secret: ClaimSecret::new([0; 16]),
                run: RunId { job: JobId::new(1, 0), attempt: model::Attempt(1) },
            },
        };
        let peer = |uid, user: &str| Peer {
            identity: PeerIdentity::Local { uid, user: UserName::new(user) },
            role: Role::Carrier,
            generation: 0,
        };
        for (uid, peer, expected) in [
            (Some(1001), peer(1001, "ann"), true),
            (Some(1001), peer(1001, "ann-adm"), true),
            (Some(1001), peer(1001, "uid1001"), true),
            (Some(1001), peer(1005, "ann"), false),
            (None, peer(1005, "ann"), true),
            (None, peer(1001, "bob"), false),
        ] {
            assert_eq!(run(uid).is_of(&peer), expected, "{uid:?} {peer:?}");
        }
    }
}
