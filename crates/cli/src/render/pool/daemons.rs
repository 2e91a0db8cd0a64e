//! The daemons of the pool and who submits, in HTCondor 25.14's tables: `status -schedd`,
//! `-submitters`, `-master` and the like.

use crate::render::time;
use crate::render::values::view::{Moment, View};
use classad::ClassAd;
use model::attr;

/// The least widths of the first two columns.
const NAME_WIDTH: usize = 15;
const MACHINE_WIDTH: usize = 12;

/// The table of `-schedd`.
pub fn schedds(ads: &[ClassAd], moment: &Moment) -> String {
    let rows = rows(ads, "Total", moment);
    let sums = sums(&rows);
    format!(
        "{}\n{:>32}{:>19}{:>19}\n\n{:14}\n{:>14}{:>18}{:>19}{:>19}\n",
        list(&rows),
        attr::TOTAL_RUNNING_JOBS,
        attr::TOTAL_IDLE_JOBS,
        attr::TOTAL_HELD_JOBS,
        "",
        "Total",
        sums[0],
        sums[1],
        sums[2]
    )
}

/// The table of `-submitters`.
pub fn submitter_table(ads: &[ClassAd], moment: &Moment) -> String {
    let rows = rows(ads, "", moment);
    let width = name_width(&rows);
    let line = |name: &str, n: [i64; 3]| {
        format!("{name:>width$} {:>10} {:>10} {:>10}\n", n[0], n[1], n[2])
    };
    let each: String = rows.iter().map(|row| line(&row.name, row.counts)).collect();
    format!(
        "{}\n{:width$}RunningJobs   IdleJobs   HeldJobs\n\n{each}\n{}",
        list(&rows),
        "",
        line("Total", sums(&rows))
    )
}

/// The table of `-any`: what there is an ad of.
pub fn any(ads: &[ClassAd], moment: &Moment) -> String {
    let mut out = format!("{:<18} {:<18} {:<41}\n\n", attr::MY_TYPE, attr::TARGET_TYPE, "Name");
    for ad in ads {
        let view = View::new(ad, moment);
        let my_type = view.text_or_undefined(attr::MY_TYPE);
        let target = if my_type == "Machine" { "Job" } else { "None" };
        out += &format!("{my_type:<18} {target:<18} {:<41}\n", view.text_or_undefined(attr::NAME));
    }
    out
}

/// The table of `-master`: nothing without a master, as are the others below.
pub fn masters(ads: &[ClassAd], moment: &Moment) -> String {
    let heading = format!("{:<14} {:>4} {:^10} {:^13}", "Version", "Cpus", "Memory", "Uptime");
    named(ads, moment, MACHINE_WIDTH, &heading, |master| {
        let number = |name: &str| master.int(name).unwrap_or(0);
        let now = master.int(attr::MY_CURRENT_TIME).unwrap_or(moment.now);
        let memory = master.real(attr::DETECTED_MEMORY).unwrap_or(0.0) / MIB_PER_GIB;
        format!(
            "{:<14} {:>4} {:>10} {:>13}",
            short_version(&master.text_or_undefined(attr::CONDOR_VERSION)),
            number(attr::DETECTED_CPUS),
            format!("{memory:.1} GB"),
            time::length(now - number(attr::DAEMON_START_TIME))
        )
    })
}

const MIB_PER_GIB: f64 = 1024.0;

/// Of `$CondorVersion: 25.14.1 2026-10-16 PackageID: ...` the second and the fourth word, as
/// HTCondor 25.14 shows them.
fn short_version(version: &str) -> String {
    let words: Vec<&str> = version.split(' ').collect();
    let word = |i: usize| words.get(i).copied().unwrap_or_default();
    format!("{}.{}", word(1), word(3))
}

/// The table of `-collector`.
pub fn collectors(ads: &[ClassAd], moment: &Moment) -> String {
    let longest = ads.iter().map(|ad| View::new(ad, moment).text_or_undefined(attr::NAME).len());
    let width = longest.max().unwrap_or(0);
    named(ads, moment, width, "Machine            RunningJobs   IdleJobs HostsTotal", |collector| {
        let number = |name: &str| collector.int(name).unwrap_or(0);
        format!(
            "{:<18} {:>11} {:>10} {:>10}",
            collector.text_or_undefined(attr::MACHINE),
            number(attr::RUNNING_JOBS),
            number(attr::IDLE_JOBS),
            number(attr::HOSTS_TOTAL)
        )
    })
}

/// The table of `-negotiator`.
pub fn negotiators(ads: &[ClassAd], moment: &Moment) -> String {
    let heading = "LastCycleEnd (Sec)   Slots Submitrs Schedds    Jobs Matches Rejections";
    named(ads, moment, MACHINE_WIDTH, heading, |negotiator| {
        let number =
            |name: &str| negotiator.int(&format!("LastNegotiationCycle{name}0")).unwrap_or(0);
        format!(
            "{:>12} {:>5} {:>7} {:>8} {:>7} {:>7} {:>7} {:>10}",
            time::date(number("End"), &moment.zone),
            number("Duration"),
            number(attr::CANDIDATE_SLOTS),
            number(attr::ACTIVE_SUBMITTER_COUNT),
            number(attr::NUM_SCHEDULERS),
            number(attr::NUM_JOBS_CONSIDERED),
            number(attr::MATCHES),
            number(attr::REJECTIONS)
        )
    })
}

/// The table of `-run`: what the schedds do.
pub fn running(ads: &[ClassAd], moment: &Moment) -> String {
    let heading = "TotalJobs Shadows ActiveDAGs IdleDAGs RcntDone RcntStart";
    named(ads, moment, NAME_WIDTH, heading, |schedd| {
        let number = |name: &str| schedd.int(name).unwrap_or(0);
        format!(
            "{:>9} {:>7} {:>10} {:>8} {:>8} {:>9}",
            number(attr::TOTAL_JOB_ADS),
            number(attr::TOTAL_RUNNING_JOBS),
            number(attr::TOTAL_SCHEDULER_JOBS_RUNNING),
            number(attr::TOTAL_SCHEDULER_JOBS_IDLE),
            number("RecentJobsCompleted"),
            number("RecentJobsStarted")
        )
    })
}

/// A table whose first column is the name, `width` wide; nothing at all without ads.
fn named(
    ads: &[ClassAd],
    moment: &Moment,
    width: usize,
    heading: &str,
    line: impl Fn(View<'_>) -> String,
) -> String {
    if ads.is_empty() {
        return String::new();
    }
    let row = |ad: &ClassAd| {
        let view = View::new(ad, moment);
        format!("{:<width$} {}\n", view.text_or_undefined(attr::NAME), line(view))
    };
    let rows: String = ads.iter().map(row).collect();
    format!("{:<width$} {heading}\n\n{rows}", "Name")
}

struct Row {
    name: String,
    machine: String,
    /// Running, idle, held.
    counts: [i64; 3],
}

fn rows(ads: &[ClassAd], prefix: &str, moment: &Moment) -> Vec<Row> {
    let row = |ad: &ClassAd| {
        let view = View::new(ad, moment);
        let number = |name: &str| view.int(&format!("{prefix}{name}")).unwrap_or(0);
        Row {
            name: view.text_or_undefined(attr::NAME),
            machine: view.text_or_undefined(attr::MACHINE),
            counts: [number(attr::RUNNING_JOBS), number(attr::IDLE_JOBS), number("HeldJobs")],
        }
    };
    ads.iter().map(row).collect()
}

fn name_width(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(NAME_WIDTH)
}

fn list(rows: &[Row]) -> String {
    let name = name_width(rows);
    let machine = rows.iter().map(|row| row.machine.len()).max().unwrap_or(0).max(MACHINE_WIDTH);
    let mut out =
        format!("{:<name$} {:<machine$} RunningJobs   IdleJobs   HeldJobs\n\n", "Name", "Machine");
    for row in rows {
        let [running, idle, held] = row.counts;
        out += &format!(
            "{:<name$} {:<machine$} {running:>11} {idle:>10} {held:>10}\n",
            row.name, row.machine
        );
    }
    out
}

fn sums(rows: &[Row]) -> [i64; 3] {
    [0, 1, 2].map(|n| rows.iter().map(|row| row.counts[n]).sum())
}
