//! `updraft submit_dag`, `condor_submit_dag`: a DAG becomes a job that runs it. This file has the
//! options and the order of things; the description of the job is `dagman::record::condor_sub`'s.

mod recurse;
mod say;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use client::Home;
use dagman::Workflow;
use dagman::record::Names;
use dagman::record::condor_sub::{DagJob, HandedOn, Program, variables};
use dagman::shell::{self, Knobs, Left};
use model::diagnostic::Diagnostic;

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
    #[arg(long, value_name = "N")]
    maxjobs: Option<u32>,
    /// No more nodes into the queue while so many jobs wait.
    #[arg(long, value_name = "N")]
    maxidle: Option<u32>,
    /// So many PRE scripts at a time.
    #[arg(long, value_name = "N")]
    maxpre: Option<u32>,
    /// So many POST scripts at a time.
    #[arg(long, value_name = "N")]
    maxpost: Option<u32>,
    /// So many HOLD scripts at a time.
    #[arg(long, value_name = "N")]
    maxhold: Option<u32>,
    /// Added to the priority of every node.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// Begin from the newest rescue file if there is one (1), or do not (0); without it, as
    /// DAGMAN_AUTO_RESCUE says, which is 1 where nothing is set.
    #[arg(long, value_name = "0|1")]
    autorescue: Option<u8>,
    /// Begin from this rescue file; later ones are put aside.
    #[arg(long, value_name = "N")]
    dorescuefrom: Option<u32>,
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
    #[arg(long, hide = true, value_name = "LEVEL")]
    debug: Option<u32>,
    /// Accepted: any release reads any description.
    #[arg(long = "allowversionmismatch", hide = true)]
    allow_version_mismatch: bool,
    /// Accepted: nodes are submitted directly, which is 1.
    #[arg(long = "submitmethod", value_name = "METHOD", hide = true)]
    submit_method: Option<u8>,
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read or written, no pool answers, or it refuses.
pub fn run(args: &SubmitDagArgs, call: &Call) -> Result<Outcome> {
    // 0 is none.
    let dorescuefrom = args.dorescuefrom.filter(|number| *number > 0);
    let args = &SubmitDagArgs { dorescuefrom, ..args.clone() };
    if args.dags.is_empty() {
        return Err(Mistake("ERROR: no dag file specified; aborting.").into());
    }
    if let Some(missing) = args.dags.iter().find(|dag| !Path::new(dag).is_file()) {
        return Ok(say::missing(missing, call.dialect));
    }
    let mut notes = Said::default();
    if args.submit_method == Some(0) {
        notes.err += "Note: -SubmitMethod 0: nodes are submitted directly all the same; what comes of them does not differ\n";
    }
    let workflow = match read(args, call.dialect, &mut notes)? {
        Ok(workflow) => workflow,
        Err(refused) => return Ok(refused),
    };
    let site = Site::of(args)?;
    let job = job(args, call, workflow.as_ref(), &site)?;
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
    if let Some(workflow) = workflow.as_ref().filter(|_| args.do_recurse) {
        recurse::describe(args, call, workflow, &site)?;
    }
    let mut submitted = Submitted::new(&names, workflow.as_ref(), args.terse);
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

/// Reads the DAG before anything is written. Under HTCondor's name only what its own command
/// refuses is refused: the rest is told by dagman. Under ours nothing is submitted that could not
/// run.
fn read(
    args: &SubmitDagArgs,
    dialect: Dialect,
    notes: &mut Said,
) -> Result<Result<Option<Workflow>, Outcome>> {
    let read = match dialect {
        Dialect::HtCondor => reading(args)?.assemble(None),
        Dialect::Updraft | Dialect::Pbs => {
            dag_files::read_whole(&args.dags, args.usedagdir, args.config.as_deref())?
        }
    };
    match read {
        Ok(assembled) => {
            if dialect == Dialect::Updraft {
                notes.err.extend(assembled.warnings.iter().map(Diagnostic::render));
            }
            Ok(Ok(Some(assembled.workflow)))
        }
        Err(problems) => Ok(say::problems(&problems, dialect).map_or(Ok(None), Err)),
    }
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
    if args.force || !auto_rescue || args.dorescuefrom.is_some() || says_where {
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
    /// A file with lines for the description of the DAG's job.
    insert_sub_file: Option<String>,
    /// What the DAG's job takes over of the environment, besides.
    get_env: Vec<String>,
}

impl Site {
    fn of(args: &SubmitDagArgs) -> Result<Self> {
        let mut knobs = Knobs::default();
        dag_files::configure(&Home::from_environment(), &mut knobs, None)?;
        Ok(Self {
            auto_rescue: args.autorescue.map_or(knobs.auto_rescue, |said| said != 0),
            insert_sub_file: args.insert_sub_file.clone().or(knobs.insert_sub_file),
            get_env: knobs.append_getenv,
        })
    }
}

/// The job that runs the DAG.
fn job(
    args: &SubmitDagArgs,
    call: &Call,
    workflow: Option<&Workflow>,
    site: &Site,
) -> Result<DagJob> {
    let settings = workflow.map(Workflow::settings);
    let mut appended = Vec::new();
    if let Some(file) = &site.insert_sub_file {
        appended.push(client::site::read_text(file).with_context(|| format!("read {file}"))?);
    }
    let attributes = settings.iter().flat_map(|settings| &settings.job_attributes);
    appended.extend(attributes.map(|(name, value)| format!("My.{name} = {value}")));
    appended.extend(args.append.iter().cloned());
    let takes_all = site.get_env.iter().any(|name| name.eq_ignore_ascii_case("true"));
    let mut get_env = site.get_env.clone();
    get_env.extend(settings.iter().flat_map(|settings| settings.environment.get.clone()));
    let mut environment = shell::pool_variables();
    let set = settings.iter().flat_map(|settings| &settings.environment.set);
    let of = |pairs| variables(pairs).map_err(|odd| anyhow!("{odd} is no KEY=VALUE"));
    args.insert_env.iter().try_for_each(|pairs| of(pairs).map(drop))?;
    for pairs in set {
        environment.extend(of(pairs)?);
    }
    let own_config = settings.and_then(|settings| settings.config.clone());
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = words.iter().map(String::as_str).filter(|word| *word != "submit_dag");
    Ok(DagJob {
        dag_files: args.dags.clone(),
        dagman: program(args, call)?,
        options: options(args, own_config, site.auto_rescue),
        lock: args.lockfile.clone(),
        handed_on: handed_on(args),
        batch_name: args.batch_name.clone(),
        get_env,
        takes_all,
        environment,
        appended,
        made_by: format!("condor_submit_dag {}", words.collect::<Vec<_>>().join(" ")),
    })
}

/// What holds for sub-DAGs too.
fn handed_on(args: &SubmitDagArgs) -> HandedOn {
    HandedOn {
        debug: args.debug,
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
fn options(args: &SubmitDagArgs, own_config: Option<String>, auto_rescue: bool) -> Vec<String> {
    let mut options = Vec::new();
    let mut pair = |name: &str, value: Option<String>| {
        options.extend(value.map(|value| [name.to_owned(), value]).into_iter().flatten());
    };
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    pair("-MaxIdle", number(args.maxidle));
    pair("-MaxJobs", number(args.maxjobs));
    pair("-MaxPre", number(args.maxpre));
    pair("-MaxPost", number(args.maxpost));
    pair("-MaxHold", number(args.maxhold));
    pair("-Priority", args.priority.map(|priority| priority.to_string()));
    pair("-AutoRescue", Some(u8::from(auto_rescue).to_string()));
    pair("-DoRescueFrom", number(args.dorescuefrom));
    pair("-RescueFile", args.rescuefile.clone());
    pair("-load_save", args.load_save.clone());
    pair("-Config", args.config.clone().or(own_config));
    let flags = [
        (args.alwaysrunpost, "-AlwaysRunPost"),
        (args.dontalwaysrunpost, "-DontAlwaysRunPost"),
        (args.usedagdir, "-UseDagDir"),
        (args.suppress_notification, "-Suppress_notification"),
        (args.dont_suppress_notification, "-Dont_Suppress_notification"),
    ];
    options.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
    if args.force {
        options.push("-force".to_owned());
    }
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
    if let Some(number) = args.dorescuefrom {
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
    let rescue = shell::choose(names, auto_rescue, args.dorescuefrom)?;
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
