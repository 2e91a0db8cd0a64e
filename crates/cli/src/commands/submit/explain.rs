//! `submit --explain`: what a job will see, and which slots would take it now, without submitting.

use std::fmt::Write as _;

use anyhow::Result;
use classad::{ClassAd, Env};
use jobspec::htcondor::Submission;
use model::{Universe, attr, cmdline};
use proto::client::{Query, Select};

use crate::line::connect;
use crate::render::reasons::analysis::Slots;

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

/// How many slots could take a job if nothing ran in them, and how many of them have room now.
fn slots(job: &ClassAd, slots: &Slots, env: &Env) -> String {
    let fit =
        |slots: &[ClassAd]| slots.iter().filter(|slot| classad::matches(job, slot, env)).count();
    let (could, now) = (fit(&slots.empty), fit(&slots.present));
    format!("{could} of {} slots could take it, {now} of them now", slots.present.len())
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
fn machines() -> Option<Slots> {
    let mut client = connect::negotiator().ok()?;
    client.machines(Query::of(Select::All)).ok().map(Slots::of)
}
