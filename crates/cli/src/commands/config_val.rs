//! `updraft config_val`, `condor_config_val`: the few settings that scripts ask for. There are no configuration files: what is here
//! follows from where the pool is.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::commands::version;
use crate::exit::Exit;
use crate::home::{DaemonRole, Home};
use crate::output;
use crate::verbs::{Call, Voice};

/// Options of HTCondor's `condor_config_val` that are not built.
pub const NOT_YET: &[&str] = &[
    "set",
    "rset",
    "unset",
    "runset",
    "summary",
    "unused",
    "evaluate",
    "expand",
    "macro",
    "mixedcase",
    "local-name",
    "subsystem",
    "name",
    "pool",
    "address",
    "owner",
    "tilde",
    "writeconfig",
    "root-config",
    "default",
    "debug",
    "stats",
    "schedd",
    "startd",
    "master",
    "collector",
    "negotiator",
];

/// Print settings of the pool that scripts ask for. A name that is not known is "Not defined", as in HTCondor.
#[derive(Debug, Args)]
pub struct ConfigValArgs {
    /// Settings.
    #[arg(value_name = "NAMES")]
    names: Vec<String>,
    /// All settings, or those whose name has one of NAMES in it.
    #[arg(long)]
    dump: bool,
    /// Also where a setting comes from.
    #[arg(long, short = 'v')]
    verbose: bool,
    /// The folders of the configuration files: there are none.
    #[arg(long)]
    config: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If the host's name cannot be read.
pub fn run(args: &ConfigValArgs, call: &Call) -> Result<ExitCode> {
    let settings = settings(&Home::from_environment())?;
    if args.config {
        output::put(
            "Updraft has no configuration files; the pool is in the folder of LOCAL_DIR\n",
        )?;
        return Ok(Exit::Done.into());
    }
    let wanted = |name: &str| {
        let has = |part: &String| name.contains(&part.to_ascii_uppercase());
        args.names.is_empty() || args.names.iter().any(has)
    };
    if args.json && call.voice == Voice::Updraft {
        let some: BTreeMap<_, _> = settings.iter().filter(|(name, _)| wanted(name)).collect();
        output::put(&format!("{:#}\n", serde_json::to_value(some)?))?;
        return Ok(Exit::Done.into());
    }
    if args.dump {
        let some = settings.iter().filter(|(name, _)| wanted(name));
        output::put(&some.map(|(name, value)| format!("{name} = {value}\n")).collect::<String>())?;
        return Ok(Exit::Done.into());
    }
    if args.names.is_empty() {
        eprintln!("Usage: {} [-dump] [-verbose] NAMES", call.name);
        return Ok(if call.voice == Voice::HtCondor { Exit::Failed } else { Exit::Usage }.into());
    }
    let mut exit = Exit::Done;
    for name in &args.names {
        match settings.get(name.to_ascii_uppercase().as_str()) {
            Some(value) if args.verbose => {
                let name = name.to_ascii_uppercase();
                output::put(&format!(
                    "{name} = {value}\n # at: <Internal>\n # raw: {name} = {value}\n\n"
                ))?;
            }
            Some(value) => output::put(&format!("{value}\n"))?,
            None => {
                eprintln!("Not defined: {name}");
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit.into())
}

/// What is set, by name.
fn settings(home: &Home) -> Result<BTreeMap<&'static str, String>> {
    let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let folder = |path: &std::path::Path| path.display().to_string();
    let log = |role: DaemonRole| home.log(role.name()).display().to_string();
    let short = host.split('.').next().unwrap_or(&host).to_owned();
    let user = crate::connect::me();
    Ok(BTreeMap::from([
        ("ARCH", std::env::consts::ARCH.to_ascii_uppercase()),
        ("OPSYS", std::env::consts::OS.to_ascii_uppercase()),
        ("COLLECTOR_HOST", host.clone()),
        ("CONDOR_HOST", host.clone()),
        ("CONDOR_VERSION", follows().to_owned()),
        ("CONDORVERSION", version::condor_version()),
        ("CONDOR_PLATFORM", version::condor_platform()),
        ("DAEMON_LIST", "MASTER, COLLECTOR, NEGOTIATOR, SCHEDD, STARTD".to_owned()),
        ("EXECUTE", folder(&home.execute_dir())),
        ("FILESYSTEM_DOMAIN", host.clone()),
        ("FULL_HOSTNAME", host.clone()),
        ("HOSTNAME", short),
        ("LOCAL_DIR", folder(home.dir())),
        ("LOCK", folder(&home.run_dir())),
        ("LOG", folder(&home.log_dir())),
        ("NEGOTIATOR_HOST", host.clone()),
        ("NEGOTIATOR_LOG", log(DaemonRole::Negotiator)),
        ("RUN", folder(&home.run_dir())),
        ("SCHEDD_HOST", host.clone()),
        ("SCHEDD_LOG", log(DaemonRole::Schedd)),
        ("SCHEDD_NAME", host.clone()),
        ("SPOOL", folder(&home.state_dir(DaemonRole::Schedd))),
        ("STARTD_LOG", log(DaemonRole::Startd)),
        ("UID_DOMAIN", host),
        ("USERNAME", user),
    ]))
}

/// `25.14.1`.
fn follows() -> &'static str {
    model::version::FOLLOWS.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn settings_follow_from_where_the_pool_is() {
        let settings = settings(&Home::at(Path::new("/pool"))).unwrap();
        for (name, value) in
            [("SPOOL", "/pool/schedd"), ("LOG", "/pool/log"), ("EXECUTE", "/pool/execute")]
        {
            assert_eq!(settings[name], value);
        }
        assert!(settings.keys().all(|name| name.chars().all(|c| !c.is_ascii_lowercase())));
    }
}
