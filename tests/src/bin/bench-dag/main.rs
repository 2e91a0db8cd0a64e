//! Measures DAGMan: `cargo xtask bench dag`. Each figure stands beside something that was measured
//! in the same run: how long this machine takes to read the file's lines, or S, how many programs
//! it can start. It measures and judges nothing; the targets are those of issue 11.
//!
//! What is measured in memory runs in a process of its own, so that nothing that was there before
//! counts.

mod memory;
mod pool;

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use updraft_tests::measure::{SPAWN_LOOP, raw_spawn_rate, spawn_loop};
use updraft_tests::own_pool::OwnPool;

/// The parts, in order, and what each measures.
const PARTS: [(&str, Where); 8] = [
    ("load", Where::Memory(memory::load)),
    ("rich", Where::Memory(memory::rich)),
    ("core", Where::Memory(memory::core)),
    ("replay", Where::Memory(memory::replay)),
    ("noop", Where::Pool(pool::noop)),
    ("chain", Where::Pool(pool::chain)),
    ("wide", Where::Pool(pool::wide)),
    ("restart", Where::Pool(pool::restart)),
];

#[derive(Clone, Copy)]
enum Where {
    /// In a process of its own.
    Memory(fn() -> Result<()>),
    /// On a pool, with S.
    Pool(fn(&OwnPool, f64) -> Result<()>),
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [SPAWN_LOOP] => spawn_loop(),
        ["--part", name] => match part(name)?.1 {
            Where::Memory(measure) => measure(),
            Where::Pool(_) => bail!("{name} is measured on a pool"),
        },
        ["--updraft", program, ref names @ ..] => all(Path::new(program), names),
        _ => bail!(
            "usage: bench-dag --updraft PROGRAM [PART...] (cargo xtask bench dag gives the first); the parts are {}",
            PARTS.map(|(name, _)| name).join(", ")
        ),
    }
}

fn all(program: &Path, names: &[&str]) -> Result<()> {
    let wanted: Vec<_> = match names {
        [] => PARTS.to_vec(),
        names => names.iter().map(|name| part(name)).collect::<Result<_>>()?,
    };
    let mut on_pool = Vec::new();
    for (name, place) in wanted {
        match place {
            Where::Memory(_) => {
                let status = Command::new(env::current_exe()?).args(["--part", name]).status()?;
                if !status.success() {
                    bail!("the part {name}: {status}");
                }
            }
            Where::Pool(measure) => on_pool.push(measure),
        }
    }
    if on_pool.is_empty() {
        return Ok(());
    }
    let s = raw_spawn_rate()?;
    say("S: /bin/true, two processes starting and waiting", &format!("{s:.0} /s"));
    pool::with(program, |bench| on_pool.iter().try_for_each(|measure| measure(bench, s)))
}

fn part(name: &str) -> Result<(&'static str, Where)> {
    let found = PARTS.iter().find(|(known, _)| *known == name).copied();
    found.with_context(|| {
        format!("there is no part {name}, but {}", PARTS.map(|(name, _)| name).join(", "))
    })
}

/// A line of the table.
fn say(what: &str, figure: &str) {
    println!("{what:<62} {figure}");
}
