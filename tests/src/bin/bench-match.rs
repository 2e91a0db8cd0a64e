//! How long a full matching pass takes: `bench-match [CLASSES] [MACHINES]` fills a pool with
//! machines of twenty kinds and with classes of jobs whose Requirements are HTCondor's defaults
//! and, for some, clauses and a Rank of their own, and prints seconds. Knows the negotiator's core
//! and no network.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{
    ClassId, JobId, JobPriority, MachineName, Now, Resources, ScheddName, Timestamp, UserName, attr,
};
use negotiator::core::{Accounts, Core, Effect, Input, Policy};
use proto::matchmaking::{ClassRequest, FromMachine, FromSchedd, MachineState, ToSchedd};
use updraft_tests::measure::{cpu_seconds, now};

/// The design's target (docs/ARCHITECTURE.md): 1,000 classes of jobs and 100,000 slots in one
/// second.
const CLASSES: u32 = 1_000;
const MACHINES: u32 = 100_000;

/// Users that share the pool.
const USERS: u32 = 50;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u32>());
    let mut next = |default| args.next().and_then(Result::ok).unwrap_or(default);
    let (classes, machines) = (next(CLASSES), next(MACHINES));

    println!("{classes} classes, {machines} machines, all free");
    let ads: Vec<Input> =
        timed("make ads", || (0..machines).map(|number| advertise(number, 1, true)).collect());
    measure(classes, &ads, &advertise(0, 2, true));
    println!("{classes} classes, {machines} machines, all taken");
    let ads: Vec<Input> = (0..machines).map(|number| advertise(number, 1, false)).collect();
    measure(classes, &ads, &advertise(machines, 1, false));
}

/// One pool from empty to a full pass, and then what one more ad costs.
fn measure(classes: u32, ads: &[Input], one_more: &Input) {
    let mut core = Core::new(1, Accounts::default(), Policy::default());
    timed("take requests", || feed(&mut core, &requests(classes)));
    timed("pass without machines", || pass(&mut core));
    timed("take ads", || ads.iter().for_each(|ad| drop(feed(&mut core, ad))));
    report(&timed("full pass", || pass(&mut core)));
    timed("take one more ad", || feed(&mut core, one_more));
    report(&timed("pass for it", || pass(&mut core)));
}

fn moment() -> Now {
    Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000 }
}

fn feed(core: &mut Core, input: &Input) -> Vec<Effect> {
    let decision = core.decide(moment(), input).expect("the input is in order");
    let mut effects = Vec::new();
    for event in decision.events {
        let change = core.apply(&event);
        effects.extend(core.react(&change, &event));
    }
    effects
}

fn pass(core: &mut Core) -> Vec<Effect> {
    let mut effects = Vec::new();
    while core.next_deadline().is_some_and(|deadline| deadline <= moment().boot_ms) {
        effects.extend(feed(core, &Input::Tick));
    }
    effects
}

fn report(effects: &[Effect]) {
    let (mut matches, mut reasons) = (0, 0);
    for effect in effects {
        match effect {
            Effect::ToSchedd { message: ToSchedd::Matches(all), .. } => matches += all.len(),
            Effect::ToSchedd { message: ToSchedd::Reasons(all), .. } => reasons += all.len(),
            Effect::ToSchedd {
                message: ToSchedd::Significant(_) | ToSchedd::Drained(_) | ToSchedd::Booked(_),
                ..
            }
            | Effect::SaveAccounts
            | Effect::SaveLimits(_)
            | Effect::SaveDrains(_)
            | Effect::SaveBookings(_) => {}
        }
    }
    println!("    {matches} matches, {reasons} reasons");
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begun, on_cpu) = (now(), cpu_seconds());
    let result = work();
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - on_cpu);
    println!("{wall:>10.4} s ({cpu:>8.4} s on a processor)  {what}");
    result
}

/// Machines of twenty kinds; disk, name and load differ on each.
fn advertise(number: u32, sequence: u64, free: bool) -> Input {
    let kind = number % 20;
    let cpus = 8 << (kind % 4);
    let memory_mib = u64::from(cpus) * (2048 + 2048 * u64::from(kind % 3));
    let disk_kib = 100_000_000 + u64::from(number.wrapping_mul(2_654_435_761) % 50_000_000);
    let name = format!("node{number}.example");
    let (arch, os) = if kind == 7 { ("aarch64", 9) } else { ("X86_64", 7 + kind % 3) };
    let text = format!(
        "Name = \"slot1@{name}\"\nMachine = \"{name}\"\nMyType = \"Machine\"\nArch = \"{arch}\"\nOpSys = \"LINUX\"\n\
         OpSysMajorVer = {os}\nOpSysAndVer = \"AlmaLinux{os}\"\nFileSystemDomain = \"{name}\"\nHasFileTransfer = true\n\
         PartitionableSlot = true\nSlotType = \"Partitionable\"\nSlotID = 1\nSlotWeight = Cpus\nState = \"Unclaimed\"\n\
         Activity = \"Idle\"\nStart = true\nRequirements = Start && WithinResourceLimits\n\
         WithinResourceLimits = MY.Cpus > 0 && TARGET.RequestCpus <= MY.Cpus && TARGET.RequestMemory <= MY.Memory && \
         TARGET.RequestDisk <= MY.Disk\nRank = 0.0\nKFlops = {}\nMips = 20000\nLoadAvg = 0.{}\nSite = \"site{}\"\n\
         CondorVersion = \"$CondorVersion: 25.14.1 2026-10-16 $\"\nTotalCpus = {cpus}\nTotalMemory = {memory_mib}\n\
         TotalDisk = {disk_kib}\nCpus = {cpus}\nMemory = {memory_mib}\nDisk = {disk_kib}\nHasSingularity = true\n",
        1_000_000 + 10_000 * kind,
        number % 100,
        kind % 5,
    );
    let size = Resources { cpus, memory_mib, disk_kib, ..Resources::default() };
    Input::FromMachine(FromMachine::Advertise(Box::new(MachineState {
        machine: MachineName::new(&name),
        address: name.clone(),
        sequence,
        lifetime_s: 900,
        free: if free { size.clone() } else { Resources::default() },
        total: size,
        slots: vec![Arc::new(ClassAd::parse_old(&text).expect("the ad is well formed"))],
        claims: Vec::new(),
    })))
}

fn requests(classes: u32) -> Input {
    let message = FromSchedd::Requests {
        full: true,
        changed: (0..classes).map(request).collect(),
        gone: Vec::new(),
        seen: None,
        held: Vec::new(),
        bookings: Vec::new(),
    };
    Input::FromSchedd { schedd: ScheddName::new("schedd"), message }
}

/// The default Requirements; every fifth class has a clause of its own, every tenth a Rank, every
/// twentieth fits nowhere.
fn request(number: u32) -> ClassRequest {
    let own = match number % 20 {
        5 => format!("TARGET.KFlops > {} && ", 1_000_000 + 100 * number),
        10 => format!("TARGET.Site == \"site{}\" && ", number % 7),
        15 => format!("TARGET.OpSysMajorVer >= {} && ", 7 + number % 3),
        19 => format!("TARGET.Nowhere > {number} && "),
        _ => String::new(),
    };
    let requirements = format!(
        "{own}(TARGET.Arch == \"X86_64\") && (TARGET.OpSys == \"LINUX\") && (TARGET.Disk >= RequestDisk) && \
         (TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && \
         ((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))"
    );
    let mut ad = ClassAd::new();
    ad.set(attr::OWNER, format!("user{}", number % USERS));
    ad.set(attr::FILE_SYSTEM_DOMAIN, "login.example");
    ad.set(attr::REQUEST_CPUS, 1 + number % 8);
    ad.set(attr::REQUEST_MEMORY, 1024 + 64 * (number % 300));
    ad.set(attr::REQUEST_DISK, 1_000_000 + number);
    ad.set(
        attr::REQUIREMENTS,
        requirements.parse::<Expr>().expect("the expression is well formed"),
    );
    match number % 20 {
        3 => ad.set(attr::RANK, "TARGET.KFlops".parse::<Expr>().expect("well formed")),
        13 => ad.set(attr::RANK, "TARGET.Memory".parse::<Expr>().expect("well formed")),
        _ => {}
    }
    ClassRequest {
        class: ClassId(number),
        owner: UserName::new(&format!("user{}", number % USERS)),
        priority: JobPriority::default(),
        first: JobId::new(number, 0),
        idle: 100,
        ad: Arc::new(ad),
    }
}
