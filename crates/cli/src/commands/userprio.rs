//! `updraft userprio`, `condor_userprio`: whose turn it is, from the negotiator's accounts.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::UserName;
use proto::client::{AccountEdit, AccountLine, Answer, Ask};

use crate::exit::Exit;
use crate::place::Where;
use crate::render::accounts::{self, Wanted};
use crate::render::view::Moment;
use crate::shape::Shape;
use crate::verbs::Call;
use crate::{connect, output};

/// Options of HTCondor's `condor_userprio` that are not built.
pub const NOT_YET: &[&str] = &[
    "usage",
    "most",
    "quotas",
    "priority",
    "order",
    "grouporder",
    "grouprollup",
    "hierarchical",
    "flat",
    "activefrom",
    "constraint",
    "setbegin",
    "setlast",
    "setfloor",
    "setceiling",
    "getreslist",
    "duration",
    "cancelfloor",
    "cancelceiling",
    "negotiator",
    "snapshot",
    "debug",
    "modular",
];

/// Show who has used how much, and so whose jobs come first: the lower the priority, the sooner.
#[derive(Debug, Args)]
pub struct UserprioArgs {
    /// All columns.
    #[arg(long)]
    all: bool,
    /// Everybody, and not only who has used something in the last day.
    #[arg(long)]
    allusers: bool,
    /// Set what USER's priority is multiplied with.
    #[arg(long, num_args = 2, value_names = ["USER", "FACTOR"], help_heading = "Change accounts")]
    setfactor: Vec<String>,
    /// Set USER's real priority.
    #[arg(long, num_args = 2, value_names = ["USER", "PRIORITY"], help_heading = "Change accounts")]
    setprio: Vec<String>,
    /// Set what USER has used so far, weight times seconds.
    #[arg(long, num_args = 2, value_names = ["USER", "USAGE"], help_heading = "Change accounts")]
    setaccum: Vec<String>,
    /// As if USER had used nothing.
    #[arg(long, value_name = "USER", help_heading = "Change accounts")]
    resetusage: Option<String>,
    /// As if nobody had used anything.
    #[arg(long, help_heading = "Change accounts")]
    resetall: bool,
    /// Forget USER.
    #[arg(long, value_name = "USER", help_heading = "Change accounts")]
    delete: Option<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    shape: Shape,
}

/// Does it.
///
/// # Errors
///
/// If the negotiator cannot be asked, or refuses a change.
pub fn run(args: &UserprioArgs, call: &Call) -> Result<ExitCode> {
    args.at.check()?;
    if let Some(edit) = edit(args)? {
        return change(edit);
    }
    let instead = args.shape.instead()?;
    let mut negotiator = connect::negotiator()?;
    let name = connect::identity(&mut negotiator)?.name;
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let mut lines = connect::accounts(&mut negotiator)?;
    if !args.allusers {
        let recent = |line: &AccountLine| {
            let last = line.last_used.map_or(0, model::Timestamp::as_secs);
            line.held > 0.0 || moment.now - last < accounts::RECENT_S
        };
        lines.retain(recent);
    }
    let text = if let Some(instead) = instead {
        let ads: Vec<ClassAd> =
            lines.iter().map(|line| accounts::ad(line, &name, &name, moment.now)).collect();
        instead.render(&ads, &moment, call.voice)
    } else {
        let wanted = Wanted { all_columns: args.all, everybody: args.allusers };
        accounts::table(&lines, &name, wanted, &moment)
    };
    output::put(&text)?;
    Ok(Exit::Done.into())
}

/// A change: whose account, how, and what is said of it.
struct Edit {
    user: Option<String>,
    edit: AccountEdit,
    said: String,
}

fn edit(args: &UserprioArgs) -> Result<Option<Edit>> {
    let pair = |words: &[String], what: &str| -> Result<Option<(String, f64)>> {
        let [user, value] = words else { return Ok(None) };
        let value: f64 = value.parse().with_context(|| format!("{value}: not a {what}"))?;
        if !value.is_finite() || value < 0.0 {
            bail!("{value}: a {what} is a number from 0 up");
        }
        Ok(Some((user.clone(), value)))
    };
    let set = |user: String, edit, what: &str, value: f64| {
        let said = format!("The {what} of {user} was set to {value}\n");
        Some(Edit { user: Some(user), edit, said })
    };
    if let Some((user, value)) = pair(&args.setfactor, "priority factor")? {
        if value < 1.0 {
            bail!("a priority factor must be greater than or equal to 1");
        }
        return Ok(set(user, AccountEdit::SetFactor(value), "priority factor", value));
    }
    if let Some((user, value)) = pair(&args.setprio, "priority")? {
        return Ok(set(user, AccountEdit::SetPriority(value), "priority", value));
    }
    if let Some((user, value)) = pair(&args.setaccum, "accumulated usage")? {
        return Ok(set(user, AccountEdit::SetUsed(value), "Accumulated Usage", value));
    }
    if let Some(user) = args.resetusage.clone() {
        let said = format!("The accumulated usage of {user} was reset\n");
        return Ok(Some(Edit { user: Some(user), edit: AccountEdit::Reset, said }));
    }
    if let Some(user) = args.delete.clone() {
        let said = format!("The accountant record named {user} was deleted\n");
        return Ok(Some(Edit { user: Some(user), edit: AccountEdit::Delete, said }));
    }
    let said = "The accumulated usage was reset for all users\n".to_owned();
    Ok(args.resetall.then_some(Edit { user: None, edit: AccountEdit::Reset, said }))
}

fn change(edit: Edit) -> Result<ExitCode> {
    let Edit { user, edit, said } = edit;
    let name = |user: String| UserName::new(user.split('@').next().unwrap_or(&user));
    let ask = Ask::EditAccounts { user: user.map(name), edit };
    match connect::negotiator()?.ask(ask)? {
        Answer::Done => output::put(&said)?,
        other => return Err(connect::unexpected("a change of accounts", &other).into()),
    }
    Ok(Exit::Done.into())
}
