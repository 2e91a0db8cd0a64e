//! The environment in which a job finds itself. Pure: from the job's ad and where it runs.
//!
//! It is empty but for what the job asked for and what is here (HTCondor 25.14 gives no PATH
//! either).

use std::collections::BTreeMap;
use std::path::Path;

use classad::{ClassAd, Value};
use model::cmdline::{CmdlineError, environ_of};
use model::job_ad::Transfer;
use model::{JobId, Universe};
use proto::chirp;

use crate::shell::files::transfer::proxy_in;
use crate::shell::machine::devices::GPUS;

/// Variables by which libraries learn how many threads to use (HTCondor 25.14:
/// `STARTER_NUM_THREADS_ENV_VARS`). Without them, a job with one processor of sixty-four starts
/// sixty-four threads.
const THREAD_COUNTS: [&str; 12] = [
    "CUBACORES",
    "GOMAXPROCS",
    "JULIA_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "PYTHON_CPU_COUNT",
    "ROOT_MAX_THREADS",
    "TF_LOOP_PARALLEL_ITERATIONS",
    "TF_NUM_THREADS",
];

/// Variables by which libraries learn which GPUs they may use.
/// Each with what it says where there is none (HTCondor 25.14), so that no library takes one that
/// is somebody else's.
const GPU_VARIABLES: [(&str, &str); 3] = [
    ("CUDA_VISIBLE_DEVICES", NO_GPU),
    ("GPU_DEVICE_ORDINAL", NO_GPU),
    ("NVIDIA_VISIBLE_DEVICES", "none"),
];

/// A device that does not exist.
const NO_GPU: &str = "10000";

/// Where container programs keep what they have unpacked, if the job does not say.
const CACHE_FOLDERS: [&str; 2] = ["APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR"];

/// Where grid tools look for the user's proxy.
const PROXY: &str = "X509_USER_PROXY";

/// How attributes begin that name the devices of a slot.
const ASSIGNED: &str = "Assigned";

/// The job's ad, in its scratch folder.
pub(crate) const JOB_AD: &str = ".job.ad";

/// The slot's ad, in its scratch folder.
pub(crate) const MACHINE_AD: &str = ".machine.ad";

/// What stands for the scratch folder in a job's environment (HTCondor 25.14).
const SCRATCH_MACRO: &str = "$$(CondorScratchDir)";

/// `CLUSTER.PROC`, for jobs of the scheduler universe (HTCondor 25.14).
const JOB_ID: &str = "CONDOR_ID";

/// Which attributes may be set late, as a pattern (HTCondor 25.14).
const DELAYED_NAMES: (&str, &str) = ("_CHIRP_DELAYED_UPDATE_PREFIX", "Chirp*");

/// Whether a job's processes are told how to call its schedd.
pub(crate) fn calls_schedd(job: &ClassAd) -> bool {
    job.literal(chirp::WANTED).is_some_and(Value::is_true)
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// On a part of the machine, or beside its schedd.
    pub(crate) universe: Universe,
    /// Which job it is a run of.
    pub(crate) job: JobId,
    /// Its scratch folder.
    pub(crate) scratch: &'a Path,
    /// A name for it that leaves room for the path of a socket.
    pub(crate) temporary: &'a Path,
    /// Its working directory.
    pub(crate) cwd: &'a Path,
    /// Where our programs are.
    pub(crate) bin: &'a Path,
    /// Its slot, for example `slot1_2@host`; runs beside a schedd have none.
    pub(crate) slot: &'a str,
    pub(crate) cpus: u32,
    /// The user's home, if they have one.
    pub(crate) home: Option<&'a Path>,
    /// Its slot's ad.
    pub(crate) slot_ad: &'a ClassAd,
    /// Whether its processes may call its schedd.
    pub(crate) calls: bool,
}

/// The variables of a run. What the job asks for goes before what is only a convenience, and behind
/// what says where it is. A job of the scheduler universe is told of itself, and nothing of a slot
/// or a folder: it has neither.
///
/// # Errors
///
/// If the job's ad has no readable environment.
pub(crate) fn of(
    job: &ClassAd,
    place: Place<'_>,
) -> Result<BTreeMap<String, String>, CmdlineError> {
    let mut environ = environ_of(job)?;
    let transfer = Transfer::of(job);
    if let Some(proxy) = transfer.proxy {
        let brought = (place.cwd == place.scratch).then(|| proxy_in(&transfer, place.scratch));
        let found = brought.flatten().unwrap_or_else(|| proxy.into());
        environ.insert(PROXY.to_owned(), text(&found));
    }
    Ok(around(environ, place))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The variables of a program of a run that asks for these.
pub(crate) fn around(
    mut environ: BTreeMap<String, String>,
    place: Place<'_>,
) -> BTreeMap<String, String> {
    let scratch = text(place.scratch);
    let job_ad = text(&place.scratch.join(JOB_AD));
    if place.calls {
        let config = text(&place.scratch.join(chirp::CONFIG_FILE));
        environ.insert(chirp::CONFIG_VARIABLE.to_owned(), config);
        environ.insert(DELAYED_NAMES.0.to_owned(), DELAYED_NAMES.1.to_owned());
    }
    if place.universe == Universe::Scheduler {
        environ.insert(JOB_ID.to_owned(), place.job.to_string());
        environ.insert("_CONDOR_JOB_AD".to_owned(), job_ad);
        return environ;
    }
    for value in environ.values_mut().filter(|value| value.contains(SCRATCH_MACRO)) {
        *value = value.replace(SCRATCH_MACRO, &scratch);
    }
    let unless_set = THREAD_COUNTS.map(|name| (name, place.cpus.to_string()));
    let temporary = text(place.temporary);
    let folders = ["TMPDIR", "TMP", "TEMP"].map(|name| (name, temporary.clone()));
    let caches = CACHE_FOLDERS.map(|name| (name, scratch.clone()));
    let home = place.home.map(|home| ("HOME", text(home)));
    for (name, value) in unless_set.into_iter().chain(folders).chain(caches).chain(home) {
        environ.entry(name.to_owned()).or_insert(value);
    }
    for (name, value) in [
        ("BATCH_SYSTEM", "HTCondor".to_owned()),
        ("_CONDOR_BIN", text(place.bin)),
        ("_CONDOR_JOB_AD", job_ad),
        ("_CONDOR_JOB_IWD", text(place.cwd)),
        ("_CONDOR_JOB_PIDS", String::new()),
        ("_CONDOR_MACHINE_AD", text(&place.scratch.join(MACHINE_AD))),
        ("_CONDOR_SCRATCH_DIR", scratch),
    ] {
        environ.insert(name.to_owned(), value);
    }
    if !place.universe.is_beside() {
        let slot = place.slot.split('@').next().unwrap_or(place.slot);
        environ.insert("_CONDOR_SLOT".to_owned(), slot.to_owned());
        environ.extend(devices(place.slot_ad));
    }
    environ
}

/// The names of the variables that a run of the job finds and the job does not bring: for who asks
/// before it runs. Devices are not among them, which depend on the machine.
///
/// # Errors
///
/// If the job's ad has no readable environment.
pub fn added_variables(id: JobId, job: &ClassAd) -> Result<Vec<String>, CmdlineError> {
    let own = environ_of(job)?;
    let nowhere = Path::new("/");
    let place = Place {
        universe: Universe::of(job),
        job: id,
        scratch: nowhere,
        temporary: nowhere,
        cwd: nowhere,
        bin: nowhere,
        slot: "",
        cpus: 1,
        home: Some(nowhere),
        slot_ad: &ClassAd::new(),
        calls: calls_schedd(job),
    };
    let all = around(own.clone(), place);
    Ok(all.into_keys().filter(|name| !own.contains_key(name)).collect())
}

/// Which devices the run has: `_CONDOR_AssignedGPUs` and its like, and for GPUs what their
/// libraries look at. A run without one is told of one that does not exist (HTCondor 25.14:
/// `ENVIRONMENT_VALUE_FOR_UnAssignedGPUs`).
fn devices(slot: &ClassAd) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut gpus = None;
    for (name, value) in slot.iter() {
        let head = name.as_str().get(..ASSIGNED.len());
        if !head.is_some_and(|head| head.eq_ignore_ascii_case(ASSIGNED)) {
            continue;
        }
        let Some(ids) = value.as_literal().and_then(|ids| ids.as_str()) else { continue };
        all.push((format!("_CONDOR_{name}"), ids.to_owned()));
        if name.as_str()[ASSIGNED.len()..].eq_ignore_ascii_case(GPUS) {
            gpus = Some(ids.to_owned());
        }
    }
    if gpus.is_none() {
        all.push((format!("_CONDOR_{ASSIGNED}{GPUS}"), NO_GPU.to_owned()));
    }
    let value = |none: &str| gpus.clone().unwrap_or_else(|| none.to_owned());
    all.extend(GPU_VARIABLES.map(|(name, none)| (name.to_owned(), value(none))));
    all
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(universe: Universe, environment: &str, expected: &Expect) {
        let mut job = ClassAd::new();
        job.set("Environment", environment);
        let place = Place {
            universe,
            job: JobId::new(7, 2),
            scratch: Path::new("/execute/dir_1"),
            temporary: Path::new("/tmp/updraft-1/1-1"),
            cwd: Path::new("/home/alice/work"),
            bin: Path::new("/usr/bin"),
            slot: "slot1_2@host",
            cpus: 4,
            home: Some(Path::new("/home/alice")),
            slot_ad: &ClassAd::new(),
            calls: false,
        };
        let mut text = String::new();
        for (name, value) in of(&job, place).unwrap() {
            writeln!(text, "{name}={value}").unwrap();
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn a_job_that_asks_for_nothing_finds_what_htcondor_sets() {
        check(
            Universe::Vanilla,
            "",
            &expect![[r#"
                APPTAINER_CACHEDIR=/execute/dir_1
                BATCH_SYSTEM=HTCondor
                CUBACORES=4
                CUDA_VISIBLE_DEVICES=10000
                GOMAXPROCS=4
                GPU_DEVICE_ORDINAL=10000
                HOME=/home/alice
                JULIA_NUM_THREADS=4
                MKL_NUM_THREADS=4
                NUMEXPR_NUM_THREADS=4
                NVIDIA_VISIBLE_DEVICES=none
                OMP_NUM_THREADS=4
                OMP_THREAD_LIMIT=4
                OPENBLAS_NUM_THREADS=4
                PYTHON_CPU_COUNT=4
                ROOT_MAX_THREADS=4
                SINGULARITY_CACHEDIR=/execute/dir_1
                TEMP=/tmp/updraft-1/1-1
                TF_LOOP_PARALLEL_ITERATIONS=4
                TF_NUM_THREADS=4
                TMP=/tmp/updraft-1/1-1
                TMPDIR=/tmp/updraft-1/1-1
                _CONDOR_AssignedGPUs=10000
                _CONDOR_BIN=/usr/bin
                _CONDOR_JOB_AD=/execute/dir_1/.job.ad
                _CONDOR_JOB_IWD=/home/alice/work
                _CONDOR_JOB_PIDS=
                _CONDOR_MACHINE_AD=/execute/dir_1/.machine.ad
                _CONDOR_SCRATCH_DIR=/execute/dir_1
                _CONDOR_SLOT=slot1_2
            "#]],
        );
    }

    #[test]
    fn a_job_beside_its_schedd_is_told_of_no_slot() {
        check(
            Universe::Scheduler,
            "HOME=/home/alice",
            &expect![[r#"
                CONDOR_ID=7.2
                HOME=/home/alice
                _CONDOR_JOB_AD=/execute/dir_1/.job.ad
            "#]],
        );
        check(
            Universe::Local,
            "",
            &expect![[r#"
                APPTAINER_CACHEDIR=/execute/dir_1
                BATCH_SYSTEM=HTCondor
                CUBACORES=4
                GOMAXPROCS=4
                HOME=/home/alice
                JULIA_NUM_THREADS=4
                MKL_NUM_THREADS=4
                NUMEXPR_NUM_THREADS=4
                OMP_NUM_THREADS=4
                OMP_THREAD_LIMIT=4
                OPENBLAS_NUM_THREADS=4
                PYTHON_CPU_COUNT=4
                ROOT_MAX_THREADS=4
                SINGULARITY_CACHEDIR=/execute/dir_1
                TEMP=/tmp/updraft-1/1-1
                TF_LOOP_PARALLEL_ITERATIONS=4
                TF_NUM_THREADS=4
                TMP=/tmp/updraft-1/1-1
                TMPDIR=/tmp/updraft-1/1-1
                _CONDOR_BIN=/usr/bin
                _CONDOR_JOB_AD=/execute/dir_1/.job.ad
                _CONDOR_JOB_IWD=/home/alice/work
                _CONDOR_JOB_PIDS=
                _CONDOR_MACHINE_AD=/execute/dir_1/.machine.ad
                _CONDOR_SCRATCH_DIR=/execute/dir_1
            "#]],
        );
    }

    /// A run in a slot of two processors, with nothing that is special.
    fn plain(slot_ad: &ClassAd) -> Place<'_> {
        Place {
            universe: Universe::Vanilla,
            job: JobId::new(7, 2),
            scratch: Path::new("/s"),
            temporary: Path::new("/s"),
            cwd: Path::new("/s"),
            bin: Path::new("/usr/bin"),
            slot: "slot1_1@host",
            cpus: 2,
            home: None,
            slot_ad,
            calls: false,
        }
    }

    #[test]
    fn the_job_has_its_way_with_everything_but_where_it_is() {
        let mut job = ClassAd::new();
        job.set("Environment", "OMP_NUM_THREADS=1 TMPDIR=/fast _CONDOR_SLOT=mine 'FOO=a b'");
        let slot_ad = ClassAd::new();
        let place = plain(&slot_ad);
        let environ = of(&job, place).unwrap();
        assert!(!environ.contains_key(chirp::CONFIG_VARIABLE));
        let calling = of(&job, Place { calls: true, ..place }).unwrap();
        assert_eq!(
            calling.get("_CONDOR_CHIRP_CONFIG").map(String::as_str),
            Some("/s/.chirp.config")
        );
        assert_eq!(calling.get("_CHIRP_DELAYED_UPDATE_PREFIX").map(String::as_str), Some("Chirp*"));
        for (name, value) in [
            ("OMP_NUM_THREADS", "1"),
            ("MKL_NUM_THREADS", "2"),
            ("TMPDIR", "/fast"),
            ("TMP", "/s"),
            ("FOO", "a b"),
            ("_CONDOR_SLOT", "slot1_1"),
        ] {
            assert_eq!(environ.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(environ.get("HOME"), None);
        assert_eq!(environ.get("PATH"), None);
    }

    #[test]
    fn the_users_proxy_is_found_where_it_is() {
        let mut job = ClassAd::new();
        job.set("x509userproxy", "/tmp/x509up_u7");
        let slot_ad = ClassAd::new();
        let place = plain(&slot_ad);
        let proxy = |place| of(&job, place).unwrap().remove(PROXY);
        assert_eq!(proxy(place).as_deref(), Some("/s/x509up_u7"), "it was brought");
        let at_home = Place { cwd: Path::new("/home/alice"), ..place };
        assert_eq!(proxy(at_home).as_deref(), Some("/tmp/x509up_u7"));
    }

    #[test]
    fn what_the_machine_adds_is_known_before_the_job_runs() {
        let mut job = ClassAd::new();
        job.set("Environment", "OMP_NUM_THREADS=1 FOO=a");
        let names = added_variables(JobId::new(1, 0), &job).unwrap();
        let has = |name: &str| names.iter().any(|one| one == name);
        assert!(has("HOME") && has("TMPDIR") && has("_CONDOR_SLOT"), "{names:?}");
        assert!(!has("OMP_NUM_THREADS") && !has("FOO"), "what it brings is its own: {names:?}");
    }
}
