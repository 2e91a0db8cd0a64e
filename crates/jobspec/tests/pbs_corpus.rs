//! The corpus of `qsub`: `grammar/corpus/pbs/FAMILY.txt` has command lines, each with the exit
//! code, what is said, or what the job is, as OpenPBS 23.06 answered; where we answer otherwise on
//! purpose, the line before says why. `UPDATE_EXPECT=1` writes the answers anew; read the diff.
//!
//! ```text
//! $ qsub -N 'a b' plain.sh
//! exit 2
//! qsub: illegal -N value
//! <usage>
//! ```
//!
//! Lines that begin with `| ` are the script. The world is made up: see [`World`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use classad::words::split_v2;
use classad::{ClassAd, Value};
use jobspec::pbs::{
    self, Caller, Moment, NoScript, NumberedFor, QSUB_USAGE, Refusal, Submission, attribute,
};
use model::queues::QueueSettings;
use model::{ClusterId, ClusterSpec, attr};

#[path = "bare/site.rs"]
mod site;

const NUMBER: ClusterId = ClusterId(7);

/// Where a script stands in a case.
const SCRIPT: &str = "| ";

#[test]
fn every_command_line_comes_to_what_is_written_below_it() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in families() {
        let before = fs::read_to_string(&file).unwrap();
        let mut after = String::new();
        for case in before.split("\n\n").filter(|case| !case.trim().is_empty()) {
            count += 1;
            let (case, difference) = check(case.trim_end());
            writeln!(after, "{case}\n").unwrap();
            wrong.extend(difference.map(|told| format!("{}: {told}", file.display())));
        }
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, after).unwrap();
        }
    }
    assert!(count >= 250, "only {count} command lines in the corpus");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn families() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/corpus/pbs");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The case with what comes of it, and the difference.
fn check(case: &str) -> (String, Option<String>) {
    let is_input = |line: &&str| ["$ ", SCRIPT, "# "].iter().any(|head| line.starts_with(head));
    let (input, expected): (Vec<&str>, Vec<&str>) = case.lines().partition(is_input);
    let line = input.iter().find_map(|line| line.strip_prefix("$ ")).expect("a command line");
    let script: Vec<&str> = input.iter().filter_map(|line| line.strip_prefix(SCRIPT)).collect();
    let script = (!script.is_empty()).then(|| script.join("\n") + "\n");
    let actual = outcome(line, script);
    let expected = expected.join("\n");
    let told = (actual.trim_end() != expected)
        .then(|| format!("{line}\nexpected\n{expected}\nbut it is\n{actual}"));
    let answer = actual.trim_end();
    (format!("{}\n{answer}", input.join("\n")), told)
}

fn outcome(line: &str, script: Option<String>) -> String {
    let mut world = World::new(script);
    let mut words = shell_words(line).into_iter();
    for word in words.by_ref().take_while(|word| word != "qsub") {
        let (name, value) = word.split_once('=').expect("a variable before qsub");
        world.environ.insert(name.to_owned(), value.to_owned());
    }
    let words: Vec<String> = words.collect();
    match pbs::qsub(&words, &world) {
        Ok(submission) => format!("exit 0\n{}", print(&submission, &world)),
        Err(refusal) => {
            let said = refusal.to_string().replace(QSUB_USAGE, "<usage>\n");
            format!("exit {}\n{said}", refusal.exit)
        }
    }
}

fn print(submission: &Submission, world: &World) -> String {
    let words = ["pbs_job".to_owned()];
    let numbered = NumberedFor { cluster: NUMBER, program: "/bin/updraft", words: &words };
    let spec = submission.cluster(&numbered, &site::Bare::new(), world).unwrap();
    let mut out = String::new();
    let mut say = |name: &str, value: Option<String>, default: &str| {
        if let Some(value) = value.filter(|value| value != default) {
            writeln!(out, "{name} = {value}").unwrap();
        }
    };
    let text = |name: &str| spec.ad.literal(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| spec.ad.literal(name).and_then(Value::as_i64).map(|n| n.to_string());
    let path = |name: &str| text(name).map(|path| path.replace(&NUMBER.to_string(), "N"));
    say("Job_Name", text(attribute::NAME), "");
    say("Account_Name", text(attribute::ACCOUNT), "");
    say("Checkpoint", text(attribute::CHECKPOINT), "u");
    let depend = text(attribute::DEPEND).and_then(|text| pbs::Depend::read(&text));
    say("depend", depend.map(|all| all.shown("pbshost")), "");
    say("Error_Path", path(attribute::ERROR), "");
    say("group_list", text(attribute::GROUPS), "");
    say("Join_Path", text(attribute::JOIN), "n");
    say("Keep_Files", text(attribute::KEEP), "n");
    say("Mail_Points", text(attribute::MAIL_POINTS), "a");
    say("Mail_Users", text(attribute::MAIL_USERS), "");
    say("Output_Path", path(attribute::OUTPUT), "");
    say("Priority", number(attr::JOB_PRIO), "0");
    let rerunable = spec.ad.literal(attribute::RERUNABLE).and_then(Value::as_bool);
    say("Rerunable", (rerunable == Some(false)).then(|| "False".to_owned()), "");
    for pair in split_v2(&text(attribute::RESOURCES).unwrap()).unwrap() {
        let (name, value) = pair.split_once('=').unwrap();
        say(&format!("Resource_List.{name}"), Some(value.to_owned()), "");
    }
    say("MinHosts", number(attr::MIN_HOSTS), "1");
    let listed = split_v2(&text(attribute::RESOURCES).unwrap()).unwrap();
    let select = listed.iter().find_map(|pair| pair.strip_prefix("select=")).unwrap().to_owned();
    say("schedselect", text(attribute::CHUNKS), &select);
    say("Shell_Path_List", text(attribute::SHELLS), "");
    say("sandbox", text(attribute::SANDBOX), "");
    say("umask", number(attribute::UMASK), "");
    say("User_List", text(attribute::USERS), "");
    let variables = Submission::written_variables(&text(attribute::VARIABLES).unwrap());
    let own = variables.into_iter().filter(|pair| !pair.starts_with("PBS_O_"));
    say("Variable_List", Some(own.collect::<Vec<_>>().join(",")), "");
    say("Submit_arguments", text(attribute::ARGUMENTS).map(|text| pbs::unfolded(&text)), "");
    say("project", text(attribute::PROJECT), "_pbs_project_default");
    say("array_indices_submitted", text(attribute::INDICES), "");
    say("Remove_Files", text(attribute::REMOVE), "");
    say("max_run_subjobs", number(attribute::MOST_RUNNING), "");
    out + &print_streams(&spec)
}

/// Where the streams of the last job go, if that is not what the paths say.
fn print_streams(spec: &ClusterSpec) -> String {
    let last = spec.last(NUMBER).unwrap();
    let mut ad = spec.ad.clone();
    ad.update(&spec.delta(last.proc).unwrap());
    let text = |ad: &ClassAd, name: &str| {
        ad.literal(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut out = String::new();
    for (stream, shown) in [(attr::OUT, attribute::OUTPUT), (attr::ERR, attribute::ERROR)] {
        let (path, shown) = (text(&ad, stream), text(&ad, shown));
        let shown = shown.strip_prefix("pbshost:").unwrap();
        if path != shown && !shown.contains("^array_index^") {
            writeln!(
                out,
                "{stream} = {}",
                path.replace("/7", "/N").replace("o7", "oN").replace("e7", "eN")
            )
            .unwrap();
        }
    }
    out
}

/// Words as a shell makes them of a line, without what it expands.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut chars = line.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some('"'), '\\') => {
                let next = chars.next();
                let keeps = next.is_some_and(|next| !"\"\\$`".contains(next));
                word.get_or_insert_default().extend(keeps.then_some('\\').into_iter().chain(next));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// alice on pbshost, with some scripts.
struct World {
    environ: BTreeMap<String, String>,
    script: Option<String>,
}

impl World {
    fn new(script: Option<String>) -> Self {
        let environ = [
            ("HOME", "/home/alice"),
            ("LANG", "C.UTF-8"),
            ("LOGNAME", "alice"),
            ("PATH", "/opt/pbs/bin:/opt/pbs/sbin:/usr/local/bin:/usr/bin:/bin"),
            ("MAIL", "/var/mail/alice"),
            ("SHELL", "/bin/bash"),
        ];
        let environ = environ.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { environ: environ.into(), script }
    }
}

impl Caller for World {
    fn environ(&self) -> &BTreeMap<String, String> {
        &self.environ
    }

    fn user(&self) -> &str {
        "alice"
    }

    fn group(&self) -> &str {
        "alice"
    }

    fn is_in(&self, group: &str) -> bool {
        group == self.group()
    }

    fn home(&self) -> &str {
        "/home/alice"
    }

    fn shell(&self) -> &str {
        "/bin/bash"
    }

    fn cwd(&self) -> &str {
        "/home/alice/g"
    }

    fn server(&self) -> &str {
        "pbshost"
    }

    fn queues(&self) -> Result<QueueSettings, Refusal> {
        Ok(QueueSettings::default())
    }

    fn script(&self, path: &str) -> Result<Vec<u8>, NoScript> {
        if let Some(script) = &self.script {
            return Ok(script.as_bytes().to_vec());
        }
        match path.rsplit('/').next().unwrap() {
            "tmp" => Err(NoScript::NotAFile),
            "nosuch.sh" => Err(NoScript::Unreadable("No such file or directory".to_owned())),
            "s1.sh" => Ok(S1.as_bytes().to_vec()),
            "xyz.sh" => Ok(b"#!/bin/bash\n#XYZ -N xyzname\n#PBS -N pbsname\necho\n".to_vec()),
            "bin.dat" => Ok(b"\x7fELF\0\x80\xff".to_vec()),
            _ => Ok(b"#!/bin/bash\necho hi\n".to_vec()),
        }
    }

    fn stdin(&self) -> Result<Vec<u8>, NoScript> {
        self.script("standard input")
    }

    fn is_terminal(&self) -> bool {
        self.environ.contains_key("TERMINAL")
    }

    fn is_folder(&self, path: &str) -> bool {
        ["/dev", "/tmp", "/home/alice", "/home/alice/g", "/home/alice/g/out"].contains(&path)
    }

    fn seconds(&self, moment: Moment) -> Option<i64> {
        Some(i64::from(moment.year.unwrap_or(2026)) * 31_556_952 - 62_167_219_200)
    }
}

const S1: &str = "#!/bin/bash
#PBS -N myjob
#PBS -l select=1:ncpus=2:mem=100mb
#PBS -l walltime=00:10:00
#PBS -j oe
#PBS -m n
echo hi
#PBS -N toolate
";
