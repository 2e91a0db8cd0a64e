//! `updraft dagman`, `condor_dagman`: the process that runs a workflow. A user does not call it:
//! `submit_dag` makes a job that does. Its options are those that `.condor.sub` files have.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use client::Home;
use dagman::record::Names;
use dagman::record::condor_sub::{HandedOn, Program};
use dagman::shell::{self, Knobs, Setup, ShellError, Start};
use model::diagnostic::Diagnostic;
use model::{ClusterId, JobId};

use crate::commands::workflows::dag_files::{self, Reading};
use crate::line::call::Call;
use crate::line::output::complain;

/// Run a workflow: what the job of a DAG does.
#[derive(Debug, clap::Args)]
pub struct DagmanArgs {
    /// Options in HTCondor's spelling, as `.condor.sub` files have them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    words: Vec<String>,
}

/// The job that this process is: the schedd says it to jobs of the scheduler universe.
const JOB_ID: &str = "CONDOR_ID";

/// What the options say.
#[derive(Debug, Default)]
struct Options {
    dag_files: Vec<String>,
    lock: Option<String>,
    config: Option<String>,
    rescue_from: Option<u32>,
    rescue_file: Option<String>,
    /// A save point, as it was named.
    save_point: Option<String>,
    use_dag_dir: bool,
    settings: Vec<(&'static str, String)>,
    inherited: Vec<String>,
    handed_on: HandedOn,
    dagman: Option<String>,
    /// Without a job of its own.
    version: bool,
}

/// Does it.
///
/// # Errors
///
/// If it is no job of a pool, or its files cannot be read or written.
pub fn run(args: &DagmanArgs, _: &Call) -> Result<ExitCode> {
    let mut options = read(&args.words)?;
    if options.version {
        println!(
            "{}\n{}",
            crate::line::release::condor_version(),
            crate::line::release::condor_platform()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let Some(primary) = options.dag_files.first().cloned() else {
        bail!("no DAG file is named: a DAG is run by submit_dag")
    };
    let home = Home::from_environment();
    let job = std::env::var(JOB_ID).unwrap_or_default();
    let job: JobId = job.parse().with_context(|| {
        format!("{JOB_ID} names no job: dagman runs as a job, which submit_dag makes")
    })?;
    let names = names(&primary, &mut options);
    let (knobs, of_settings) = knobs(&home, &options)?;
    let reading = Reading {
        files: options.dag_files.clone(),
        use_dag_dir: options.use_dag_dir,
        knobs: knobs.clone(),
    };
    let lock = options.lock.unwrap_or_else(|| names.lock());
    let begins_by_itself = options.rescue_file.is_none() && knobs.auto_rescue;
    if begins_by_itself && !end_left(&home, &names, &lock, job.cluster, &reading)? {
        return Ok(ExitCode::from(shell::RESTART));
    }
    let start = match &options.rescue_file {
        Some(path) => Start::From(None, path.clone()),
        None => shell::choose(&names, knobs.auto_rescue, options.rescue_from)?,
    };
    let mut manner = knobs.manner;
    manner.dagman = own_program(options.dagman.as_deref())?;
    manner.inherited = options.inherited;
    manner.handed_on = options.handed_on;
    let out = std::env::var("_CONDOR_DAGMAN_LOG").ok().filter(|path| !path.is_empty());
    let setup = Setup {
        home,
        job: job.cluster,
        lock,
        out: out.unwrap_or_else(|| names.dagman_out()),
        dag_files: options.dag_files,
        names,
        options: knobs.options,
        manner,
        start,
        argv: std::iter::once("condor_dagman".to_owned()).chain(args.words.clone()).collect(),
        load: Box::new(move |rescue| dag_files::with_warnings(&of_settings, reading.load(rescue))),
        settings_of: Arc::new(dag_files::settings_of_subdag),
    };
    println!("Executing condor dagman ... ");
    let journal = setup.names.journal();
    match shell::run(setup) {
        Ok(status) => Ok(ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1))),
        // What is wrong with a DAG stays wrong: the job leaves the queue.
        Err(error @ (ShellError::Dag(_) | ShellError::Locked { .. } | ShellError::Changed)) => {
            complain(&format!("ERROR: {error}\n"));
            Ok(ExitCode::from(1))
        }
        // A run that has begun is not given up: its job is queued again, and goes on where it was.
        Err(error) if std::path::Path::new(&journal).exists() => {
            complain(&format!("ERROR: {:#}\n", anyhow::Error::from(error)));
            Ok(ExitCode::from(shell::RESTART))
        }
        Err(error) => Err(error.into()),
    }
}

/// The names of the DAG's files. A save point is a file to begin from as a rescue file is.
fn names(primary: &str, options: &mut Options) -> Names {
    let names = Names::new(primary, options.dag_files.len() > 1);
    let names = names.with_out_dir(options.handed_on.out_dir.clone());
    if let Some(name) = &options.save_point {
        options.rescue_file = Some(names.save_point(name));
    }
    names
}

/// Ends a run that another job has left, so that this one begins with what that had done. Whether
/// the schedd could be asked: if not, the job is to be queued again.
fn end_left(
    home: &Home,
    names: &Names,
    lock: &str,
    own: ClusterId,
    reading: &Reading,
) -> Result<bool> {
    let load = |rescue: Option<&str>| reading.load(rescue);
    match shell::end_left(home, names, lock, Some(own), &reading.knobs, &load) {
        Ok(_) => Ok(true),
        // As ever: who changes a DAG file begins anew.
        Err(error @ ShellError::Left { .. }) => {
            complain(&format!("Warning: {error}\n"));
            Ok(true)
        }
        Err(error @ ShellError::Ask(_)) => {
            complain(&format!("ERROR: {:#}\n", anyhow::Error::from(error)));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The settings, and what there is to say of them: on standard error, and in dagman.out.
fn knobs(home: &Home, options: &Options) -> Result<(Knobs, Vec<Diagnostic>)> {
    let mut knobs = Knobs::default();
    let found = dag_files::configure(home, &mut knobs, options.config.as_deref())?;
    dag_files::told(&found).iter().for_each(|line| complain(&format!("{line}\n")));
    for (name, value) in &options.settings {
        knobs.set(name, value)?;
    }
    knobs.manner.auto_rescue = knobs.auto_rescue;
    knobs.manner.rescue_from = options.rescue_from;
    if options.rescue_from.is_some() || options.rescue_file.is_some() {
        knobs.auto_rescue = false;
    }
    Ok((knobs, found))
}

/// The program that runs this one's sub-DAGs: the same.
fn own_program(named: Option<&str>) -> Result<Program> {
    let own = std::env::current_exe().context("find this program's own file")?;
    let own = own.to_string_lossy().into_owned();
    match named {
        Some(path) if path != own => Ok(Program { path: path.to_owned(), words: Vec::new() }),
        Some(_) | None => Ok(Program { path: own, words: vec!["condor_dagman".to_owned()] }),
    }
}

/// Options with a value that set a setting, in lower case.
const SETTINGS: [(&str, &str); 7] = [
    ("-maxjobs", "DAGMAN_MAX_JOBS_SUBMITTED"),
    ("-maxidle", "DAGMAN_MAX_JOBS_IDLE"),
    ("-maxpre", "DAGMAN_MAX_PRE_SCRIPTS"),
    ("-maxpost", "DAGMAN_MAX_POST_SCRIPTS"),
    ("-maxhold", "DAGMAN_MAX_HOLD_SCRIPTS"),
    ("-autorescue", "DAGMAN_AUTO_RESCUE"),
    ("-priority", "DAGMAN_DEFAULT_PRIORITY"),
];

fn read(words: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = word.to_ascii_lowercase();
        let mut value = || {
            let value = rest.next().cloned();
            value.with_context(|| format!("{word} needs a value"))
        };
        match name.as_str() {
            "-dag" => options.dag_files.push(value()?),
            "-lockfile" => options.lock = Some(value()?),
            "-config" => options.config = Some(value()?),
            "-dorescuefrom" => {
                let number = value()?;
                let number = number.parse().with_context(|| format!("{word} {number}"))?;
                options.rescue_from = Some(number).filter(|number| *number > 0);
            }
            "-rescuefile" => options.rescue_file = Some(value()?),
            "-load_save" => options.save_point = Some(value()?),
            "-dagman" => options.dagman = Some(value()?),
            "-usedagdir" => options.use_dag_dir = true,
            "-alwaysrunpost" => {
                options.settings.push(("DAGMAN_ALWAYS_RUN_POST", "True".to_owned()));
            }
            "-dontalwaysrunpost" => {
                options.settings.push(("DAGMAN_ALWAYS_RUN_POST", "False".to_owned()));
            }
            "-suppress_notification" | "-dont_suppress_notification" => {
                let value = (name == "-suppress_notification").to_string();
                options.settings.push(("DAGMAN_SUPPRESS_NOTIFICATION", value));
                options.inherited.push(word.clone());
            }
            "-insert_env" => options.handed_on.insert_env.push(value()?),
            "-include_env" => options.handed_on.include_env.push(value()?),
            "-import_env" => options.handed_on.import_env = true,
            "-outfile_dir" => options.handed_on.out_dir = Some(value()?),
            "-notification" => options.handed_on.notification = Some(value()?),
            "-do_recurse" => options.handed_on.do_recurse = true,
            "-allowversionmismatch" => options.handed_on.allow_version_mismatch = true,
            // What is no number asks for nothing.
            "-debug" => options.handed_on.debug = value()?.parse().ok(),
            // Of daemon core and of condor_submit_dag: what they say of this program holds anyway.
            "-f" | "-t" | "-force" | "-update_submit" | "-dorecovery" | "-waitfordebug" => {}
            "-l" | "-csdversion" | "-a" => drop(value()?),
            "-version" => options.version = true,
            other => match SETTINGS.iter().find(|(option, _)| *option == other) {
                Some((_, setting)) => options.settings.push((setting, value()?)),
                None => bail!("{word}: dagman has no such option"),
            },
        }
    }
    Ok(options)
}
