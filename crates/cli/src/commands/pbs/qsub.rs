//! `qsub`: what is called here, read by `jobspec::pbs`, and put into the queue once and only once.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use client::submit::SubmitError;
use client::{AskError, Home, RealSite};
use jobspec::pbs::{
    self, Caller, Moment, NoScript, NumberedFor, Refusal, Submission, UNDELIVERED, attribute, code,
};
use jobspec::{Diagnostic, Site};
use model::queues::QueueSettings;
use model::{ClusterId, ClusterSpec, Procs, attr};
use nix::unistd::{Gid, Group, Uid, User};
use proto::client::Refusal as Refused;

use super::{block, depending};
use crate::commands::submit::interactive;
use crate::line::moments;
use crate::line::output::complain;
use crate::render::dialect::Dialect;
use crate::render::pbs::Here;
use crate::render::pbs::full::zoned;

/// What a job that `qsub` has submitted runs.
pub const RUNNER: &str = "pbs_job";

/// What our program is called with, to run a job of `qsub`'s.
pub(super) static WORDS: std::sync::LazyLock<[String; 1]> =
    std::sync::LazyLock::new(|| [RUNNER.to_owned()]);

/// Our program, as jobs find it.
pub(super) fn program() -> io::Result<String> {
    Ok(env::current_exe()?.to_string_lossy().into_owned())
}

/// How often a dependency is looked up again that ended while the job was being submitted.
const ATTEMPTS: usize = 5;

/// Submits what the words and the script say; gives the exit code.
pub(super) fn run(words: &[String], here: &Here) -> u8 {
    match submit(here, words) {
        Ok(exit) => exit,
        Err(refusal) => {
            complain(&refusal.to_string());
            refusal.exit
        }
    }
}

fn submit(here: &Here, words: &[String]) -> Result<u8, Refusal> {
    let site = RealSite::new().map_err(|error| failed(&error))?;
    let caller = RealCaller::new(here, &site);
    let submission = pbs::qsub(words, &caller)?;
    let place = submission.is_interactive.then(interactive::Place::new).transpose();
    let place = place.map_err(|error| Refusal::new(code::FAILED, format!("{error:#}")))?;
    let mut attempts = ATTEMPTS;
    let cluster = loop {
        attempts -= 1;
        match attempt(here, &submission, place.as_ref(), &site, &caller) {
            Err(Failure::Ended) if attempts > 0 => {}
            Err(Failure::Ended) => {
                let message = "the jobs that this one depends on end as it is submitted; try again";
                return Err(Refusal::new(code::FAILED, message));
            }
            Err(Failure::Lasting(refusal)) => return Err(refusal),
            Ok(cluster) => break cluster,
        }
    };
    if let Some(place) = place {
        let name = format!("{cluster}.{}", here.server);
        println!("qsub: waiting for job {name} to start");
        let attended = interactive::attend(place, cluster, name, Dialect::Pbs);
        attended.map_err(|error| Refusal::new(code::FAILED, format!("{error:#}")))?;
        return Ok(0);
    }
    if submission.is_waited_for {
        block::listen(here, cluster);
    }
    if !submission.is_quiet {
        let brackets = if submission.is_array() { "[]" } else { "" };
        println!("{cluster}{brackets}.{}", here.server);
    }
    match submission.is_waited_for {
        true => Ok(block::wait(here, cluster)),
        false => Ok(0),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(code::FAILED, error)
}

enum Failure {
    /// A job that this one depends on has ended meanwhile: what came of it is in history now.
    Ended,
    Lasting(Refusal),
}

fn attempt(
    here: &Here,
    submission: &Submission,
    place: Option<&interactive::Place>,
    site: &RealSite,
    caller: &RealCaller<'_>,
) -> Result<ClusterId, Failure> {
    let lasting = |error: &dyn std::fmt::Display| Failure::Lasting(failed(error));
    let standing = depending::look_up(here, submission.depends_on(), submission.indices());
    let standing = standing.map_err(Failure::Lasting)?;
    let program = program().map_err(|error| lasting(&error))?;
    let make = |cluster| -> Result<ClusterSpec, Vec<Diagnostic>> {
        let numbered = NumberedFor { cluster, program: &program, words: &*WORDS };
        let mut spec = submission.cluster(&numbered, site, caller)?;
        standing.note_new(&mut spec.ad);
        if let Some(place) = place {
            spec.ad.set(attribute::INTERACTIVE, place.socket().to_string_lossy().into_owned());
            // It does not run where nobody can call its user.
            spec.ad.set(attr::INTERACTIVE_JOB, true);
        }
        Ok(spec)
    };
    // What is wrong is wrong whatever the number.
    match make(ClusterId(1)) {
        Err(wrong) => return Err(Failure::Lasting(Refusal::of(code::FAILED, wrong))),
        Ok(spec) => make_undelivered(&spec, caller).map_err(Failure::Lasting)?,
    }
    let token = client::new_token().map_err(|error| lasting(&error))?;
    let none = || ClusterSpec { ad: classad::ClassAd::new(), procs: Procs::Listed(Vec::new()) };
    let taken = Home::from_environment()
        .submit_cluster(token, |cluster| make(cluster).unwrap_or_else(|_| none()));
    taken.map_err(|error| match error {
        SubmitError::Ask(AskError::Refused(Refused::HasLeft(_))) => Failure::Ended,
        SubmitError::Ask(AskError::Refused(Refused::Denied(denied))) => {
            Failure::Lasting(Refusal::new(denied.exit(), denied))
        }
        SubmitError::Ask(error) => Failure::Lasting(Refusal::told(here.cannot_connect(&error))),
        error @ (SubmitError::Wrong(_) | SubmitError::Unknown(_)) => lasting(&error),
    })
}

/// Makes the folder of what waits in the home until it can be brought to its own.
fn make_undelivered(spec: &ClusterSpec, caller: &RealCaller<'_>) -> Result<(), Refusal> {
    let late = [attribute::LATE_OUTPUT, attribute::LATE_ERROR];
    if late.iter().all(|name| spec.ad.get(name).is_none()) {
        return Ok(());
    }
    let folder = Path::new(caller.home()).join(UNDELIVERED);
    fs::create_dir_all(&folder).map_err(|error| {
        let why = client::site::plain(&error);
        Refusal::new(code::FAILED, format!("cannot make {}: {why}", folder.display()))
    })
}

/// The process that calls.
pub(super) struct RealCaller<'a> {
    here: &'a Here,
    site: &'a RealSite,
    user: String,
    group: String,
    home: String,
    shell: String,
    cwd: String,
}

impl<'a> RealCaller<'a> {
    pub(super) fn new(here: &'a Here, site: &'a RealSite) -> Self {
        let entry = User::from_uid(Uid::current()).ok().flatten();
        let group = Group::from_gid(Gid::current()).ok().flatten();
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let home =
            entry.as_ref().map(|user| path(&user.dir)).filter(|home| Path::new(home).is_dir());
        let shell = entry.as_ref().map(|user| path(&user.shell));
        Self {
            here,
            site,
            cwd: named_folder().unwrap_or_else(|| site.host().cwd.clone()),
            user: client::site::me(),
            group: group.map(|group| group.name).unwrap_or_default(),
            home: home.unwrap_or_else(|| "/".to_owned()),
            shell: shell.filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned()),
        }
    }
}

/// The folder as the shell calls it, if it is this one: other machines may know it by the links
/// that lead there, and not by where they lead here.
fn named_folder() -> Option<String> {
    let named = env::var("PWD").ok().filter(|folder| folder.starts_with('/'))?;
    let (here, there) = (fs::metadata(".").ok()?, fs::metadata(&named).ok()?);
    ((here.dev(), here.ino()) == (there.dev(), there.ino())).then_some(named)
}

impl Caller for RealCaller<'_> {
    fn environ(&self) -> &BTreeMap<String, String> {
        self.site.environ()
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn is_in(&self, group: &str) -> bool {
        if group == self.group {
            return true;
        }
        // His, as he was logged in, or as the system's lists have it: the schedd asks those.
        let Ok(Some(group)) = Group::from_name(group) else { return false };
        let has_now = nix::unistd::getgroups().is_ok_and(|groups| groups.contains(&group.gid));
        has_now || group.mem.contains(&self.user)
    }

    fn home(&self) -> &str {
        &self.home
    }

    fn shell(&self) -> &str {
        &self.shell
    }

    fn cwd(&self) -> &str {
        &self.cwd
    }

    fn server(&self) -> &str {
        &self.here.server
    }

    fn queues(&self) -> Result<QueueSettings, Refusal> {
        let mut schedd = self.here.connect().map_err(Refusal::told)?;
        schedd.queues().map_err(|error| Refusal::told(self.here.cannot_connect(&error)))
    }

    fn script(&self, path: &str) -> Result<Vec<u8>, NoScript> {
        let unreadable = |error: io::Error| NoScript::Unreadable(client::site::plain(&error));
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(NoScript::NotAFile);
        }
        fs::read(path).map_err(unreadable)
    }

    fn stdin(&self) -> Result<Vec<u8>, NoScript> {
        let read = client::site::read_stdin();
        read.map_err(|error| NoScript::Unreadable(client::site::plain(&error)))
    }

    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    fn is_folder(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn seconds(&self, moment: Moment) -> Option<i64> {
        moments::next(moment, &zoned(self.here.now, &self.here.zone))
    }
}
