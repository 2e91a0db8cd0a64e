//! `qsub`, from its words to what is submitted: options and directives are put together and
//! checked, as OpenPBS's command and server do.

use std::collections::BTreeMap;

use model::diagnostic::Diagnostic;
use model::queues::{Applicant, Denied, QueueSettings};

use super::arrays::Indices;
use super::checks::{self, LONGEST_NAME, split_path};
use super::depend::{self, Depend};
use super::moments::Moment;
use super::options::{Operands, Options, QSUB};
use super::refusal::{Beside, Refusal, code};
use super::resources::Resources;
use super::selects::{self, Asked};
use super::{directives, resources, shown, staging, variables};

/// Where `qsub` is called.
pub trait Caller {
    fn environ(&self) -> &BTreeMap<String, String>;
    fn user(&self) -> &str;
    /// The caller's group.
    fn group(&self) -> &str;
    /// Whether the caller is in this group, be it not the first of his.
    fn is_in(&self, group: &str) -> bool;
    /// The caller's home.
    fn home(&self) -> &str;
    /// The caller's shell.
    fn shell(&self) -> &str;
    /// The folder in which it is called, absolute.
    fn cwd(&self) -> &str;
    /// The server's name, which ends every job's identifier.
    fn server(&self) -> &str;
    /// What is said of queues.
    ///
    /// # Errors
    /// If nobody can be asked.
    fn queues(&self) -> Result<QueueSettings, Refusal>;
    /// A script.
    ///
    /// # Errors
    /// If it cannot be read.
    fn script(&self, path: &str) -> Result<Vec<u8>, NoScript>;
    /// What stands on standard input.
    ///
    /// # Errors
    /// If it cannot be read.
    fn stdin(&self) -> Result<Vec<u8>, NoScript>;
    /// Whether standard input and output are a terminal.
    fn is_terminal(&self) -> bool;
    /// Whether this is a folder.
    fn is_folder(&self, path: &str) -> bool;
    /// Seconds since the epoch of a moment in the caller's time zone: the next if a part is
    /// missing. `None` if there is no such day.
    fn seconds(&self, moment: Moment) -> Option<i64>;
}

/// Why there is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScript {
    /// It cannot be opened; the text is the operating system's.
    #[error("script file:: {0}")]
    Unreadable(String),
    /// It is a folder or a device.
    #[error("script not a file")]
    NotAFile,
}

/// What runs: a script, kept as it was, or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// The bytes of a script.
    Script(Vec<u8>),
    /// `-- command arguments`.
    Command(Vec<String>),
}

/// A job or an array as it is to be submitted. Every value is one that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub(super) work: Work,
    pub(super) name: String,
    pub(super) array: Option<Indices>,
    pub(super) most_running: Option<u32>,
    /// The queue that takes it.
    pub(super) queue: String,
    /// The queue to which it was submitted: a route leads from there.
    pub(super) asked_queue: String,
    /// The priority of the queue's jobs.
    pub(super) queue_priority: Option<i64>,
    pub(super) asked: Asked,
    /// What its user has asked for, before anything was added.
    pub(super) given: Given,
    pub(super) variables: Vec<(String, String)>,
    pub(super) depend: Depend,
    pub(super) account: Option<String>,
    pub(super) project: Option<String>,
    pub(super) priority: i32,
    pub(super) is_rerunable: bool,
    pub(super) is_held: bool,
    pub(super) not_before: Option<i64>,
    pub(super) join: String,
    pub(super) keep: String,
    pub(super) remove: String,
    pub(super) mail_points: String,
    pub(super) mail_users: Option<String>,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    pub(super) shell: Option<String>,
    pub(super) user_list: Option<String>,
    pub(super) group_list: Option<String>,
    pub(super) umask: Option<u32>,
    /// `run_count`: how many runs count that never were.
    pub(super) runs_before: u32,
    pub(super) sandbox: Option<String>,
    /// `stagein`.
    pub(super) stage_in: Option<String>,
    /// `stageout`.
    pub(super) stage_out: Option<String>,
    pub(super) checkpoint: Option<String>,
    pub(super) arguments: String,
    /// `-z`: the job's identifier is not printed.
    pub is_quiet: bool,
    /// `-W block=true`: the command waits for the job.
    pub is_waited_for: bool,
    /// `-I`: the command is the terminal of the job's shell.
    pub is_interactive: bool,
}

impl Submission {
    /// What must come of other jobs first, and what it is to others.
    pub const fn depends_on(&self) -> &Depend {
        &self.depend
    }

    /// The indices of an array.
    pub const fn indices(&self) -> Option<&Indices> {
        self.array.as_ref()
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.array.is_some()
    }
}

/// What the words of a command line, and the directives of the script that they name, come to.
///
/// # Errors
/// With what `qsub` says of it.
pub fn qsub(words: &[String], caller: &dyn Caller) -> Result<Submission, Refusal> {
    check_server(caller)?;
    let mut options = Options::of(&QSUB);
    let operands = options.take_line(words, caller)?;
    check_together(&options, caller)?;
    let is_empty = operands.plain.is_empty() && operands.command.is_none();
    let (work, script_name) = match options.has('I') && is_empty {
        // Nothing but its shell.
        true => (Work::Script(Vec::new()), None),
        false => work(&operands, caller)?,
    };
    if let Work::Script(bytes) = &work {
        let own = caller.environ().get("PBS_DPREFIX").map(String::as_str);
        for directive in directives::find(bytes, options.get('C').or(own))? {
            options.take_directive(&directive, caller)?;
        }
    }
    check_together(&options, caller)?;
    let arguments: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    decide(&options, work, script_name, arguments.join(" "), caller)
}

/// Options that cannot be together, or alone.
fn check_together(options: &Options, caller: &dyn Caller) -> Result<(), Refusal> {
    let is_array = options.get('J').is_some();
    if options.has('I') && !caller.is_terminal() {
        let blocks =
            options.attributes().iter().any(|(name, value)| name == "block" && is_true(value));
        let warning = "setting \"block\" attribute as \"true\" for an interactive job will \
                       not return job's exit status";
        let error =
            "\tstandard input and output must be a terminal for\n\tinteractive job submission";
        let warning = blocks.then(|| Diagnostic::warning(warning));
        let problems = warning.into_iter().chain([Diagnostic::error(error)]).collect();
        return Err(Refusal::of(code::FAILED, problems));
    }
    if options.has('X') {
        let why = "no window of a job is brought to another screen; say -I for a terminal";
        return Err(Refusal::not_built("-X", why));
    }
    if options.has('I') && is_array {
        let message = "interactive and array job submission cannot be used together";
        return Err(Refusal::usage(&[message.to_owned()]));
    }
    if is_array && options.get('r') == Some("n") {
        return Err(Refusal::usage(&[" cannot submit non-rerunable Array Job".to_owned()]));
    }
    if options.get('m').is_some_and(|points| points.contains('j')) && !is_array {
        let message = "mail option 'j' can not be used without array job";
        return Err(Refusal::new(code::FAILED, message));
    }
    if options.get('N').is_some_and(|name| name.len() > LONGEST_NAME) {
        return Err(Refusal::new(code::USAGE, "Job name is too long "));
    }
    check_queue(options.get('q'), caller)
}

/// There is one server; whoever names another does not want this one.
fn check_server(caller: &dyn Caller) -> Result<(), Refusal> {
    let named = caller.environ().get("PBS_SERVER").map(String::as_str);
    match named {
        Some(server) if !server.is_empty() && !is_server(server, caller) => Err(no_host(server)),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn is_server(name: &str, caller: &dyn Caller) -> bool {
    let host = name.split('.').next();
    host == Some(caller.server()) || name == "localhost"
}

fn no_host(server: &str) -> Refusal {
    let message = format!("cannot connect to server {server} (errno=15008)");
    Refusal { beside: Beside::Before("Unknown Host."), ..Refusal::new(code::BAD_HOST, message) }
}

fn check_queue(queue: Option<&str>, caller: &dyn Caller) -> Result<(), Refusal> {
    let Some(word) = queue else { return Ok(()) };
    let server = word.split_once('@').map(|(_, server)| server);
    if server.is_some_and(|server| server.is_empty() || server.contains('@')) {
        return Err(Refusal::new(code::USAGE, format!("illegally formed destination: {word}")));
    }
    if server.is_some_and(|server| !is_server(server, caller)) {
        // OpenPBS 23.06 names the server that it would have asked.
        return Err(no_host(caller.server()));
    }
    Ok(())
}

/// What runs, and the name of its script.
fn work(operands: &Operands, caller: &dyn Caller) -> Result<(Work, Option<String>), Refusal> {
    let cannot = |error: NoScript| Refusal::new(code::FAILED, error);
    match (&operands.plain[..], &operands.command) {
        ([], Some(command)) if command.first().is_some_and(|word| !word.is_empty()) => {
            Ok((Work::Command(command.clone()), None))
        }
        ([], None) => Ok((Work::Script(caller.stdin().map_err(cannot)?), None)),
        ([dash], None) if dash == "-" => Ok((Work::Script(caller.stdin().map_err(cannot)?), None)),
        ([path], None) => {
            let bytes = caller.script(path).map_err(cannot)?;
            let name = path.rsplit('/').next().unwrap_or(path);
            Ok((Work::Script(bytes), Some(name.to_owned())))
        }
        _ => Err(Refusal::usage(&[])),
    }
}

fn decide(
    options: &Options,
    work: Work,
    script_name: Option<String>,
    arguments: String,
    caller: &dyn Caller,
) -> Result<Submission, Refusal> {
    let name = options.get('N').map(str::to_owned).or(script_name);
    let name = name.unwrap_or_else(|| "STDIN".to_owned());
    if !checks::is_name(&name) {
        return Err(Refusal::illegal('N'));
    }
    let variables = exported(options, caller)?;
    let array = options.get('J').map(Indices::read).transpose()?;
    let (array, most_running) = match array {
        Some((indices, most)) => (Some(indices), most),
        None => (None, None),
    };
    let placed = place(options, array.as_ref(), caller)?;
    let text = |option| options.get(option).filter(|text| !text.is_empty()).map(str::to_owned);
    let or_none = |option| text(option).unwrap_or_else(|| "n".to_owned());
    let mut submission = Submission {
        work,
        name,
        array,
        most_running,
        queue: placed.queue,
        asked_queue: placed.asked_for,
        queue_priority: placed.priority,
        asked: placed.asked,
        given: options.resources(),
        variables,
        depend: Depend::default(),
        account: text('A'),
        project: text('P'),
        priority: options.get('p').and_then(|priority| priority.parse().ok()).unwrap_or(0),
        is_rerunable: options.get('r') != Some("n"),
        is_held: options.has('h'),
        not_before: None,
        join: or_none('j'),
        keep: or_none('k'),
        remove: text('R').unwrap_or_default(),
        mail_points: text('m').unwrap_or_else(|| "a".to_owned()),
        mail_users: text('M'),
        output: path(options.get('o'), caller),
        error: path(options.get('e'), caller),
        shell: text('S').or_else(|| shell_of_caller(caller)),
        user_list: text('u'),
        group_list: None,
        umask: None,
        runs_before: 0,
        sandbox: None,
        stage_in: None,
        stage_out: None,
        checkpoint: text('c'),
        arguments,
        is_quiet: options.has('z'),
        is_waited_for: false,
        is_interactive: options.has('I'),
    };
    for (name, value) in options.attributes() {
        submission.set_attribute(&name, &value, caller)?;
    }
    submission.check_with_server(caller)?;
    submission.wait_for(options.get('a'), caller)?;
    Ok(submission)
}

/// `PBS_SHELL`, which stands for `-S`.
fn shell_of_caller(caller: &dyn Caller) -> Option<String> {
    let said = caller.environ().get("PBS_SHELL").filter(|shell| !shell.is_empty())?;
    checks::is_value('S', said, caller).then(|| said.clone())
}

/// The variables of `-v` and `-V`.
fn exported(options: &Options, caller: &dyn Caller) -> Result<Vec<(String, String)>, Refusal> {
    let given =
        options.get('v').map_or(Ok(Vec::new()), |text| variables::named(text, caller.environ()));
    let mut variables = given?;
    if options.has('V') {
        let named: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        let all = variables::all(caller.environ()).into_iter();
        variables.extend(all.filter(|(name, _)| !named.contains(name)));
    }
    Ok(variables)
}

/// Resources with their values, some of which have none.
pub(super) type Given = Vec<(String, Option<String>)>;

/// Where a submission goes, and what it asks for there.
struct Placed {
    queue: String,
    asked_for: String,
    priority: Option<i64>,
    asked: Asked,
}

/// Finds the queue that takes the job: the one that is named, or the first at the end of its
/// routes.
fn place(
    options: &Options,
    array: Option<&Indices>,
    caller: &dyn Caller,
) -> Result<Placed, Refusal> {
    let given = options.resources();
    let settings = caller.queues()?;
    let known = Resources(&settings);
    // What the user says is wrong is wrong in every queue.
    selects::decide(&given, &BTreeMap::new(), known)?;
    let named = options.get('q').and_then(|word| word.split('@').next());
    let named = named.filter(|queue| !queue.is_empty());
    let first = named.map_or_else(|| settings.default_queue(), Ok).map_err(denied)?.to_owned();
    let (user, host) = (caller.user(), caller.server());
    let mut why = Denied::UnknownQueue;
    for (queue, is_routed) in settings.destinations(&first, user, host).map_err(denied)? {
        let defaults = settings.defaults(&queue, "resources_default");
        let chunk = settings.defaults(&queue, "default_chunk");
        let given = selects::with_defaults(&given, &defaults, known);
        let asked = selects::decide(&given, &chunk, known)?;
        let subjobs = array.map(|indices| indices.iter().count() as u64);
        let applicant = Applicant { user, host, resources: &asked.listed, subjobs, is_routed };
        match settings.admit(&queue, &applicant) {
            Err(denied) => why = if is_routed { Denied::Rejected } else { denied },
            Ok(()) => {
                let priority = settings.queue(&queue).and_then(|queue| queue.number("Priority"));
                return Ok(Placed { queue, asked_for: first, priority, asked });
            }
        }
    }
    Err(denied(why))
}

fn denied(denied: Denied) -> Refusal {
    Refusal::new(denied.exit(), denied)
}

/// A stream's path, absolute; one that ends in a slash is a folder.
pub(super) fn path(word: Option<&str>, caller: &dyn Caller) -> Option<String> {
    let word = word?;
    let path = split_path(word, caller.server())?;
    // Who names a host means the home there, and not the folder in which he is (OpenPBS 23.06).
    let folder = if path == word { caller.cwd() } else { caller.home() };
    let absolute = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", folder.trim_end_matches('/')),
    };
    let is_open = caller.is_folder(&absolute) && !absolute.ends_with('/');
    Some(if is_open { format!("{absolute}/") } else { absolute })
}

fn is_true(value: &str) -> bool {
    ["true", "1", "t", "y", "yes"].contains(&value.to_ascii_lowercase().as_str())
}

/// Attributes that OpenPBS has and users do not set.
const READ_ONLY: [&str; 12] = [
    "comment",
    "egroup",
    "euser",
    "exec_host",
    "exec_vnode",
    "hop_count",
    "hashname",
    "job_state",
    "queue_rank",
    "server",
    "session_id",
    "substate",
];

/// Attributes with options of their own, which are set with these.
const HAVE_OPTIONS: [(&str, char); 14] = [
    (shown::ACCOUNT_NAME, 'A'),
    ("Checkpoint", 'c'),
    (shown::EXECUTION_TIME, 'a'),
    (shown::HOLD_TYPES, 'h'),
    (shown::JOB_NAME, 'N'),
    (shown::JOIN_PATH, 'j'),
    (shown::KEEP_FILES, 'k'),
    (shown::MAIL_POINTS, 'm'),
    (shown::MAIL_USERS, 'M'),
    ("Priority", 'p'),
    ("Rerunable", 'r'),
    (shown::SHELL_PATH_LIST, 'S'),
    (shown::USER_LIST, 'u'),
    ("project", 'P'),
];

/// Whether a value is some of these letters.
fn is_of(value: &str, letters: &str) -> bool {
    !value.is_empty() && value.chars().all(|letter| letters.contains(letter))
}

impl Submission {
    pub(super) fn set_attribute(
        &mut self,
        name: &str,
        value: &str,
        caller: &dyn Caller,
    ) -> Result<(), Refusal> {
        let not_built = |why| Refusal::not_built(format!("-W {name}"), why);
        match name {
            "depend" => {
                self.depend = depend::parse(value, &|server| is_server(server, caller))?;
            }
            "umask" => self.umask = value.parse().ok(),
            // OpenPBS 23.06 warns of it: an interactive job's end is seen anyhow.
            "block" => self.is_waited_for = is_true(value) && !self.is_interactive,
            "group_list" => self.group_list = Some(value.to_owned()),
            "remove_files" => self.remove = value.to_owned(),
            "max_run_subjobs" => {
                if self.array.is_none() {
                    let message = "Attribute has to be set on an array job";
                    return Err(Refusal::new(code::NOT_ARRAY, message));
                }
                let most = value.parse().map_err(|_| Refusal::bad_value(name))?;
                self.most_running = Some(most).filter(|most| *most > 0);
            }
            "array_indices_submitted" => self.array = Some(Indices::read(value)?.0),
            "sandbox" => self.sandbox = Some(value.to_ascii_uppercase()),
            shown::OUTPUT_PATH => self.output = path(Some(value), caller),
            shown::ERROR_PATH => self.error = path(Some(value), caller),
            "stagein" | "stageout" => {
                staging::check(name, value, caller)?;
                let list = if name == "stagein" { &mut self.stage_in } else { &mut self.stage_out };
                *list = Some(value.to_owned());
            }
            "run_count" => {
                self.runs_before = value.parse().map_err(|_| Refusal::bad_value(name))?;
            }
            "release_nodes_on_stageout" if !is_true(value) => {}
            "tolerate_node_failures" if value == "none" => {}
            "release_nodes_on_stageout" | "tolerate_node_failures" => {
                // Of a job with one machine nothing is given back early, and it cannot do without.
                if self.asked.may_be_on_several() {
                    return Err(not_built("a job has all of its machines until its end"));
                }
            }
            "create_resv_from_job" if !is_true(value) => {}
            "create_resv_from_job" => {
                return Err(not_built("reserve with pbs_rsub, and submit to its queue"));
            }
            // Better: OpenPBS 23.06 takes these two and does nothing.
            shown::KEEP_FILES if is_of(value, "oedn") => self.keep = value.to_owned(),
            shown::HOLD_TYPES if is_of(value, "un") => self.is_held = value.contains('u'),
            _ if READ_ONLY.contains(&name) => return Err(resources::read_only(name)),
            _ if name.starts_with("Resource_List.") => {
                return Err(Refusal::new(code::UNKNOWN_ATTRIBUTE, "Undefined attribute "));
            }
            _ => return self.set_as_option(name, value, caller),
        }
        Ok(())
    }

    /// An attribute with an option of its own.
    fn set_as_option(
        &mut self,
        name: &str,
        value: &str,
        caller: &dyn Caller,
    ) -> Result<(), Refusal> {
        let Some((_, option)) = HAVE_OPTIONS.iter().find(|(known, _)| *known == name) else {
            let message = "Error (15002) submitting job";
            return Err(Refusal::new(code::UNKNOWN_ATTRIBUTE, message));
        };
        if !checks::is_value(*option, value, caller) {
            return Err(Refusal::illegal('W'));
        }
        match self.set_by_option(*option, value) {
            true => Ok(()),
            false => {
                let why = format!("say it with -{option}");
                Err(Refusal::not_built(format!("-W {name}"), &why))
            }
        }
    }

    /// Does what an option does with this value; whether there is something to do.
    fn set_by_option(&mut self, option: char, value: &str) -> bool {
        let text = value.to_owned();
        match option {
            'A' => self.account = Some(text),
            'c' => self.checkpoint = Some(text),
            'j' => self.join = text,
            'm' => self.mail_points = text,
            'M' => self.mail_users = Some(text),
            'N' => self.name = text,
            'p' => self.priority = value.parse().unwrap_or(self.priority),
            'P' => self.project = Some(text),
            'r' => self.is_rerunable = value != "n",
            'S' => self.shell = Some(text),
            'u' => self.user_list = Some(text),
            _ => return false,
        }
        true
    }

    /// What OpenPBS's server looks at.
    pub(super) fn check_with_server(&self, caller: &dyn Caller) -> Result<(), Refusal> {
        // Characters that would break the lines of its records.
        let breaks = |c: char| "[]\"';:/\\|<>+,?*`".contains(c);
        if self.project.as_ref().is_some_and(|project| project.contains(breaks)) {
            return Err(Refusal::bad_value("project"));
        }
        let all = |list: &String, is_own: &dyn Fn(&str) -> bool| {
            list.split(',').all(|entry| entry.split('@').next().is_some_and(is_own))
        };
        let is_me = |user: &str| user == caller.user();
        if self.user_list.as_ref().is_some_and(|users| !all(users, &is_me)) {
            return Err(Refusal::new(code::BAD_USER, "Bad UID for job execution"));
        }
        let is_mine = |group: &str| caller.is_in(group);
        if self.group_list.as_ref().is_some_and(|groups| !all(groups, &is_mine)) {
            return Err(Refusal::new(code::BAD_GROUP, "Bad GID for job execution"));
        }
        // Where nobody says how, as here, OpenPBS takes no checkpoints either: it is shown.
        match self.checkpoint.as_deref() {
            Some("c=0" | "w=0") => Err(Refusal::bad_value("")),
            Some(_) | None => Ok(()),
        }
    }

    fn wait_for(&mut self, moment: Option<&str>, caller: &dyn Caller) -> Result<(), Refusal> {
        let Some(moment) = moment.and_then(Moment::read) else { return Ok(()) };
        self.not_before = Some(caller.seconds(moment).ok_or_else(|| Refusal::illegal('a'))?);
        Ok(())
    }
}
