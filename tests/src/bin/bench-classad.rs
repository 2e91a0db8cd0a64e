//! How fast ClassAds are read, evaluated and matched, and how that compares with the reference.
//!
//! `bench-classad` prints rates on one core. The reference is measured in the same run through its Python module, one call per
//! operation, where `import htcondor2` works; otherwise the bench says so.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use classad::compiled::{CompiledRequirements, MachineTable};
use classad::{ClassAd, Env, Expr, requirements_hold};

/// What HTCondor itself writes for a small job.
const REQUIREMENTS: &str = "(TARGET.Arch == \"X86_64\") && (TARGET.OpSys == \"LINUX\") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && ((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))";

/// The machines that one class is matched against (docs/ARCHITECTURE.md, targets).
const MACHINES: usize = 100_000;

/// Attributes of a machine ad; real ones have 80 to 100.
const MACHINE_ATTRIBUTES: usize = 90;

/// How long each figure is measured.
const MEASURED: Duration = Duration::from_millis(400);

fn main() {
    let job_text = job_text();
    let job = ClassAd::parse_old(&job_text)
        .unwrap_or_else(|error| panic!("the job ad is wrong: {error}"));
    let job_new = job.to_new();
    let machine = ClassAd::parse_old(&machine_text(1))
        .unwrap_or_else(|error| panic!("the machine ad is wrong: {error}"));
    let machine_new = machine.to_new();
    let env = Env::at(1_795_000_000);
    let requirements = Expr::parse(REQUIREMENTS).unwrap_or_else(|error| panic!("{error}"));
    let ours = [
        ("parse a 6-clause Requirements", rate(|| drop(black_box(Expr::parse_new(REQUIREMENTS))))),
        (
            "read a job ad of 20 attributes, new syntax",
            rate(|| drop(black_box(ClassAd::parse_new(&job_new)))),
        ),
        (
            "read a machine ad of 90 attributes, new syntax",
            rate(|| drop(black_box(ClassAd::parse_new(&machine_new)))),
        ),
        (
            "evaluate the Requirements with a target",
            rate(|| drop(black_box(job.eval_expr(&requirements, Some(&machine), &env)))),
        ),
    ];
    let reference = reference(&job_new, &machine_new);
    println!(
        "{:<50} {:>12} {:>12} {:>7}",
        "operations a second, one core", "ours", "reference", "ratio"
    );
    for (index, (what, rate)) in ours.iter().enumerate() {
        match reference.as_ref().and_then(|rates| rates.get(index)) {
            Some(theirs) => {
                println!("{what:<50} {rate:>12.0} {theirs:>12.0} {:>7.1}", rate / theirs);
            }
            None => println!("{what:<50} {rate:>12.0} {:>12} {:>7}", "-", "-"),
        }
    }
    if reference.is_none() {
        println!(
            "the reference was not measured: `python3 -c 'import htcondor2'` does not work here"
        );
    }
    println!(
        "{:<50} {:>12.0}",
        "read a job ad, old syntax",
        rate(|| drop(black_box(ClassAd::parse_old(&job_text))))
    );
    match_a_class(&job, &env);
}

/// Calls a function for a while; returns the calls a second.
fn rate(mut call: impl FnMut()) -> f64 {
    let mut calls = 0_u32;
    let start = now();
    loop {
        for _ in 0..100 {
            call();
        }
        calls += 100;
        let elapsed = now() - start;
        if elapsed >= MEASURED {
            return f64::from(calls) / elapsed.as_secs_f64();
        }
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    Instant::now()
}

/// One class of jobs against a whole pool: by columns, and machine by machine for comparison.
fn match_a_class(job: &ClassAd, env: &Env) {
    let before = resident_mib();
    let mut table = MachineTable::new();
    for index in 0..MACHINES {
        let ad = ClassAd::parse_old(&machine_text(index)).unwrap_or_else(|error| panic!("{error}"));
        table.insert(Arc::new(ad));
    }
    if let (Some(before), Some(after)) = (before, resident_mib()) {
        println!(
            "{:<50} {:>9} MiB",
            format!("memory of {MACHINES} ads of {MACHINE_ATTRIBUTES} attributes"),
            after - before
        );
    }
    let start = now();
    let compiled = CompiledRequirements::new(Arc::new(job.clone()), env);
    table.prepare(&compiled);
    println!(
        "{:<50} {:>9.2} ms",
        "compile the class and make its columns",
        (now() - start).as_secs_f64() * 1e3
    );
    let start = now();
    let rows = compiled.eval_all(&table);
    let columnar = now() - start;
    println!(
        "{:<50} {:>9.2} ms",
        format!("one class against {MACHINES} machines, columns"),
        columnar.as_secs_f64() * 1e3
    );
    let start = now();
    let holds = |row: usize| table.get(row).is_some_and(|ad| requirements_hold(job, ad, env));
    let one_by_one = (0..MACHINES).filter(|row| holds(*row)).count();
    println!(
        "{:<50} {:>9.2} ms",
        "the same, machine by machine",
        (now() - start).as_secs_f64() * 1e3
    );
    assert_eq!(rows.len(), one_by_one, "columns and evaluation must agree");
    println!("{:<50} {:>12}", "machines that match", rows.len());
}

/// The resident memory of this process.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn job_text() -> String {
    format!(
        "ClusterId = 36\nProcId = 0\nOwner = \"alice\"\nCmd = \"/bin/sleep\"\nArgs = \"600\"\nJobUniverse = 5\nJobStatus = 1\nQDate = 1795371002\n\
         RequestCpus = 1\nRequestMemory = 128\nRequestDisk = DiskUsage\nDiskUsage = 47\nIwd = \"/home/alice/runs/2026-11-22\"\nOut = \"out.txt\"\nErr = \"err.txt\"\n\
         UserLog = \"/home/alice/runs/2026-11-22/log.txt\"\nFileSystemDomain = \"node7.example.org\"\nRank = 0.0\nLeaveJobInQueue = false\nRequirements = {REQUIREMENTS}\n"
    )
}

fn machine_text(index: usize) -> String {
    let mut text = format!(
        "Name = \"slot{index}@node{}.example.org\"\nArch = \"X86_64\"\nOpSys = \"{}\"\nMemory = {}\nDisk = {}\nCpus = {}\nHasFileTransfer = {}\n\
         FileSystemDomain = \"node{}.example.org\"\nState = \"Unclaimed\"\nActivity = \"Idle\"\nLoadAvg = 0.{}\nMyCurrentTime = {}\n\
         Start = (KeyboardIdle > 15 * 60) && (LoadAvg <= 0.3) && (TARGET.ImageSize <= Memory * 1024)\nRequirements = START && (TARGET.RequestMemory <= Memory)\n\
         Rank = TARGET.Owner == \"alice\"\n",
        index / 16,
        if index.is_multiple_of(11) { "WINDOWS" } else { "LINUX" },
        64 << (index % 8),
        1000 + index * 37 % 100_000,
        1 + index % 8,
        !index.is_multiple_of(5),
        index / 16,
        index % 100,
        1_795_000_000 + index % 300,
    );
    for extra in text.lines().count()..MACHINE_ATTRIBUTES {
        let line = match extra % 4 {
            0 => format!("HasFeature{extra} = true\n"),
            1 => format!("TotalNumber{extra} = {}\n", extra * 1000),
            2 => format!("SomeText{extra} = \"a value that many machines share {extra}\"\n"),
            _ => format!("RecentLoad{extra} = {}.{:02}\n", index % 3, index % 100),
        };
        text.push_str(&line);
    }
    text
}

/// The same four figures from the reference, through its Python module.
fn reference(job: &str, machine: &str) -> Option<Vec<f64>> {
    let script = format!(
        r#"
import htcondor2, classad2, time, json, sys
requirements, job, machine = json.loads(sys.stdin.read())
def rate(call):
    calls, start = 0, time.perf_counter()
    while True:
        for _ in range(100): call()
        calls += 100
        elapsed = time.perf_counter() - start
        if elapsed >= {seconds}: return calls / elapsed
expr, my, target = classad2.ExprTree(requirements), classad2.ClassAd(job), classad2.ClassAd(machine)
wrapped = "[expression = " + requirements + "]"
print(rate(lambda: classad2.ClassAd(wrapped)), rate(lambda: classad2.ClassAd(job)), rate(lambda: classad2.ClassAd(machine)), rate(lambda: expr.eval(my, target)))
"#,
        seconds = MEASURED.as_secs_f64()
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .env("CONDOR_CONFIG", "/dev/null")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let input = serde_json::to_vec(&(REQUIREMENTS, job, machine)).ok()?;
    std::io::Write::write_all(&mut child.stdin.take()?, &input).ok()?;
    let output = child.wait_with_output().ok()?;
    let rates: Vec<f64> = String::from_utf8(output.stdout)
        .ok()?
        .split_whitespace()
        .filter_map(|rate| rate.parse().ok())
        .collect();
    (rates.len() == 4).then_some(rates)
}
