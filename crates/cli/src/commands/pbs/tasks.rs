//! `pbsdsh` and `pbs_tmrsh`: programs on the nodes of a job, called by the job itself. On the
//! machine where they are called the programs are the command's children, in its folder and with
//! its output; on the job's other machines what the job has there starts them (`parts`). They end
//! with the job at the latest.
//!
//! Knows nothing of a schedd: what the nodes are is in the job's file of nodes.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};

use proto::parts::StartTask;

use super::parts::{self, Ended, Machines, There};
use super::words::Line;
use crate::line::output::{complain, put};
use crate::render::pbs::Here;

/// What `pbsdsh` answers where it cannot begin.
const FAILED: u8 = 1;

/// What `pbs_tmrsh` answers for anything that is not the program's own end, as `ssh` does.
const NOT_RUN: u8 = 255;

/// What OpenPBS 23.06 adds to the number of the signal that ended a task.
const BY_SIGNAL: i32 = 256;

/// The first task is the job's script.
const FIRST_TASK: usize = 2;

/// Options of `ssh` that MPI's launchers give, and that mean nothing here: alone, and with a value.
const IGNORED: [&str; 4] = ["-n", "-x", "-q", "-T"];
const IGNORED_WITH_VALUE: [&str; 2] = ["-o", "-p"];

/// The nodes of the job in which this is called: a line for each rank.
fn nodes(command: &str) -> Result<Vec<String>, String> {
    if env::var_os("PBS_ENVIRONMENT").is_none() {
        return Err(format!("{command}: not executing under PBS\n"));
    }
    let path = env::var_os("PBS_NODEFILE")
        .ok_or_else(|| format!("{command}: cannot find PBS_NODEFILE\n"))?;
    let text = fs::read_to_string(&path).map_err(|error| {
        let why = client::site::plain(&error);
        format!("{command}: {}: {why}\n", path.to_string_lossy())
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What `pbsdsh` is to do.
struct Spread {
    /// Nodes by number, in order.
    on: Vec<usize>,
    one_by_one: bool,
    is_verbose: bool,
    waits: bool,
    program: Vec<String>,
    /// The machine of each node.
    nodes: Vec<String>,
    machines: Option<Machines>,
}

/// A program that was started.
enum Running {
    Here(Child),
    /// What prints what it prints: all tasks run at the same time, and may wait for each other.
    There(JoinHandle<Result<Ended, String>>),
}

impl Running {
    fn wait(self) -> i32 {
        match self {
            Self::Here(mut child) => {
                child.wait().map_or(i32::from(FAILED), |status| task_status(status.into()))
            }
            Self::There(there) => match there.join() {
                Ok(Ok(ended)) => task_status(ended),
                Ok(Err(why)) => {
                    complain(&format!("pbsdsh: {why}\n"));
                    i32::from(FAILED)
                }
                Err(_) => i32::from(FAILED),
            },
        }
    }
}

/// The part of the job on another machine, if a node is there.
fn elsewhere(machines: Option<&Machines>, node: &str) -> Option<u32> {
    let machines = machines?;
    let named = machines.part_on(node).or_else(|| {
        let named = machines.parts().iter().find(|part| is_host(part, node))?;
        machines.part_on(named)
    });
    named.filter(|part| *part != machines.here())
}

/// The same program on another machine.
fn task(argv: Vec<OsString>, environ: &[(&str, String)], is_waited_for: bool) -> StartTask {
    let cwd = env::current_dir().ok();
    StartTask { argv, environ: parts::environ(environ), cwd, is_waited_for }
}

pub(super) fn spread(words: &[String], called: &Here) -> u8 {
    let (options, program) = options_of(words);
    let line = match Line::read(options, "c:n:h:svo") {
        Ok(line) if !program.is_empty() => line,
        Ok(_) => return refused(called.usage(), FAILED),
        Err(wrong) => {
            wrong.iter().for_each(|what| complain(&format!("pbsdsh: {what}\n")));
            return refused(called.usage(), FAILED);
        }
    };
    let number = |option| line.value(option).map(str::parse::<usize>).transpose();
    let (copies, node) = match (number('c'), number('n')) {
        (Ok(Some(_)), Ok(Some(_))) | (Err(_), _) | (_, Err(_)) => {
            return refused(called.usage(), FAILED);
        }
        (Ok(copies), Ok(node)) => (copies, node),
    };
    let nodes = match nodes("pbsdsh") {
        Ok(nodes) if nodes.is_empty() => return refused("pbsdsh: the job has no nodes\n", FAILED),
        Ok(nodes) => nodes,
        Err(message) => return refused(&message, FAILED),
    };
    let here = (0..nodes.len())
        .filter(|nth| line.value('h').is_none_or(|host| is_host(&nodes[*nth], host)));
    let here: Vec<usize> = here.collect();
    let (first, count) = match (copies, node) {
        (_, Some(node)) => (node, 1),
        (Some(copies), None) => (0, copies),
        (None, None) => (0, here.len()),
    };
    // Where there are more copies than nodes, they go around.
    let on = here.iter().copied().cycle().skip(first % here.len().max(1)).take(count).collect();
    let (one_by_one, is_verbose) = (line.has('s'), line.has('v'));
    let program = program.to_vec();
    let (waits, machines) = (!line.has('o'), Machines::of_this_job());
    Spread { on, one_by_one, is_verbose, waits, program, nodes, machines }.run();
    0
}

/// The options, and the program with its own.
fn options_of(words: &[String]) -> (&[String], &[String]) {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "--" => return (&words[..at], &words[at + 1..]),
            "-c" | "-n" | "-h" => at += 2,
            option if option.starts_with('-') && option.len() > 1 => at += 1,
            _ => break,
        }
    }
    words.split_at(at.min(words.len()))
}

impl Spread {
    fn run(&self) {
        let mut running = Vec::new();
        for (task, node) in self.on.iter().enumerate() {
            match self.start(task, *node) {
                Ok(child) => {
                    if self.is_verbose {
                        say(&format!(
                            "pbsdsh: spawned task 0x{task:08X} on logical node {node} event {}\n",
                            task + FIRST_TASK
                        ));
                    }
                    running.push((task, child));
                }
                Err(why) => {
                    let program = &self.program[0];
                    complain(&format!(
                        "pbsdsh: spawn failed on node {node} err {program}: {why}\n"
                    ));
                }
            }
            if self.one_by_one {
                self.wait_for(&mut running);
            }
        }
        self.wait_for(&mut running);
    }

    fn start(&self, number: usize, node: usize) -> Result<Running, String> {
        let environ =
            [("PBS_NODENUM", node.to_string()), ("PBS_TASKNUM", (number + FIRST_TASK).to_string())];
        let name = self.nodes.get(node).map_or("", String::as_str);
        if let Some(part) = elsewhere(self.machines.as_ref(), name) {
            let argv = self.program.iter().map(OsString::from).collect();
            let there = There::start(part, task(argv, &environ, self.waits), false)?;
            let waits = self.waits;
            let listening = move || if waits { there.wait() } else { Ok(Ended::Exited(0)) };
            let spawned = thread::Builder::new().spawn(listening).map(Running::There);
            return spawned.map_err(|error| client::site::plain(&error));
        }
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).envs(environ);
        let started = command.spawn().map(Running::Here);
        started.map_err(|error| client::site::plain(&error))
    }

    fn wait_for(&self, running: &mut Vec<(usize, Running)>) {
        for (task, program) in running.drain(..).filter(|_| self.waits) {
            let status = program.wait();
            if self.is_verbose || status != 0 {
                say(&format!("pbsdsh: task 0x{task:08X} exit status {status}\n"));
            }
        }
    }
}

/// How a task ended, as PBS counts it.
fn task_status(ended: Ended) -> i32 {
    match ended {
        Ended::Exited(code) => code,
        Ended::Signaled(signal) => BY_SIGNAL + signal,
    }
}

pub(super) fn remote_shell(words: &[String], here: &Here) -> u8 {
    let Some((host, command)) = remote(words) else { return refused(here.usage(), NOT_RUN) };
    let nodes = match nodes("pbs_tmrsh") {
        Ok(nodes) => nodes,
        Err(message) => return refused(&message, NOT_RUN),
    };
    if !nodes.iter().any(|node| is_host(node, host)) {
        let job = env::var("PBS_JOBID").unwrap_or_default();
        let message = format!("pbs_tmrsh: host \"{host}\" is not a node in job <{job}>\n");
        return refused(&message, NOT_RUN);
    }
    let argv = as_ssh_would(command);
    let ended = match elsewhere(Machines::of_this_job().as_ref(), host) {
        Some(part) => {
            let has_input = !words.iter().take_while(|word| *word != host).any(|word| word == "-n");
            let argv = argv.iter().map(OsString::from).collect();
            There::start(part, task(argv, &[], true), has_input).and_then(There::wait)
        }
        None => {
            let ended = Command::new(&argv[0]).args(&argv[1..]).status();
            ended.map(Ended::from).map_err(|error| client::site::plain(&error))
        }
    };
    match ended {
        // A shell, too, has eight bits for it.
        Ok(ended) => u8::try_from(task_status(ended) & 0xff).unwrap_or(NOT_RUN),
        Err(why) => {
            refused(&format!("pbs_tmrsh: host \"{host}\" err {}: {why}\n", command[0]), NOT_RUN)
        }
    }
}

/// The host, and what is to run there; none if that is not said, or it is to run as somebody else.
fn remote(words: &[String]) -> Option<(&str, &[String])> {
    let mut host = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let name = match word.as_str() {
            option if IGNORED.contains(&option) => None,
            option if IGNORED_WITH_VALUE.contains(&option) => {
                at += 1;
                None
            }
            "-l" => {
                at += 1;
                Some(words.get(at)?.as_str())
            }
            option if option.starts_with("-l") => Some(&option[2..]),
            option if option.starts_with('-') => return None,
            _ if host.is_some() => break,
            name => {
                host = Some(name);
                None
            }
        };
        if let Some(user) = name.filter(|user| *user != client::site::me()) {
            complain(&format!("pbs_tmrsh: bad user \"{user}\"\n"));
            return None;
        }
        at += 1;
    }
    Some((host?, words.get(at..).filter(|command| !command.is_empty())?))
}

/// A program with its arguments. What no program is called, because there are blanks or quotes in
/// it, is a line for a shell, in which the arguments are quoted already: so Open MPI and MPICH call
/// their agents, as they would call `ssh`.
fn as_ssh_would(words: &[String]) -> Vec<String> {
    let is_line = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '$' | '`');
    if words[0].contains(is_line) {
        return vec!["/bin/sh".to_owned(), "-c".to_owned(), words.join(" ")];
    }
    words.to_vec()
}

/// Whether a node is called so: by its name, whole or short, or by an address of its.
fn is_host(node: &str, said: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    match said.parse::<IpAddr>() {
        Ok(address) => {
            let known = (node, 0).to_socket_addrs();
            known.is_ok_and(|mut known| known.any(|found| found.ip() == address))
        }
        Err(_) => short(node) == short(said),
    }
}

/// Nobody may read it any more.
fn say(text: &str) {
    let _ = put(text);
}

fn refused(message: &str, code: u8) -> u8 {
    complain(message);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_programs_options_are_its_own() {
        for (line, options, program) in [
            ("-v -- ls -l", "-v", "ls -l"),
            ("-c 4 -s ls -v", "-c 4 -s", "ls -v"),
            ("ls -l", "", "ls -l"),
            ("-n", "-n", ""),
        ] {
            let words_of = words(line);
            let (found, rest) = options_of(&words_of);
            assert_eq!(
                (found.join(" "), rest.join(" ")),
                (options.into(), program.into()),
                "{line}"
            );
        }
    }

    #[test]
    fn what_launchers_give_to_ssh_is_passed_over() {
        for (line, expected) in [
            ("host prog a", Some(("host", "prog a"))),
            ("-x -q -o X=1 host -n prog -x", Some(("host", "prog -x"))),
            ("-n host", None),
            ("-Z host prog", None),
            ("-l nobody.at.all host prog", None),
        ] {
            let words_of = words(line);
            let found = remote(&words_of).map(|(host, command)| (host, command.join(" ")));
            let found = found.as_ref().map(|(host, command)| (*host, command.as_str()));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn what_is_quoted_for_a_shell_is_a_line_for_one() {
        for (line, expected) in [
            (&["sh", "-c", "exit 7"][..], &["sh", "-c", "exit 7"][..]),
            (&["A=b; prog", "'x y'"], &["/bin/sh", "-c", "A=b; prog 'x y'"]),
            (&["\"/usr/bin/proxy\"", "--port"], &["/bin/sh", "-c", "\"/usr/bin/proxy\" --port"]),
        ] {
            let words: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(as_ssh_would(&words), expected, "{line:?}");
        }
    }

    #[test]
    fn a_node_has_a_short_name_a_long_one_and_addresses() {
        for (node, said, expected) in [
            ("n1", "n1.cluster.org", true),
            ("n1.cluster.org", "N1", true),
            ("n1", "n2", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "192.0.2.1", false),
        ] {
            assert_eq!(is_host(node, said), expected, "{node} {said}");
        }
    }
}
