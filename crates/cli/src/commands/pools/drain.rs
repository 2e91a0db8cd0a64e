//! `updraft drain`, `condor_drain`, `updraft pool drain` and `resume`: machines that are to be
//! given no new jobs. What becomes of jobs there is the machine's matter, who may say so the
//! negotiator's.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use classad::{ClassAd, Env, Expr, Value};
use client::{Home, Negotiator, Query, Select};
use model::attr;
use nix::unistd::{Uid, User};
use proto::client::DrainOrder;
use proto::draining::DrainHow;
use serde::Serialize;

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// Options of HTCondor's `condor_drain` that are not built.
pub const NOT_YET: &[&str] = &[
    "resume-on-completion",
    "restart-on-completion",
    "reconfig-on-completion",
    "exit-on-completion",
    "start",
    "request-id",
    "verbose",
];

/// Give a machine no new jobs, or jobs again.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct DrainArgs {
    /// The machine, as 'updraft status' calls it.
    machine: String,
    /// Its jobs run to their end (the default).
    #[arg(long, conflicts_with_all = ["quick", "fast"])]
    graceful: bool,
    /// Its jobs are told to end, and go back into the queue.
    #[arg(long, conflicts_with = "fast")]
    quick: bool,
    /// Its jobs are killed, and go back into the queue.
    #[arg(long)]
    fast: bool,
    /// Why, for who looks (default: who did it).
    #[arg(long, value_name = "TEXT", conflicts_with = "cancel")]
    reason: Option<String>,
    /// Only if this is true of each of its slots.
    #[arg(long, value_name = "EXPR", conflicts_with = "cancel", allow_hyphen_values = true)]
    check: Option<String>,
    /// Give it jobs again.
    #[arg(long, conflicts_with_all = ["graceful", "quick", "fast"])]
    cancel: bool,
    /// The pool (only one's own).
    #[arg(long, value_name = "POOL", hide = true)]
    pool: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was said of a machine.
#[derive(Debug, Serialize)]
pub struct Drained {
    machine: String,
    /// What becomes of its jobs; none if it gets jobs again.
    how: Option<DrainHow>,
}

impl Tell for Drained {
    fn tell(&self, dialect: Dialect) -> Said {
        let Self { machine, how } = self;
        Said::out(match (dialect, how) {
            (Dialect::HtCondor, Some(_)) => format!("Sent request to drain {machine}.\n"),
            (Dialect::HtCondor, None) => format!("Sent request to cancel draining on {machine}\n"),
            (Dialect::Updraft | Dialect::Pbs, Some(how)) => {
                format!(
                    "{machine} gets no new jobs; {how}. To give it jobs again:  updraft pool resume \
                     {machine}\n"
                )
            }
            (Dialect::Updraft | Dialect::Pbs, None) => format!("{machine} gets jobs again.\n"),
        })
    }
}

/// Drains a machine, or gives it jobs again.
///
/// # Errors
///
/// If it is not known, or the negotiator cannot be asked or refuses.
pub fn set(
    negotiator: &mut Negotiator,
    machine: &str,
    order: Option<DrainOrder>,
) -> Result<Drained> {
    let how = order.as_ref().map(|order| order.how);
    let machine = negotiator.drain(machine.to_owned(), order)?.to_string();
    Ok(Drained { machine, how })
}

/// The same in the pool of this folder.
///
/// # Errors
///
/// As for [`set`].
pub fn set_in(home: &Home, machine: &str, order: Option<DrainOrder>) -> Result<Drained> {
    set(&mut home.negotiator()?, machine, order)
}

/// An order, with the reason that HTCondor gives where nobody says one.
pub fn order(how: DrainHow, reason: Option<String>) -> DrainOrder {
    let by = || {
        let user = User::from_uid(Uid::current()).ok().flatten();
        user.map_or_else(String::new, |user| format!("by {}", user.name))
    };
    DrainOrder { how, reason: reason.unwrap_or_else(by) }
}

/// Does it.
///
/// # Errors
///
/// If it is not known, its slots are not as they are to be, or the negotiator cannot be asked or
/// refuses.
pub fn run(args: &DrainArgs, call: &Call) -> Result<Outcome> {
    Where::of(None, args.pool.as_deref()).check()?;
    let how = match (args.quick, args.fast) {
        (_, true) => DrainHow::Kill,
        (true, false) => DrainHow::Requeue,
        (false, false) => DrainHow::Finish,
    };
    let mut negotiator = connect::negotiator()?;
    if let Some(wanted) = &args.check {
        check(&mut negotiator, &args.machine, wanted)?;
    }
    let order = (!args.cancel).then(|| order(how, args.reason.clone()));
    let drained = set(&mut negotiator, &args.machine, order)?;
    Ok(Outcome::of(&drained, args.json, call, Exit::Done))
}

fn check(negotiator: &mut Negotiator, machine: &str, wanted: &str) -> Result<()> {
    let expr = Expr::parse(wanted).with_context(|| format!("read -check '{wanted}'"))?;
    let slots = negotiator.machines(Query::of(Select::All))?;
    is_true_of_all(&slots, machine, (wanted, &expr))
}

/// A machine may be named as it is called, or as its host is without the domain.
fn is_true_of_all(slots: &[ClassAd], machine: &str, (wanted, expr): (&str, &Expr)) -> Result<()> {
    let env = Env::at(proto::clock::now().wall.as_secs());
    let text = |slot: &ClassAd, name| {
        slot.literal(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_its = |slot: &&ClassAd| {
        let name = text(slot, attr::MACHINE);
        let host = name.split('.').next().unwrap_or_default();
        name.eq_ignore_ascii_case(machine) || host.eq_ignore_ascii_case(machine)
    };
    let mut its = slots.iter().filter(is_its).peekable();
    ensure!(
        its.peek().is_some(),
        "drain {machine}: no slot of it is known, of which '{wanted}' could be true"
    );
    match its.find(|slot| !slot.eval_expr(expr, None, &env).is_true()) {
        None => Ok(()),
        Some(slot) => {
            bail!("drain {machine}: '{wanted}' is not true of {}", text(slot, attr::NAME))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_true_is_asked_of_each_slot_of_the_machine_however_it_is_named() {
        let slot = |name: &str, machine: &str, cpus: u32| {
            let ad = format!("[ Name = \"{name}\"; Machine = \"{machine}\"; Cpus = {cpus} ]");
            ClassAd::parse_new(&ad).unwrap()
        };
        let slots =
            [slot("slot1@a", "a.site", 4), slot("slot2@a", "a.site", 1), slot("s@b", "b.site", 4)];
        let told = |machine: &str, wanted: &str| {
            let expr = Expr::parse(wanted).unwrap();
            is_true_of_all(&slots, machine, (wanted, &expr)).err().map(|error| error.to_string())
        };
        for machine in ["a", "A.site"] {
            assert_eq!(told(machine, "Cpus > 0"), None);
            let expected = format!("drain {machine}: 'Cpus > 1' is not true of slot2@a");
            assert_eq!(told(machine, "Cpus > 1"), Some(expected));
        }
        assert_eq!(told("b", "Cpus > 1"), None);
        assert!(told("c", "true").unwrap().contains("no slot of it is known"));
        assert!(told("b", "NoSuch").is_some(), "what is not known is not true");
    }
}
