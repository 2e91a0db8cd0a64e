//! What simulated jobs say of themselves in their ads, and the plain ones of scenarios and DAGs.

use classad::ClassAd;
use model::{ClusterSpec, ProcTemplate, Procs, attr};

use super::gangs;

/// For how long a job runs when it is left alone, milliseconds.
pub(crate) const SIM_RUN_MS: &str = "SimRunMs";

/// How it ends then: `exit N`, `signal N`, `execute` or `prepare` (the step of its start that
/// fails), `pre` or `post` (the script that fails).
pub(crate) const SIM_END: &str = "SimEnd";

/// How long its files take at least, each way, milliseconds.
pub(crate) const SIM_FILES_MS: &str = "SimFilesMs";

/// Whether SIGTERM does nothing to it.
pub(crate) const SIM_IGNORES_TERM: &str = "SimIgnoresTerm";

/// Jobs that are alike.
pub(super) struct Job {
    ad: ClassAd,
    procs: u32,
}

/// One that runs so long and exits with 0.
pub(super) fn job(run_ms: i64) -> Job {
    let mut ad = ClassAd::new();
    ad.set(attr::CMD, "/job");
    ad.set(attr::REQUEST_CPUS, 1);
    ad.set(attr::REQUEST_MEMORY, 64);
    ad.set(attr::REQUEST_DISK, 1024);
    ad.set(attr::JOB_LEASE_DURATION, 30);
    ad.set(attr::USER_LOG, "/home/user/job.log");
    let fits = "TARGET.Memory >= RequestMemory && TARGET.Cpus >= RequestCpus";
    let fits = fits.parse::<classad::Expr>().unwrap_or_else(|error| panic!("{fits}: {error}"));
    ad.set(attr::REQUIREMENTS, fits);
    ad.set(SIM_RUN_MS, run_ms);
    ad.set(SIM_END, "exit 0");
    Job { ad, procs: 1 }
}

impl Job {
    pub(super) fn with(mut self, name: &str, value: impl Into<classad::Expr>) -> Self {
        self.ad.set(name, value.into());
        self
    }

    /// Its files are brought, and take some seconds each way.
    pub(super) fn travels(self) -> Self {
        self.with(attr::SHOULD_TRANSFER_FILES, "YES").with(SIM_FILES_MS, 3000)
    }

    /// It has so many parts, on so many machines at least.
    pub(super) fn parts(mut self, parts: i64, hosts: i64) -> Self {
        gangs::set(&mut self.ad, parts, hosts);
        self
    }

    pub(super) fn procs(self, procs: u32) -> Self {
        Self { procs, ..self }
    }

    pub(super) fn spec(self) -> ClusterSpec {
        let template = ProcTemplate(Vec::new());
        ClusterSpec { ad: self.ad, procs: Procs::Counted { count: self.procs, template } }
    }
}
