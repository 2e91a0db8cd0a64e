//! The table of accounts, as HTCondor 25.14's `condor_userprio` prints it, and accounts as ads.

use classad::ClassAd;
use jiff::tz::TimeZone;
use model::attr;
use proto::client::AccountLine;

use crate::render::time;
use crate::render::values::view::Moment;

/// The least width of the column of names.
const NAME_WIDTH: usize = 18;

/// Whose last usage is longer ago than this is shown only with `-allusers`, seconds.
pub const RECENT_S: i64 = 86_400;

const DAY_S: i64 = 86_400;

/// What a table of users shows: which columns, whose lines, and of how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub all_columns: bool,
    /// Everybody, and not only who has used something lately.
    pub everybody: bool,
}

/// A column behind that of the names: its head in two lines, and its width.
struct Column {
    head: [&'static str; 2],
    width: usize,
    in_short: bool,
}

const COLUMNS: [Column; 10] = [
    Column { head: [" Effective  ", "  Priority  "], width: 12, in_short: true },
    Column { head: ["  Real  ", "Priority"], width: 8, in_short: false },
    Column { head: ["Priority ", " Factor  "], width: 9, in_short: true },
    Column { head: ["Wghted", "In Use"], width: 6, in_short: true },
    Column { head: ["Total Usage ", "(wghted-hrs)"], width: 12, in_short: true },
    Column { head: ["     Usage      ", "   Start Time   "], width: 16, in_short: false },
    Column { head: ["      Last      ", "   Usage Time   "], width: 16, in_short: false },
    Column { head: ["Time Since", "Last Usage"], width: 10, in_short: true },
    Column { head: ["Submitter", "  Floor  "], width: 9, in_short: true },
    Column { head: ["Submitter", " Ceiling "], width: 9, in_short: true },
];

/// Which of them are summed up or shown at the end.
const SINCE: usize = 7;
const IN_USE: usize = 3;
const USED: usize = 4;

/// Accounts with users shown as `user@domain`, best priority last as HTCondor lists them first: the
/// lowest number.
pub fn table(lines: &[AccountLine], domain: &str, wanted: Wanted, moment: &Moment) -> String {
    let name = |line: &AccountLine| format!("{}@{domain}", line.user);
    let width = lines.iter().map(|line| name(line).len()).max().unwrap_or(0).max(NAME_WIDTH);
    let columns: Vec<usize> =
        (0..COLUMNS.len()).filter(|n| wanted.all_columns || COLUMNS[*n].in_short).collect();
    let mut out = format!("Last Priority Update: {}\n", time::date(moment.now, &moment.zone));
    for (line, first) in ["", "User Name"].into_iter().enumerate() {
        row(&mut out, first, width, columns.iter().map(|n| COLUMNS[*n].head[line].to_owned()));
    }
    let rule = |n: &usize| "-".repeat(COLUMNS[*n].width);
    row(&mut out, &"-".repeat(width), width, columns.iter().map(rule));
    for line in lines {
        let cells = cells(line, moment);
        row(&mut out, &name(line), width, columns.iter().map(|n| padded(&cells[*n], *n)));
    }
    row(&mut out, &"-".repeat(width), width, columns.iter().map(rule));
    let sum = |of: fn(&AccountLine) -> f64| lines.iter().map(of).sum::<f64>();
    let total = |n: &usize| {
        let text = match *n {
            IN_USE => format!("{:.0}", sum(|line| line.held)),
            USED => format!("{:.2}", hours(sum(|line| line.used_weight_seconds))),
            // How far back it looks.
            SINCE if !wanted.everybody => since(RECENT_S - 1),
            _ => String::new(),
        };
        padded(&text, *n)
    };
    let count = format!("Number of users: {}", lines.len());
    row(&mut out, &count, width, columns.iter().map(total));
    out
}

fn row(out: &mut String, name: &str, width: usize, cells: impl Iterator<Item = String>) {
    *out += &format!("{name:<width$}");
    for cell in cells {
        out.push(' ');
        *out += &cell;
    }
    out.push('\n');
}

fn padded(text: &str, column: usize) -> String {
    format!("{text:>width$}", width = COLUMNS[column].width)
}

fn cells(line: &AccountLine, moment: &Moment) -> [String; COLUMNS.len()] {
    let at = |at: Option<model::Timestamp>| {
        at.map(|at| date_with_year(at.as_secs(), &moment.zone)).unwrap_or_default()
    };
    let last = match line.last_used {
        _ if line.held > 0.0 => "<now>".to_owned(),
        Some(at) => since(moment.now - at.as_secs()),
        None => String::new(),
    };
    [
        format!("{:.2}", line.effective_priority),
        format!("{:.2}", line.real_priority),
        format!("{:.2}", line.factor),
        format!("{:.0}", line.held),
        format!("{:.2}", hours(line.used_weight_seconds)),
        at(line.begun),
        at(line.last_used),
        last,
        String::new(),
        String::new(),
    ]
}

fn hours(weight_seconds: f64) -> f64 {
    weight_seconds / 3600.0
}

/// `D+HH:MM`.
fn since(seconds: i64) -> String {
    let s = seconds.max(0);
    format!("{}+{:02}:{:02}", s / DAY_S, s / 3600 % 24, s / 60 % 60)
}

/// `11/22/2026 16:06`.
fn date_with_year(seconds: i64, zone: &TimeZone) -> String {
    let plain = time::plain(model::Timestamp::from_secs(seconds), zone);
    // `2026-11-22 16:06:17`.
    let (year, month, day, clock) = (&plain[0..4], &plain[5..7], &plain[8..10], &plain[11..16]);
    format!("{month}/{day}/{year} {clock}")
}

/// The account as an ad, under HTCondor's names.
pub fn ad(line: &AccountLine, domain: &str, negotiator: &str, now: i64) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::MY_TYPE, "Accounting");
    ad.set(attr::NAME, format!("{}@{domain}", line.user));
    ad.set("NegotiatorName", negotiator);
    ad.set(attr::ACCOUNTING_GROUP, "<none>");
    ad.set("IsAccountingGroup", false);
    ad.set("Priority", line.effective_priority);
    ad.set("PriorityFactor", line.factor);
    ad.set("WeightedResourcesUsed", line.held);
    ad.set("WeightedAccumulatedUsage", line.used_weight_seconds);
    ad.set("LastUpdate", now);
    let mut time = |name: &str, at: Option<model::Timestamp>| {
        if let Some(at) = at {
            ad.set(name, at.as_secs());
        }
    };
    time("BeginUsageTime", line.begun);
    time("LastUsageTime", line.last_used);
    ad
}
