//! Views of the queue in which jobs are gathered by something else than their batch: factories
//! (`-factory`), causes of holds (`-hold-codes`), values of attributes (`-group-by`).

use std::collections::BTreeMap;

use classad::Expr;
use model::attr;

use crate::render::time;
use crate::render::values::view::View;
use crate::render::values::view::status;
use crate::render::width::{padded, width};

/// What the view of factories is made from.
pub(crate) const FACTORY_ATTRS: [&str; 5] = [
    attr::Q_DATE,
    attr::JOB_MATERIALIZE_LIMIT,
    attr::JOB_MATERIALIZE_NEXT_PROC_ID,
    attr::JOB_MATERIALIZE_PAUSED,
    "JobMaterializeDigestFile",
];

/// A line for each factory with jobs in the queue, heading first (HTCondor 25.14's columns).
pub(crate) fn factories(jobs: &[View<'_>]) -> Vec<String> {
    let mut clusters: BTreeMap<i64, Vec<View<'_>>> = BTreeMap::new();
    for job in jobs {
        clusters.entry(job.int(attr::CLUSTER_ID).unwrap_or(0)).or_default().push(*job);
    }
    let heading =
        " ID      OWNER            SUBMITTED  LIMIT PRESNT   RUN    IDLE   HOLD NEXTID MODE DIGEST";
    let line = |(cluster, jobs): (&i64, &Vec<View<'_>>)| {
        let first = jobs[0];
        let count =
            |wanted: &[i64]| jobs.iter().filter(|job| wanted.contains(&job.status())).count();
        let number = |name: &str| first.int(name).map(|n| n.to_string()).unwrap_or_default();
        // There is no next one when all have come.
        let mode = match first.int(attr::JOB_MATERIALIZE_PAUSED) {
            Some(paused) if paused != 0 => "Held",
            Some(_) | None if first.int(attr::JOB_MATERIALIZE_NEXT_PROC_ID).is_none() => "Done",
            Some(_) | None => "Norm",
        };
        format!(
            "{cluster:>4}.    {:<14.14} {} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {mode:<4} {}",
            first.owner(),
            time::date(first.int(attr::Q_DATE).unwrap_or(0), &first.moment.zone),
            number(attr::JOB_MATERIALIZE_LIMIT),
            jobs.len(),
            count(&[status::RUNNING, status::TRANSFERRING_OUTPUT, status::SUSPENDED]),
            count(&[status::IDLE]),
            count(&[status::HELD]),
            number(attr::JOB_MATERIALIZE_NEXT_PROC_ID),
            first.text("JobMaterializeDigestFile").unwrap_or_default()
        )
        .trim_end()
        .to_owned()
    };
    std::iter::once(heading.to_owned()).chain(clusters.iter().map(line)).collect()
}

/// A line for each owner, code and subcode of held jobs, with the first of them, heading first.
pub(crate) fn hold_codes(jobs: &[View<'_>]) -> Vec<String> {
    let mut groups: BTreeMap<(String, i64, i64), Vec<View<'_>>> = BTreeMap::new();
    for job in jobs {
        let code = |name| job.int(name).unwrap_or(0);
        let key = (job.owner(), code(attr::HOLD_REASON_CODE), code(attr::HOLD_REASON_SUB_CODE));
        groups.entry(key).or_default().push(*job);
    }
    let heading = "OWNER          CODE/SUB   COUNT HELD_SINCE  HOLD_REASON";
    let line = |((owner, code, sub), jobs): (&(String, i64, i64), &Vec<View<'_>>)| {
        let since = |job: &View<'_>| job.int(attr::ENTERED_CURRENT_STATUS).unwrap_or(0);
        let first = jobs.iter().min_by_key(|job| since(job)).copied().unwrap_or(jobs[0]);
        format!(
            "{owner:<14.14} {code:>4}/{sub:<4} {:>6} {} {}",
            jobs.len(),
            time::date(since(&first), &first.moment.zone),
            first.text_or_undefined(attr::HOLD_REASON)
        )
    };
    std::iter::once(heading.to_owned()).chain(groups.iter().map(line)).collect()
}

/// How many jobs have the same values of these expressions, the most first; as text with a line for
/// each.
pub fn by_values(jobs: &[View<'_>], columns: &[(String, Expr)]) -> String {
    let mut groups: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for job in jobs {
        let values = columns.iter().map(|(_, expr)| job.eval(expr).to_string()).collect();
        *groups.entry(values).or_default() += job.span().map_or(1, |span| span.count);
    }
    let mut groups: Vec<(Vec<String>, u64)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let widest = |i: usize| {
        let cells = groups.iter().map(|(values, _)| width(&values[i]));
        cells.chain([width(&columns[i].0)]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |count: &str, cells: &mut dyn Iterator<Item = &String>| {
        let cells = cells.zip(&widths).map(|(cell, width)| format!(" {}", padded(cell, *width)));
        format!("{count:>8}{}", cells.collect::<String>()).trim_end().to_owned() + "\n"
    };
    let head = line("COUNT", &mut columns.iter().map(|(name, _)| name));
    let rows = groups.iter().map(|(values, n)| line(&n.to_string(), &mut values.iter()));
    head + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    #[test]
    fn jobs_are_gathered_by_factory_by_hold_and_by_value() {
        let job = |proc: u32, status: i64, more: &str| {
            format!(
                "ClusterId = 7\nProcId = {proc}\nOwner = \"alice\"\nQDate = 1795363560\nJobStatus = {status}\n{more}\n\n"
            )
        };
        let held = "EnteredCurrentStatus = 1795363619\nHoldReason = \"no luck\"\nHoldReasonCode = 13\nHoldReasonSubCode = 2";
        let factory = "JobMaterializeLimit = 3\nJobMaterializeNextProcId = 12";
        let text = job(0, 2, factory) + &job(1, 5, held) + &job(2, 5, held);
        let ads = ClassAd::parse_old_ads(&text).unwrap();
        let moment = Moment::new(1_795_363_700, TimeZone::UTC);
        let jobs: Vec<View<'_>> = ads.iter().map(|ad| View::new(ad, &moment)).collect();
        let by = [("JobStatus".to_owned(), "JobStatus".parse().unwrap())];
        let all =
            [factories(&jobs).join("\n"), hold_codes(&jobs[1..]).join("\n"), by_values(&jobs, &by)];
        expect_test::expect![[r#"
             ID      OWNER            SUBMITTED  LIMIT PRESNT   RUN    IDLE   HOLD NEXTID MODE DIGEST
               7.    alice          11/22 16:06      3      3      1      0      2     12 Norm

            OWNER          CODE/SUB   COUNT HELD_SINCE  HOLD_REASON
            alice            13/2         2 11/22 16:06 no luck

               COUNT JobStatus
                   2 5
                   1 2
        "#]].assert_eq(&all.join("\n\n"));
    }
}
