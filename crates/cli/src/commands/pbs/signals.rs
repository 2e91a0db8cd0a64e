//! `qsig`: a signal to all processes of a running job. They are its user's, and so it is the
//! command that sends it, and not a daemon: to those that have the job's identifier and scratch
//! folder in their environment. `suspend` and `resume` are the schedd's matter; STOP and CONT are
//! signals like others, of which it hears nothing.

use std::fs;

use jobspec::pbs::code;
use model::attr;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::client::Action;

use super::acting::{Found, Refused, Verb, read};
use crate::render::pbs::{Here, Job, State};

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match read(here, words, "s:") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let name = line.value('s').unwrap_or("SIGTERM");
    let action = match name {
        "suspend" => Action::Suspend,
        "resume" => Action::Continue,
        _ => {
            return Verb::OF_SUBJOBS
                .each(here, &line.operands, &mut |_, found| send(here, found, name));
        }
    };
    Verb::OF_STATES.run(here, &line.operands, |_| action.clone())
}

/// `USR1`, `SIGUSR1` or a number; none for 0, which only asks whether a process is there.
fn signal(name: &str) -> Option<Option<Signal>> {
    if let Ok(number) = name.parse::<i32>() {
        return if number == 0 { Some(None) } else { Signal::try_from(number).ok().map(Some) };
    }
    let full = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    full.parse().ok().map(Some)
}

fn send(here: &Here, found: &Found<'_>, name: &str) -> Result<(), Refused> {
    let whole = found.cluster.whole(found.word.number, here.now);
    let named = |job: &Job| found.names(job);
    let jobs = match found.cluster.indices() {
        None => vec![whole],
        Some(_) => {
            let subjobs = found.cluster.subjobs(found.word.number, here.now);
            subjobs.into_iter().filter(named).collect()
        }
    };
    let running = jobs.iter().filter(|job| matches!(job.state, State::Running | State::Suspended));
    let running: Vec<&Job> = running.collect();
    let me = client::site::me();
    if jobs.iter().any(|job| job.owner() != me && me != "root") {
        return Err(Refused::not_permitted());
    }
    if running.is_empty() {
        return Err(Refused::bad_state());
    }
    let unknown = || Refused::because(code::UNKNOWN_SIGNAL, "Unknown/illegal signal name");
    let signal = signal(name).ok_or_else(unknown)?;
    for job in running {
        let processes = processes(&job.id(&here.server), job.text(attr::CONDOR_SCRATCH_DIR));
        if processes.is_empty() {
            let host = job.text(attr::REMOTE_HOST).unwrap_or("its machine").to_owned();
            let said = format!("no process of it is on this machine; it runs on {host}: job");
            return Err(Refused::because(code::NOT_SUPPORTED, said));
        }
        for process in processes {
            // One that has just ended needs no signal.
            let _ = kill(process, signal);
        }
    }
    Ok(())
}

/// The processes that were started with this identifier, in this scratch folder if that is known.
fn processes(id: &str, scratch: Option<&str>) -> Vec<Pid> {
    let mut wanted = vec![format!("PBS_JOBID={id}")];
    wanted.extend(scratch.map(|folder| format!("_CONDOR_SCRATCH_DIR={folder}")));
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let environ = fs::read(entry.path().join("environ")).ok()?;
        let has =
            |line: &String| environ.split(|byte| *byte == 0).any(|own| own == line.as_bytes());
        wanted.iter().all(has).then(|| Pid::from_raw(pid))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for name in ["USR1", "SIGUSR1", "10"] {
            assert_eq!(signal(name), Some(Some(Signal::SIGUSR1)), "{name}");
        }
        assert_eq!(signal("0"), Some(None));
        for name in ["usr1", "FOO", "", "999", "-1"] {
            assert_eq!(signal(name), None, "{name}");
        }
    }
}
