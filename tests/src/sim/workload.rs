//! What is drawn for a world: its machines, and the submissions of its users: mixed requests,
//! ranks, priorities, leases, behaviours, and requirements that no machine meets.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr};
use model::depend::{self, Dependency, DependencyKind, Part, Waits};
use model::{
    ClusterId, ClusterSpec, LimitAmount, LimitUse, MachineName, Piece, ProcId, ProcTemplate, Procs,
    Resources, Universe, attr,
};
use negotiator::core::Limits;
use proto::chirp;
use startd::core::{Custom, Device};

use super::gangs;
pub(crate) use super::jobs::{SIM_END, SIM_FILES_MS, SIM_IGNORES_TERM, SIM_RUN_MS};
use super::machine::MachineKind;
use super::queues;
use super::rng::Rng;

/// What jobs use of the limits that [`set_limits`] sets. Nobody has as much as the last asks for.
const LIMITED: [&str; 5] =
    [r#""db""#, r#""db:2""#, r#""lic.x,DB""#, r#"strcat("lic.", TARGET.Machine)"#, r#""lic.y:2""#];

/// The most jobs of one submission.
const MAX_PROCS: u64 = 6;

/// Policies that time makes true, in running, waiting and held jobs. None goes on for ever.
const POLICIES: [&[(&str, &str)]; 5] = [
    &[
        (attr::PERIODIC_HOLD, "(NumHolds ?: 0) < 2 && time() - EnteredCurrentStatus > 7"),
        (attr::PERIODIC_RELEASE, "NumHolds < 3 && time() - EnteredCurrentStatus > 3"),
    ],
    &[(attr::PERIODIC_REMOVE, "time() - QDate > 40")],
    &[(attr::PERIODIC_REMOVE, "JobStatus == 5 && ProcId % 2 == 0")],
    &[(attr::PERIODIC_VACATE, "NumJobStarts < 3 && time() - JobCurrentStartDate > 5")],
    &[(attr::ALLOWED_EXECUTE_DURATION, "20"), (attr::ALLOWED_JOB_DURATION, "60")],
];

/// The concurrency limits of the pool.
pub(crate) fn set_limits(limits: &mut Limits) {
    limits.set("db", 2.0);
    limits.set_default_of("lic", 1.0);
}

/// How much of these uses would be too much in all; the first that is.
pub(crate) fn exceeded(uses: impl Iterator<Item = LimitUse>) -> Option<LimitUse> {
    let mut limits = Limits::default();
    set_limits(&mut limits);
    let mut sums: BTreeMap<String, LimitAmount> = BTreeMap::new();
    for one in uses {
        let sum = sums.entry(one.name).or_default();
        *sum = sum.plus(one.amount);
    }
    let mut sums = sums.into_iter().map(|(name, amount)| LimitUse { name, amount });
    sums.find(|sum| sum.amount > limits.of(&sum.name))
}

/// What a job uses on the machine of a slot.
pub(crate) fn uses(job: &ClassAd, slot: &ClassAd) -> Vec<LimitUse> {
    let value = job.eval(attr::CONCURRENCY_LIMITS, Some(slot), &Env::at(0));
    value.as_str().and_then(|list| LimitUse::list(list).ok()).unwrap_or_default()
}

/// One to four machines of different sizes; some have what jobs ask for.
pub(crate) fn machines(rng: &mut Rng) -> Vec<MachineKind> {
    let count = rng.between(1, 4);
    (0..count).map(|n| machine(rng, n)).collect()
}

fn machine(rng: &mut Rng, n: u64) -> MachineKind {
    let mut found = ClassAd::new();
    found.set(attr::ARCH, "X86_64");
    found.set(attr::OP_SYS, "LINUX");
    found.set(attr::KFLOPS, i64::try_from(rng.between(1, 9) * 1000).unwrap_or(0));
    found.set("HasTool", rng.percent(50));
    // The first machine takes everybody, so that not every job is refused in a small world.
    if n > 0 && rng.percent(15) {
        found.set(attr::START, expr(r#"TARGET.Owner != "carol""#));
    }
    let memory_mib = rng.pick(&[1024, 2048, 4096]);
    let total = Resources {
        cpus: u32::try_from(rng.between(1, 4)).unwrap_or(1),
        memory_mib,
        disk_kib: 1 << 20,
        custom: if rng.percent(40) { [("arm".to_owned(), 2)].into() } else { BTreeMap::new() },
    };
    MachineKind { name: MachineName::new(&format!("machine{n}")), total, found: Arc::new(found) }
}

/// The arms of a machine that has some: each has a name.
pub(crate) fn customs(total: &Resources) -> Vec<Custom> {
    let arm = |id: &str| Device {
        id: id.to_owned(),
        attribute: format!("Arm_{id}"),
        ad: Arc::new(ClassAd::new()),
    };
    let all = || vec![arm("left"), arm("right")];
    let some = total.custom.contains_key("arm");
    some.then(|| Custom { tag: "Arm".to_owned(), devices: all() }).into_iter().collect()
}

/// What one user submits at once.
pub(crate) fn cluster(rng: &mut Rng) -> ClusterSpec {
    let count = if rng.percent(50) { 1 } else { rng.between(1, MAX_PROCS) };
    let count = u32::try_from(count).unwrap_or(1);
    let mut ad = shared_ad(rng);
    let procs = if rng.percent(50) {
        behave(rng, &mut ad);
        let pieces = vec![Piece::Text("part ".to_owned()), Piece::ProcId];
        let template = ProcTemplate(vec![(AttrName::from(attr::ARGUMENTS), pieces)]);
        Procs::Counted { count, template }
    } else {
        Procs::Listed((0..count).map(|n| own_ad(rng, n)).collect())
    };
    let mut spec = ClusterSpec { ad, procs };
    if rng.percent(20) {
        queues::draw(rng, &mut spec);
    }
    if rng.percent(2) {
        queues::sneak(&mut spec, rng.pick(&[model::queues::QUEUE, model::queues::RUN_NOW]));
    }
    spec
}

/// Lets the jobs wait for those of another cluster, of so many jobs, or run instead of them.
pub(crate) fn depend(rng: &mut Rng, spec: &mut ClusterSpec, other: ClusterId, procs: u32) {
    if rng.percent(15) {
        spec.ad.set(depend::RUN_ONE, other.to_string());
        return;
    }
    let kind = rng.pick(&DependencyKind::ALL);
    let comes_later = [attr::JOB_MATERIALIZE_LIMIT, attr::JOB_MATERIALIZE_MAX_IDLE];
    let each = spec.count() <= procs && comes_later.iter().all(|name| spec.ad.get(name).is_none());
    let part = match rng.below(6) {
        0 => Part::Many(Some(u32::try_from(rng.between(1, u64::from(procs))).unwrap_or(1))),
        1 => Part::Proc(ProcId(u32::try_from(rng.below(u64::from(procs))).unwrap_or(0))),
        2 if each => Part::Each(i64::from(procs - spec.count())),
        _ => Part::Whole,
    };
    // It is written as `aftercorr`, which is one kind.
    let kind = if matches!(part, Part::Each(_)) { DependencyKind::AfterOk } else { kind };
    let waits = Waits { on: 0, others: vec![Dependency { kind, on: other, part }] };
    spec.ad.set(depend::WAITS_FOR, waits.to_string());
    spec.ad.set(attr::JOB_STATUS, model::JobStatus::Held.number());
}

fn own_ad(rng: &mut Rng, n: u32) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::ARGUMENTS, format!("number {n}"));
    behave(rng, &mut ad);
    if rng.percent(20) {
        ad.set(attr::REQUEST_MEMORY, rng.pick(&[100, 600]));
    }
    if rng.percent(5) {
        ad.set(attr::JOB_UNIVERSE, universe(rng).number());
    }
    if rng.percent(20) {
        ad.set(attr::JOB_PRIO, i64::try_from(rng.below(5)).unwrap_or(0));
    }
    if rng.percent(10) {
        let name = rng.pick(&model::JobPriority::ATTRIBUTES);
        ad.set(name, rng.pick(&[-1, 1]));
    }
    ad
}

fn shared_ad(rng: &mut Rng) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::CMD, "/job");
    ad.set(chirp::WANTED, true);
    ad.set(attr::JOB_UNIVERSE, universe(rng).number());
    ad.set(attr::REQUEST_CPUS, if rng.percent(80) { 1 } else { 2 });
    ad.set(attr::REQUEST_MEMORY, rng.pick(&[64, 128, 500, 1000]));
    ad.set(attr::REQUEST_DISK, 1024);
    ad.set(attr::REQUIREMENTS, expr(requirements(rng)));
    if rng.percent(15) {
        ad.set("RequestArm", rng.pick(&[1, 2]));
        ad.set(attr::REQUIREMENTS, expr("TARGET.Arm >= RequestArm && TARGET.Cpus >= RequestCpus"));
    }
    ad.set(attr::RANK, expr(rng.pick(&["0.0", "TARGET.KFlops", "TARGET.HasTool"])));
    ad.set(attr::JOB_PRIO, i64::try_from(rng.below(3)).unwrap_or(0));
    ad.set(attr::JOB_LEASE_DURATION, rng.pick(&[20, 35, 60]));
    if rng.percent(30) {
        ad.set(attr::KILL_SIG_TIMEOUT, rng.pick(&[0, 1, 5, 20]));
    }
    if rng.percent(10) {
        ad.set(attr::ON_EXIT_REMOVE, expr("NumJobCompletions >= 2 || ExitCode =?= 0"));
    }
    if rng.percent(5) {
        ad.set(attr::ON_EXIT_HOLD, expr("ExitCode =?= 13"));
    }
    if rng.percent(15) {
        for (name, policy) in rng.pick(&POLICIES) {
            ad.set(*name, expr(policy));
        }
    }
    if rng.percent(8) {
        ad.set(attr::NEXT_JOB_START_DELAY, expr(rng.pick(&["1", "7", "ProcId % 2", "0"])));
    }
    if rng.percent(25) {
        ad.set(attr::CONCURRENCY_LIMITS, expr(rng.pick(&LIMITED)));
    }
    if rng.percent(3) {
        ad.set(attr::JOB_STATUS, model::JobStatus::Held.number());
    }
    if rng.percent(15) {
        ad.set(attr::JOB_MATERIALIZE_LIMIT, rng.pick(&[1, 2, 3]));
    }
    if rng.percent(10) {
        ad.set(attr::JOB_MATERIALIZE_MAX_IDLE, rng.pick(&[1, 2]));
    }
    if rng.percent(35) {
        let_files_travel(rng, &mut ad);
    }
    if rng.percent(10) {
        gangs::draw(rng, &mut ad);
    }
    if rng.percent(5) {
        ad.set(attr::EXCLUSIVE, true);
    }
    if rng.percent(5) {
        ad.set(attr::DEFERRAL_TIME, expr(rng.pick(&[attr::Q_DATE, "QDate + 5", "QDate + 30"])));
        ad.set(attr::DEFERRAL_WINDOW, rng.pick(&[1_000_000, 1_000_000, 10]));
    }
    ad.set(attr::USER_LOG, "/home/user/job.log");
    ad
}

fn let_files_travel(rng: &mut Rng, ad: &mut ClassAd) {
    ad.set(attr::SHOULD_TRANSFER_FILES, "YES");
    if rng.percent(30) {
        ad.set(attr::WHEN_TO_TRANSFER_OUTPUT, "ON_EXIT_OR_EVICT");
    }
    ad.set(attr::SKIP_IF_DATAFLOW, rng.percent(10));
    ad.set(attr::MANIFEST_DESIRED, rng.percent(10));
}

/// One job in four runs beside the schedd.
fn universe(rng: &mut Rng) -> Universe {
    match rng.below(8) {
        0 => Universe::Local,
        1 => Universe::Scheduler,
        _ => Universe::Vanilla,
    }
}

fn requirements(rng: &mut Rng) -> &'static str {
    let any = "TARGET.Memory >= RequestMemory && TARGET.Cpus >= RequestCpus";
    match rng.below(20) {
        0..=11 => any,
        12..=14 => r#"TARGET.Arch == "X86_64" && TARGET.OpSys == "LINUX""#,
        15..=16 => "TARGET.HasTool && TARGET.KFlops > 3000",
        17 => r#"TARGET.Machine == "machine0""#,
        18 => r#"TARGET.OpSys == "PLAN9""#,
        _ => "TARGET.TotalMemory > 1000000",
    }
}

fn behave(rng: &mut Rng, ad: &mut ClassAd) {
    let run_ms = match rng.below(10) {
        0..=3 => rng.below(200),
        4..=7 => rng.below(5000),
        8 => rng.below(40_000),
        _ => rng.below(150_000),
    };
    let end = match rng.below(22) {
        0..=12 => "exit 0",
        13..=14 => "exit 1",
        15..=16 => "exit 13",
        17 => "signal 11",
        18 => "execute",
        19 => "pre",
        20 => "post",
        _ => "exit 2",
    };
    ad.set(SIM_RUN_MS, i64::try_from(run_ms).unwrap_or(0));
    ad.set(SIM_END, end);
    if rng.percent(5) {
        let taking = rng.pick(&["NumCkpts < 2", "NumCkpts < 1 && NumJobStarts % 2 == 1"]);
        ad.set(SIM_END, expr(&format!("{taking} ? \"exit 85\" : \"{end}\"")));
        ad.set(attr::SUCCESS_CHECKPOINT_EXIT_CODE, 85);
    }
    ad.set(SIM_IGNORES_TERM, rng.percent(20));
}

fn expr(text: &str) -> Expr {
    text.parse().unwrap_or_else(|error| panic!("the workload's expression {text}: {error}"))
}
