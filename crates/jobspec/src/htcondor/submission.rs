//! From a parsed description to clusters: every `queue` statement makes its jobs.

use classad::{AttrName, ClassAd};
use model::{ClusterId, ClusterSpec, JobId, ProcId, attr};

use super::cluster::Folder;
use super::job::{self, Common, Setting};
use super::keywords;
use super::queue::{self, QueuePlan};
use crate::language::ast::{Description, Queue, Statement, StatementKind};
use crate::language::macros::{MARK, Macros, Scope};
use crate::language::parse::parse;
use crate::language::read::{AtQueue, Reader};
use crate::site::Site;
use crate::source::Place;
use model::diagnostic::{About, Diagnostic};

/// What the command line adds to a description.
#[derive(Clone, Debug, Default)]
pub struct SubmitOptions {
    /// `name=value`: assigned before the description is read, in order.
    pub assignments: Vec<(String, String)>,
    /// `-append LINE`: read just before each `queue`.
    pub appends: Vec<String>,
    /// `-queue ARGUMENTS`: the only `queue` statement.
    pub queue: Option<String>,
    /// Whether that takes the place of a `queue` for one job, which most descriptions have.
    pub is_queue_in_place: bool,
    /// Whether only the first `queue` statement counts, as in a node of a DAG.
    pub only_first_queue: bool,
    /// Whether the description came from a file whose name jobs should record.
    pub is_file: bool,
    /// `-maxjobs N`.
    pub max_jobs: Option<u32>,
    /// `-single-cluster`.
    pub single_cluster: bool,
    /// `-disable`.
    pub disable_file_checks: bool,
    /// `-spool`.
    pub spool: bool,
    /// `-interactive`: what the job runs instead of its executable.
    pub interactive: Option<Interactive>,
    /// Whether lines that nothing reads are warned of.
    pub warn_unused: bool,
    /// `--strict`: such a line is an error.
    pub strict: bool,
}

/// A program that is the job's end of its user's terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interactive {
    /// Where it is on the machines.
    pub program: String,
    /// Its arguments. What the description says to run under the terminal follows them.
    pub words: Vec<String>,
}

/// What a description comes to.
#[derive(Debug)]
pub struct Submission {
    /// The clusters, in order, with the numbers that they were made for. More than one only if the
    /// executable changes between `queue` statements.
    pub clusters: Vec<(ClusterId, ClusterSpec)>,
    /// What the user should know, in the order it was found.
    pub warnings: Vec<Diagnostic>,
    /// Whether there were `queue` statements, all without items.
    pub only_empty_queues: bool,
}

impl Submission {
    /// All jobs with their ads as they are submitted; the ads lack what the schedd adds
    /// ([`schedd_attributes`]).
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, ClassAd)> {
        self.clusters.iter().flat_map(|(cluster, spec)| {
            (0..spec.count()).filter_map(|proc| job_of(*cluster, spec, proc))
        })
    }

    /// The ad of one job, as [`jobs`](Self::jobs) has it.
    pub fn ad(&self, job: JobId) -> Option<ClassAd> {
        let (cluster, spec) = self.clusters.iter().find(|(cluster, _)| *cluster == job.cluster)?;
        job_of(*cluster, spec, job.proc.0).map(|(_, ad)| ad)
    }

    /// The jobs as far as the attributes go for which `which` holds: ads with these alone. Jobs of
    /// a cluster that have none of them of their own are alike: the first stands for all.
    pub fn jobs_by(
        &self,
        which: impl Fn(&AttrName) -> bool,
    ) -> impl Iterator<Item = (JobId, ClassAd)> {
        self.clusters.iter().flat_map(move |(cluster, spec)| {
            let spec = spec.narrowed(&which);
            let differ = spec.procs.any_own(|_| true);
            let count = if differ { spec.count() } else { spec.count().min(1) };
            (0..count).filter_map(move |proc| job_of(*cluster, &spec, proc))
        })
    }
}

fn job_of(cluster: ClusterId, spec: &ClusterSpec, proc: u32) -> Option<(JobId, ClassAd)> {
    let proc = ProcId(proc);
    let mut ad = spec.ad.clone();
    ad.update(&spec.delta(proc)?);
    Some((JobId { cluster, proc }, ad))
}

/// Gives the number of the next cluster.
pub type NextCluster<'a> = dyn FnMut() -> Result<ClusterId, Diagnostic> + 'a;

impl Description {
    /// Makes the jobs. `next_cluster` is asked for a number when the first job of a cluster is
    /// about to be made.
    ///
    /// # Errors
    /// Everything that is wrong, and the warnings so far, in the order it was found: at least one
    /// is an error.
    pub fn expand(
        &self,
        site: &dyn Site,
        next_cluster: &mut NextCluster<'_>,
        options: &SubmitOptions,
    ) -> Result<Submission, Vec<Diagnostic>> {
        let mut reader = Reader { site, macros: Macros::default(), diagnostics: Vec::new() };
        predefine(&mut reader.macros, self, site);
        for (name, value) in &options.assignments {
            reader.macros.assign_from_outside(name, value);
        }
        let mut maker = Maker {
            description: self,
            next_cluster,
            options,
            clusters: Vec::new(),
            executable: None,
            statements: 0,
            unused_variables: Vec::new(),
            is_appending: false,
        };
        let result = maker.make_all(&mut reader);
        let diagnostics = std::mem::take(&mut reader.diagnostics);
        let Maker { clusters, statements, unused_variables, .. } = maker;
        let mut warnings = diagnostics;
        if let Err(error) = result {
            warnings.push(error);
            return Err(warnings);
        }
        if !clusters.is_empty() {
            warn_of_unused(&reader.macros, &unused_variables, options, &mut warnings);
        }
        if warnings.iter().any(|d| d.is_error() && d.about != About::Macro) {
            return Err(warnings);
        }
        if statements > 1 {
            let message = "Use of multiple queue statements in a single submit file is deprecated.";
            warnings.push(Diagnostic::warning(message));
        }
        let clusters: Vec<_> =
            clusters.into_iter().map(|(id, folder)| (id, folder.into_spec())).collect();
        let only_empty_queues = clusters.is_empty();
        Ok(Submission { clusters, warnings, only_empty_queues })
    }
}

/// What is there before the first line is read.
fn predefine(macros: &mut Macros, description: &Description, site: &dyn Site) {
    let host = site.host();
    let (year, month, day) = host.today;
    for (name, value) in [
        ("arch", host.arch.clone()),
        ("opsys", host.opsys.clone()),
        ("opsysver", host.opsys_version.clone()),
        ("opsysandver", host.opsys_and_version.clone()),
        ("opsysmajorver", host.opsys_major_version.clone()),
        ("spool", String::new()),
        ("islinux", u8::from(host.opsys.eq_ignore_ascii_case("linux")).to_string()),
        ("iswindows", u8::from(host.opsys.eq_ignore_ascii_case("windows")).to_string()),
        ("submit_file", description.name().to_owned()),
        ("submit_time", host.now.to_string()),
        ("year", year.to_string()),
        ("month", month.to_string()),
        ("day", day.to_string()),
        ("dollar", "$".to_owned()),
        ("item", String::new()),
    ] {
        macros.predefine(name, value);
    }
}

/// What people write who want no more than so many of their jobs to run at a time.
const LIMITS: [&str; 4] = ["max_running", "max_running_jobs", "max_jobs_running", "max_jobs"];

/// What nobody reads where there is no `tool_daemon_cmd`.
const TOOL_LINES: [&str; 4] =
    ["tool_daemon_args", "tool_daemon_input", "tool_daemon_output", "tool_daemon_error"];

fn warn_of_unused(
    macros: &Macros,
    variables: &[String],
    options: &SubmitOptions,
    warnings: &mut Vec<Diagnostic>,
) {
    if !options.warn_unused && !options.strict {
        return;
    }
    let told = |message: String| match options.strict {
        true => Diagnostic::error(message),
        false => Diagnostic::warning(message),
    };
    for slip in ["request_cpu", "request_gpu"] {
        if macros.unused().iter().any(|entry| entry.name.eq_ignore_ascii_case(slip)) {
            warnings
                .push(told(format!("{slip} is not a valid submit keyword, did you mean {slip}s?")));
        }
    }
    // HTCondor 25.14 goes by name, whatever kind of a name it is.
    let mut found: Vec<(String, Diagnostic)> = Vec::new();
    for entry in macros.unused() {
        let message = format!(
            "the line '{} = {}' was unused by condor_submit. Is it a typo?",
            entry.name, entry.value
        );
        let warning = told(message).at(entry.place.clone());
        let meant =
            keywords::nearest(&entry.name).filter(|meant| !entry.name.eq_ignore_ascii_case(meant));
        let is_limit = LIMITS.iter().any(|name| entry.name.eq_ignore_ascii_case(name));
        let of_the_tool = TOOL_LINES.iter().any(|name| entry.name.eq_ignore_ascii_case(name));
        let warning = match meant {
            _ if is_limit => warning.hint("at most N jobs at once is: max_materialize = N"),
            _ if of_the_tool => warning.hint("it does nothing without tool_daemon_cmd"),
            Some(keyword) => warning.hint(format!("did you mean {keyword}?")),
            None => warning,
        };
        found.push((entry.name.to_ascii_lowercase(), warning));
    }
    for name in variables {
        let message =
            format!("the Queue variable '{name}' was unused by condor_submit. Is it a typo?");
        found.push((name.to_ascii_lowercase(), told(message)));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    // What was found first is told last: these come behind everything else (HTCondor 25.14).
    warnings.splice(..0, found.into_iter().map(|(_, warning)| warning));
}

/// Makes jobs as the reader comes by `queue` statements.
struct Maker<'a, 'n> {
    description: &'a Description,
    next_cluster: &'a mut NextCluster<'n>,
    options: &'a SubmitOptions,
    clusters: Vec<(ClusterId, Folder)>,
    /// The text of `executable` at the last `queue`: another one begins another cluster.
    executable: Option<String>,
    statements: usize,
    /// Loop variables that no job has read.
    unused_variables: Vec<String>,
    /// Set while the lines of `-append` are read.
    is_appending: bool,
}

impl AtQueue for Maker<'_, '_> {
    fn at_queue(
        &mut self,
        reader: &mut Reader<'_>,
        queue: &Queue,
        place: Place,
    ) -> Result<(), Diagnostic> {
        if self.is_appending {
            return Err(
                Diagnostic::reading(place, "-append takes no queue statement").hint("use -queue")
            );
        }
        match &self.options.queue {
            None if self.options.only_first_queue && self.statements > 0 => Ok(()),
            None => self.queue(reader, queue, &place),
            Some(_) if !self.options.is_queue_in_place => {
                let message = "-queue argument conflicts with queue statement in submit file";
                Err(Diagnostic::reading(place, message))
            }
            Some(arguments) if self.statements == 0 && queue.is_for_one_job() => {
                self.extra_queue(reader, &format!("queue {arguments}"), "-queue")
            }
            Some(_) => {
                let message = "what is queued is said twice: a list is given from outside";
                let error = Diagnostic::reading(place, message);
                Err(error.hint("one line with nothing but queue, or none"))
            }
        }
    }

    /// HTCondor 25.14 reads no further than to `queue`: an `if` around it needs no `endif`.
    fn at_open_end(&self, description: &Description) -> Result<(), Diagnostic> {
        if self.statements > 0 {
            return Ok(());
        }
        let text = &description.source.text;
        let place = description.place(text.strip_suffix('\n').unwrap_or(text).len());
        Err(Diagnostic::reading(place, "endif(s) not found before end-of-file"))
    }
}

impl Maker<'_, '_> {
    fn make_all(&mut self, reader: &mut Reader<'_>) -> Result<(), Diagnostic> {
        let description = self.description;
        reader.read(description, self)?;
        if let Some(arguments) = self.options.queue.as_ref().filter(|_| self.statements == 0) {
            return self.extra_queue(reader, &format!("queue {arguments}"), "-queue");
        }
        // HTCondor 25.14: a description without `queue` queues one job
        if self.statements == 0 { self.extra_queue(reader, "queue", "<end>") } else { Ok(()) }
    }

    /// A `queue` that does not stand in the description.
    fn extra_queue(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        name: &str,
    ) -> Result<(), Diagnostic> {
        let parsed = parse(text, name).map_err(|mut problems| problems.swap_remove(0))?;
        for Statement { offset, kind } in &parsed.statements {
            if let StatementKind::Queue(queue) = kind {
                self.queue(reader, queue, &parsed.place(*offset))?;
            }
        }
        Ok(())
    }

    fn queue(
        &mut self,
        reader: &mut Reader<'_>,
        queue: &Queue,
        place: &Place,
    ) -> Result<(), Diagnostic> {
        self.statements += 1;
        self.append_lines(reader)?;
        let plan = {
            let scope = Scope::new(&reader.macros, reader.site);
            let plan = queue::plan(&scope, queue);
            let complaints = scope.take_complaints();
            let is_wrong = !complaints.is_empty();
            let complaints = complaints.into_iter().map(|one| one.at(Some(place.closing())));
            reader.diagnostics.extend(complaints);
            let plan = plan.map_err(|error| refused(&error, place))?;
            if is_wrong && plan.items.is_none() {
                // A count that could not be worked out is none.
                let text = queue.arguments.value.clone();
                return Err(refused(&queue::QueueError::Count { text }, place));
            }
            plan
        };
        self.check_limits(&plan)?;
        if plan.items.as_ref().is_some_and(|items| items.iter().len() == 0) {
            return Ok(());
        }
        let cluster = self.cluster_for(reader)?;
        reader.macros.set_loop_variables(&plan.variables);
        let made = self.make_jobs(reader, &plan, cluster, place);
        self.unused_variables.extend(reader.macros.end_loop());
        made
    }

    fn append_lines(&mut self, reader: &mut Reader<'_>) -> Result<(), Diagnostic> {
        if self.options.appends.is_empty() {
            return Ok(());
        }
        let text = self.options.appends.join("\n");
        let appended = parse(&text, "-append").map_err(|mut problems| problems.swap_remove(0))?;
        self.is_appending = true;
        let result = reader.read(&appended, self);
        self.is_appending = false;
        result
    }

    fn check_limits(&self, plan: &QueuePlan) -> Result<(), Diagnostic> {
        let items = plan.items.as_ref().map_or(1, |items| items.iter().len());
        let asked = u64::from(plan.count).saturating_mul(items as u64);
        let before: u64 = self.clusters.iter().map(|(_, folder)| u64::from(folder.count())).sum();
        let total = before.saturating_add(asked);
        if let Some(limit) = self.options.max_jobs.filter(|limit| total > u64::from(*limit)) {
            let message = format!("Number of submitted jobs would exceed -maxjobs ({limit})");
            return Err(Diagnostic::error(message)
                .about(About::Submission)
                .hint(format!("there would be {total}")));
        }
        if total > 1 && self.options.interactive.is_some() {
            let message = format!("-interactive runs one job, and {total} are queued");
            return Err(Diagnostic::error(message).about(About::Submission));
        }
        if total > u64::from(queue::MAX_PROCS) {
            let limit = queue::MAX_PROCS;
            return Err(Diagnostic::error(format!(
                "{total} jobs are too many: {limit} are the limit"
            )));
        }
        Ok(())
    }

    /// The number of the cluster that the next jobs belong to: a new one if the executable has
    /// changed.
    fn cluster_for(&mut self, reader: &Reader<'_>) -> Result<ClusterId, Diagnostic> {
        let executable = reader.macros.entry("executable").map(|entry| entry.value.clone());
        if let Some((cluster, _)) = self.clusters.last()
            && self.executable == executable
        {
            return Ok(*cluster);
        }
        if self.options.single_cluster && !self.clusters.is_empty() {
            let message =
                "Number of submitted clusters would exceed 1 and -single-cluster was specified";
            return Err(Diagnostic::error(message).about(About::Submission));
        }
        let cluster = (self.next_cluster)()?;
        self.clusters.push((cluster, Folder::default()));
        self.executable = executable;
        Ok(cluster)
    }

    fn make_jobs(
        &mut self,
        reader: &mut Reader<'_>,
        plan: &QueuePlan,
        cluster: ClusterId,
        place: &Place,
    ) -> Result<(), Diagnostic> {
        let Some((_, folder)) = self.clusters.last_mut() else { return Ok(()) };
        let file = self.options.is_file.then(|| self.description.name());
        let SubmitOptions { disable_file_checks, spool, .. } = *self.options;
        let interactive = self.options.interactive.as_ref();
        let setting = Setting { file, disable_file_checks, spool, interactive };
        let mut making =
            Making { reader, cluster, setting, place, common: None, warned: 0, complained: 0 };
        if plan.items.is_none()
            && plan.count > 1
            && folder.count() == 0
            && making.counted(folder, plan.count)
        {
            return Ok(());
        }
        match &plan.items {
            None => making.item(folder, plan.count, 0),
            Some(items) => {
                items.iter().try_for_each(|(index, row)| {
                    making.reader.macros.set_item(queue::split_row(row, plan.variables.len()));
                    making.item(folder, plan.count, index)
                })?;
                folder.note_items(items.iter().len(), plan.count);
                Ok(())
            }
        }
    }
}

/// How many warnings the jobs of one statement may give, each of its own: nobody reads more, and
/// each is compared with all before it.
const MOST_WARNINGS: usize = 20;

/// The jobs of one statement, being made.
struct Making<'m, 'r> {
    reader: &'m mut Reader<'r>,
    cluster: ClusterId,
    setting: Setting<'m>,
    place: &'m Place,
    /// What the first job has told about the others.
    common: Option<Common>,
    /// How many warnings its jobs have given.
    warned: usize,
    /// The same of the complaints of macro functions.
    complained: usize,
}

impl Making<'_, '_> {
    /// Makes all jobs of `queue N` at once, as a template. `false` if they differ by more than
    /// their number in a text.
    fn counted(&mut self, folder: &mut Folder, count: u32) -> bool {
        if self.reader.macros.mention_mark() {
            return false;
        }
        let mark = MARK.to_string();
        self.reader.macros.set_numbers(&self.cluster.to_string(), &mark, &mark, "0");
        let scope = Scope::new(&self.reader.macros, self.reader.site);
        let made = job::make(&scope, self.setting);
        if scope.is_number_dependent() {
            return false;
        }
        let complaints = scope.take_complaints();
        // what is wrong with a template is told by the first job that is made on its own
        let Ok(made) = made else { return false };
        if !folder.count_up(&made.ad, count) {
            return false;
        }
        if !complaints.is_empty() {
            // Each of its jobs has the same of its own.
            (0..count).take(MOST_WARNINGS).for_each(|step| self.complain(&complaints, step, 0));
        }
        self.reader.diagnostics.extend(made.warnings);
        true
    }

    /// Tells what macro functions had to say of a job. HTCondor 25.14 says it at the end of the
    /// statement.
    fn complain(&mut self, complaints: &[Diagnostic], step: u32, index: usize) {
        for complaint in complaints {
            self.complained += 1;
            if self.complained <= MOST_WARNINGS {
                let told = complaint.clone().at(Some(self.place.closing()));
                let told = told.hint(format!("at Step {step}, ItemIndex {index}"));
                self.reader.diagnostics.push(told);
            }
        }
    }

    /// Makes the jobs of one item, each on its own.
    fn item(&mut self, folder: &mut Folder, count: u32, index: usize) -> Result<(), Diagnostic> {
        for step in 0..count {
            let (cluster, proc) = (self.cluster.to_string(), folder.count().to_string());
            self.reader.macros.set_numbers(&cluster, &proc, &step.to_string(), &index.to_string());
            let scope = Scope::new(&self.reader.macros, self.reader.site);
            let made = match &mut self.common {
                Some(common) => common.make(&scope, self.setting).map(|(made, varying)| {
                    folder.push_own(&made.ad, varying);
                    made.warnings
                }),
                None => job::make_first(&scope, self.setting).map(|(made, common)| {
                    // what another statement has said of the cluster's jobs may not hold for this
                    // one's
                    self.common = common.filter(|_| folder.count() == 0);
                    folder.push(made.ad);
                    made.warnings
                }),
            };
            let complaints = scope.take_complaints();
            self.complain(&complaints, step, index);
            match made {
                Ok(warnings) => self.note(warnings),
                Err(refused) => {
                    self.note(refused.warnings);
                    return Err(refused.error);
                }
            }
        }
        Ok(())
    }

    /// Keeps warnings; what was said of an earlier job of the statement is not said again, and
    /// where each job has one of its own only the first are said.
    fn note(&mut self, warnings: Vec<Diagnostic>) {
        for warning in warnings {
            if self.warned > MOST_WARNINGS || self.reader.diagnostics.contains(&warning) {
                continue;
            }
            self.warned += 1;
            self.reader.diagnostics.push(if self.warned > MOST_WARNINGS {
                Diagnostic::warning("there are more warnings of this kind, for other jobs")
            } else {
                warning
            });
        }
    }
}

fn refused(error: &queue::QueueError, place: &Place) -> Diagnostic {
    let mut message = error.to_string();
    if matches!(error, queue::QueueError::Open { .. }) {
        message += &format!(" on line {}", place.line_column().0);
    }
    let diagnostic = Diagnostic::reading(place.clone(), message);
    match error.hint() {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

/// What the schedd adds to every job that it accepts, as HTCondor 25.14 shows it in a dry run:
/// identity, state and counters.
pub fn schedd_attributes(job: JobId, now: i64) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::OWNER, classad::Value::Undefined);
    ad.set(attr::CLUSTER_ID, i64::from(job.cluster.0));
    ad.set(attr::PROC_ID, i64::from(job.proc.0));
    ad.set(attr::Q_DATE, now);
    ad.set(attr::ENTERED_CURRENT_STATUS, now);
    ad.set(attr::JOB_STATUS, 1);
    ad.set(attr::EXIT_BY_SIGNAL, false);
    for counter in [
        attr::CURRENT_HOSTS,
        attr::EXIT_STATUS,
        attr::NUM_JOB_COMPLETIONS,
        attr::NUM_JOB_STARTS,
        attr::COMMITTED_SLOT_TIME,
        attr::COMMITTED_SUSPENSION_TIME,
        attr::COMMITTED_TIME,
        attr::CUMULATIVE_SLOT_TIME,
        attr::CUMULATIVE_SUSPENSION_TIME,
        attr::LAST_SUSPENSION_TIME,
        attr::NUM_CKPTS,
        attr::NUM_RESTARTS,
        attr::NUM_SYSTEM_HOLDS,
        attr::TOTAL_SUSPENSIONS,
    ] {
        ad.set(counter, 0);
    }
    for counter in [
        attr::CUMULATIVE_REMOTE_SYS_CPU,
        attr::CUMULATIVE_REMOTE_USER_CPU,
        attr::REMOTE_SYS_CPU,
        attr::REMOTE_USER_CPU,
        attr::REMOTE_WALL_CLOCK_TIME,
    ] {
        ad.set(counter, 0.0);
    }
    ad
}
