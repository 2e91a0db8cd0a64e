//! What came of starting, stopping, configuring and copying a personal pool. Knows nothing of its
//! processes.

use std::path::PathBuf;

use serde::Serialize;

use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// A pool that was started.
#[derive(Debug, Serialize)]
pub struct Start {
    pub dir: String,
    pub started: Started,
    /// How many of its processes had died, if it ran.
    pub revived: Option<usize>,
    /// Whether its configuration has changed since, if it ran.
    #[serde(skip)]
    pub has_changed: bool,
    /// Whether commands must be told that this is the one.
    #[serde(skip)]
    pub is_elsewhere: bool,
    /// The pool that it is a machine of, if it is none of its own.
    pub joined: Option<Member>,
}

/// A machine of a pool elsewhere.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// What it is called there.
    pub name: String,
    /// Where the pool listens.
    pub pool: String,
    /// What the pool says of it, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<&'static str>,
}

/// What there was to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Started {
    /// All of it: it did not run.
    Fresh,
    /// Nothing: all of it runs.
    Already,
    /// Processes that had died.
    Revived,
}

impl Tell for Start {
    fn tell(&self, _: Dialect) -> Said {
        let Self { dir, started, revived, has_changed, is_elsewhere, joined } = self;
        if let Some(Member { name, pool, .. }) = joined {
            let how = match started {
                Started::Fresh => "runs jobs again",
                Started::Already => "runs jobs already",
                Started::Revived => "had lost processes, which run again, and runs jobs",
            };
            return Said::out(format!(
                "{name}, in {dir}, {how} of the pool at {pool}. Jobs are submitted there.\n"
            ));
        }
        let mut out = match started {
            Started::Fresh => format!("The pool in {dir} accepts jobs.\n"),
            Started::Already => format!("The pool in {dir} runs already.\n"),
            Started::Revived => {
                let died = revived.unwrap_or_default();
                format!("The pool in {dir} ran; {died} of its processes had died and run again.\n")
            }
        };
        if *has_changed {
            out += "Its configuration has changed since:  updraft pool reconfig\n";
        }
        if *is_elsewhere {
            out += &format!("Choose it for your commands:  export UPDRAFT_HOME={dir}\n");
        }
        out += "Submit a job:                 updraft submit FILE\n";
        out += "See how it goes:              updraft q\n";
        Said::out(out)
    }
}

/// A pool that was stopped.
#[derive(Debug, Serialize)]
pub struct Stop {
    pub dir: String,
    /// Whether it ran.
    pub ran: bool,
    /// Whether its running jobs were stopped too.
    pub runs_ended: bool,
    /// The pool that it is a machine of, if it is none of its own.
    pub joined: Option<Member>,
}

impl Tell for Stop {
    fn tell(&self, _: Dialect) -> Said {
        let dir = &self.dir;
        if let (Some(Member { name, pool, .. }), true) = (&self.joined, self.ran) {
            return Said::out(format!(
                "{name}, in {dir}, takes no more jobs of the pool at {pool} until:  updraft pool start\n"
            ));
        }
        Said::out(match self.ran {
            true if self.runs_ended => {
                format!("The pool in {dir} is stopped, with its jobs. Its queue is kept.\n")
            }
            true => format!(
                "The pool in {dir} is stopped. Its queue is kept, and jobs that run go on; `updraft pool stop --now` stops them too.\n"
            ),
            false => format!("The pool in {dir} does not run.\n"),
        })
    }
}

/// How the processes of a pool are.
#[derive(Debug, Serialize)]
pub struct Status {
    pub dir: String,
    /// The pool that it is a machine of, if it is none of its own.
    pub joined: Option<Member>,
    pub processes: Vec<Process>,
}

/// A process of a pool.
#[derive(Debug, Serialize)]
pub struct Process {
    pub process: &'static str,
    /// Its number, if it lives.
    pub pid: Option<i32>,
    /// What it says of itself, if it answers.
    pub version: Option<String>,
    /// Since when it runs, seconds since the epoch.
    pub since: Option<i64>,
}

impl Status {
    /// Whether all of it runs.
    pub fn is_up(&self) -> bool {
        self.processes.iter().all(|process| process.pid.is_some())
    }
}

impl Tell for Status {
    fn tell(&self, _: Dialect) -> Said {
        let mut out = match &self.joined {
            None => format!("Pool in {}\n", self.dir),
            Some(Member { name, pool, known }) => {
                let known = known.map(|known| format!(": {known}")).unwrap_or_default();
                format!("{name}, in {}, a machine of the pool at {pool}{known}\n", self.dir)
            }
        };
        for Process { process, pid, .. } in &self.processes {
            let state =
                pid.map_or_else(|| "not running".to_owned(), |pid| format!("process {pid}"));
            out += &format!("  {process:<12} {state}\n");
        }
        if !self.is_up() {
            out += "Start what does not run:  updraft pool start\n";
        }
        Said::out(out)
    }
}

/// The units by which systemd keeps a pool of many users.
#[derive(Debug, Serialize)]
pub struct Units {
    pub units: Vec<Unit>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct Unit {
    pub name: &'static str,
    pub text: String,
    /// Where it was written, if it was.
    pub file: Option<PathBuf>,
}

impl Tell for Units {
    fn tell(&self, _: Dialect) -> Said {
        let mut out = String::new();
        for Unit { name, text, file } in &self.units {
            match file {
                Some(file) => out += &format!("{} is written.\n", file.display()),
                None => out += &format!("# {name}\n{text}\n"),
            }
        }
        if self.units.iter().any(|unit| unit.file.is_some()) {
            out += "Make the pool's folder once, and let systemd start it:\n  \
                    updraft pool start --system && updraft pool stop\n  \
                    systemctl daemon-reload && systemctl enable --now updraft-launcher updraft\n";
        }
        Said::out(out)
    }
}

/// A queue that was copied, from or to a file.
#[derive(Debug, Serialize)]
pub struct Copied {
    pub pool: PathBuf,
    pub file: PathBuf,
    /// Whether it came back from the file.
    #[serde(skip)]
    pub is_back: bool,
}

impl Tell for Copied {
    fn tell(&self, _: Dialect) -> Said {
        let (pool, file) = (self.pool.display(), self.file.display());
        Said::out(match self.is_back {
            true => format!("The queue in {pool} is that of {file}.\n"),
            false => format!("The queue is copied to {file}.\n"),
        })
    }
}

/// A configuration that was taken.
#[derive(Debug, Serialize)]
pub struct Reconfigured {
    pub dir: PathBuf,
    /// The settings that are not what they were.
    pub changed: Vec<Setting>,
    /// The daemons that were started again to take them.
    pub restarted: Vec<&'static str>,
}

/// A setting that is not what it was.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl Tell for Reconfigured {
    fn tell(&self, dialect: Dialect) -> Said {
        if dialect == Dialect::HtCondor {
            return Said::out("Sent \"Reconfig\" command to local master\n");
        }
        let dir = self.dir.display();
        if self.changed.is_empty() {
            return Said::out(format!("The configuration of the pool in {dir} has not changed.\n"));
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let mut text = format!("The pool in {dir} has a new configuration:\n");
        for Setting { name, before, after } in &self.changed {
            text += &format!("  {name}: {} -> {}\n", shown(before), shown(after));
        }
        let names = self.restarted.join(", ");
        Said::out(text + &format!("Started again: {names}. Running jobs go on.\n"))
    }
}

/// How the jobs of a pool that came and went ended.
#[derive(Debug, Serialize)]
pub struct Ran {
    pub all_succeeded: bool,
    pub ends: Vec<Ends>,
    /// Where their output is, a line for each kind and folder.
    pub output: Vec<String>,
    /// How they ended, in sentences.
    #[serde(skip)]
    pub summary: Vec<String>,
}

/// The jobs that ended in a way.
#[derive(Debug, Serialize)]
pub struct Ends {
    /// The jobs, as ranges of their ids.
    pub jobs: String,
    pub how: String,
}

impl Tell for Ran {
    fn tell(&self, _: Dialect) -> Said {
        let lines = self.summary.iter().chain(&self.output).map(|line| format!("{line}\n"));
        Said::out(lines.collect::<String>())
    }
}
