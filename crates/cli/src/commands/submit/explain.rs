//! `submit --explain`: what a job will see, and which slots would take it now, without submitting.

use std::fmt::Write as _;

use anyhow::Result;
use classad::{ClassAd, Env};
use jobspec::htcondor::Submission;
use model::{Universe, attr, cmdline};
use proto::client::{Query, Select};

use crate::line::connect;

/// Explains the first job of each cluster.
pub(super) fn explain(submission: &Submission) -> Result<String> {
    let mut text = String::new();
    let machines = machines();
    for (cluster, spec) in &submission.clusters {
        let of_cluster = submission.jobs().find(|(job, _)| job.cluster == *cluster);
        let Some((job, ad)) = of_cluster else { continue };
        let _ = writeln!(text, "{} job(s); the first, {job}, will see", spec.count());
        write_command(&mut text, &ad)?;
        for name in [
            attr::REQUIREMENTS,
            attr::REQUEST_CPUS,
            attr::REQUEST_MEMORY,
            attr::REQUEST_DISK,
            attr::RANK,
        ] {
            if let Some(expr) = ad.get(name) {
                let _ = writeln!(text, "  {name} = {expr}");
            }
        }
        match &machines {
            _ if Universe::of(&ad).is_beside() => {
                text += "  it runs beside the schedd, at once and in no slot\n";
            }
            None => text += "  no pool answers, so nothing can be said about slots\n",
            Some(machines) => {
                let env = Env::at(proto::clock::now().wall.as_secs());
                let _ = writeln!(text, "  {}", slots(&ad, machines, &env));
            }
        }
    }
    Ok(text)
}

/// How many slots could ever take a job, and how many of them are free. A slot that was carved from
/// another for a job is a part of that one.
fn slots(job: &ClassAd, machines: &[ClassAd], env: &Env) -> String {
    let is = |machine: &ClassAd, name: &str| machine.eval(name, None, env).is_true();
    let all: Vec<&ClassAd> =
        machines.iter().filter(|machine| !is(machine, attr::DYNAMIC_SLOT)).collect();
    let fits = |machine: &ClassAd| classad::matches(job, machine, env);
    let free = |machine: &&&ClassAd| {
        let state = machine.eval(attr::STATE, None, env);
        fits(machine) && state.as_str().is_none_or(|state| state != "Claimed")
    };
    // What a slot has in all, and not what is left of it.
    let could = all.iter().filter(|machine| fits(&whole(machine))).count();
    let now = all.iter().filter(free).count();
    format!("{could} of {} slots could take it, {now} of them now", all.len())
}

/// A slot as if nothing ran in it.
fn whole(machine: &ClassAd) -> ClassAd {
    let mut whole = machine.clone();
    for (name, total) in [
        (attr::CPUS, "TotalSlotCpus"),
        (attr::MEMORY, "TotalSlotMemory"),
        (attr::DISK, "TotalSlotDisk"),
    ] {
        if let Some(total) = machine.get(total).cloned() {
            whole.set(name, total);
        }
    }
    whole
}

fn write_command(text: &mut String, ad: &ClassAd) -> Result<()> {
    let word = |name: &str| {
        ad.literal(name).and_then(classad::Value::as_str).unwrap_or_default().to_owned()
    };
    let _ = writeln!(text, "  argv[0] = {:?}", word(attr::CMD));
    for (index, argument) in cmdline::argv_of(ad)?.iter().enumerate() {
        let _ = writeln!(text, "  argv[{}] = {argument:?}", index + 1);
    }
    let environ = cmdline::environ_of(ad)?;
    let bytes: usize = environ.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let _ = writeln!(
        text,
        "  {} variables of environment, {bytes} bytes, besides those of the machine (_CONDOR_SCRATCH_DIR, TMPDIR, ...)",
        environ.len()
    );
    for (name, value) in &environ {
        let _ = writeln!(text, "    {name}={value:?}");
    }
    Ok(())
}

/// The pool's slots; `None` if no pool answers.
fn machines() -> Option<Vec<ClassAd>> {
    let mut client = connect::negotiator().ok()?;
    client.machines(Query::of(Select::All)).ok()
}
