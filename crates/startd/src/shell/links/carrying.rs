//! Calls schedds for processes that carry files of a run as the run's owner, in a pool of many
//! users, and passes on what either says. Such a process has neither the machine's key nor the
//! claim's secret: it says which run it is about, the kernel says whose it is, and that must be the
//! run's owner. What they say is not read.

use std::time::Duration;

use proto::lending::CarryFor;
use proto::net::{Connection, NetError, Role, connect_far, join};
use tokio::time::timeout;

use crate::core::RunKey;
use crate::shell::links::parts::{Whereabouts, WhoseRun};

/// How long a process may take to say for which run it carries.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// How many connections a user's processes may have made for them at a time: half of those that a
/// schedd takes of one machine, of which others' are to be some.
const MOST_OF_USER: usize = 16;

/// Serves a process until either end has gone. `whose` says whose a run is.
///
/// # Errors
///
/// If a connection breaks, or the schedd cannot be called; the process tries again.
pub(crate) async fn relay<F>(
    mut connection: Connection,
    schedds: &Whereabouts,
    whose: impl FnOnce(RunKey) -> F,
) -> Result<(), NetError>
where
    F: Future<Output = Option<WhoseRun>>,
{
    let said = timeout(SAYS_WHAT, connection.receiver.recv::<CarryFor>());
    let Ok(Some(CarryFor { key })) = said.await.unwrap_or(Ok(None)) else { return Ok(()) };
    let whose = match key.parse::<RunKey>() {
        Ok(key) => whose(key).await,
        Err(_) => None,
    };
    // Who is not told is hung up on, and may try again: that a run is no more, its schedd says.
    let Some(run) = whose.filter(|run| run.is_of(&connection.peer)) else { return Ok(()) };
    let far = schedds.callers.as_ref().and_then(|callers| callers.far(&run.schedd));
    let seat = schedds.carrying.take(&connection.peer.uid(), MOST_OF_USER);
    let Some((far, _seat)) = far.zip(seat) else { return Ok(()) };
    let mut schedd = connect_far(&far, Role::Files(schedds.machine.clone())).await?;
    if schedd.peer.role != Role::Schedd(run.schedd.to_string()) {
        return Err(NetError::SomebodyElse { role: schedd.peer.role });
    }
    schedd.sender.send(&run.of).await?;
    join(connection, schedd).await
}
