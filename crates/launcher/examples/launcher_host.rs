//! A launcher as a process of its own, for tests and measurements: forking and becoming a subreaper
//! must not happen inside a test process with many threads. The real one is the `launcher` role of
//! the `updraft` binary.
//!
//! `launcher_host SOCKET STATE_DIR [--cgroup PARENT] [--users CLIENT_UID]`

use std::path::PathBuf;
use std::process::ExitCode;

use launcher::{Config, ContainmentWish, RunAs};

/// Enough for every test.
const RUNS_MAX: usize = 256;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(socket), Some(state_dir)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: launcher_host SOCKET STATE_DIR [--cgroup PARENT] [--users CLIENT_UID]");
        return ExitCode::from(2);
    };
    let mut config = Config {
        socket,
        state_dir,
        users_dir: None,
        identity: RunAs::Own,
        containment: ContainmentWish::Subreaper,
        runs_max: RUNS_MAX,
    };
    while let (Some(option), Some(value)) = (arguments.next(), arguments.next()) {
        match option.to_str() {
            Some("--cgroup") => config.containment = ContainmentWish::Cgroup { parent: value },
            Some("--users") => {
                let client_uid = value.to_str().and_then(|text| text.parse().ok()).unwrap_or(0);
                config.identity = RunAs::Users { client_uid, uid_min: 1000 };
            }
            Some(_) | None => {
                eprintln!("unknown option {}", option.display());
                return ExitCode::from(2);
            }
        }
    }
    match launcher::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            eprintln!("launcher: {error}{}", cause.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}
