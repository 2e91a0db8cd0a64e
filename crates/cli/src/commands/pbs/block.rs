//! `qsub -W block=true`: waits for the end of the job, and ends as it did.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::process::exit;
use std::thread;
use std::time::Duration;

use client::{Action, AskError, End, FrontEnd, Home, Select, Selector};
use jobspec::pbs::code;
use model::{ClusterId, JobId};
use nix::sys::signal::{SigSet, Signal};

use super::found::{self, Asked, Finished};
use crate::render::pbs::{Here, RowKind};

/// The exit code for a job that was deleted.
const DELETED: u8 = 3;

/// How often a held job is looked at again.
const PAUSE: Duration = Duration::from_secs(2);

/// From now on, who ends this process by a signal has the job deleted (OpenPBS 23.06).
pub(super) fn listen(here: &Here, cluster: ClusterId) {
    let ends = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
    let awaited: SigSet = ends.into_iter().collect();
    // Threads that are made later do not take them either.
    if awaited.thread_block().is_err() {
        return;
    }
    let here = here.clone();
    thread::spawn(move || {
        if let Ok(signal) = awaited.wait() {
            exit(i32::from(interrupted(&here, cluster, signal)));
        }
    });
}

/// Waits; gives the exit code.
pub(super) fn wait(here: &Here, cluster: ClusterId) -> u8 {
    let mut held = BTreeSet::new();
    loop {
        match look(here, cluster, &mut held) {
            Some(exit) => return exit,
            None => thread::sleep(PAUSE),
        }
    }
}

/// Deletes the job that is not waited for any more.
fn interrupted(here: &Here, cluster: ClusterId, signal: Signal) -> u8 {
    let id = format!("{cluster}.{}", here.server);
    here.say(format_args!("wait for job {id} interrupted by signal {}", signal as i32));
    let reason = format!("Job deleted at request of {}@{}", client::site::me(), here.server);
    let action = Action::Remove { reason: Some(reason), force: false };
    let select = Select::Any(vec![Selector::Cluster(cluster)]);
    let acted = here.connect().map(|mut s| s.act_through(FrontEnd::Pbs, action, select));
    // It is told when it is done: who was to read it may be what has gone.
    let _ = writeln!(stdout(), "Job {id} is being deleted");
    match acted {
        Ok(Ok(_)) => code::USAGE,
        Ok(Err(error)) => here.cannot_connect(&error),
        Err(exit) => exit,
    }
}

/// Waits until all of it have ended or are held; the exit code if all have ended.
fn look(here: &Here, cluster: ClusterId, held: &mut BTreeSet<JobId>) -> Option<u8> {
    let select = Select::Any(vec![Selector::Cluster(cluster)]);
    let waited = Home::from_environment().wait(&select, |job, end| {
        // Somebody may let it go again.
        if let End::Held(reason) = end
            && held.insert(job)
        {
            here.say(format_args!("job {cluster}.{} is held: {reason}", here.server));
        }
        Ok::<_, AskError>(ControlFlow::Continue(()))
    });
    if let Err(error) = waited {
        return Some(here.cannot_connect(&error));
    }
    let looked = here.connect().and_then(|mut schedd| {
        let numbers = BTreeSet::from([cluster.0]);
        found::look_up(&mut schedd, &Asked::numbered(&numbers, Finished::All))
            .map_err(|error| here.cannot_connect(&error))
    });
    let clusters = match looked {
        Ok(clusters) => clusters,
        Err(exit) => return Some(exit),
    };
    let found = clusters.get(&cluster.0)?;
    if !found.is_over() {
        return None;
    }
    let whole = found.whole(cluster.0, here.now);
    let is_bad = matches!(whole.kind, RowKind::Array { bad: true, .. });
    Some(match whole.exit_status {
        // Of an array that says how the last subjob ended.
        Some(0) if is_bad => code::FAILED,
        // A shell sees eight bits.
        Some(status) if !(0..256).contains(&status) => DELETED,
        Some(status) => u8::try_from(status).unwrap_or(code::FAILED),
        None => DELETED,
    })
}
