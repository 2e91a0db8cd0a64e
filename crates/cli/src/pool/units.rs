//! The units by which systemd keeps a pool of many users: one for the launcher, which is root's and
//! whose jobs outlive it, and one for the daemons; and whether it keeps one. Who installs them is
//! not known here.

use std::fs;
use std::path::Path;

use client::home::Home;

use crate::pool::many_users::USER;

/// The names of the units.
const LAUNCHER: &str = "updraft-launcher.service";
const DAEMONS: &str = "updraft.service";

/// The unit as which systemd keeps a process, as the kernel's lists of control groups say: whoever
/// ends it sees it start again.
pub fn keeps(pid: i32) -> Option<&'static str> {
    unit_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

fn unit_in(groups: &str) -> Option<&'static str> {
    // `1:name=systemd:/system.slice/updraft.service`, or `0::/...`; a unit may have groups of its
    // own below it.
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mut parts = paths.flat_map(|path| path.split('/'));
    parts.find_map(|part| [DAEMONS, LAUNCHER].into_iter().find(|unit| *unit == part))
}

/// A unit: its file's name and its text.
pub struct Unit {
    pub name: &'static str,
    pub text: String,
}

/// The units of the pool in this folder, with this program.
pub fn of(home: &Home, program: &Path) -> [Unit; 2] {
    [
        Unit { name: LAUNCHER, text: launcher(home, program) },
        Unit { name: DAEMONS, text: daemons(home, program) },
    ]
}

/// Jobs go on when it is stopped or started again: their keepers are found by the next one. It has
/// a control group of its own in which it makes one for each run.
fn launcher(home: &Home, program: &Path) -> String {
    let (home, program) = (quoted(home.dir()), quoted(program));
    format!(
        "[Unit]\n\
         Description=Updraft: starts the processes of jobs as their owners, and keeps them\n\
         \n\
         [Service]\n\
         ExecStart={program} daemon launcher --home {home}\n\
         KillMode=process\n\
         Restart=always\n\
         RestartSec=1\n\
         Delegate=yes\n\
         TasksMax=infinity\n\
         LimitNOFILE=1024:1048576\n\
         UMask=0022\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// A startd that is asked to end would end its jobs first; killed it leaves them to the launcher.
fn daemons(home: &Home, program: &Path) -> String {
    let (home, program) = (quoted(home.dir()), quoted(program));
    format!(
        "[Unit]\n\
         Description=Updraft: the queue, the matchmaker and this machine\n\
         Wants={LAUNCHER} network-online.target\n\
         After={LAUNCHER} network-online.target\n\
         \n\
         [Service]\n\
         User={USER}\n\
         Group={USER}\n\
         ExecStart={program} daemon supervisor --home {home}\n\
         KillSignal=SIGKILL\n\
         Restart=always\n\
         RestartSec=1\n\
         LimitNOFILE=65536\n\
         UMask=0022\n\
         ProtectSystem=full\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// A path as systemd reads it: a percent sign means something there, and a blank ends a word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-%+".contains(c);
    match text.chars().all(plain) {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_systemd() {
        for (path, expected) in [
            ("/var/lib/updraft", "/var/lib/updraft"),
            ("/srv/100%", "/srv/100%%"),
            ("/srv/a b\"c", "\"/srv/a b\\\"c\""),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_process_of_a_unit_is_known_by_its_control_group() {
        for (groups, expected) in [
            ("0::/system.slice/updraft.service\n", Some(DAEMONS)),
            ("12:pids:/x\n1:name=systemd:/system.slice/updraft.service\n", Some(DAEMONS)),
            ("0::/system.slice/updraft-launcher.service/launcher\n", Some(LAUNCHER)),
            ("0::/user.slice/user-0.slice/session-3.scope\n", None),
            ("0::/system.slice/not-updraft.service\n", None),
            ("", None),
        ] {
            assert_eq!(unit_in(groups), expected, "{groups}");
        }
    }

    #[test]
    fn the_launcher_s_unit_is_root_s_and_leaves_jobs_alone_and_the_daemons_is_not() {
        let home = Home::at(Path::new("/var/lib/updraft"));
        let [launcher, daemons] = of(&home, Path::new("/usr/local/bin/updraft"));
        assert!(launcher.text.contains("KillMode=process\n") && !launcher.text.contains("User="));
        assert!(daemons.text.contains("User=updraft\n"));
        assert!(daemons.text.contains(
            "ExecStart=/usr/local/bin/updraft daemon supervisor --home /var/lib/updraft\n"
        ));
    }
}
