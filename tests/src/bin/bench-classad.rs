//! How fast ClassAds are read, evaluated and matched, and how that compares with the reference.
//!
//! Each figure is the median of several rounds, in processor time of one core, so that a busy
//! machine does not decide it. The reference takes turns with ours, on the same texts: its C++
//! library where there is a compiler, else its Python module
//! (`tests/classad_oracle/bench.{cpp,py}`), where the Python package `htcondor` is installed;
//! otherwise the bench says so.

use model::attr;
use std::hint::black_box;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use classad::compiled::{CompiledExpr, CompiledRequirements, MachineTable};
use classad::{ClassAd, Env, Expr, requirements_hold};
use nix::time::{ClockId, clock_gettime};

/// What HTCondor itself writes for a small job.
const REQUIREMENTS: &str = "(TARGET.Arch == \"X86_64\") && (TARGET.OpSys == \"LINUX\") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && ((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))";

/// A job and a machine as HTCondor 25.14 shows them with `-long`.
const JOB: &str = include_str!("../../../grammar/corpus/classad/job.ad");
const MACHINE: &str = include_str!("../../../grammar/corpus/classad/machine.ad");

/// The machines that one class is matched against (docs/ARCHITECTURE.md, targets).
const MACHINES: usize = 100_000;

/// Attributes of a machine ad; real ones have 80 to 180.
const MACHINE_ATTRIBUTES: usize = 90;

/// The number of the evaluation among the operations of the reference's program.
const EVALUATE: usize = 5;

/// Machines that one call asks.
const ADS_IN_TURN: usize = 1000;

/// What it is, how many times as fast as the reference it must be, its number there and how often
/// one call does it, and how.
type Operation<'o> = (&'static str, f64, (usize, usize), &'o mut dyn FnMut());

/// Rounds, of which the median is printed, and how long an operation is repeated in each.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(300);

fn main() -> Result<()> {
    let job = job()?;
    let env = Env::at(1_795_000_000);
    let texts: Vec<String> = (0..MACHINES).map(machine_text).collect();
    let before = resident_mib();
    let mut table = MachineTable::new();
    for text in &texts {
        table.insert(Arc::new(ClassAd::parse_old(text)?));
    }
    let memory_mib = resident_mib().zip(before).map(|(after, before)| after.saturating_sub(before));
    let mut reference = match Reference::start(&texts) {
        Ok(reference) => Some(reference),
        Err(error) => {
            println!("the reference is not measured: {error:#}");
            None
        }
    };
    drop(texts);
    let evaluated = compare(&job, &table, &env, reference.as_mut())?;
    match_a_class(&job, &mut table, &env, evaluated);
    if let Some(mib) = memory_mib {
        figure(
            &format!("memory of {MACHINES} ads of {MACHINE_ATTRIBUTES} attributes"),
            &format!("{mib} MiB"),
            "under 400 MB",
        );
    }
    Ok(())
}

/// The operations that both can do, one after the other. Returns how often a second the reference
/// evaluates, if it was asked.
fn compare(
    job: &ClassAd,
    table: &MachineTable,
    env: &Env,
    reference: Option<&mut Reference>,
) -> Result<Option<f64>> {
    let (job_new, machine_new) =
        (ClassAd::parse_old(JOB)?.to_new(), ClassAd::parse_old(MACHINE)?.to_new());
    let requirements = Expr::parse(REQUIREMENTS)?;
    let (mut row, mut compiled_row) = (0, 0);
    let mut evaluate = || {
        let machine = table.get(row).map(AsRef::as_ref);
        row = (row + 1) % MACHINES;
        drop(black_box(job.eval_expr(&requirements, machine, env)));
    };
    // As the daemons do it: the job is known before the machines, and meets each of them.
    let mut compiled = CompiledExpr::new(Arc::new(job.clone()), &requirements, env);
    let mut evaluate_compiled = || {
        drop(black_box(table.get(compiled_row).map(|machine| compiled.eval(machine))));
        compiled_row = (compiled_row + 1) % MACHINES;
    };
    let mut in_turn = CompiledExpr::new(Arc::new(job.clone()), &requirements, env);
    let mut first = 0;
    let mut evaluate_in_turn = || {
        let rows = first..first + ADS_IN_TURN;
        let machines = rows.filter_map(|row| table.get(row)).map(AsRef::as_ref);
        in_turn.eval_each(machines, |value| drop(black_box(value)));
        first = (first + ADS_IN_TURN) % MACHINES;
    };
    let mut operations: [Operation<'_>; 8] = [
        ("parse a 6-clause Requirements", 1.0, (0, 1), &mut || {
            drop(black_box(Expr::parse_new(REQUIREMENTS)));
        }),
        ("read a job ad of 94 attributes, old syntax", 1.0, (1, 1), &mut || {
            drop(black_box(ClassAd::parse_old(JOB)));
        }),
        ("read a machine ad of 182 attributes, old syntax", 1.0, (2, 1), &mut || {
            drop(black_box(ClassAd::parse_old(MACHINE)));
        }),
        ("read the job ad, new syntax", 1.0, (3, 1), &mut || {
            drop(black_box(ClassAd::parse_new(&job_new)));
        }),
        ("read the machine ad, new syntax", 1.0, (4, 1), &mut || {
            drop(black_box(ClassAd::parse_new(&machine_new)));
        }),
        ("evaluate the Requirements, 100,000 machines", 1.0, (EVALUATE, 1), &mut evaluate),
        ("the same, compiled once", 1.0, (EVALUATE, 1), &mut evaluate_compiled),
        (
            "the same, compiled, one machine after the other",
            10.0,
            (EVALUATE, ADS_IN_TURN),
            &mut evaluate_in_turn,
        ),
    ];
    measure(&mut operations, reference)
}

/// Measures each operation in turns with the reference. Returns how often a second the reference
/// does the last.
fn measure(
    operations: &mut [Operation<'_>],
    mut reference: Option<&mut Reference>,
) -> Result<Option<f64>> {
    let library = reference.as_ref().map_or("none", |reference| reference.library);
    println!(
        "{:<48} {:>10} {:>10} {:>6}  target",
        format!("operations per CPU second (reference: {library})"),
        "ours",
        "reference",
        "ratio"
    );
    let mut last = None;
    for (what, target, (theirs_index, repeats), operation) in operations {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate(*repeats, operation));
            if let Some(reference) = &mut reference {
                theirs.push(reference.rate(*theirs_index)?);
            }
        }
        let ours = median(ours);
        match (theirs.is_empty(), median(theirs)) {
            (true, _) => println!("{what:<48} {ours:>10.0} {:>10} {:>6}", "-", "-"),
            (false, theirs) => {
                last = Some(theirs);
                let ratio = ours / theirs;
                println!("{what:<48} {ours:>10.0} {theirs:>10.0} {ratio:>6.1}  {target}");
            }
        }
    }
    Ok(last)
}

/// Repeats a function, which does something `repeats` times, for a round; returns how often a
/// second it is done.
fn rate(repeats: usize, operation: &mut dyn FnMut()) -> f64 {
    let mut calls = 0_u32;
    let start = cpu_time();
    loop {
        for _ in 0..100 {
            operation();
        }
        calls += 100;
        let elapsed = cpu_time() - start;
        if elapsed >= ROUND {
            #[expect(clippy::cast_precision_loss, reason = "a thousand at most")]
            let done = f64::from(calls) * repeats as f64;
            return done / elapsed.as_secs_f64();
        }
    }
}

/// The middle one; zero of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// The processor time that this process has used.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn figure(what: &str, value: &str, target: &str) {
    println!("{what:<59} {value:>17}  {target}");
}

/// The milliseconds that a function takes: the median of the rounds.
fn milliseconds<T>(mut function: impl FnMut() -> T) -> (f64, T) {
    let mut last = None;
    let mut measured = Vec::new();
    while measured.len() < ROUNDS || last.is_none() {
        let start = cpu_time();
        last = Some(black_box(function()));
        measured.push((cpu_time() - start).as_secs_f64() * 1e3);
    }
    (median(measured), last.unwrap_or_else(&mut function))
}

/// One class of jobs against a whole pool: by columns, and machine by machine for comparison.
fn match_a_class(job: &ClassAd, table: &mut MachineTable, env: &Env, reference: Option<f64>) {
    let start = cpu_time();
    let compiled = CompiledRequirements::new(Arc::new(job.clone()), env);
    table.prepare(&compiled);
    let prepared = (cpu_time() - start).as_secs_f64() * 1e3;
    let (columnar, rows) = milliseconds(|| compiled.eval_all(table));
    let holds = |row: usize| table.get(row).is_some_and(|ad| requirements_hold(job, ad, env));
    let (one_by_one, matching) = milliseconds(|| (0..MACHINES).filter(|row| holds(*row)).count());
    assert_eq!(rows.len(), matching, "columns and evaluation must agree");
    figure(
        &format!("one class against {MACHINES} machines, by columns"),
        &format!("{columnar:.2} ms"),
        "under 5 ms",
    );
    if let Some(theirs) = reference {
        #[expect(clippy::cast_precision_loss, reason = "a hundred thousand")]
        let ours = MACHINES as f64 / columnar * 1e3;
        figure(
            "so compiled evaluation is so many times the reference's",
            &format!("{:.0}", ours / theirs),
            "10",
        );
    }
    figure("the same, machine by machine", &format!("{one_by_one:.2} ms"), "");
    figure("make the columns, once", &format!("{prepared:.2} ms"), "");
    figure("machines that match", &matching.to_string(), "");
}

/// The resident memory of this process.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

/// The real job, with the Requirements that is measured.
fn job() -> Result<ClassAd> {
    let mut job = ClassAd::parse_old(JOB)?;
    job.set(attr::REQUIREMENTS, Expr::parse(REQUIREMENTS)?);
    // The real one depends on what is transferred, and does not reach the other clauses.
    job.set(attr::REQUEST_DISK, 2_000);
    Ok(job)
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

/// The reference, in a process of its own.
struct Reference {
    /// What is measured: `C++` or `Python`.
    library: &'static str,
    child: Child,
    questions: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Where its program is.
    _folder: tempfile::TempDir,
}

/// Ends a text of those that the reference reads.
const SEPARATOR: &[u8] = b"\x1e";

impl Reference {
    fn start(machines: &[String]) -> Result<Reference> {
        let folder = tempfile::tempdir().context("make a folder for the reference's program")?;
        let (library, mut command) = match build(folder.path()) {
            Ok(command) => ("C++", command),
            Err(_) => ("Python", python("bench.py")),
        };
        let mut child = command
            .env("CONDOR_CONFIG", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start the reference")?;
        let questions = BufWriter::new(child.stdin.take().context("it has no input")?);
        let answers = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut reference = Reference { library, child, questions, answers, _folder: folder };
        let job = job()?;
        let machine = ClassAd::parse_old(MACHINE)?;
        let (job_new, machine_new) = (job.to_new(), machine.to_new());
        let texts = [REQUIREMENTS, JOB, MACHINE, &job_new, &machine_new];
        for text in texts.into_iter().chain(machines.iter().map(String::as_str)).chain([""]) {
            reference.questions.write_all(text.as_bytes()).context("write to the reference")?;
            reference.questions.write_all(SEPARATOR).context("write to the reference")?;
        }
        reference.rate(0).context("is the Python package htcondor installed?")?;
        Ok(reference)
    }

    /// Has it repeat an operation for a round; returns the calls a second.
    fn rate(&mut self, operation: usize) -> Result<f64> {
        writeln!(self.questions, "{operation} {}", ROUND.as_millis())?;
        self.questions.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the reference answered {line:?}"))
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("classad_oracle").join(script));
    command
}

/// Builds the C++ program against the libraries of the wheel.
fn build(folder: &Path) -> Result<Command> {
    let found = Command::new("python3")
        .args([
            "-c",
            "import classad2, os; print(os.path.dirname(os.path.dirname(classad2.__file__)))",
        ])
        .output()
        .context("start python3")?;
    let packages = String::from_utf8(found.stdout)?;
    let libraries = Path::new(packages.trim()).join("htcondor.libs");
    let mut linked = Vec::new();
    for entry in std::fs::read_dir(&libraries).context("read the wheel's libraries")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("libclassad") || name.starts_with("libcondor_utils") {
            linked.push(path);
        }
    }
    let program = folder.join("bench");
    let status = Command::new("c++")
        .arg("-O2")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("classad_oracle/bench.cpp"))
        .args(&linked)
        .arg(format!("-Wl,-rpath,{},--allow-shlib-undefined", libraries.display()))
        .arg("-o")
        .arg(&program)
        .stderr(Stdio::null())
        .status()
        .context("start the C++ compiler")?;
    ensure!(status.success(), "the C++ compiler: {status}");
    Ok(Command::new(program))
}
