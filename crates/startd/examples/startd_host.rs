//! A launcher or a startd as a process of its own, for tests and measurements: both are killed
//! there, and a launcher must not fork inside a test process. The real ones are roles of the
//! `updraft` binary.
//!
//! `startd_host (launcher|startd) DIR`: sockets and state are in DIR.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use launcher::{ContainmentWish, RunAs};
use proto::net::Admission;
use startd::shell::server;
use tokio::signal::unix::{SignalKind, signal};

/// Enough for every test.
const RUNS_MAX: usize = 256;

/// What the machine offers.
const CPUS: u32 = 4;
const MEMORY_MIB: u64 = 4096;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (role, dir) = (arguments.next(), arguments.next().map(PathBuf::from));
    let ended = match (role.as_ref().and_then(|role| role.to_str()), dir) {
        (Some("launcher"), Some(dir)) => launcher(&dir).map_err(|error| format!("{error:?}")),
        (Some("startd"), Some(dir)) => startd(&dir).map_err(|error| format!("{error:?}")),
        (_, _) => Err("usage: startd_host (launcher|startd) DIR".to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn launcher(dir: &Path) -> Result<(), launcher::Error> {
    launcher::run(launcher::Config {
        socket: dir.join("launcher.sock"),
        state_dir: dir.join("launcher"),
        users_dir: None,
        identity: RunAs::Own,
        containment: ContainmentWish::Subreaper,
        runs_max: RUNS_MAX,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn startd(dir: &Path) -> Result<(), server::Error> {
    let config = server::Config {
        machine: "testhost".to_owned(),
        socket: dir.join("startd.sock"),
        negotiator: proto::net::Way::Here(dir.join("negotiator.sock")),
        schedd: dir.join("schedd.sock"),
        launcher: dir.join("launcher.sock"),
        state_dir: dir.to_owned(),
        execute_dir: dir.join("execute"),
        helpers: None,
        admission: Admission::OnlyUid(nix::unistd::geteuid().as_raw()),
        address: "<127.0.0.1:0>".to_owned(),
        settings: startd::MachineSettings {
            cpus: Some(CPUS),
            memory_mib: Some(MEMORY_MIB),
            ..startd::MachineSettings::default()
        },
    };
    let terminated = async {
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            terminate.recv().await;
        }
    };
    server::run(config, terminated).await
}
