//! What the benchmarks of real processes share: S, what this machine can do at all, and clocks.
//!
//! Knows nothing of what is measured.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The word that has a benchmark's program be one of the two processes of S.
pub const SPAWN_LOOP: &str = "--spawn-loop";

/// How long S is measured. Long enough for some thousand starts.
const SPAWN_SECONDS: u64 = 2;

/// S: how many `/bin/true` a second two processes start and wait for that do nothing else. The
/// calling program must call [`spawn_loop`] when it is started with [`SPAWN_LOOP`].
///
/// # Errors
/// If this program cannot be started again.
pub fn raw_spawn_rate() -> Result<f64> {
    spawn_rate(2)
}

/// The same for so many processes: what a machine with so many slots can do at all.
///
/// # Errors
/// If this program cannot be started again.
pub fn spawn_rate(processes: u32) -> Result<f64> {
    let me = env::current_exe()?;
    let loops: Vec<_> = (0..processes)
        .map(|_| Command::new(&me).arg(SPAWN_LOOP).stdout(Stdio::piped()).spawn())
        .collect::<Result<_, _>>()?;
    let mut total = 0.0;
    for child in loops {
        let text = String::from_utf8(child.wait_with_output()?.stdout)?;
        total +=
            text.trim().parse::<f64>().with_context(|| format!("read a rate from '{text}'"))?;
    }
    Ok(total)
}

/// One of the two processes: prints its rate.
///
/// # Errors
/// If `/bin/true` cannot be started.
pub fn spawn_loop() -> Result<()> {
    let begun = now();
    let mut n = 0.0;
    while begun.elapsed() < Duration::from_secs(SPAWN_SECONDS) {
        Command::new("/bin/true").stdin(Stdio::null()).spawn()?.wait()?;
        n += 1.0;
    }
    println!("{}", n / begun.elapsed().as_secs_f64());
    Ok(())
}

/// What this thread has computed so far, in seconds: the figure to compare on a machine that others
/// use too.
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

/// How much of this process is in memory, in bytes.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The moment that a measurement begins.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn now() -> Instant {
    Instant::now()
}
