//! From a submission to a cluster of jobs, in both vocabularies: what matching, running and
//! HTCondor's views need is said by a submit description, and what only PBS's commands show is in
//! attributes that begin with `Pbs`.
//!
//! A job runs a program of ours, which finds the script in the job's own ad: so it is there byte
//! for byte as it was submitted, as durable as the job, once for an array of any length.

use classad::{ClassAd, Expr, Value, words};
use model::queues::{CustomKind, custom_attribute};
use model::{
    ClusterId, ClusterSpec, Gang, HoldCode, Parts, Piece, ProcTemplate, Procs, RunLimit, attr,
    cmdline,
};

use super::chunks::Chunk;
use super::resources::Size;
use super::selects::{Asked, CustomAsked};
use super::submission::{Caller, Submission, Work};
use super::{resources, variables};
use crate::htcondor::{self, SubmitOptions};
use crate::site::Site;
use model::diagnostic::Diagnostic;

/// Names of the attributes.
pub mod attribute {
    /// The job's name.
    pub const NAME: &str = model::attr::PBS_JOB_NAME;
    /// The server, which ends its identifier.
    pub const SERVER: &str = model::attr::PBS_SERVER;
    pub const QUEUE: &str = model::queues::QUEUE;
    /// The script, if it is text, folded.
    pub const SCRIPT: &str = "PbsScript";
    /// The script in hexadecimal digits, if it is not.
    pub const SCRIPT_BYTES: &str = "PbsScriptBytes";
    /// `-- command arguments`, as words of form 2, folded.
    pub const COMMAND: &str = model::attr::PBS_COMMAND;
    /// `Resource_List`: words `name=value` of form 2.
    pub const RESOURCES: &str = model::queues::RESOURCES;
    /// What its user has asked for of it, before anything was added: words `name=value`, or `name`,
    /// of form 2.
    pub const GIVEN: &str = "PbsResourcesGiven";
    /// `Variable_List`: words `name=value` of form 2, folded.
    pub const VARIABLES: &str = "PbsVariables";
    /// The words behind `qsub`, folded.
    pub const ARGUMENTS: &str = "PbsSubmitArguments";
    /// `Output_Path`.
    pub const OUTPUT: &str = "PbsOutputPath";
    /// `Error_Path`.
    pub const ERROR: &str = "PbsErrorPath";
    /// Where its standard output is brought when it is over: the folder was not there when it was
    /// submitted.
    pub const LATE_OUTPUT: &str = "PbsLateOutput";
    /// The same of its standard error.
    pub const LATE_ERROR: &str = "PbsLateError";
    /// `Join_Path`.
    pub const JOIN: &str = "PbsJoinPath";
    /// `Keep_Files`.
    pub const KEEP: &str = "PbsKeepFiles";
    /// `Remove_Files`.
    pub const REMOVE: &str = "PbsRemoveFiles";
    /// `Mail_Points`.
    pub const MAIL_POINTS: &str = model::attr::PBS_MAIL_POINTS;
    /// `Mail_Users`.
    pub const MAIL_USERS: &str = model::attr::PBS_MAIL_USERS;
    /// `Account_Name`.
    pub const ACCOUNT: &str = "PbsAccountName";
    /// `project`.
    pub const PROJECT: &str = model::queues::PROJECT;
    /// The group that its user submits for.
    pub const GROUP: &str = model::queues::GROUP;
    /// `Rerunable`.
    pub const RERUNABLE: &str = "PbsRerunable";
    /// `Checkpoint`.
    pub const CHECKPOINT: &str = "PbsCheckpoint";
    /// `Execution_Time`, seconds since the epoch.
    pub const EXECUTION_TIME: &str = model::attr::PBS_EXECUTION_TIME;
    /// `depend`: what had to come of other jobs when it was submitted.
    pub const DEPEND: &str = "PbsDepend";
    /// `Shell_Path_List`.
    pub const SHELLS: &str = "PbsShellPathList";
    /// `User_List`.
    pub const USERS: &str = "PbsUserList";
    /// `group_list`.
    pub const GROUPS: &str = "PbsGroupList";
    /// `umask`: its octal digits, as a number.
    pub const UMASK: &str = "PbsUmask";
    /// How many runs count in `run_count` that never were.
    pub const RUNS_BEFORE: &str = "PbsRunsBefore";
    /// `sandbox`.
    pub const SANDBOX: &str = "PbsSandbox";
    /// Where the command waits that is the terminal of an interactive job.
    pub const INTERACTIVE: &str = "PbsInteractive";
    /// `stagein`.
    pub const STAGE_IN: &str = "PbsStagein";
    /// `stageout`.
    pub const STAGE_OUT: &str = "PbsStageout";
    /// `array_indices_submitted`.
    pub const INDICES: &str = model::attr::PBS_ARRAY_INDICES;
    /// `array_index`.
    pub const INDEX: &str = model::attr::PBS_ARRAY_INDEX;
    /// `max_run_subjobs`.
    pub const MOST_RUNNING: &str = model::queues::MOST_RUNNING;
    /// `schedselect`: what each chunk has, its queue's defaults with it.
    pub const CHUNKS: &str = "PbsSchedselect";
    /// Processes on each node, where the job asked for `nodes`.
    pub const PER_NODE: &str = "PbsPerNode";
    /// `NCPUS`.
    pub const CPUS: &str = "PbsChunkCpus";
    /// `OMP_NUM_THREADS`.
    pub const THREADS: &str = "PbsChunkThreads";
    /// Seconds that a run may take.
    pub const WALLTIME: &str = model::attr::PBS_WALLTIME;
    /// Whether `qsub` waits for its end.
    pub const BLOCK: &str = "PbsBlock";
    /// The folder in which `qsub` was called.
    pub const SUBMIT_DIR: &str = "PbsSubmitDir";
}

/// A text without line ends, for attributes that may have some: ads are written down with a line
/// for each attribute.
pub fn folded(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

/// What [`folded`] has made, as it was.
pub fn unfolded(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match if c == '\\' { chars.next() } else { None } {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push(c),
        }
    }
    out
}

/// After how many runs OpenPBS holds a job that is queued again; here only one whose `run_count`
/// somebody has set.
const MOST_RUNS: u32 = 20;

/// What the program of a job is called with, behind its own words, to copy files before it and
/// after it.
pub const STAGING_IN: &str = "stage-in";
pub const STAGING_OUT: &str = "stage-out";

/// Where in a user's home is what was not delivered.
pub const UNDELIVERED: &str = "pbs_undelivered";

/// Where the number of a subjob goes into the names of its files.
pub const INDEX_IN_PATHS: &str = "^array_index^";

/// What a submission needs to become a cluster.
#[derive(Clone, Debug)]
pub struct NumberedFor<'a> {
    pub cluster: ClusterId,
    /// Our program on the machines.
    pub program: &'a str,
    /// Its first words.
    pub words: &'a [String],
}

impl Submission {
    /// The jobs.
    ///
    /// # Errors
    /// If the description that is made of it is refused.
    pub fn cluster(
        &self,
        numbered: &NumberedFor<'_>,
        site: &dyn Site,
        caller: &dyn Caller,
    ) -> Result<ClusterSpec, Vec<Diagnostic>> {
        let text = self.description(numbered);
        let description = htcondor::parse(&text, "qsub")?;
        let options = SubmitOptions { disable_file_checks: true, ..SubmitOptions::default() };
        let submission = description.expand(site, &mut || Ok(numbered.cluster), &options)?;
        let spec = submission.clusters.into_iter().next().map(|(_, spec)| spec);
        let mut ad = spec.map(|spec| spec.ad).unwrap_or_default();
        ad.remove("JobSubmitFile");
        ad.set(attr::ARGUMENTS, words::print_v2(numbered.words.iter().map(String::as_str)));
        ad.set(attr::IWD, caller.home());
        ad.set(attr::JOB_BATCH_NAME, self.name.as_str());
        // HTCondor's tables show the job by its name and not by the program that brings its script
        // to a shell.
        ad.set(attr::JOB_DESCRIPTION, self.name.as_str());
        let environ = self.environ(caller);
        ad.set(attr::ENVIRONMENT, cmdline::print_environ_v2(&environ.iter().cloned().collect()));
        self.set_attributes(&mut ad, &environ, caller);
        self.set_work(&mut ad);
        Ok(self.with_streams(ad, numbered.cluster, caller))
    }

    /// What matching and running need, in the submit language.
    fn description(&self, numbered: &NumberedFor<'_>) -> String {
        let mut lines = vec![
            format!("executable = {}", numbered.program),
            "transfer_executable = false".to_owned(),
            "should_transfer_files = NO".to_owned(),
            format!("request_cpus = {}", self.asked.cpus.max(1)),
            format!("priority = {}", self.priority),
            format!("notification = {}", notification(&self.mail_points)),
        ];
        if let Some(bytes) = self.asked.memory_bytes {
            lines.push(format!("request_memory = {}", bytes.div_ceil(1 << 20).max(1)));
        }
        if self.asked.gpus > 0 {
            lines.push(format!("request_gpus = {}", self.asked.gpus));
        }
        lines.extend(self.custom_resources());
        if let Some(users) = &self.mail_users {
            lines.push(format!("notify_user = {users}"));
        }
        let quoted = |text: &String| Value::from(text.as_str()).to_new();
        // Where they differ, that is the matter of each part.
        let host = self.asked.host.as_ref().filter(|_| !self.asked.is_on_several());
        let host = host.map(|host| format!("TARGET.Machine == {}", quoted(host)));
        let arch = self.asked.arch.as_ref().map(|arch| format!("TARGET.OpSys == {}", quoted(arch)));
        let custom = self.asked.custom.iter().filter_map(machine_condition);
        let wanted: Vec<String> = host.into_iter().chain(arch).chain(custom).collect();
        if !wanted.is_empty() {
            lines.push(format!("requirements = {}", wanted.join(" && ")));
        }
        if self.is_held || self.not_before.is_some() || !self.depend.waits.is_empty() {
            lines.push("hold = true".to_owned());
        }
        if let Some(moment) = self.not_before {
            let code = HoldCode::SubmittedOnHold.number();
            lines
                .push(format!("periodic_release = HoldReasonCode == {code} && time() >= {moment}"));
        }
        lines.extend(self.limits());
        lines.extend(self.around(numbered));
        if self.runs_before > 0 {
            let left = i64::from(MOST_RUNS) - i64::from(self.runs_before);
            lines.push(format!("periodic_hold = JobStatus == 1 && NumJobStarts > {left}"));
            lines.push(
                "+PeriodicHoldReason = \"job held, too many failed attempts to run\"".to_owned(),
            );
        }
        lines.push("queue".to_owned());
        lines.join("\n") + "\n"
    }

    /// What is used up of resources that the pool's managers have named: a machine's, or the
    /// pool's.
    fn custom_resources(&self) -> Vec<String> {
        let used =
            || self.asked.custom.iter().filter(|one| one.resource.is_consumed && one.total > 0);
        let of_machines = used().filter(|one| one.resource.of_machines);
        let mut lines: Vec<String> = of_machines
            .map(|one| format!("request_{} = {}", custom_attribute(&one.name), one.total))
            .collect();
        let of_pool = used().filter(|one| !one.resource.of_machines);
        let limits: Vec<String> =
            of_pool.map(|one| format!("{}:{}", custom_attribute(&one.name), one.total)).collect();
        if !limits.is_empty() {
            lines.push(format!("concurrency_limits = {}", limits.join(",")));
        }
        lines
    }

    /// What runs before the job's own program, and after it: what is staged in is taken away at the
    /// end, whether anything is staged out or not, and whatever the end is.
    fn around(&self, numbered: &NumberedFor<'_>) -> Vec<String> {
        let arguments = |which: &str| {
            let words = numbered.words.iter().map(String::as_str).chain([which]);
            Value::from(words::print_v2(words).as_str()).to_new()
        };
        let program = Value::from(numbered.program).to_new();
        let mut lines = Vec::new();
        if self.stage_in.is_some() {
            lines.push(format!("+PreCmd = {program}"));
            lines.push(format!("+PreArguments = {}", arguments(STAGING_IN)));
            lines.push("+SuccessPreExitCode = 0".to_owned());
        }
        if self.stage_in.is_some() || self.stage_out.is_some() {
            lines.push(format!("+PostCmd = {program}"));
            lines.push(format!("+PostArguments = {}", arguments(STAGING_OUT)));
            lines.push("+SuccessPostExitCode = 0".to_owned());
            lines.push(format!("+{} = true", model::AT_ANY_END));
        }
        lines
    }

    /// What ends the job before its own end, besides what it asks for: that, the schedd sees to.
    fn limits(&self) -> Vec<String> {
        if self.is_rerunable {
            return Vec::new();
        }
        vec![
            "periodic_remove = JobStatus == 1 && NumJobStarts >= 1".to_owned(),
            "+PeriodicRemoveReason = \"the job is not rerunable (-r n), and its run was lost\""
                .to_owned(),
        ]
    }

    /// What the job finds set, in the order in which `qstat -f` shows it. What only the machine
    /// knows is added there.
    fn environ(&self, caller: &dyn Caller) -> Vec<(String, String)> {
        let own = caller.environ();
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, of) in [
            ("PBS_O_HOME", "HOME"),
            ("PBS_O_LANG", "LANG"),
            ("PBS_O_LOGNAME", "LOGNAME"),
            ("PBS_O_PATH", "PATH"),
            ("PBS_O_MAIL", "MAIL"),
            ("PBS_O_SHELL", "SHELL"),
            ("PBS_O_TZ", "TZ"),
        ] {
            let value = own
                .get(of)
                .cloned()
                .or_else(|| (of == "LOGNAME").then(|| caller.user().to_owned()));
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        let mut set = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        // OpenPBS 23.06 gives every job what its `qsub -I` would have said of itself.
        set("PBS_O_INTERACTIVE_AUTH_METHOD", "resvport");
        set("PBS_O_INTERACTIVE_ENCRYPT_METHOD", "");
        set("PBS_O_WORKDIR", caller.cwd());
        set("PBS_O_SYSTEM", "Linux");
        for (name, value) in &self.variables {
            set(name, value);
        }
        set("PBS_O_QUEUE", &self.asked_queue);
        set("PBS_O_HOST", caller.server());
        all
    }

    fn set_attributes(&self, ad: &mut ClassAd, environ: &[(String, String)], caller: &dyn Caller) {
        use attribute as a;
        let pairs = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
            let all: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
            folded(&words::print_v2(all.iter().map(String::as_str)))
        };
        for (name, value) in [
            (a::NAME, self.name.as_str()),
            (a::SERVER, caller.server()),
            (a::QUEUE, self.queue.as_str()),
            (a::ARGUMENTS, &folded(&self.arguments)),
            (a::JOIN, &self.join),
            (a::KEEP, &self.keep),
            (a::MAIL_POINTS, &self.mail_points),
            (a::SUBMIT_DIR, caller.cwd()),
            (a::GROUP, self.group(caller)),
        ] {
            ad.set(name, value);
        }
        ad.set(a::RESOURCES, pairs(&mut self.asked.listed.iter()));
        let given = self.given.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        let given: Vec<String> = given.collect();
        ad.set(a::GIVEN, folded(&words::print_v2(given.iter().map(String::as_str))));
        ad.set(a::VARIABLES, pairs(&mut environ.iter().map(|(name, value)| (name, value))));
        ad.set(a::CHUNKS, folded(&self.asked.chunks.written()));
        ad.set(a::RERUNABLE, self.is_rerunable);
        if self.is_waited_for {
            ad.set(a::BLOCK, true);
        }
        if self.is_held && (!self.depend.waits.is_empty() || self.not_before.is_some()) {
            ad.set(model::depend::HELD_BESIDES, true);
        }
        let depend = (!self.depend.is_empty()).then(|| self.depend.to_string());
        let indices = self.array.as_ref().map(ToString::to_string);
        let remove = Some(self.remove.clone()).filter(|remove| !remove.is_empty());
        for (name, value) in [
            (a::REMOVE, &remove),
            (a::MAIL_USERS, &self.mail_users),
            (a::ACCOUNT, &self.account),
            (a::PROJECT, &self.project),
            (a::CHECKPOINT, &self.checkpoint),
            (a::SHELLS, &self.shell),
            (a::USERS, &self.user_list),
            (a::GROUPS, &self.group_list),
            (a::SANDBOX, &self.sandbox),
            (a::STAGE_IN, &self.stage_in),
            (a::STAGE_OUT, &self.stage_out),
            (a::DEPEND, &depend),
            (a::INDICES, &indices),
        ] {
            if let Some(value) = value {
                ad.set(name, value.as_str());
            }
        }
        self.set_numbers(ad);
    }

    /// The first group of `group_list`, or the caller's own.
    fn group<'a>(&'a self, caller: &'a dyn Caller) -> &'a str {
        let first = self.group_list.as_deref().and_then(|list| list.split([',', '@']).next());
        first.filter(|group| !group.is_empty()).unwrap_or_else(|| caller.group())
    }

    /// What each of its chunks asks for, where they may be on several machines.
    fn gang(&self) -> Option<Gang> {
        let Asked { chunks, spread, custom, gpus, memory_bytes, .. } = &self.asked;
        let parts = |chunk: &Chunk| {
            let mut asks = vec![(attr::REQUEST_CPUS.to_owned(), u64::from(chunk.cpus().max(1)))];
            if memory_bytes.is_some() {
                let bytes = chunk.get("mem").and_then(Size::read).and_then(Size::bytes);
                let mib = bytes.unwrap_or(0).div_ceil(1 << 20).max(1);
                asks.push((attr::REQUEST_MEMORY.to_owned(), mib));
            }
            if *gpus > 0 {
                let gpus = chunk.number("naccelerators").unwrap_or(0);
                asks.push((attr::REQUEST_GPUS.to_owned(), u64::from(gpus)));
            }
            let used = custom.iter().filter(|one| {
                one.resource.of_machines && one.resource.is_consumed && one.total > 0
            });
            asks.extend(used.map(|one| {
                let amount = chunk.get(&one.name);
                let amount = amount.and_then(|value| resources::consumed(one.resource, value));
                let name = format!("{}{}", attr::REQUEST_PREFIX, custom_attribute(&one.name));
                (name, amount.unwrap_or(0))
            }));
            let machine = self.asked.is_on_several().then(|| chunk.machine()).flatten();
            Parts { count: chunk.count, machine: machine.map(str::to_owned), asks }
        };
        let gang = Gang { spread: (*spread)?, parts: chunks.0.iter().map(parts).collect() };
        (gang.count() > 1).then_some(gang)
    }

    fn set_numbers(&self, ad: &mut ClassAd) {
        use attribute as a;
        if let Some(gang) = self.gang() {
            ad.set(attr::GANG_PARTS, gang.written());
        }
        if self.asked.is_exclusive {
            ad.set(attr::EXCLUSIVE, true);
        }
        let number = |number: Option<u32>| number.map(i64::from);
        let walltime = self.asked.walltime_s.and_then(|seconds| i64::try_from(seconds).ok());
        for limit in [RunLimit::Cput, RunLimit::Mem, RunLimit::Vmem, RunLimit::Pmem] {
            let most = self.asked.listed.get(limit.name()).and_then(|text| resources::most(text));
            if let Some(most) = most {
                ad.set(limit.attr(), most);
            }
        }
        for (name, value) in [
            (attr::MIN_HOSTS, number(Some(self.asked.machines))),
            (attr::MAX_HOSTS, number(Some(self.asked.machines))),
            (a::PER_NODE, number(self.asked.per_node)),
            (a::CPUS, number(Some(self.asked.first_cpus))),
            (a::THREADS, number(Some(self.asked.threads))),
            (a::UMASK, number(self.umask)),
            (a::RUNS_BEFORE, number(Some(self.runs_before).filter(|runs| *runs > 0))),
            (a::MOST_RUNNING, number(self.most_running)),
            (attr::PRE_JOB_PRIO1, self.queue_priority.filter(|priority| *priority != 0)),
            (a::EXECUTION_TIME, self.not_before),
            (a::WALLTIME, walltime),
        ] {
            if let Some(value) = value {
                ad.set(name, value);
            }
        }
    }

    fn set_work(&self, ad: &mut ClassAd) {
        match &self.work {
            Work::Command(command) => {
                let command = words::print_v2(command.iter().map(String::as_str));
                ad.set(attribute::COMMAND, folded(&command));
            }
            Work::Script(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => ad.set(attribute::SCRIPT, folded(text)),
                Ok(_) | Err(_) => {
                    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    ad.set(attribute::SCRIPT_BYTES, digits);
                }
            },
        }
    }

    /// The jobs, each with the paths of its streams.
    fn with_streams(
        &self,
        mut ad: ClassAd,
        cluster: ClusterId,
        caller: &dyn Caller,
    ) -> ClusterSpec {
        let (out, err) = (self.stream('o', cluster, caller), self.stream('e', cluster, caller));
        ad.set(attribute::OUTPUT, format!("{}:{}", caller.server(), out.shown));
        ad.set(attribute::ERROR, format!("{}:{}", caller.server(), err.shown));
        let late = [(attribute::LATE_OUTPUT, &out, "eo"), (attribute::LATE_ERROR, &err, "oe")];
        for (name, stream, joined) in late {
            if let Some(late) = stream.late.as_ref().filter(|_| self.join != joined) {
                ad.set(name, late.as_str());
            }
        }
        let (out, err) = match self.join.as_str() {
            "oe" => (out.path.clone(), out.path),
            "eo" => (err.path.clone(), err.path),
            _ => (out.path, err.path),
        };
        let Some(indices) = &self.array else {
            ad.set(attr::OUT, out);
            ad.set(attr::ERR, err);
            return ClusterSpec { ad, procs: Procs::Listed(vec![ClassAd::new()]) };
        };
        let streams = [(attr::OUT, out), (attr::ERR, err)];
        if let Some((start, step, count)) = indices.one_range() {
            let template = streams.map(|(name, path)| (name.into(), pieces(&path, start, step)));
            let index = format!("{start} + ProcId * {step}");
            // The text is ours, and one.
            ad.set(attribute::INDEX, Expr::parse(&index).unwrap_or_else(|_| Expr::from(start)));
            let template = ProcTemplate(template.into());
            return ClusterSpec { ad, procs: Procs::Counted { count, template } };
        }
        let job = |index: i64| {
            let mut own = ClassAd::new();
            for (name, path) in &streams {
                own.set(*name, path.replace(INDEX_IN_PATHS, &index.to_string()));
            }
            own.set(attribute::INDEX, index);
            own
        };
        ClusterSpec { ad, procs: Procs::Listed(indices.iter().map(job).collect()) }
    }

    /// Where a stream goes: `letter` is `o` or `e`.
    fn stream(&self, letter: char, cluster: ClusterId, caller: &dyn Caller) -> Stream {
        let given = if letter == 'o' { &self.output } else { &self.error };
        let is_kept_at_home = self.keep.contains(letter) && !self.keep.contains('d');
        let dot_index = if self.array.is_some() { ".^array_index^" } else { "" };
        let own = format!("{}.{letter}{cluster}{dot_index}", self.name);
        let named = |folder: &str| format!("{}/{own}", folder.trim_end_matches('/'));
        let shown = given.clone().unwrap_or_else(|| named(caller.cwd()));
        let suffix = if letter == 'o' { "OU" } else { "ER" };
        let subjob = if self.array.is_some() { "[^array_index^]" } else { "" };
        let numbered = format!("{cluster}{subjob}.{}.{suffix}", caller.server());
        let path = match given {
            _ if is_kept_at_home => named(caller.home()),
            Some(folder) if folder.ends_with('/') => format!("{folder}{numbered}"),
            Some(path) => path.clone(),
            None => shown.clone(),
        };
        // What an interactive job prints is on its user's screen.
        if self.is_interactive {
            return Stream { shown, path: "/dev/null".to_owned(), late: None };
        }
        // A job whose folder is not there runs, and may make it itself (OpenPBS 23.06).
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder.is_empty() || folder.contains(INDEX_IN_PATHS) || caller.is_folder(folder) {
            return Stream { shown, path, late: None };
        }
        let home = caller.home().trim_end_matches('/');
        Stream { shown, path: format!("{home}/{UNDELIVERED}/{numbered}"), late: Some(path) }
    }
}

/// What a machine must have of a resource that is not used up.
fn machine_condition(one: &CustomAsked) -> Option<String> {
    if one.resource.is_consumed || !one.resource.of_machines {
        return None;
    }
    let own = format!("TARGET.{}", custom_attribute(&one.name));
    let quoted = Value::from(one.value.as_str()).to_new();
    Some(match one.resource.kind {
        CustomKind::Boolean if one.value == "True" => format!("{own} =?= true"),
        CustomKind::Boolean => format!("{own} =!= true"),
        CustomKind::Long | CustomKind::Float => format!("{own} >= {}", one.value),
        CustomKind::Size => {
            let kib = resources::consumed(one.resource, &one.value)?;
            format!("{own} >= {kib}")
        }
        CustomKind::Text => format!("{own} =?= {quoted}"),
        CustomKind::Words => format!("stringListMember({quoted}, {own})"),
    })
}

/// A stream's path as it is shown, and where it is written.
struct Stream {
    shown: String,
    path: String,
    /// Where it is brought when the job is over, if it is not written there.
    late: Option<String>,
}

/// A path with holes for the index.
fn pieces(path: &str, start: i64, step: i64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (nth, part) in path.split(INDEX_IN_PATHS).enumerate() {
        if nth > 0 {
            pieces.push(Piece::Stepped { start, step });
        }
        if !part.is_empty() {
            pieces.push(Piece::Text(part.to_owned()));
        }
    }
    pieces
}

/// When mail is sent: HTCondor's word for the events that are asked for. Of a job that PBS would
/// abort, and of which it tells by default, no mail is sent unless somebody wants more: its user
/// finds it held, with the reason.
fn notification(points: &str) -> &'static str {
    match (points.contains('b'), points.contains('e'), points) {
        (true, true, _) => "Always",
        (true, false, _) => "Start",
        (false, true, _) => "Complete",
        (false, false, _) => "Never",
    }
}

impl Submission {
    /// `Variable_List` of an ad, as `qstat -f` writes it.
    pub fn written_variables(ad_value: &str) -> Vec<String> {
        let all = words::split_v2(&unfolded(ad_value)).unwrap_or_default();
        let written = |pair: &String| match pair.split_once('=') {
            Some((name, value)) => format!("{name}={}", variables::quoted(value)),
            None => pair.clone(),
        };
        all.iter().map(written).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_folded_is_as_it_was() {
        for text in ["", "a\nb\\n\r", "\\", "if true; then\n\techo \"x\"\nfi\n"] {
            assert_eq!(unfolded(&folded(text)), text);
            assert!(!folded(text).contains('\n'));
        }
    }
}
