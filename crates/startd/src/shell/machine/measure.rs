//! What is measured of the machine from time to time: load, free disk, how long nobody has touched
//! it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Timestamp;
use nix::sys::statvfs::statvfs;
use proto::clock;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::core::{Input, Measured, Speed};
use crate::shell::engine::EngineInput;
use crate::shell::machine::speed;

/// How often. It also renews the machine's advertisement, which holds for fifteen times as long.
const EVERY: Duration = Duration::from_secs(60);

/// Measures until the engine has ended: at once, again when the machine's speed is known, and then
/// as time goes by.
pub(crate) async fn keep_measuring(
    execute_dir: PathBuf,
    state_dir: PathBuf,
    boot_id: String,
    engine: mpsc::Sender<EngineInput>,
) {
    let started = clock::now().wall;
    let mut speed = None;
    if tell(&execute_dir, started, speed, &engine).await.is_err() {
        return;
    }
    speed = spawn_blocking(move || speed::of_this_boot(&state_dir, &boot_id)).await.ok();
    while tell(&execute_dir, started, speed, &engine).await.is_ok() {
        sleep(EVERY).await;
    }
}

async fn tell(
    execute_dir: &Path,
    started: Timestamp,
    speed: Option<Speed>,
    engine: &mpsc::Sender<EngineInput>,
) -> Result<(), mpsc::error::SendError<EngineInput>> {
    let measured = Measured {
        load_avg: fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|t| load_avg(&t))
            .unwrap_or(0.0),
        free_disk_kib: free_disk_kib(execute_dir),
        keyboard_idle_s: keyboard_idle_s(started),
        speed,
    };
    engine.send(EngineInput::Core(Input::Measured(measured))).await
}

/// Free space for an ordinary user below `folder`, KiB; 0 if it cannot be told.
pub(crate) fn free_disk_kib(folder: &Path) -> u64 {
    let found = statvfs(folder);
    found.map_or(0, |found| found.blocks_available().saturating_mul(found.fragment_size()) / 1024)
}

/// The load over one minute, from the text of `/proc/loadavg`.
fn load_avg(text: &str) -> Option<f64> {
    text.split(' ').next()?.parse().ok()
}

/// Seconds since a terminal was last used; since the startd started if none ever was.
fn keyboard_idle_s(started: Timestamp) -> u64 {
    let terminals = [("/dev/pts", ""), ("/dev", "tty")];
    let used = terminals.iter().flat_map(|(folder, prefix)| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| is_terminal(entry.file_name().to_str().unwrap_or_default(), prefix))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| Timestamp::from_secs(metadata.atime()))
    });
    let last = used.chain([started]).max().unwrap_or(started);
    clock::now().wall.since(last).as_secs()
}

fn is_terminal(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_load_over_a_minute() {
        assert_eq!(load_avg("1.78 3.32 2.36 2/345 1234\n"), Some(1.78));
        assert_eq!(load_avg(""), None);
    }

    #[test]
    fn only_numbered_devices_are_terminals() {
        let cases = [("tty1", true), ("tty", false), ("ttyS0", false), ("null", false)];
        for (name, expected) in cases {
            assert_eq!(is_terminal(name, "tty"), expected, "{name}");
        }
        assert!(is_terminal("3", "") && !is_terminal("ptmx", ""));
    }
}
