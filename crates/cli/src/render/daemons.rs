//! The daemons of the pool and who submits, as ads and in HTCondor 25.14's tables (`status -schedd`, `-submitters`, `-any`).

use classad::ClassAd;
use model::attr;
use proto::client::{Counts, Identity, Totals};

use super::view::{Moment, View};

/// The least widths of the first two columns.
const NAME_WIDTH: usize = 15;
const MACHINE_WIDTH: usize = 12;

/// A schedd's ad, from what it says of itself and what it counts.
pub fn scheduler(identity: &Identity, totals: &Totals) -> ClassAd {
    let mut ad = daemon("Scheduler", identity);
    counts(&mut ad, "Total", &totals.all);
    ad
}

/// An ad for each user with jobs.
pub fn submitters(identity: &Identity, totals: &Totals) -> Vec<ClassAd> {
    let ad = |(user, of): &(model::UserName, Counts)| {
        let mut ad = daemon("Submitter", identity);
        ad.set(attr::NAME, format!("{user}@{}", identity.name));
        ad.set("ScheddName", identity.name.as_str());
        ad.set("ScheddIpAddr", identity.address.as_str());
        counts(&mut ad, "", of);
        ad
    };
    totals.by_owner.iter().map(ad).collect()
}

/// An ad of a daemon that says of itself no more than who it is.
pub fn daemon(my_type: &str, identity: &Identity) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::MY_TYPE, my_type);
    ad.set(attr::NAME, identity.name.as_str());
    ad.set(attr::MACHINE, identity.name.as_str());
    ad.set("MyAddress", identity.address.as_str());
    ad.set("DaemonStartTime", identity.since.as_secs());
    ad.set("UpdraftVersion", identity.version.as_str());
    ad
}

fn counts(ad: &mut ClassAd, prefix: &str, of: &Counts) {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    // A submitter's ad has the old names (HTCondor 25.14).
    let running = if prefix.is_empty() { "RunningJobs" } else { "TotalRunningJobs" };
    ad.set(running, whole(of.running));
    ad.set(format!("{prefix}IdleJobs").as_str(), whole(of.idle));
    ad.set(format!("{prefix}HeldJobs").as_str(), whole(of.held));
}

/// The table of `-schedd`.
pub fn schedds(ads: &[ClassAd], moment: &Moment) -> String {
    let rows = rows(ads, "Total", moment);
    let sums = sums(&rows);
    format!(
        "{}\n{:>32}{:>19}{:>19}\n\n{:14}\n{:>14}{:>18}{:>19}{:>19}\n",
        list(&rows),
        "TotalRunningJobs",
        "TotalIdleJobs",
        "TotalHeldJobs",
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
    let mut out = format!("{:<18} {:<18} {:<41}\n\n", "MyType", "TargetType", "Name");
    for ad in ads {
        let view = View::new(ad, moment);
        let my_type = view.text_or_undefined(attr::MY_TYPE);
        let target = if my_type == "Machine" { "Job" } else { "None" };
        out += &format!("{my_type:<18} {target:<18} {:<41}\n", view.text_or_undefined(attr::NAME));
    }
    out
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
            counts: [number("RunningJobs"), number("IdleJobs"), number("HeldJobs")],
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
