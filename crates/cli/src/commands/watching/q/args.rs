//! The options of `q`, and what they ask for.

use anyhow::{Result, bail};
use clap::Args;
use classad::ClassAd;
use model::attr;
use proto::client::{Query, Select};

use crate::line::ad_file;
use crate::line::connect;
use crate::line::output::Colour;
use crate::line::place::Where;
use crate::line::shape::first;
use crate::line::shape::{Instead, Shape};
use crate::render::jobs::queue::Layout;
use crate::render::reasons::analysis::Slots;
use crate::render::values::view::{Moment, View};

/// List the jobs in the queue: yours, in batches, unless you ask for others.
#[derive(Debug, Args)]
pub struct QArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER. A finished job is answered from history.
    #[arg(value_name = "JOBS")]
    pub(crate) jobs: Vec<String>,
    /// Jobs of all users.
    #[arg(long, help_heading = "Which jobs")]
    pub(crate) allusers: bool,
    /// Jobs for which this expression is true; if repeated, all of them.
    #[arg(
        long,
        short = 'c',
        value_name = "EXPR",
        allow_hyphen_values = true,
        help_heading = "Which jobs"
    )]
    pub(crate) constraint: Vec<String>,
    /// At most so many.
    #[arg(long, value_name = "N", help_heading = "Which jobs")]
    pub(crate) limit: Option<u64>,
    /// Jobs of this user.
    #[arg(long, value_name = "USER", help_heading = "Which jobs")]
    pub(crate) submitter: Option<String>,
    /// Idle jobs that no machine of the pool can ever run.
    #[arg(long, help_heading = "Which jobs")]
    pub(crate) unmatchable: bool,
    /// Read jobs from a file of ads, as -long prints them, instead of asking. A form may be named:
    /// -jobads:json.
    #[arg(long, value_name = "FILE", help_heading = "Which jobs")]
    pub(crate) jobads: Option<String>,
    #[arg(long, hide = true, value_name = "FORM")]
    pub(crate) jobads_form: Option<String>,
    /// Read jobs from an event log, instead of asking.
    #[arg(long, value_name = "LOG", help_heading = "Which jobs", conflicts_with = "jobads")]
    pub(crate) userlog: Option<String>,
    /// Accepted: there is one schedd.
    #[arg(long, hide = true)]
    pub(crate) global: bool,
    #[command(flatten)]
    pub(crate) at: Where,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    #[command(flatten)]
    pub(crate) colour: Colour,
    #[command(flatten)]
    pub(crate) analysis: AnalysisArgs,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

impl QArgs {
    /// A view that is a table of its own has no ads to show: asked for together with whole ads or
    /// values, one of them would be dropped without a word.
    ///
    /// # Errors
    ///
    /// If both are asked for.
    pub(crate) fn check_views(
        &self,
        instead: Option<&Instead>,
        analysis: Option<Analysis>,
    ) -> Result<()> {
        let LayoutArgs { totals, hold_codes, autocluster, .. } = &self.layout;
        let view = [
            (analysis.is_some(), "-analyze"),
            (*totals, "-totals"),
            (*hold_codes, "-hold-codes"),
            (*autocluster, "-autocluster"),
            (self.layout.group_by.is_some(), "-group-by"),
        ];
        match first(view.map(|(given, view)| (given, Some(view))), None) {
            Some(view) if instead.is_some() => bail!(
                "{view} is a table of its own, and --json, -af and the like show jobs: ask for one of them (--json -attributes A,B has what any table is made of)"
            ),
            _ => Ok(()),
        }
    }
}

/// Why jobs do not run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Why jobs do not run")]
pub(crate) struct AnalysisArgs {
    /// Why idle jobs wait, in the schedd's words. After a colon: summary (a line for each kind of
    /// job), reverse (a line for each slot).
    #[arg(long)]
    pub(crate) analyze: bool,
    #[arg(long, hide = true, value_name = "HOW")]
    pub(crate) analyze_form: Option<String>,
    /// The same, and how each condition fares on the slots.
    #[arg(long)]
    pub(crate) better_analyze: bool,
    #[arg(long, hide = true, value_name = "HOW")]
    pub(crate) better_analyze_form: Option<String>,
    /// A line for each slot: how many of the jobs it would take.
    #[arg(long)]
    pub(crate) reverse_analyze: bool,
    /// Only this machine, or this slot.
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,
    /// Only slots for which this expression is true.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) mconstraint: Option<String>,
    /// Read slots from a file of ads instead of asking.
    #[arg(long, value_name = "FILE")]
    pub(crate) slotads: Option<String>,
    #[arg(long, hide = true, value_name = "FORM")]
    pub(crate) slotads_form: Option<String>,
    /// Also the names of slots.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Accepted: priorities of users play no part in what is counted.
    #[arg(long, hide = true)]
    pub(crate) nouserprios: bool,
}

/// Which analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Analysis {
    Reasons,
    Conditions,
    Summary,
    Reverse,
}

impl AnalysisArgs {
    pub(crate) fn wanted(&self) -> Result<Option<Analysis>> {
        let forms = [&self.analyze_form, &self.better_analyze_form];
        let forms = forms.into_iter().flatten().flat_map(|form| form.split(','));
        let of_slots =
            self.machine.is_some() || self.mconstraint.is_some() || self.slotads.is_some();
        let mut wanted = first(
            [
                (self.reverse_analyze, Some(Analysis::Reverse)),
                (self.better_analyze || of_slots, Some(Analysis::Conditions)),
                (self.analyze, Some(Analysis::Reasons)),
            ],
            None,
        );
        for form in forms {
            wanted = match form {
                "summary" => Some(Analysis::Summary),
                "reverse" => Some(Analysis::Reverse),
                // It is in the schedd's reasons anyway.
                "priority" | "" => wanted,
                other => bail!("-analyze:{other}: write summary, reverse or priority"),
            };
        }
        Ok(wanted)
    }

    /// The slots that are looked at.
    pub(crate) fn slots(&self, moment: &Moment) -> Result<Slots> {
        let constraint = self.mconstraint.as_deref().map(connect::constraint).transpose()?;
        let mut slots = match &self.slotads {
            Some(path) => ad_file::read(path, ad_file::Form::named(self.slotads_form.as_deref())?)?,
            None => connect::negotiator()?.machines(Query::of(Select::All))?,
        };
        let named = |ad: &ClassAd, name: &String| {
            let view = View::new(ad, moment);
            [attr::NAME, attr::MACHINE].iter().any(|of| view.text(of).as_ref() == Some(name))
        };
        slots.retain(|ad| {
            self.machine.as_ref().is_none_or(|name| named(ad, name))
                && constraint.as_ref().is_none_or(|expr| View::new(ad, moment).eval(expr).is_true())
        });
        Ok(Slots::of(slots))
    }
}

/// The tables.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tables")]
pub(crate) struct LayoutArgs {
    /// A line for each batch (the default).
    #[arg(long)]
    pub(crate) batch: bool,
    /// A line for each job.
    #[arg(long)]
    pub(crate) nobatch: bool,
    /// Jobs of a DAG below it.
    #[arg(long)]
    pub(crate) dag: bool,
    /// Held jobs with their reasons.
    #[arg(long, visible_alias = "held")]
    pub(crate) hold: bool,
    /// Running jobs with their machines.
    #[arg(long, short = 'r', visible_alias = "running")]
    pub(crate) run: bool,
    /// Idle jobs with their requests.
    #[arg(long)]
    pub(crate) idle: bool,
    /// What jobs read and wrote.
    #[arg(long)]
    pub(crate) io: bool,
    /// How many jobs ask for the same.
    #[arg(long)]
    pub(crate) autocluster: bool,
    /// A line for each job, with the processor time that it has used instead of the time that it
    /// has run.
    #[arg(long)]
    pub(crate) cputime: bool,
    /// A line for each job, with the time of the run under way only.
    #[arg(long)]
    pub(crate) currentrun: bool,
    /// Counts only.
    #[arg(long)]
    pub(crate) totals: bool,
    /// Factories: submissions that put their jobs into the queue as others leave.
    #[arg(long)]
    pub(crate) factory: bool,
    /// A line for each cause of holds.
    #[arg(long)]
    pub(crate) hold_codes: bool,
    /// How many jobs have the same values of these attributes: A,B,C.
    #[arg(long, value_name = "NAMES")]
    pub(crate) group_by: Option<String>,
    /// Do not cut lines to the width of the terminal.
    #[arg(long, short = 'w')]
    pub(crate) wide: bool,
    #[arg(long, hide = true, value_name = "COLUMNS")]
    pub(crate) wide_form: Option<usize>,
    /// Accepted: it is the time of all runs that is shown.
    #[arg(long, hide = true)]
    pub(crate) cumulative_time: bool,
    /// Accepted: jobs are printed in order anyhow.
    #[arg(long, hide = true)]
    pub(crate) stream_results: bool,
    /// Accepted: messages are short anyhow.
    #[arg(long, hide = true)]
    pub(crate) expert: bool,
}

impl LayoutArgs {
    pub(crate) fn layout(&self) -> Layout {
        let asked = [
            (self.totals, Layout::Totals),
            (self.factory, Layout::Factories),
            (self.hold_codes, Layout::HoldCodes),
            (self.autocluster, Layout::Autoclusters),
            (self.hold, Layout::Held),
            (self.run, Layout::Running),
            (self.idle, Layout::Idle),
            (self.io, Layout::Io),
            (self.dag, Layout::Dag),
            (self.nobatch || self.cputime || self.currentrun, Layout::Jobs),
        ];
        first(asked, Layout::Batches)
    }
}

/// What a layout leaves out.
pub(crate) const fn only(layout: Layout) -> Option<&'static str> {
    match layout {
        Layout::Held | Layout::HoldCodes => Some("JobStatus == 5"),
        Layout::Factories => {
            Some("JobMaterializeLimit isnt undefined || JobMaterializeMaxIdle isnt undefined")
        }
        Layout::Running => Some("JobStatus == 2 || JobStatus == 6 || JobStatus == 7"),
        Layout::Idle => Some("JobStatus == 1"),
        Layout::Io => Some("FileReadBytes =!= undefined || FileWriteBytes =!= undefined"),
        Layout::Batches | Layout::Jobs | Layout::Dag | Layout::Autoclusters | Layout::Totals => {
            None
        }
    }
}
