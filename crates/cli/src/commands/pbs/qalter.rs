//! `qalter`: jobs that are in the queue are changed. What that means in attributes is
//! `jobspec::pbs`'s matter; the schedd sets all of it or nothing. A job that began to run, or
//! ceased to, while it was looked at is looked at again.

use std::fs;
use std::path::{Path, PathBuf};

use client::{RealSite, Schedd};
use jobspec::pbs::{self, Alteration, Altered, NumberedFor, Refusal, code};
use model::{ClusterId, ProcId, attr};
use proto::client::{Alteration as Asked, Arrange};

use super::acting::{Found, Refused, Verb, usage_of};
use super::depending;
use super::found::{self, Asked as LookedAt, Finished};
use super::placing::arrange;
use super::qsub::{RealCaller, WORDS, program};
use crate::render::pbs::Here;
use crate::render::pbs::job::{Cluster, int, text};

/// How often a job is looked at that begins or ends meanwhile.
const ATTEMPTS: usize = 5;

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let site = match RealSite::new() {
        Ok(site) => site,
        Err(error) => {
            here.say(error);
            return code::FAILED;
        }
    };
    let caller = RealCaller::new(here, &site);
    let alteration = match pbs::qalter(words, &caller) {
        Ok(alteration) => alteration,
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    let of = Altering { here, alteration: &alteration, site: &site, caller: &caller };
    Verb::PLAIN.each(here, &alteration.jobs, &mut |schedd, found| of.alter(schedd, found))
}

struct Altering<'a> {
    here: &'a Here,
    alteration: &'a Alteration,
    site: &'a RealSite,
    caller: &'a RealCaller<'a>,
}

impl Altering<'_> {
    fn alter(&self, schedd: &mut Schedd, found: &Found<'_>) -> Result<(), Refused> {
        let number = found.word.number;
        let mut asked = self.once(schedd, number, found.cluster);
        for _ in 1..ATTEMPTS {
            if asked != Err(Refused::bad_state()) {
                break;
            }
            let told = |error| Refused::Told(self.here.cannot_connect(&error));
            let known =
                found::look_up(schedd, &LookedAt::numbered(&[number].into(), Finished::None))
                    .map_err(told)?;
            let Some(cluster) = known.get(&number) else {
                return Err(Refused::because(code::FINISHED, "Job has finished"));
            };
            asked = self.once(schedd, number, cluster);
        }
        asked
    }

    fn once(&self, schedd: &mut Schedd, number: u32, cluster: &Cluster) -> Result<(), Refused> {
        let id = ClusterId(number);
        let runs = cluster.runs();
        let job = pbs::Job { ad: cluster.ad(), runs };
        let failed = |error| Refused::because(code::FAILED, format!("{error}:"));
        let program = program().map_err(failed)?;
        let numbered = NumberedFor { cluster: id, program: &program, words: &*WORDS };
        let altered = self.alteration.of(job, &numbered, self.site, self.caller);
        let Altered { mut changes, depend, user_hold, spares_running } = altered.map_err(said)?;
        if let Some(depend) = depend {
            let indices = cluster.indices();
            let standing = depending::look_up(self.here, &depend, indices.as_ref());
            standing.map_err(said)?.alter(&mut changes.ad);
        }
        let streams = streams(cluster, &changes);
        let asked = Asked { cluster: id, changes, runs, spares_running, user_hold };
        arrange(self.here, schedd, Arrange::Alter(Box::new(asked)))?;
        if spares_running { Ok(()) } else { follow(streams) }
    }
}

fn said(refusal: Refusal) -> Refused {
    let said: Vec<String> = refusal.problems.into_iter().map(|problem| problem.message).collect();
    match said[..] {
        [] => Refused::Told(refusal.exit),
        [_, ..] => Refused::because(refusal.exit, said.join("; ")),
    }
}

/// Where the streams of running jobs are written, and where they are to be written.
fn streams(cluster: &Cluster, changes: &model::ClusterSpec) -> Vec<(PathBuf, PathBuf)> {
    let mut all = Vec::new();
    for ad in cluster.running() {
        let proc = int(ad, attr::PROC_ID).and_then(|proc| u32::try_from(proc).ok());
        let Some(proc) = proc else { continue };
        let folder = Path::new(text(ad, attr::IWD).unwrap_or_default());
        for name in [attr::OUT, attr::ERR] {
            let new = changes.get(ProcId(proc), name);
            let new = new.as_ref().and_then(|new| new.as_literal()?.as_str().map(PathBuf::from));
            let old = text(ad, name).map(|path| folder.join(path));
            all.extend(old.zip(new).filter(|pair| !all.contains(pair)).filter(|(o, n)| o != n));
        }
    }
    all
}

/// What a running job has written, and writes, is found under the new name at once: it goes on
/// writing to the same file.
fn follow(streams: Vec<(PathBuf, PathBuf)>) -> Result<(), Refused> {
    let nothing = Path::new("/dev/null");
    for (old, new) in streams {
        if old == nothing || new == nothing {
            let why = "what this run writes stays where it is";
            return Err(Refused::because(code::FAILED, format!("{why}, {}:", old.display())));
        }
        fs::rename(&old, &new).map_err(|error| {
            let (why, old) = (client::site::plain(&error), old.display());
            let said =
                format!("cannot move {old} to {}: {why}; this run writes to {old}:", new.display());
            Refused::because(code::FAILED, said)
        })?;
    }
    Ok(())
}
