//! The process of a user that lends that user's files to runs on other machines: it is that user's,
//! in a pool of many users, and answers what machines ask as [`super::wire`] does for one user's
//! pool. Which files, the schedd says, for each run anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::command::Called;
use proto::lending::{Lend, LenderSays};
use proto::net::{Address, Connection, NetError, Role, chain, connect};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::shell::files::wire;

/// After so long with nothing to lend it ends; the schedd starts another when there is something.
const IDLE: Duration = Duration::from_secs(60);

/// Lends the present user's files as the schedd at this socket says, until it goes or has had
/// nothing to say for a while.
///
/// # Errors
///
/// If the schedd cannot be reached, or the connection breaks.
pub async fn lend(schedd: PathBuf) -> Result<(), NetError> {
    let connection = connect(&Address::unix(&schedd), Role::Lender).await?;
    let Connection { mut sender, mut receiver, .. } = connection;
    sender.send(&LenderSays::Here).await?;
    let mut lent = JoinSet::new();
    loop {
        tokio::select! {
            asked = receiver.recv::<Lend>() => match asked? {
                Some(Lend { number }) => {
                    let schedd = schedd.clone();
                    lent.spawn_blocking(move || {
                        if let Err(error) = serve(&schedd, number) {
                            tracing::info!(number, %error, "files of a run are not lent any more");
                        }
                    });
                }
                None => return Ok(()),
            },
            Some(_) = lent.join_next() => {}
            () = sleep(IDLE), if lent.is_empty() => return Ok(()),
        }
    }
}

/// Lends what the schedd says under this number, until it hangs up.
fn serve(schedd: &Path, number: u64) -> Result<(), String> {
    let called = Called::here(schedd, Role::Lender, None);
    let called = called.and_then(|mut called| {
        called.say(&LenderSays::For(number))?;
        Ok(called)
    });
    let mut called = called.map_err(|error| chain(&error))?;
    wire::serve_granted(&mut called).map_err(|error| error.to_string())
}
