//! `<dag>.condor.sub`: the description of the DAG's own job, as condor_submit_dag 25.14 writes it.
//! Knows no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Names;
use crate::workflow::{DagSettings, variables};

/// A DAG that is to become a job.
#[derive(Clone, Debug, Default)]
pub struct DagJob {
    /// The DAG files, as they were named.
    pub dag_files: Vec<String>,
    /// The program that runs the workflow, and words that come before its arguments.
    pub dagman: Program,
    /// Options of dagman in their own spelling, besides those that every DAG has: `-MaxIdle 5`.
    pub options: Vec<Vec<String>>,
    /// `-Lockfile`.
    pub lock: Option<String>,
    /// What holds for its sub-DAGs too.
    pub handed_on: HandedOn,
    /// `DAGMAN_MANAGER_JOB_APPEND_GETENV`: names, or patterns of names, that are taken over besides
    /// the usual; `True` is all.
    pub get_env: Vec<String>,
    /// A file with settings (`-config`, CONFIG), absolute. Its sub-DAGs have it too, unless they
    /// name one of their own.
    pub config: Option<String>,
    /// Variables that are set.
    pub environment: Vec<(String, String)>,
    /// `-batch-name`.
    pub batch_name: Option<String>,
    /// Lines that come before `queue`, in this order: of a file (`-insert_sub_file`), ...
    pub inserted: Option<String>,
    /// ... attributes (SET_JOB_ATTR), with their expressions, ...
    pub attributes: Vec<(String, String)>,
    /// ... and single ones (`-append`).
    pub appended: Vec<String>,
    /// The command line that made it, for the reader.
    pub made_by: String,
}

/// Options of condor_submit_dag that its sub-DAGs are described with too: each dagman has them in
/// its arguments, and hands them on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedOn {
    /// `-debug`.
    pub debug: Option<i32>,
    /// `-insert_env`: `NAME=value;NAME=value`, one text for each.
    pub insert_env: Vec<String>,
    /// `-include_env`: names, or patterns of names.
    pub include_env: Vec<String>,
    /// `-import_env`: all of the environment.
    pub import_env: bool,
    /// `-outfile_dir`: where dagman.out is.
    pub out_dir: Option<String>,
    /// `-notification`.
    pub notification: Option<String>,
    /// `-do_recurse`.
    pub do_recurse: bool,
    /// `-AllowVersionMismatch`.
    pub allow_version_mismatch: bool,
}

impl HandedOn {
    /// As dagman's arguments have them, but for `-Debug`, which stands before the others.
    fn options(&self) -> Vec<Vec<String>> {
        let flags = [
            ("-do_recurse", self.do_recurse),
            ("-AllowVersionMismatch", self.allow_version_mismatch),
            ("-import_env", self.import_env),
        ];
        let flags = flags.iter().filter(|(_, given)| *given).map(|(flag, _)| vec![*flag]);
        let insert = self.insert_env.iter().map(|value| ["-insert_env", value]);
        let include = self.include_env.iter().map(|value| ["-include_env", value]);
        let out_dir = self.out_dir.iter().map(|value| ["-outfile_dir", value]);
        let notification = self.notification.iter().map(|value| ["-notification", value]);
        let pairs = insert.chain(include).chain(out_dir).chain(notification).map(Vec::from);
        flags.chain(pairs).map(|words| words.into_iter().map(str::to_owned).collect()).collect()
    }
}

/// A program, and words that come before its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    pub path: String,
    /// What stands before its options: a program of several names is told which it is.
    pub words: Vec<String>,
}

/// What a DAG's job takes over from whoever submits it.
const GET_ENV: &str = "CONDOR_CONFIG,_CONDOR_*,PATH,PYTHONPATH,PERL*,PEGASUS_*,TZ,HOME,USER,LANG,LC_ALL,ASAN_OPTIONS,LSAN_OPTIONS,BEARER_TOKEN,BEARER_TOKEN_FILE";

/// When the job leaves the queue: other ends are of dagman, not of the DAG, and it goes on where it
/// was.
const ON_EXIT_REMOVE: &str =
    "(ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >=0 && ExitCode <= 2))";

/// The variable that names a file with settings of the DAG's.
const CONFIG_FILE: &str = "_CONDOR_DAGMAN_CONFIG_FILE";

/// Options that stand before the version of the program, as condor_submit_dag writes them; others
/// come behind, in the order of [`BEHIND`].
const BEFORE: [&str; 7] = [
    "-MaxIdle",
    "-MaxJobs",
    "-MaxPre",
    "-MaxPost",
    "-MaxHold",
    "-AlwaysRunPost",
    "-DontAlwaysRunPost",
];

const BEHIND: [&str; 18] = [
    "-Priority",
    "-load_save",
    "-RescueFile",
    "-notification",
    "-dagman",
    "-UseDagDir",
    "-outfile_dir",
    "-AutoRescue",
    "-DoRescueFrom",
    "-AllowVersionMismatch",
    "-import_env",
    "-include_env",
    "-insert_env",
    "-do_recurse",
    "-Suppress_notification",
    "-Dont_Suppress_notification",
    "-force",
    "-update_submit",
];

impl DagJob {
    /// Takes over what the DAG's own files say of its job; `folder` is from where they are seen.
    ///
    /// # Errors
    /// In words, if that cannot be done.
    pub fn take_over(&mut self, settings: &DagSettings, folder: &Path) -> Result<(), String> {
        if let Some(own) = &settings.config {
            let own: PathBuf = folder.join(own).components().collect();
            let own = own.to_string_lossy().into_owned();
            match &self.config {
                Some(other) if *other != own => {
                    return Err(format!(
                        "Conflicting DAGMan config files specified: {other} and {own}"
                    ));
                }
                Some(_) | None => self.config = Some(own),
            }
        }
        let environment = &settings.environment;
        if !environment.get.is_empty() {
            self.handed_on.include_env.push(environment.get.join(","));
        }
        self.handed_on.insert_env.extend(environment.set.iter().cloned());
        self.attributes.extend(settings.job_attributes.iter().cloned());
        Ok(())
    }

    /// The names of its files.
    pub fn names(&self) -> Names {
        let primary = self.dag_files.first().map(String::as_str).unwrap_or_default();
        Names::new(primary, self.dag_files.len() > 1).with_out_dir(self.handed_on.out_dir.clone())
    }

    /// The text of the `.condor.sub` file.
    pub fn text(&self) -> String {
        let names = self.names();
        let takes_all = self.get_env.iter().any(|name| name.eq_ignore_ascii_case("true"));
        let get_env = if takes_all || self.handed_on.import_env {
            "True".to_owned()
        } else {
            let more = self.handed_on.include_env.iter().chain(&self.get_env).map(String::as_str);
            std::iter::once(GET_ENV).chain(more).collect::<Vec<_>>().join(",")
        };
        let mut out = format!(
            "# Filename: {}\n# Generated by {} \nuniverse    = scheduler\nexecutable  = {}\ngetenv      = {get_env}\n",
            names.condor_sub(),
            self.made_by,
            self.dagman.path
        );
        out += &format!(
            "output      = {}\nerror       = {}\nlog         = {}\n",
            names.lib_out(),
            names.lib_err(),
            names.dagman_log()
        );
        if let Some(name) = &self.batch_name {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            out += &format!("My.JobBatchName = \"{name}\"\n");
        }
        out += "remove_kill_sig = SIGUSR1\nMy.OtherJobRemoveRequirements = \"DAGManJobId =?= $(cluster)\"\nMy.IsDaemonCore = True\n";
        out += &format!(
            "# Note: default on_exit_remove expression:\n# {ON_EXIT_REMOVE}\n# attempts to ensure that DAGMan is automatically\n# requeued by the schedd if it exits abnormally or\n# is killed (e.g., during a reboot).\non_exit_remove = {ON_EXIT_REMOVE}\n"
        );
        out += &format!("arguments = \"{}\"\n", self.arguments());
        out += &format!("environment = \"{}\"\n", self.environment());
        if let Some(notification) = &self.handed_on.notification {
            out += &format!("notification = {notification}\n");
        }
        let attributes = self.attributes.iter().map(|(name, value)| format!("My.{name} = {value}"));
        let lines = self.inserted.iter().cloned().chain(attributes);
        for line in lines.chain(self.appended.iter().cloned()) {
            out += &format!("{line}\n");
        }
        out + "queue\n"
    }

    fn arguments(&self) -> String {
        let names = self.names();
        let mut words = self.dagman.words.clone();
        words.extend(["-f", "-l", "."].map(str::to_owned));
        if let Some(level) = self.handed_on.debug {
            words.extend(["-Debug".to_owned(), level.to_string()]);
        }
        words.push("-Lockfile".to_owned());
        words.push(self.lock.clone().unwrap_or_else(|| names.lock()));
        for file in &self.dag_files {
            words.extend(["-Dag".to_owned(), file.clone()]);
        }
        let mut options = vec![vec!["-dagman".to_owned(), self.dagman.path.clone()]];
        options.extend(self.options.iter().cloned());
        options.extend(self.handed_on.options());
        let (before, behind) = in_order(options);
        words.extend(before);
        words.extend(["-CsdVersion".to_owned(), model::version::CONDOR_VERSION.to_owned()]);
        words.extend(behind);
        words.iter().map(|word| in_arguments(word)).collect::<Vec<_>>().join(" ")
    }

    /// By name; of variables that are set twice, the last counts.
    fn environment(&self) -> String {
        let mut all = BTreeMap::new();
        all.insert("_CONDOR_DAGMAN_LOG".to_owned(), self.names().dagman_out());
        all.insert("_CONDOR_MAX_DAGMAN_LOG".to_owned(), "0".to_owned());
        all.extend(self.config.iter().map(|file| (CONFIG_FILE.to_owned(), file.clone())));
        // What is none was refused when it was said.
        let inserted = self.handed_on.insert_env.iter();
        all.extend(inserted.flat_map(|pairs| variables(pairs).unwrap_or_default()));
        all.extend(self.environment.iter().cloned());
        let one = |(name, value): (&String, &String)| format!("{name}={}", in_arguments(value));
        all.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

/// The words of options, those of [`BEFORE`] and the others, each in their order.
fn in_order(mut options: Vec<Vec<String>>) -> (Vec<String>, Vec<String>) {
    let at = |option: &[String], list: &[&str]| {
        let flag = option.first()?;
        list.iter().position(|known| known.eq_ignore_ascii_case(flag))
    };
    options.sort_by_key(|option| at(option, &BEHIND).unwrap_or(BEHIND.len()));
    let (mut before, behind): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|option| at(option, &BEFORE).is_some());
    before.sort_by_key(|option| at(option, &BEFORE));
    (before.concat(), behind.concat())
}

/// A word in the double-quoted form of arguments: blanks are put between single quotes, one by one,
/// as HTCondor does.
fn in_arguments(word: &str) -> String {
    if word.is_empty() {
        return "''".to_owned();
    }
    let quoted = word.chars().map(|c| match c {
        ' ' | '\t' => format!("'{c}'"),
        '\'' => "''''".to_owned(),
        '"' => "\"\"".to_owned(),
        other => other.to_string(),
    });
    quoted.collect()
}
