//! Where the files of a run's submitter are: on this machine, or with a schedd elsewhere, which is
//! called for each piece of work. A connection that breaks is made again and the work done again,
//! until it is done or its leash is cut: twice does no harm. What the work is, is not known here.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::ScheddName;
use proto::command::Called;
use proto::files::{FilesAnswer, FilesFor};
use proto::net::{Role, chain};

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
        matches!(self, Self::Far { .. })
    }

    /// Does work with the files there, again if the connection broke in it.
    ///
    /// # Errors
    ///
    /// Why it was given up, as a sentence.
    pub(crate) fn with<T>(&self, mut work: impl FnMut(&dyn Disk) -> T) -> Result<T, String> {
        let Self::Far { callers, schedd, wanted } = self else { return Ok(work(&SameDisk)) };
        let mut last = String::new();
        loop {
            let why = match open(callers, schedd, *wanted) {
                Ok(disk) => {
                    let done = work(&disk);
                    if !disk.has_broken() {
                        return Ok(done);
                    }
                    "the connection broke".to_owned()
                }
                Err(NoDisk::Yet(why)) => why,
                Err(NoDisk::NotOurs) => {
                    return Err(format!("schedd {schedd} does not know this run any more"));
                }
            };
            if why != last {
                tracing::warn!(%schedd, run = %wanted.run, why, "files do not cross; trying again");
            }
            if leash::pulled().is_err() {
                return Err(format!("files did not cross before the run's lease was over: {why}"));
            }
            last = why;
            thread::sleep(AGAIN);
        }
    }
}

fn open(callers: &CalledSchedds, schedd: &ScheddName, wanted: FilesFor) -> Result<Wire, NoDisk> {
    let far = callers.far(schedd);
    let far = far.ok_or_else(|| NoDisk::Yet("where it is called is not known".to_owned()))?;
    let role = Role::Files(callers.machine().to_owned());
    let whom = Role::Schedd(schedd.to_string());
    let asked = Called::to(&far, role, &whom, PATIENCE)
        .and_then(|mut called| Ok((called.ask::<_, FilesAnswer>(&wanted)?, called)));
    match asked {
        Ok((FilesAnswer::Ask, called)) => Ok(Wire::over(called)),
        Ok((FilesAnswer::NotYours, _)) => Err(NoDisk::NotOurs),
        Err(error) => Err(NoDisk::Yet(chain(&error))),
    }
}
