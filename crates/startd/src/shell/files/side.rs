//! Where the files of a run's submitter are: on this machine, or with a schedd elsewhere, which is
//! called for each piece of work; by the startd, where a helper does it. A connection that breaks
//! is made again and the work done again, until it is done or its leash is cut: twice does no harm.
//! What the work is, is not known here.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::ScheddName;
use proto::command::Called;
use proto::files::{FilesAnswer, FilesFor};
use proto::lending::CarryFor;
use proto::net::{NetError, Role, chain};

use serde::Serialize;

use crate::core::RunKey;
use crate::shell::files::disk::{Disk, SameDisk};
use crate::shell::files::leash;
use crate::shell::files::wire::Wire;
use crate::shell::links::callers::CalledSchedds;

/// How long one step may take at the other end: a disk there may be busy, and others may be before
/// us.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long to wait before a connection is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the submitter's files are.
pub(crate) enum SubmitSide {
    /// On this machine.
    Here,
    /// With a schedd that is called.
    Far { callers: Arc<CalledSchedds>, schedd: ScheddName, wanted: FilesFor },
    /// With a schedd that the startd at this socket calls, which alone may.
    Through { startd: PathBuf, key: RunKey },
}

/// Why there is no disk there.
enum NoDisk {
    /// It may be there the next time.
    Yet(String),
    /// The schedd does not know the run any more.
    NotOurs,
}

impl SubmitSide {
    /// Whether they are on another machine.
    pub(crate) const fn is_far(&self) -> bool {
        match self {
            Self::Here => false,
            Self::Far { .. } | Self::Through { .. } => true,
        }
    }

    /// Does work with the files there, again if the connection broke in it.
    ///
    /// # Errors
    ///
    /// Why it was given up, as a sentence.
    pub(crate) fn with<T>(&self, mut work: impl FnMut(&dyn Disk) -> T) -> Result<T, String> {
        if !self.is_far() {
            return Ok(work(&SameDisk));
        }
        let mut last = String::new();
        loop {
            let why = match self.open() {
                Ok(disk) => {
                    let done = work(&disk);
                    if !disk.has_broken() {
                        return Ok(done);
                    }
                    "the connection broke".to_owned()
                }
                Err(NoDisk::Yet(why)) => why,
                Err(NoDisk::NotOurs) => {
                    return Err("its schedd does not know this run any more".to_owned());
                }
            };
            if why != last {
                tracing::warn!(run = %self.run(), why, "files do not cross; trying again");
            }
            if leash::pulled().is_err() {
                return Err(format!("files did not cross before the run's lease was over: {why}"));
            }
            last = why;
            thread::sleep(AGAIN);
        }
    }

    /// What the run is called in the log.
    fn run(&self) -> String {
        match self {
            Self::Here => String::new(),
            Self::Far { wanted, .. } => wanted.run.to_string(),
            Self::Through { key, .. } => key.to_string(),
        }
    }

    fn open(&self) -> Result<Wire, NoDisk> {
        let asked = match self {
            Self::Here => return Err(NoDisk::Yet("they are here".to_owned())),
            Self::Far { callers, schedd, wanted } => {
                let far = callers.far(schedd);
                let far =
                    far.ok_or_else(|| NoDisk::Yet("where it is called is not known".to_owned()))?;
                let role = Role::Files(callers.machine().to_owned());
                let whom = Role::Schedd(schedd.to_string());
                asked(Called::to(&far, role, &whom, PATIENCE), wanted)
            }
            Self::Through { startd, key } => {
                let wanted = CarryFor { key: key.to_string() };
                asked(Called::here(startd, Role::Carrier, Some(PATIENCE)), &wanted)
            }
        };
        match asked {
            Ok((FilesAnswer::Ask, called)) => Ok(Wire::over(called)),
            Ok((FilesAnswer::NotYours, _)) => Err(NoDisk::NotOurs),
            Err(error) => Err(NoDisk::Yet(chain(&error))),
        }
    }
}

/// Says which run it is about to who was called.
fn asked(
    called: Result<Called, NetError>,
    wanted: &impl Serialize,
) -> Result<(FilesAnswer, Called), NetError> {
    let mut called = called?;
    Ok((called.ask(wanted)?, called))
}
