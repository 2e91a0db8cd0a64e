//! The list of finished jobs, as HTCondor 25.14 prints it.

use classad::{AttrName, ClassAd};
use model::attr;

use crate::render::paint::Tone;
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::view::status;
use crate::render::values::view::status_letter;
use crate::render::values::view::{Moment, View};

const HEADING: &str = " ID          OWNER            SUBMITTED   RUN_TIME   ST   COMPLETED CMD";

/// What the list is made from.
pub fn attributes() -> Vec<AttrName> {
    let names = [
        attr::CLUSTER_ID,
        attr::PROC_ID,
        attr::OWNER,
        attr::Q_DATE,
        attr::COMPLETION_DATE,
        attr::REMOTE_WALL_CLOCK_TIME,
        attr::JOB_STATUS,
        attr::CMD,
        attr::ARGS,
        attr::ARGUMENTS,
        attr::JOB_DESCRIPTION,
    ];
    names.map(AttrName::from).to_vec()
}

/// The list, heading first.
pub fn render(jobs: &[ClassAd], moment: &Moment) -> String {
    let mut out = moment.paint.text(Tone::Heading, HEADING) + "\n";
    for ad in jobs {
        let job = View::new(ad, moment);
        let tone = if job.status() == status::REMOVED { Tone::Faint } else { Tone::Plain };
        out += &moment.paint.text(tone, &line(job));
        out.push('\n');
    }
    out
}

fn line(job: View<'_>) -> String {
    let zone = &job.moment.zone;
    let id = job.job().map(|id| id.to_string()).unwrap_or_default();
    let submitted = time::date(job.int(attr::Q_DATE).unwrap_or(0), zone);
    // A job that was removed has a completion date of zero.
    let completed = job.int(attr::COMPLETION_DATE).filter(|at| *at > 0);
    let completed = completed.map(|at| time::date(at, zone)).unwrap_or_default();
    let wall = job.value(attr::REMOTE_WALL_CLOCK_TIME).as_f64().unwrap_or(0.0);
    format!(
        "{id:<12} {:<14.14} {submitted} {:>12} {:<2} {completed:>11} {}",
        job.owner(),
        time::length(time::whole_seconds(wall)),
        status_letter(job.status()),
        command_line::of_job(job)
    )
}
