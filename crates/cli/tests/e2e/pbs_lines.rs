//! Command lines of PBS against a pool: `pbs_lines.txt` has what OpenPBS 23.06 answered to each
//! (golden/pbs), and this program must answer the same, to the letter: exit code, `| ` standard
//! output, `! ` standard error. Numbers of jobs are `N`, this machine is `pbshost`, and `$JOB` is
//! what `qsub` printed last. Lines that this program answers otherwise on purpose are not here: the
//! guide tells of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Pool, text};

const LINES: &str = include_str!("pbs_lines.txt");

/// The same for commands that ask, as OpenPBS's sources say it where the goldens do not.
const QUESTIONS: &str = include_str!("pbs_questions.txt");

/// The same for jobs that run, or have run.
const STATES: &str = include_str!("pbs_states.txt");

/// Waits until a job is in a state.
const UNTIL: &str = "#!/bin/bash
for n in {1..600}; do
    qstat -xf \"$2\" | grep -q \"job_state = $1\" && exit
    sleep 0.1
done
echo \"job $2 is not $1\" >&2
exit 1
";

/// Where the identifier of the job is kept that was submitted last: `$JOB` in a line.
const LAST: &str = ".last_job";

/// As many as there must be at least.
const FEWEST: usize = 440;
const FEWEST_STATES: usize = 35;

/// What a job is that sleeps for a moment: here it runs until a line has looked at it, and says so.
const MOMENT: &str = "/bin/sleep 2";

/// Prints dates as `DATE`, and seconds since the epoch as `STAMP`.
const UNDATED: &str = r"#!/bin/sed -Ef
s/(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 0-9][0-9] (at )?[0-9]{2}:[0-9]{2}(:[0-9]{2} [0-9]{4})?/DATE/
s/\b[0-9]{10}\b/STAMP/
";

/// The queues that OpenPBS had.
const QUEUES: &str = "create queue route1 queue_type=Route,route_destinations=workq,enabled=True,started=True
create queue small queue_type=Execution,Priority=50,resources_max.ncpus=2,resources_max.walltime=01:00:00,enabled=True
create queue disq queue_type=Execution,started=True
create queue stopq queue_type=Execution,enabled=True
create queue aclq queue_type=Execution,acl_user_enable=True,acl_users=bob,enabled=True,started=True
set queue workq started = False
";

const SCRIPT: &str = "#!/bin/bash
#PBS -N myjob
#PBS -l select=1:ncpus=2:mem=100mb
#PBS -l walltime=00:10:00
#PBS -j oe
#PBS -m n
echo hi
#PBS -N toolate
";

#[test]
fn every_command_line_is_answered_as_openpbs_answered() {
    let pool = Pool::start(1);
    let bin = links(&pool);
    fs::write(pool.work().join("queues"), QUEUES).unwrap();
    let made = shell(&pool, &bin, "qmgr < queues");
    assert!(made.status.success(), "{}", text(&made));
    check_all(&pool, &bin, &[LINES, QUESTIONS].concat(), FEWEST);
}

#[test]
fn every_state_of_a_job_is_shown_as_openpbs_showed_it() {
    let pool = Pool::start(64);
    let bin = links(&pool);
    for (name, script) in [("until_state", UNTIL), ("undated", UNDATED)] {
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    check_all(&pool, &bin, STATES, FEWEST_STATES);
}

/// The commands under their own names, and the scripts that lines submit.
fn links(pool: &Pool) -> PathBuf {
    let bin = pool.work().join("bin");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    fs::write(pool.work().join("plain.sh"), "#!/bin/bash\necho hi\n").unwrap();
    fs::write(pool.work().join("s1.sh"), SCRIPT).unwrap();
    let looked = pool.work().join("looked");
    let until = format!("until test -e {}; do sleep 0.2; done\n", looked.display());
    fs::write(pool.work().join("until_looked"), until).unwrap();
    bin
}

fn check_all(pool: &Pool, bin: &Path, lines: &str, fewest: usize) {
    let cases: Vec<&str> =
        lines.split("\n\n").map(str::trim).filter(|case| case.starts_with("$ ")).collect();
    assert!(cases.len() >= fewest, "only {} command lines", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(pool, bin, case)).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Runs a line as a user would.
fn shell(pool: &Pool, bin: &Path, line: &str) -> std::process::Output {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let last = fs::read_to_string(pool.work().join(LAST)).unwrap_or_default();
    let mut command = pool.command(Path::new("/bin/bash"), &["-c", line]);
    let out = command.env("PATH", path).env("JOB", last.trim()).output().unwrap();
    if line.starts_with("qsub") && out.status.success() && !out.stdout.is_empty() {
        fs::write(pool.work().join(LAST), &out.stdout).unwrap();
    }
    out
}

/// The difference, if there is one.
fn check(pool: &Pool, bin: &Path, case: &str) -> Option<String> {
    let host = host_name();
    let (line, expected) = case.split_once('\n').unwrap();
    let line = line.strip_prefix("$ ").unwrap();
    let moment = format!("/bin/sh {}", pool.work().join("until_looked").display());
    let out = shell(pool, bin, &line.replace("pbshost", &host).replace(MOMENT, &moment));
    let mut actual = format!("exit {}", out.status.code().unwrap_or(-1));
    for (mark, bytes) in [("|", &out.stdout), ("!", &out.stderr)] {
        let said = String::from_utf8_lossy(bytes);
        for line in said.trim_matches('\n').lines() {
            let line = line.replace(&moment, MOMENT).replace(&host, "pbshost");
            actual += &format!("\n{mark} {}", numbered(&line));
        }
    }
    let same = actual.lines().map(str::trim_end).eq(expected.lines().map(str::trim_end));
    (!same).then(|| format!("$ {line}\nexpected\n{expected}\nbut it is\n{actual}\n"))
}

/// `3.pbshost` and `3[4].pbshost` as `N.pbshost` and `N[4].pbshost`.
fn numbered(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(place) = rest.find(|c: char| c.is_ascii_digit()) {
        let is_word = rest[..place].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            || (place == 0 && out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
        let digits = rest[place..].chars().take_while(char::is_ascii_digit).count();
        let behind = &rest[place + digits..];
        let subjob = match behind.strip_prefix('[') {
            Some(inside) => inside.find(']').map_or(0, |end| end + 2),
            None => 0,
        };
        let is_job = !is_word && behind[subjob..].starts_with(".pbshost");
        out += &rest[..place];
        out += if is_job { "N" } else { &rest[place..place + digits] };
        rest = behind;
    }
    out + rest
}

/// This machine's name, without its domain.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().split('.').next().unwrap().to_owned()
}
