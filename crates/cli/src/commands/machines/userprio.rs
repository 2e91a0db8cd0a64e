//! `updraft userprio`, `condor_userprio`: whose turn it is, from the negotiator's accounts.

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::UserName;
use proto::client::{AccountEdit, AccountLine};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::line::shape::{Shape, Shown};
use crate::render::pool::accounts::{self, Wanted};
use crate::render::values::view::Moment;

/// Options of HTCondor's `condor_userprio` that are not built.
pub const NOT_YET: &[&str] = &[
    "usage",
    "quotas",
    "priority",
    "order",
    "grouporder",
    "grouprollup",
    "hierarchical",
    "setbegin",
    "setlast",
    "setfloor",
    "setceiling",
    "getreslist",
    "duration",
    "cancelfloor",
    "cancelceiling",
    "snapshot",
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
    /// Only who has used something since this day.
    #[arg(long, num_args = 3, value_names = ["MONTH", "DAY", "YEAR"])]
    activefrom: Vec<i16>,
    /// Only accounts whose ads make this true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    constraint: Option<String>,
    /// Accepted: these are the columns that are shown anyway.
    #[arg(long, hide = true)]
    most: bool,
    /// Accepted: there are no groups to show.
    #[arg(long, hide = true)]
    flat: bool,
    /// The negotiator (only this pool's own).
    #[arg(long, value_name = "NAME", hide = true)]
    negotiator: Option<String>,
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
pub fn run(args: &UserprioArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    args.at.also(args.negotiator.as_deref()).check()?;
    if let Some(edit) = edit(args)? {
        return change(edit);
    }
    let instead = args.shape.instead(call.dialect, Shown::Others)?;
    let mut negotiator = connect::negotiator()?;
    let name = negotiator.identity()?.name;
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let mut lines = negotiator.accounts()?;
    if !args.allusers && args.activefrom.is_empty() {
        let recent = |line: &AccountLine| {
            let last = line.last_used.map_or(0, model::Timestamp::as_secs);
            line.held > 0.0 || moment.now - last < accounts::RECENT_S
        };
        lines.retain(recent);
    }
    if let Some(since) = active_from(args, &moment)? {
        lines.retain(|line| {
            line.held > 0.0 || line.last_used.is_some_and(|at| at.as_secs() >= since)
        });
    }
    if let Some(constraint) = args.constraint.as_deref().map(connect::constraint).transpose()? {
        lines.retain(|line| {
            let ad = accounts::ad(line, &name, &name, moment.now);
            ad.eval_expr(&constraint, None, moment.env()).is_true()
        });
    }
    let text = if let Some(instead) = instead {
        let ads: Vec<ClassAd> =
            lines.iter().map(|line| accounts::ad(line, &name, &name, moment.now)).collect();
        instead.render(&ads, &moment, call.dialect)
    } else {
        let wanted = Wanted { all_columns: args.all, everybody: args.allusers };
        accounts::table(&lines, &name, wanted, &moment)
    };
    Ok(Outcome::done(text))
}

/// The beginning of the day that `-activefrom` names, seconds since the epoch.
fn active_from(args: &UserprioArgs, moment: &Moment) -> Result<Option<i64>> {
    let [month, day, year] = args.activefrom[..] else { return Ok(None) };
    let date = || {
        let date =
            jiff::civil::Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
        Some(date.to_zoned(moment.zone.clone()).ok()?.timestamp().as_second())
    };
    match date() {
        Some(at) => Ok(Some(at)),
        None => bail!("-activefrom {month} {day} {year}: that is no month, day and year"),
    }
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

fn change(edit: Edit) -> Result<Outcome> {
    let Edit { user, edit, said } = edit;
    let name = |user: String| UserName::new(user.split('@').next().unwrap_or(&user));
    connect::negotiator()?.edit_accounts(user.map(name), edit)?;
    Ok(Outcome::done(said))
}
