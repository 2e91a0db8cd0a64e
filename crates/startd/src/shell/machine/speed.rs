//! How fast this machine is: `KFlops` and `Mips`, measured once a boot and kept in a file. Two
//! small programs of our own, in the manner of those that HTCondor's startd runs: they compare the
//! machines of a pool, and nothing else.

use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;

use proto::clock;
use serde::{Deserialize, Serialize};

use crate::core::Speed;

/// How long each measurement takes: long enough for a processor to leave its idle frequency, short
/// enough not to be felt.
const MEASURE_MS: u64 = 120;

/// The file in the state folder.
const FILE: &str = "speed.json";

/// The order of the system of equations: its matrix fits into the second-level cache of any machine
/// of today.
const EQUATIONS: usize = 100;

/// Dhrystones a second of a VAX 11/780, which is one MIPS by convention.
const DHRYSTONES_PER_MIPS: u64 = 1757;

#[derive(Serialize, Deserialize)]
struct Kept {
    boot_id: String,
    speed: Speed,
}

/// What was measured in this boot, or is measured now. Takes a quarter of a second: not for an
/// async task.
pub(crate) fn of_this_boot(folder: &Path, boot_id: &str) -> Speed {
    let path = folder.join(FILE);
    let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| kept.boot_id == boot_id) {
        return kept.speed;
    }
    let speed = Speed { mips: mips(), kflops: kflops() };
    let kept = Kept { boot_id: boot_id.to_owned(), speed };
    let written = serde_json::to_vec(&kept).map_err(io::Error::from);
    if let Err(error) = written.and_then(|bytes| fs::write(&path, bytes)) {
        tracing::warn!(%error, path = %path.display(), "cannot keep the machine's speed; the next start measures it again");
    }
    speed
}

/// Thousands of floating-point operations a second in solving linear equations, as LINPACK counts
/// them.
fn kflops() -> u64 {
    let n = EQUATIONS;
    let operations = u64::try_from(2 * n * n * n / 3 + 2 * n * n).unwrap_or(u64::MAX);
    let solutions = repeat(|round| {
        let mut matrix = equations(round);
        let mut right: Vec<f64> = matrix.iter().map(|row| row.iter().sum()).collect();
        solve(&mut matrix, &mut right);
        black_box(right);
    });
    solutions.saturating_mul(operations) / 1000
}

fn equations(seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1325);
    let mut next = || {
        state = state.wrapping_mul(3125) % 65536;
        // Below 2^16: exact.
        f64::from(u32::try_from(state).unwrap_or(0)) / 32768.0 - 1.0
    };
    (0..EQUATIONS).map(|_| (0..EQUATIONS).map(|_| next()).collect()).collect()
}

/// Gauss's elimination with partial pivoting; the solution is in `right`.
fn solve(matrix: &mut [Vec<f64>], right: &mut [f64]) {
    let n = right.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| matrix[*a][k].abs().total_cmp(&matrix[*b][k].abs()));
        let pivot = pivot.unwrap_or(k);
        matrix.swap(k, pivot);
        right.swap(k, pivot);
        let (above, below) = matrix.split_at_mut(k + 1);
        let top = &above[k];
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[k] / top[k];
            for (cell, over) in row[k..].iter_mut().zip(&top[k..]) {
                *cell -= factor * over;
            }
            right[k + 1 + offset] -= factor * right[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = matrix[k][k + 1..].iter().zip(&right[k + 1..]).map(|(a, x)| a * x).sum();
        right[k] = (right[k] - known) / matrix[k][k];
    }
}

/// Millions of instructions a second, in VAX terms: a round does about what a round of Dhrystone
/// does (copying records, comparing texts, calls, branches, a little arithmetic).
fn mips() -> u64 {
    let rounds = repeat_many(10_000, |round| {
        let first =
            SpeedEntry { kind: round % 3, value: 5, text: *b"DHRYSTONE PROGRAM, 1'ST STRING" };
        let mut second = black_box(first);
        second.text[12] = b'0' + u8::try_from(round % 10).unwrap_or(0);
        let ordered = black_box(&first.text).cmp(black_box(&second.text));
        let mut array = black_box([0_u64; 16]);
        for (place, cell) in array.iter_mut().enumerate().skip(5).take(3) {
            *cell = second.value + u64::try_from(place).unwrap_or(0);
        }
        second.value = match second.kind {
            0 => array[5] * 3,
            1 => array[6] / 2 + round,
            _ => array[7].wrapping_sub(round),
        };
        black_box((ordered, second));
    });
    rounds / DHRYSTONES_PER_MIPS
}

#[derive(Clone, Copy)]
struct SpeedEntry {
    kind: u64,
    value: u64,
    text: [u8; 30],
}

/// How often a second `work` can be done.
fn repeat(work: impl FnMut(u64)) -> u64 {
    repeat_many(1, work)
}

/// The same for work that is much shorter than a look at the clock.
fn repeat_many(at_once: u64, mut work: impl FnMut(u64)) -> u64 {
    let started = clock::now().boot_ms;
    let mut done = 0;
    loop {
        for _ in 0..at_once {
            work(done);
            done += 1;
        }
        let took = clock::now().boot_ms.saturating_sub(started);
        if took >= MEASURE_MS {
            return done * 1000 / took;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equations_are_really_solved() {
        let mut matrix = equations(1);
        let mut right: Vec<f64> = matrix.iter().map(|row| row.iter().sum()).collect();
        solve(&mut matrix, &mut right);
        for x in right {
            assert!((x - 1.0).abs() < 1e-9, "{x} is not 1");
        }
    }

    #[test]
    fn the_speed_is_measured_once_a_boot() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept { boot_id: "now".to_owned(), speed: Speed { mips: 1, kflops: 2 } };
        fs::write(folder.path().join(FILE), serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(of_this_boot(folder.path(), "now"), kept.speed);
        let anew = of_this_boot(folder.path(), "later");
        assert!(anew.mips > 1 && anew.kflops > 2, "{anew:?}");
        assert_eq!(of_this_boot(folder.path(), "later"), anew);
    }
}
