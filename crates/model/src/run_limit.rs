//! How much a run may use of what its job has asked for as a limit, as PBS has it: what is
//! compared, what is said of a run that used more, and with which exit status its job ends.

use classad::{ClassAd, Value};

use crate::attr;
use crate::run::Usage;

/// How the reason begins of a job that was ended for it. The same line, behind `=>> `, stands in
/// what the job has written to its standard error.
const HEAD: &str = "PBS: job killed: ";

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunLimit {
    /// Seconds since the program began; looked at by the schedd's clock.
    Walltime,
    /// Seconds of processor time of all processes together.
    Cput,
    /// KiB of memory of all processes together.
    Mem,
    /// KiB of address space of all processes together.
    Vmem,
    /// KiB of memory of the largest process.
    Pmem,
}

/// What a run used, and what it might.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub limit: RunLimit,
    pub used: u64,
    pub most: u64,
}

impl RunLimit {
    pub const ALL: [Self; 5] = [Self::Walltime, Self::Cput, Self::Mem, Self::Vmem, Self::Pmem];

    /// The resource by which a job asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Walltime => "walltime",
            Self::Cput => "cput",
            Self::Mem => "mem",
            Self::Vmem => "vmem",
            Self::Pmem => "pmem",
        }
    }

    /// The attribute of the job's ad that has the most, in the unit of the limit.
    pub const fn attr(self) -> &'static str {
        match self {
            Self::Walltime => attr::PBS_WALLTIME,
            Self::Cput => attr::PBS_CPUT,
            Self::Mem => attr::PBS_MEM,
            Self::Vmem => attr::PBS_VMEM,
            Self::Pmem => attr::PBS_PMEM,
        }
    }

    /// `Exit_status` of a job that was ended for it (OpenPBS 23.06, which has no own number for the
    /// memory of one process).
    pub const fn exit_status(self) -> i64 {
        match self {
            Self::Walltime => -29,
            Self::Cput => -28,
            Self::Mem | Self::Pmem => -27,
            Self::Vmem => -26,
        }
    }

    /// The limit for which a job was removed, from the reason of that.
    pub fn of_reason(reason: &str) -> Option<Self> {
        let name = reason.strip_prefix(HEAD)?.split(' ').next()?;
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// How the reason begins of a job that was ended for it.
    pub fn reason_head(self) -> String {
        format!("{HEAD}{}", self.name())
    }

    /// The line of a job's standard error that goes with the reason, if that is one of these.
    pub fn last_words(reason: &str) -> Option<String> {
        Self::of_reason(reason).map(|_| format!("=>> {reason}\n"))
    }

    /// What is measured of it while a run goes on.
    fn used(self, usage: &Usage) -> Option<u64> {
        match self {
            Self::Walltime => None,
            Self::Cput => Some(usage.user_us.saturating_add(usage.sys_us) / 1_000_000),
            Self::Mem => Some(usage.peak_rss_kib),
            Self::Vmem => Some(usage.peak_vmem_kib.into()),
            Self::Pmem => Some(usage.peak_process_kib.into()),
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Walltime | Self::Cput => "",
            Self::Mem | Self::Vmem | Self::Pmem => "kb",
        }
    }
}

impl Exceeded {
    /// The first limit of a job that its run has exceeded, by what was measured.
    pub fn by(usage: &Usage, job: &ClassAd) -> Option<Self> {
        RunLimit::ALL.into_iter().find_map(|limit| {
            let used = limit.used(usage)?;
            let most = job.literal(limit.attr()).and_then(Value::as_i64)?;
            let most = u64::try_from(most).ok()?;
            (used > most).then_some(Self { limit, used, most })
        })
    }

    /// `PBS: job killed: mem 307200kb exceeded limit 51200kb`.
    pub fn reason(&self) -> String {
        let Self { limit, used, most } = self;
        let unit = limit.unit();
        format!("{} {used}{unit} exceeded limit {most}{unit}", limit.reason_head())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ad: &str, usage: Usage, expected: Option<(&str, i64)>) {
        let found = Exceeded::by(&usage, &ClassAd::parse_old(ad).unwrap());
        let reason = found.map(|found| found.reason());
        let status = reason.as_deref().and_then(RunLimit::of_reason).map(RunLimit::exit_status);
        assert_eq!(reason.as_deref().zip(status), expected, "{ad}");
    }

    #[test]
    fn a_run_that_uses_more_than_its_job_may_is_told_in_pbs_words() {
        let usage = Usage {
            user_us: 9_000_000,
            sys_us: 2_900_000,
            peak_rss_kib: 307_200,
            peak_vmem_kib: 400_000,
            peak_process_kib: 200_000,
            ..Usage::default()
        };
        let said = |text, status| Some((text, status));
        check("PbsMemLimit = 307200", usage, None);
        check(
            "PbsMemLimit = 51200",
            usage,
            said("PBS: job killed: mem 307200kb exceeded limit 51200kb", -27),
        );
        check("PbsCpuLimit = 11", usage, None);
        check("PbsCpuLimit = 10", usage, said("PBS: job killed: cput 11 exceeded limit 10", -28));
        check(
            "PbsVmemLimit = 399999",
            usage,
            said("PBS: job killed: vmem 400000kb exceeded limit 399999kb", -26),
        );
        check(
            "PbsPmemLimit = 1024",
            usage,
            said("PBS: job killed: pmem 200000kb exceeded limit 1024kb", -27),
        );
        check("PbsWalltime = 0", usage, None);
    }

    #[test]
    fn only_reasons_of_limits_have_last_words() {
        let walltime = "PBS: job killed: walltime 11 exceeded limit 2";
        let line = format!("=>> {walltime}\n");
        assert_eq!(RunLimit::last_words(walltime), Some(line));
        for other in ["", "via qdel", "PBS: job killed: ", "PBS: job killed: nothing"] {
            assert_eq!(RunLimit::last_words(other), None, "{other}");
        }
    }
}
