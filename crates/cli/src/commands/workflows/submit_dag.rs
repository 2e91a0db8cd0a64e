//! `updraft submit_dag`, `condor_submit_dag`: a DAG becomes a job that runs it. This file has the
//! options and the order of things; the description of the job is `dagman::record::condor_sub`'s.

mod number;
mod recurse;
mod say;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use client::Home;
use dagman::Workflow;
use dagman::record::Names;
use dagman::record::condor_sub::{DagJob, HandedOn, Program};
use dagman::shell::{self, Knobs, Left, OfSite};
use dagman::workflow::{DagSettings, variables};
use model::diagnostic::Diagnostic;

use self::number::Number;
use self::say::Submitted;
use crate::commands::workflows::dag;
use crate::commands::workflows::dag_files::{self, Reading};
use crate::commands::workflows::seeing::{self, WatchArgs};
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::usage::Mistake;
use crate::render::dialect::Dialect;
use crate::render::said::Said;

/// Options of `condor_submit_dag` that are not built.
pub const NOT_YET: &[&str] =
    &["remote", "r", "valgrind", "schedd-daemon-ad-file", "schedd-address-file"];

/// Submit a DAG: a job that runs a workflow goes into the queue.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SubmitDagArgs {
    /// The DAG files. Several are one workflow, with numbers before their nodes' names.
    #[arg(value_name = "DAG")]
    dags: Vec<String>,
    /// Write the description of the DAG's job, and do not submit it.
    #[arg(long = "no_submit")]
    no_submit: bool,
    /// Print only the id of the DAG's job.
    #[arg(long)]
    terse: bool,
    /// As JSON: the DAG's job, how many nodes, and which files tell of it.
    #[arg(long, conflicts_with = "terse")]
    json: bool,
    /// Stay, and show how far it is until it is over; ends as `dag watch` does.
    #[arg(long, conflicts_with_all = ["no_submit", "terse"])]
    watch: bool,
    /// Accepted: more is said where there is more to say.
    #[arg(long, short = 'v', hide = true)]
    verbose: bool,
    /// Overwrite what an earlier run has left, and put its rescue files aside.
    #[arg(long, short = 'f')]
    force: bool,
    /// Write the description of the DAG's job anew, and go on.
    #[arg(long = "update_submit")]
    update_submit: bool,
    /// So many nodes in the queue at a time; 0 is no limit.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    maxjobs: Option<Number>,
    /// No more nodes into the queue while so many jobs wait.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    maxidle: Option<Number>,
    /// So many PRE scripts at a time.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    maxpre: Option<Number>,
    /// So many POST scripts at a time.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    maxpost: Option<Number>,
    /// So many HOLD scripts at a time.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    maxhold: Option<Number>,
    /// Added to the priority of every node.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<Number>,
    /// Begin from the newest rescue file if there is one (1), or do not (0); without it, as
    /// DAGMAN_AUTO_RESCUE says, which is 1 where nothing is set.
    #[arg(long, value_name = "0|1", allow_hyphen_values = true)]
    autorescue: Option<Number>,
    /// Begin from this rescue file; later ones are put aside.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    dorescuefrom: Option<Number>,
    /// Begin from this file with DONE lines.
    #[arg(long, value_name = "FILE")]
    rescuefile: Option<String>,
    /// Begin from this save point.
    #[arg(long = "load_save", value_name = "FILE")]
    load_save: Option<String>,
    /// Accepted: a run that was interrupted goes on by itself.
    #[arg(long, hide = true)]
    dorecovery: bool,
    /// POST scripts run after a failed PRE.
    #[arg(long, conflicts_with = "dontalwaysrunpost")]
    alwaysrunpost: bool,
    /// They do not (the default).
    #[arg(long)]
    dontalwaysrunpost: bool,
    /// A file with settings for this DAG.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The lock of the run.
    #[arg(long, value_name = "FILE")]
    lockfile: Option<String>,
    /// The folder of dagman.out.
    #[arg(long = "outfile_dir", value_name = "DIR")]
    outfile_dir: Option<String>,
    /// What a DAG file names is in the file's own folder.
    #[arg(long)]
    usedagdir: bool,
    /// Another program that runs the DAG.
    #[arg(long, value_name = "PATH")]
    dagman: Option<String>,
    /// Put LINE into the description of the DAG's job. May be given several times.
    #[arg(long, short = 'a', value_name = "LINE")]
    append: Vec<String>,
    /// Put the lines of FILE there.
    #[arg(long = "insert_sub_file", value_name = "FILE")]
    insert_sub_file: Option<String>,
    /// Call the batch of all jobs NAME.
    #[arg(long = "batch-name", value_name = "NAME")]
    batch_name: Option<String>,
    /// When the user gets mail about the DAG's job.
    #[arg(long, value_name = "WHEN")]
    notification: Option<String>,
    /// No mail about the nodes' jobs.
    #[arg(long = "suppress_notification", conflicts_with = "dont_suppress_notification")]
    suppress_notification: bool,
    /// Mail about the nodes' jobs, as they ask for it.
    #[arg(long = "dont_suppress_notification")]
    dont_suppress_notification: bool,
    /// The DAG's job takes over the whole environment.
    #[arg(long = "import_env")]
    import_env: bool,
    /// It takes over these variables too.
    #[arg(long = "include_env", value_name = "NAMES")]
    include_env: Vec<String>,
    /// These variables are set: KEY=VALUE;KEY=VALUE.
    #[arg(long = "insert_env", value_name = "PAIRS")]
    insert_env: Vec<String>,
    /// Make the descriptions of sub-DAGs now too, as deep as they go: their files must be there.
    #[arg(long = "do_recurse", conflicts_with = "no_recurse")]
    do_recurse: bool,
    /// Accepted: sub-DAGs' descriptions are made when they start.
    #[arg(long = "no_recurse", hide = true)]
    no_recurse: bool,
    /// Accepted: dagman.out has everything.
    #[arg(long, hide = true, value_name = "LEVEL", allow_hyphen_values = true)]
    debug: Option<Number>,
    /// Accepted: any release reads any description.
    #[arg(long = "allowversionmismatch", hide = true)]
    allow_version_mismatch: bool,
    /// Accepted: nodes are submitted directly, which is 1.
    #[arg(long = "submitmethod", value_name = "METHOD", hide = true, allow_hyphen_values = true)]
    submit_method: Option<Number>,
}

impl SubmitDagArgs {
    /// The rescue file that is begun from; 0 is none.
    fn rescue_from(&self) -> Option<u32> {
        self.dorescuefrom?.not_negative().filter(|number| *number > 0)
    }
}

/// What is said of a number that cannot be meant. Under HTCondor's name that is as for its command:
/// what stands behind the digits is passed over, and a limit below 0 is none.
fn refused_number(args: &SubmitDagArgs, dialect: Dialect) -> Option<Outcome> {
    let below_0 = |number: &Number| number.value < 0;
    if dialect == Dialect::HtCondor {
        let refused = args.dorescuefrom.filter(below_0);
        return refused.map(|_| {
            Outcome::failed("-DoRescueFrom value must be non-negative; aborting.\n".to_owned())
        });
    }
    let limits = [
        ("--maxjobs", args.maxjobs),
        ("--maxidle", args.maxidle),
        ("--maxpre", args.maxpre),
        ("--maxpost", args.maxpost),
        ("--maxhold", args.maxhold),
        ("--dorescuefrom", args.dorescuefrom),
    ];
    let numbers = [("--priority", args.priority), ("--autorescue", args.autorescue)];
    let is_odd = |number: &Number| !number.is_whole || number.value < 0;
    let odd = limits.into_iter().find(|(_, number)| number.as_ref().is_some_and(is_odd));
    let not_whole = |number: &Number| !number.is_whole;
    let odd = odd
        .or_else(|| numbers.into_iter().find(|(_, number)| number.as_ref().is_some_and(not_whole)));
    odd.map(|(flag, _)| {
        Outcome::failed(format!(
            "updraft submit_dag: {flag} wants a number{}\n",
            if flag == "--priority" { "" } else { " from 0 on" }
        ))
    })
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read or written, no pool answers, or it refuses.
pub fn run(args: &SubmitDagArgs, call: &Call) -> Result<Outcome> {
    if let Some(refused) = refused_number(args, call.dialect) {
        return Ok(refused);
    }
    if args.dags.is_empty() {
        return Err(Mistake("ERROR: no dag file specified; aborting.").into());
    }
    if let Some(missing) = args.dags.iter().find(|dag| !Path::new(dag).is_file()) {
        return Ok(say::missing(missing, call.dialect));
    }
    let mut notes = Said::default();
    if args.submit_method.is_some_and(|method| method.value == 0) {
        notes.err += "Note: -SubmitMethod 0: nodes are submitted directly all the same; what comes of them does not differ\n";
    }
    let read = match read(args, call.dialect, &mut notes)? {
        Ok(read) => read,
        Err(refused) => return Ok(refused),
    };
    let site = Site::of(args)?;
    let mut job = job(args, call, &site)?;
    let here = std::env::current_dir().context("find out the working directory")?;
    if let Err(why) = job.take_over(&read.settings, &here) {
        return Ok(Outcome::failed(format!("ERROR: {why}\n")));
    }
    let of_config = job.config.as_deref().map(|file| dag_files::check_config(Path::new(file)));
    if let Some(Err(problem)) = of_config {
        return Ok(say::problems(&[problem], call.dialect));
    }
    let names = job.names();
    if !args.no_submit {
        if call.dialect == Dialect::Updraft
            && let Some(job) = dag::in_the_queue(names.primary())?
        {
            bail!(
                "{dag} is in the queue as job {job}: updraft dag status {job}; to begin anew, remove that first",
                dag = names.primary()
            );
        }
        end_left(args, site.auto_rescue, &names, call.dialect, &mut notes)?;
    }
    if let Err(refused) = make_room(args, site.auto_rescue, &names, call.dialect, &mut notes)? {
        return Ok(refused);
    }
    if let Some(path) = dag_files::remove_halt(&names)?
        && call.dialect == Dialect::Updraft
    {
        notes.err += &format!("Removed {path}, which an earlier run had left.\n");
    }
    let description = names.condor_sub();
    std::fs::write(&description, job.text()).with_context(|| format!("write {description}"))?;
    if let Some(workflow) = read.workflow.as_ref().filter(|_| args.do_recurse) {
        recurse::describe(&job, workflow, &here)?;
    }
    let mut submitted = Submitted::new(&names, read.workflow.as_ref(), args.terse);
    if !args.no_submit {
        submitted.cluster = Some(dag_files::submit(args.batch_name.as_deref(), &names)?);
    }
    let outcome = Outcome::of(&submitted, args.json, call, Exit::Done).after(&notes);
    match submitted.cluster.filter(|_| args.watch) {
        Some(cluster) => {
            outcome.print().context("say what was submitted")?;
            Ok(seeing::watch(&WatchArgs::new(cluster, args.json))?.into())
        }
        None => Ok(outcome),
    }
}

/// What was read of the DAG.
struct Read {
    /// All of it, where that is needed or nothing is submitted that cannot run.
    workflow: Option<Workflow>,
    settings: DagSettings,
}

/// Reads the DAG before anything is written. Under HTCondor's name only what its own command
/// refuses is refused: the rest is told by dagman. Under ours nothing is submitted that could not
/// run.
fn read(args: &SubmitDagArgs, dialect: Dialect, notes: &mut Said) -> Result<Result<Read, Outcome>> {
    let read = match dialect {
        Dialect::HtCondor => {
            let reading = reading(args)?;
            let workflow = args.do_recurse.then(|| reading.assemble(None).ok()).flatten();
            let settings = reading.job_settings(Path::new(""));
            settings.map(|settings| Read { workflow: workflow.map(|w| w.workflow), settings })
        }
        Dialect::Updraft | Dialect::Pbs => {
            dag_files::read_whole(&args.dags, args.usedagdir, args.config.as_deref())?.map(|read| {
                notes.err.extend(read.warnings.iter().map(Diagnostic::render));
                let settings = read.workflow.settings().clone();
                Read { workflow: Some(read.workflow), settings }
            })
        }
    };
    Ok(read.map_err(|problems| say::problems(&problems, dialect)))
}

/// Ends a run whose job was removed while it was held, so that nothing it has done is done again.
/// Not if the user says from where the new run begins.
fn end_left(
    args: &SubmitDagArgs,
    auto_rescue: bool,
    names: &Names,
    dialect: Dialect,
    notes: &mut Said,
) -> Result<()> {
    let says_where = args.rescuefile.is_some() || args.load_save.is_some();
    if args.force || !auto_rescue || args.rescue_from().is_some() || says_where {
        return Ok(());
    }
    let lock = args.lockfile.clone().unwrap_or_else(|| names.lock());
    let left = dag_files::end_left(&reading(args)?, names, &lock)?;
    if let (Some(Left { job, rescue: Some(path) }), Dialect::Updraft) = (left, dialect) {
        notes.err += &format!("What job {job} had done before it was removed is in {path}.\n");
    }
    Ok(())
}

fn reading(args: &SubmitDagArgs) -> Result<Reading> {
    let mut knobs = Knobs::default();
    dag_files::configure(&Home::from_environment(), &mut knobs, args.config.as_deref())?;
    Ok(Reading { files: args.dags.clone(), use_dag_dir: args.usedagdir, knobs })
}

/// What the pool's configuration and the environment say, where the command line says nothing. The
/// DAG's own file is not asked: its dagman is told what was decided here.
struct Site {
    /// Whether the newest rescue file is begun from by itself.
    auto_rescue: bool,
    /// How the DAG's job is described besides.
    of_jobs: OfSite,
}

impl Site {
    fn of(args: &SubmitDagArgs) -> Result<Self> {
        let mut knobs = Knobs::default();
        dag_files::configure(&Home::from_environment(), &mut knobs, None)?;
        let insert_sub_file = args.insert_sub_file.clone();
        let of_jobs = knobs.manner.of_site;
        Ok(Self {
            auto_rescue: args.autorescue.map_or(knobs.auto_rescue, |said| said.value != 0),
            of_jobs: OfSite {
                insert_sub_file: insert_sub_file.or(of_jobs.insert_sub_file),
                ..of_jobs
            },
        })
    }
}

/// The job that runs the DAG, without what its files say of it.
fn job(args: &SubmitDagArgs, call: &Call, site: &Site) -> Result<DagJob> {
    let of = |pairs: &String| match variables(pairs) {
        Ok(_) => Ok(()),
        Err(odd) => Err(anyhow!("{odd} is no KEY=VALUE")),
    };
    args.insert_env.iter().try_for_each(of)?;
    let config = args.config.as_deref().map(std::path::absolute).transpose();
    let config = config.context("find out the working directory")?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = words.iter().map(String::as_str).filter(|word| *word != "submit_dag");
    let mut job = DagJob {
        dag_files: args.dags.clone(),
        dagman: program(args, call)?,
        options: options(args, site.auto_rescue),
        lock: args.lockfile.clone(),
        handed_on: handed_on(args),
        batch_name: args.batch_name.clone(),
        config: config.map(|file| file.to_string_lossy().into_owned()),
        environment: shell::pool_variables(),
        appended: args.append.clone(),
        made_by: format!("condor_submit_dag {}", words.collect::<Vec<_>>().join(" ")),
        ..DagJob::default()
    };
    site.of_jobs.complete(&mut job).map_err(anyhow::Error::msg)?;
    Ok(job)
}

/// What holds for sub-DAGs too.
fn handed_on(args: &SubmitDagArgs) -> HandedOn {
    HandedOn {
        debug: args.debug.map(|level| level.value),
        insert_env: args.insert_env.clone(),
        include_env: args.include_env.clone(),
        import_env: args.import_env,
        out_dir: args.outfile_dir.clone(),
        notification: args.notification.clone(),
        do_recurse: args.do_recurse,
        allow_version_mismatch: args.allow_version_mismatch,
    }
}

/// The program that runs the DAG: what was named; else the neighbour of the link that this was
/// called by; else this program.
fn program(args: &SubmitDagArgs, call: &Call) -> Result<Program> {
    if let Some(path) = &args.dagman {
        return Ok(Program { path: path.clone(), words: Vec::new() });
    }
    if call.dialect == Dialect::HtCondor {
        let called = std::env::args().next().unwrap_or_default();
        let neighbour = Path::new(&called).with_file_name("condor_dagman");
        if neighbour.is_absolute() && neighbour.exists() {
            let path = neighbour.to_string_lossy().into_owned();
            return Ok(Program { path, words: Vec::new() });
        }
    }
    let own = std::env::current_exe().context("find this program's own file")?;
    let path = own.to_string_lossy().into_owned();
    Ok(Program { path, words: vec!["condor_dagman".to_owned()] })
}

/// The options of dagman.
fn options(args: &SubmitDagArgs, auto_rescue: bool) -> Vec<Vec<String>> {
    let mut options = Vec::new();
    let mut pair = |name: &str, value: Option<String>| {
        options.extend(value.map(|value| vec![name.to_owned(), value]));
    };
    // What is below 0 asks for nothing.
    let number = |value: Option<Number>| value?.not_negative().map(|value| value.to_string());
    pair("-MaxIdle", number(args.maxidle));
    pair("-MaxJobs", number(args.maxjobs));
    pair("-MaxPre", number(args.maxpre));
    pair("-MaxPost", number(args.maxpost));
    pair("-MaxHold", number(args.maxhold));
    pair("-Priority", args.priority.map(|priority| priority.value.to_string()));
    pair("-AutoRescue", Some(u8::from(auto_rescue).to_string()));
    pair("-DoRescueFrom", args.rescue_from().map(|number| number.to_string()));
    pair("-RescueFile", args.rescuefile.clone());
    pair("-load_save", args.load_save.clone());
    let flags = [
        (args.alwaysrunpost, "-AlwaysRunPost"),
        (args.dontalwaysrunpost, "-DontAlwaysRunPost"),
        (args.usedagdir, "-UseDagDir"),
        (args.suppress_notification, "-Suppress_notification"),
        (args.dont_suppress_notification, "-Dont_Suppress_notification"),
        (args.force, "-force"),
        (args.update_submit, "-update_submit"),
    ];
    let given = flags.iter().filter(|(given, _)| *given);
    options.extend(given.map(|(_, flag)| vec![(*flag).to_owned()]));
    options
}

/// Puts away what an earlier run has left, or says what is in the way.
fn make_room(
    args: &SubmitDagArgs,
    auto_rescue: bool,
    names: &Names,
    dialect: Dialect,
    notes: &mut Said,
) -> Result<Result<(), Outcome>> {
    if let Some(number) = args.rescue_from() {
        if !Path::new(&names.rescue(number)).exists() {
            let missing = format!("ERROR: there is no rescue file {}\n", names.rescue(number));
            return Ok(Err(Outcome::failed(missing)));
        }
        shell::rename_newer(names, number)?;
    } else if args.force {
        if dialect == Dialect::HtCondor {
            notes.err += "Renaming rescue DAGs newer than number 0\n";
        }
        shell::rename_all(names)?;
    }
    if args.force {
        for path in [names.condor_sub(), names.lib_out(), names.lib_err()] {
            if Path::new(&path).exists() {
                std::fs::remove_file(&path).with_context(|| format!("remove {path}"))?;
            }
        }
        return Ok(Ok(()));
    }
    let rescue = shell::choose(names, auto_rescue, args.rescue_from())?;
    if let shell::Start::From(Some(number), _) = rescue {
        if !(args.terse || args.json) {
            notes.out += &format!("Running rescue DAG {number}\n");
        }
        return Ok(Ok(()));
    }
    if args.update_submit || args.no_submit && !Path::new(&names.condor_sub()).exists() {
        return Ok(Ok(()));
    }
    let in_the_way: Vec<String> = [names.condor_sub(), names.dagman_log()]
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .collect();
    if in_the_way.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(say::in_the_way(&in_the_way)))
}
