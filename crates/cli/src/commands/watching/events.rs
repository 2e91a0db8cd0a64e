//! `updraft events`: the schedd's numbered record, so that nobody has to poll the queue or read
//! logs to learn what happened.

use std::ops::ControlFlow;

use anyhow::Result;
use clap::Args;
use client::Home;
use jiff::tz::TimeZone;
use model::{Seq, Timestamp};
use proto::client::{Forgotten, Recorded, Select};

use crate::commands::watching::q::Absent;
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::select;
use crate::render;

/// List what happened to jobs, each event once, with its number in the record.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER (default: all).
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Only events with this number and later ones. Remember the last number you saw, and ask for
    /// the next.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    since: u64,
    /// Go on as events happen.
    #[arg(long, short)]
    follow: bool,
    /// As JSON, one event a line.
    #[arg(long)]
    json: bool,
    /// Print what that JSON looks like, as JSON Schema.
    #[arg(long, conflicts_with_all = ["jobs", "follow"])]
    schema: bool,
}

/// Does it.
///
/// # Errors
///
/// If the schedd cannot be asked.
pub fn run(args: EventsArgs, _: &Call) -> Result<Outcome> {
    let EventsArgs { jobs, since, follow, json, schema } = args;
    if schema {
        return Ok(Outcome::done(render::events::SCHEMA));
    }
    let zone = TimeZone::system();
    let (home, since, select) =
        (Home::from_environment(), Seq(since), select::any_or(&jobs, Select::All));
    let show = |events: &[Recorded]| {
        let line = |event: &Recorded| match json {
            true => render::events::json_line(event),
            false => render::events::text_line(event, &zone),
        };
        output::put(&events.iter().map(line).collect::<String>())?;
        Ok::<_, anyhow::Error>(ControlFlow::Continue(()))
    };
    if let Some(line) = beginning(&home.schedd()?.totals()?.forgotten, since, &zone) {
        output::complain(&line);
    }
    // Who follows may wait for what is still to come.
    if follow {
        home.follow(since, select, show)?;
        return Ok(Outcome::default());
    }
    home.events(since, select, show)?;
    let absent = match jobs.is_empty() {
        true => Absent::default(),
        false => Absent::of(&mut home.schedd()?, &jobs)?,
    };
    Ok(absent.after(String::new(), &jobs))
}

/// What is said to who asks for all, where that is not all that there ever was.
fn beginning(forgotten: &Forgotten, since: Seq, zone: &TimeZone) -> Option<String> {
    let from_start = since <= Seq(1);
    let until = |at: Option<Timestamp>| at.map(|at| render::time::plain(at, zone));
    match until(forgotten.events_until) {
        Some(until) if from_start => Some(format!(
            "the record begins with event {}: what happened until {until} has been removed\n",
            forgotten.first_event
        )),
        Some(_) | None => (since < forgotten.first_said).then(|| {
            format!(
                "what was set in jobs, and what they said, before event {} has been removed\n",
                forgotten.first_said
            )
        }),
    }
}
