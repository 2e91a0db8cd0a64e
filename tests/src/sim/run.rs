//! Runs one seed from its first event to the last: so many steps with faults, then without until
//! all is done.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{JobState, RunEnd};

use super::clock::{Micros, SECOND};
use super::plant::Plant;
use super::world::{Setup, World};

/// Steps with faults, if the user does not say.
pub const DEFAULT_STEPS: u64 = 600;

/// Steps without faults after which something goes round in circles.
const MAX_CALM_STEPS: u64 = 400_000;

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps with faults.
    pub steps: u64,
    /// A bug to plant.
    pub plant: Option<Plant>,
    /// The directed world of this bug, whether it is planted or not; chance directs the world of a
    /// bug that has none.
    pub directed: Option<Plant>,
    /// Whether to print what happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: DEFAULT_STEPS, plant: None, directed: None, trace: false }
    }
}

/// What a seed that passed did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Events, with and without faults.
    pub steps: u64,
    /// Jobs that became final.
    pub finals: u64,
    /// Attempts to run jobs.
    pub attempts: u64,
    /// Time that passed in the world, seconds.
    pub world_s: u64,
}

/// The first thing that was wrong in a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub seed: u64,
    /// How it was run.
    steps: u64,
    plant: Option<Plant>,
    /// At which step it was seen.
    pub step: u64,
    /// When, in the world.
    at: Micros,
    /// What was wrong.
    pub what: String,
}

/// Runs a seed.
///
/// # Errors
///
/// If anything was wrong: a rule of the oracle, a check of a core, a panic, or something that never
/// ended.
pub fn run_seed(seed: u64, options: Options) -> Result<Passed, Box<Failed>> {
    model::planted::plant(match options.plant {
        Some(Plant::Inside(bug)) => Some(bug),
        Some(_) | None => None,
    });
    let mut world = World::new(Setup {
        seed,
        plant: options.plant,
        directed: options.directed.or(options.plant),
        trace: options.trace,
    });
    let mut steps = 0;
    loop {
        if steps == options.steps && world.scenario.is_none() {
            world.calm();
        }
        let going_on = catch_unwind(AssertUnwindSafe(|| world.step()));
        steps += 1;
        match going_on {
            Ok(true) => {}
            Ok(false) => break,
            Err(panic) => {
                world.fail(format!("a panic: {}", words_of(panic.as_ref())));
                break;
            }
        }
        if steps > options.steps + MAX_CALM_STEPS {
            let what = world.unfinished().unwrap_or_default();
            world.fail(format!("{MAX_CALM_STEPS} steps after the faults: {what}"));
        }
    }
    let calm = world.faults.is_calm() && world.scenario.is_none();
    if calm && world.violation.is_none() {
        let gentle = world.nothing_was_lost();
        world.require(gentle);
    }
    match world.violation {
        None => Ok(Passed {
            steps,
            finals: world.oracle.finals,
            attempts: world
                .oracle
                .jobs()
                .map(|(job, _)| u64::from(world.oracle.attempts(job)))
                .sum(),
            world_s: world.now / SECOND,
        }),
        Some(what) => {
            let (plant, at) = (options.plant, world.now);
            Err(Box::new(Failed { seed, steps: options.steps, plant, step: steps, at, what }))
        }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

impl World {
    /// Without faults no run may come to nothing but by a user's doing, and no job may end in a
    /// lost run.
    fn nothing_was_lost(&self) -> Result<(), String> {
        for (job, state) in self.oracle.jobs() {
            if let JobState::Completed {
                end: end @ (RunEnd::Lost { .. } | RunEnd::Vacated { .. }),
                ..
            } = state
            {
                return Err(format!("job {job} is completed by {end:?}"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, plant, step, at, what } = self;
        writeln!(f, "seed {seed}, step {step}, {}.{:06} s: {what}", at / SECOND, at % SECOND)?;
        write!(f, "replay: cargo xtask sim -- --seed {seed} --steps {steps} --trace")?;
        plant.map_or(Ok(()), |plant| write!(f, " --plant {plant}"))
    }
}
