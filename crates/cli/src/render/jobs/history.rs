//! The list of finished jobs, as HTCondor 25.14 prints it.

use std::fmt;

use classad::{AttrName, ClassAd};
use model::attr;

use crate::render::dialect::Dialect;
use crate::render::jobs::queue;
use crate::render::paint::Tone;
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};
use crate::render::width;

const HEADING: &str = " ID          OWNER            SUBMITTED   RUN_TIME   ST   COMPLETED CMD";

/// Our own has how each program ended, too.
const OUR_HEADING: &str =
    " ID          OWNER            SUBMITTED   RUN_TIME   ST   EXIT   COMPLETED CMD";

/// What the list is made from.
pub fn attributes() -> Vec<AttrName> {
    let names = [
        attr::CLUSTER_ID,
        attr::PROC_ID,
        attr::OWNER,
        attr::Q_DATE,
        attr::COMPLETION_DATE,
        attr::REMOTE_WALL_CLOCK_TIME,
        queue::STATE_ATTRS[0],
        queue::STATE_ATTRS[1],
        queue::STATE_ATTRS[2],
        queue::STATE_ATTRS[3],
        attr::CMD,
        attr::ARGS,
        attr::ARGUMENTS,
        attr::JOB_DESCRIPTION,
        attr::EXIT_CODE,
        attr::EXIT_BY_SIGNAL,
        attr::EXIT_SIGNAL,
    ];
    names.map(AttrName::from).to_vec()
}

/// The list, heading first; lines are cut to a width if one is given.
pub fn render(
    jobs: &[ClassAd],
    moment: &Moment,
    dialect: Dialect,
    places: Option<usize>,
) -> String {
    let heading = if dialect == Dialect::HtCondor { HEADING } else { OUR_HEADING };
    let cut = |line: &str| match places {
        Some(places) => width::beginning(line, places).to_owned(),
        None => line.to_owned(),
    };
    let mut out = moment.paint.text(Tone::Heading, &cut(heading)) + "\n";
    for ad in jobs {
        let job = View::new(ad, moment);
        let ended = Ended::of(job);
        let tone = match &ended {
            Ended::Removed => Tone::Faint,
            ended if ended.is_bad() && dialect != Dialect::HtCondor => Tone::Bad,
            Ended::Exited(_) | Ended::Killed(_) | Ended::Unknown => Tone::Plain,
        };
        out += &moment.paint.text(tone, &cut(&line(job, &ended, dialect)));
        out.push('\n');
    }
    out
}

/// How a job ended, as far as its ad says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Removed,
    Exited(i64),
    Killed(i64),
    Unknown,
}

impl Ended {
    pub(crate) fn of(job: View<'_>) -> Self {
        match (job.status(), job.int(attr::EXIT_CODE), job.int(attr::EXIT_SIGNAL)) {
            (status::REMOVED, _, _) => Self::Removed,
            (_, Some(code), _) if !job.value(attr::EXIT_BY_SIGNAL).is_true() => Self::Exited(code),
            (_, _, Some(signal)) => Self::Killed(signal),
            (_, _, None) => Self::Unknown,
        }
    }

    /// Whether it ended by itself, and not well.
    pub(crate) fn is_bad(self) -> bool {
        match self {
            Self::Exited(code) => code != 0,
            Self::Killed(_) => true,
            Self::Removed | Self::Unknown => false,
        }
    }
}

/// As in the column EXIT: `3`, `sig9`, `-`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => f.pad(&code.to_string()),
            Self::Killed(signal) => f.pad(&format!("sig{signal}")),
            Self::Removed | Self::Unknown => f.pad("-"),
        }
    }
}

fn line(job: View<'_>, ended: &Ended, dialect: Dialect) -> String {
    let zone = &job.moment.zone;
    let id = job.job().map(|id| id.to_string()).unwrap_or_default();
    let submitted = time::date(job.int(attr::Q_DATE).unwrap_or(0), zone);
    // A job that was removed has a completion date of zero; HTCondor 25.14 shows it as a date.
    let is_date = |at: &i64| *at > 0 || dialect == Dialect::HtCondor;
    let completed = job.int(attr::COMPLETION_DATE).filter(is_date);
    let completed = completed.map(|at| time::date(at, zone)).unwrap_or_default();
    let wall = job.value(attr::REMOTE_WALL_CLOCK_TIME).as_f64().unwrap_or(0.0);
    let exit = if dialect == Dialect::HtCondor { String::new() } else { format!(" {ended:>6}") };
    format!(
        "{id:<12} {:<14.14} {submitted} {:>12} {:<2}{exit} {completed:>11} {}",
        job.owner(),
        time::length(time::whole_seconds(wall)),
        queue::state(job),
        command_line::of_job(job)
    )
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn our_own_list_says_how_each_program_ended() {
        let ends = [
            "JobStatus = 4\nExitCode = 0\nExitBySignal = false",
            "JobStatus = 4\nExitCode = 3\nExitBySignal = false",
            "JobStatus = 4\nExitSignal = 11\nExitBySignal = true",
            "JobStatus = 3",
        ];
        let job = |end: &&str| {
            format!(
                "ClusterId = 7\nProcId = 0\nOwner = \"alice\"\nQDate = 1795363560\nCompletionDate = 1795363600\n\
                 Cmd = \"/bin/x\"\n{end}\n\n"
            )
        };
        let ads = ClassAd::parse_old_ads(&ends.iter().map(job).collect::<String>()).unwrap();
        let moment = Moment::new(1_795_363_700, TimeZone::UTC);
        expect_test::expect![[r#"
             ID          OWNER            SUBMITTED   RUN_TIME   ST   EXIT   COMPLETED CMD
            7.0          alice          11/22 16:06   0+00:00:00 C       0 11/22 16:06 x
            7.0          alice          11/22 16:06   0+00:00:00 C       3 11/22 16:06 x
            7.0          alice          11/22 16:06   0+00:00:00 C   sig11 11/22 16:06 x
            7.0          alice          11/22 16:06   0+00:00:00 X       - 11/22 16:06 x
        "#]]
        .assert_eq(&render(&ads, &moment, Dialect::Updraft, None));
    }
}
