//! The view of `q -autocluster`: how many jobs ask for the same. The schedd's own classes have more
//! to tell jobs apart; this is what HTCondor 25.14 shows of its.

use std::collections::BTreeMap;

use model::attr;

use crate::render::values::view::View;

/// What the view is made from.
pub(crate) const ATTRS: [&str; 4] =
    [attr::REQUEST_CPUS, attr::REQUEST_MEMORY, attr::REQUEST_DISK, attr::REQUIREMENTS];

/// What tells jobs apart here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    cpus: i64,
    memory_mib: i64,
    disk_kib: i64,
    requirements: String,
}

/// The view, heading first.
pub(crate) fn lines(jobs: &[View<'_>]) -> Vec<String> {
    let mut order: Vec<Request> = Vec::new();
    let mut counts: BTreeMap<Request, u64> = BTreeMap::new();
    for job in jobs {
        let request = Request::of(*job);
        let count = counts.entry(request.clone()).or_insert(0);
        if *count == 0 {
            order.push(request);
        }
        *count += 1;
    }
    let width = order.iter().map(|request| request.requirements.len()).max().unwrap_or(0);
    let heading = format!("   ID COUNT UNIVERSE CPUS MEMORY     DISK {:<width$}", "REQUIREMENTS");
    let line = |(n, request): (usize, &Request)| {
        let Request { cpus, memory_mib, disk_kib, requirements } = request;
        // The column is cut, as HTCondor's is.
        let memory_mib = memory_mib.to_string();
        // HTCondor 25.14 does not know the universe of an autocluster.
        format!(
            "{:>5} {:>5} [??????] {cpus:>4} {memory_mib:>6.6} {disk_kib:>8} {requirements}",
            n + 1,
            counts[request]
        )
    };
    std::iter::once(heading).chain(order.iter().enumerate().map(line)).collect()
}

impl Request {
    pub(crate) fn of(job: View<'_>) -> Self {
        let number = |name| job.int(name).unwrap_or(0);
        Self {
            cpus: number(attr::REQUEST_CPUS),
            memory_mib: number(attr::REQUEST_MEMORY),
            disk_kib: number(attr::REQUEST_DISK),
            requirements: job
                .ad
                .get(attr::REQUIREMENTS)
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }
}
