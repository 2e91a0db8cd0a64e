//! Which files of a job go to its machine, and which come back when.

use std::collections::BTreeMap;
use std::path::Path;

use classad::{ClassAd, Env, Value};

use crate::job_ad::checkpoint::{Checkpoint, CheckpointEnd};
use crate::job_ad::{is_false, is_true, text};
use crate::travel::{file_items, output_remaps, url_scheme};
use crate::{Universe, attr};

/// What a job says of its files besides its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Its program, from the initial directory.
    pub program: Option<&'a str>,
    /// Whether the program is brought (`transfer_executable`).
    pub brings_program: bool,
    /// What is brought besides.
    pub inputs: Vec<Input<'a>>,
    /// Its user's proxy, a plain file (`x509userproxy`).
    pub proxy: Option<&'a str>,
    /// Plug-ins that it brings along (`transfer_plugins`).
    pub plugins: Vec<OwnPlugin<'a>>,
    /// What comes back, by its path where the job ran; otherwise what it has made or changed.
    pub outputs: Option<Vec<&'a str>>,
    /// New names for what comes back: paths from the initial directory, or URLs.
    pub remaps: BTreeMap<String, String>,
    /// Whether files keep their folders on the way (`preserve_relative_paths`).
    pub preserve_relative_paths: bool,
    /// The URL below which all files go, instead of coming back (`output_destination`).
    pub destination: Option<&'a str>,
    /// Files come back only if the job exits with this (`when_to_transfer_output = ON_SUCCESS`,
    /// where the job says what success is: HTCondor 25.14).
    pub only_after_exit_code: Option<i32>,
}

/// One item of the list of files that are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A path from the initial directory; with `/` at its end: what is in that folder.
    Path(&'a str),
    /// What a plug-in fetches.
    Url(&'a str),
}

/// A program of the user's that fetches and stores by URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlugin<'a> {
    /// The protocols that it is for.
    pub methods: Vec<&'a str>,
    /// Where it is, from the initial directory.
    pub path: &'a str,
}

/// How much may travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileLimits {
    /// Together, what is brought may be no larger.
    pub input_bytes: Option<u64>,
    /// Together, what comes back may be no larger.
    pub output_bytes: Option<u64>,
}

/// The folder from which a job's relative paths lead, on the submitting side.
pub fn initial_directory(job: &ClassAd) -> Option<&Path> {
    text(job, attr::IWD).map(Path::new)
}

impl<'a> Transfer<'a> {
    /// What this job says.
    pub fn of(job: &'a ClassAd) -> Self {
        let outputs = job.literal(attr::TRANSFER_OUTPUT).and_then(Value::as_str);
        let success = job.literal(attr::JOB_SUCCESS_EXIT_CODE).and_then(Value::as_i64);
        let success = success.and_then(|code| i32::try_from(code).ok());
        let inputs = file_items(text(job, attr::TRANSFER_INPUT).unwrap_or_default());
        Self {
            program: text(job, attr::CMD),
            brings_program: !is_false(job, attr::TRANSFER_EXECUTABLE),
            inputs: inputs.map(Input::of).collect(),
            proxy: text(job, attr::X509_USER_PROXY),
            plugins: OwnPlugin::list(text(job, attr::TRANSFER_PLUGINS).unwrap_or_default()),
            outputs: outputs.map(|list| file_items(list).collect()),
            remaps: output_remaps(text(job, attr::TRANSFER_OUTPUT_REMAPS).unwrap_or_default()),
            preserve_relative_paths: is_true(job, attr::PRESERVE_RELATIVE_PATHS),
            destination: text(job, attr::OUTPUT_DESTINATION),
            only_after_exit_code: is_when(job, "ON_SUCCESS").then_some(success).flatten(),
        }
    }

    /// The paths among what is brought.
    pub fn input_paths(&self) -> impl Iterator<Item = &'a str> {
        self.inputs.iter().filter_map(|input| match input {
            Input::Path(path) => Some(*path),
            Input::Url(_) => None,
        })
    }

    /// The paths of all that is brought whole: the inputs, the proxy and the plug-ins.
    pub fn brought_paths(&self) -> impl Iterator<Item = &'a str> {
        let plugins = self.plugins.iter().map(|plugin| plugin.path);
        self.input_paths().chain(self.proxy).chain(plugins)
    }

    /// The new names that are paths.
    pub fn renamed_paths(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.remaps.iter().map(|(name, new)| (name.as_str(), new.as_str()));
        all.filter(|(_, new)| url_scheme(new).is_none())
    }
}

impl<'a> OwnPlugin<'a> {
    /// Of a list as `transfer_plugins` has it: `s3,gs=tools/cloud.py; box=box.sh`. What names no
    /// protocol or no program is none.
    pub fn list(text: &'a str) -> Vec<Self> {
        let one = |item: &'a str| {
            let (methods, path) = item.split_once('=')?;
            let methods: Vec<&str> = file_items(methods).collect();
            let path = path.trim();
            (!methods.is_empty() && !path.is_empty()).then_some(Self { methods, path })
        };
        text.split(';').filter_map(one).collect()
    }
}

impl<'a> Input<'a> {
    fn of(item: &'a str) -> Self {
        match url_scheme(item) {
            Some(scheme) if scheme == "file" => Self::Path(&item["file://".len()..]),
            Some(_) => Self::Url(item),
            None => Self::Path(item),
        }
    }
}

impl FileLimits {
    /// What a job says; a negative limit is none.
    pub fn of(job: &ClassAd, env: &Env) -> Self {
        const MIB: u64 = 1 << 20;
        let bytes = |name| {
            let most_mib = job.eval(name, None, env).as_i64()?;
            Some(u64::try_from(most_mib).ok()?.saturating_mul(MIB))
        };
        Self {
            input_bytes: bytes(attr::MAX_TRANSFER_INPUT_MB),
            output_bytes: bytes(attr::MAX_TRANSFER_OUTPUT_MB),
        }
    }
}

/// Whether the files of a job are brought to a machine of this `FileSystemDomain` and back
/// (HTCondor 25.14: `should_transfer_files`; with `IF_NEEDED` the domains decide). A job that runs
/// beside the schedd is where its files are.
pub fn files_travel(job: &ClassAd, file_system_domain: &str) -> bool {
    if Universe::of(job).is_beside() {
        return false;
    }
    match text(job, attr::SHOULD_TRANSFER_FILES) {
        Some(should) if should.eq_ignore_ascii_case("YES") => true,
        Some(should) if should.eq_ignore_ascii_case("NO") => false,
        Some(_) | None => text(job, attr::FILE_SYSTEM_DOMAIN)
            .is_some_and(|domain| !domain.eq_ignore_ascii_case(file_system_domain)),
    }
}

/// What comes of the files of a job whose run is stopped before it has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEvict {
    /// Nothing: only what it said comes back.
    Nothing,
    /// They are kept for its next run.
    Keep,
    /// They come back to the submitter, as at its end.
    BringBack,
}

/// What a job says of that (HTCondor 25.14: `when_to_transfer_output = ON_EXIT_OR_EVICT`, and
/// `SpoolOnEvict`, true if the job does not say).
pub fn on_evict(job: &ClassAd) -> OnEvict {
    if Universe::of(job).is_beside() {
        return OnEvict::Nothing;
    }
    match is_when(job, "ON_EXIT_OR_EVICT") {
        false => OnEvict::Nothing,
        true if is_false(job, "SpoolOnEvict") => OnEvict::BringBack,
        true => OnEvict::Keep,
    }
}

/// Whether the schedd keeps files of a job from one run to the next: when it is evicted, or when it
/// has taken a checkpoint.
pub fn keeps_files(job: &ClassAd) -> bool {
    on_evict(job) == OnEvict::Keep || CheckpointEnd::of(job).is_some()
}

/// Makes of a job one of which nothing is kept, where nobody keeps anything: it begins again.
pub fn keep_nothing(job: &mut ClassAd) {
    if on_evict(job) == OnEvict::Keep {
        job.set(attr::WHEN_TO_TRANSFER_OUTPUT, "ON_EXIT");
    }
    if CheckpointEnd::of(job).is_some() {
        job.set(CheckpointEnd::EXIT_CODE, Value::Undefined);
        job.set(CheckpointEnd::BY_SIGNAL, false);
    }
}

/// Whether what the job's last run has said stays, and the next one goes on behind it (HTCondor
/// 25.14: `erase_output_and_error_on_restart = false`, which means something with
/// `ON_EXIT_OR_EVICT` only). A job that goes on from a checkpoint of its own does so in any case:
/// nothing that it has said is lost.
pub fn goes_on_behind(job: &ClassAd) -> bool {
    let wants = || {
        is_false(job, attr::ERASE_OUTPUT_AND_ERROR_ON_RESTART) && on_evict(job) != OnEvict::Nothing
    };
    Checkpoint::is_gone_on_from(job) || wants()
}

/// Whether it is looked first whether the run need be: its outputs may be newer than its inputs
/// (`skip_if_dataflow`). Not beside the schedd.
pub fn skips_if_up_to_date(job: &ClassAd) -> bool {
    is_true(job, attr::SKIP_IF_DATAFLOW) && !Universe::of(job).is_beside()
}

fn is_when(job: &ClassAd, when: &str) -> bool {
    text(job, attr::WHEN_TO_TRANSFER_OUTPUT).is_some_and(|said| said.eq_ignore_ascii_case(when))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_inputs_has_paths_and_urls() {
        let job =
            ClassAd::parse_old("TransferInput = \"a, b/, http://h/x,FILE:///c, file:///d,,\"");
        let job = job.unwrap();
        let inputs = Transfer::of(&job).inputs;
        let path = Input::Path;
        assert_eq!(
            inputs,
            [path("a"), path("b/"), Input::Url("http://h/x"), path("/c"), path("/d")]
        );
    }

    #[test]
    fn a_jobs_own_plug_ins_and_its_proxy_are_brought() {
        let job = ClassAd::parse_old(
            "TransferInput = \"a\"\nTransferPlugins = \"s3, gs = b/cloud.py;;box=box.sh; =x;y=\"\n\
             x509userproxy = \"/tmp/x509up_u7\"",
        );
        let job = job.unwrap();
        let transfer = Transfer::of(&job);
        let cloud = OwnPlugin { methods: vec!["s3", "gs"], path: "b/cloud.py" };
        assert_eq!(transfer.plugins, [cloud, OwnPlugin { methods: vec!["box"], path: "box.sh" }]);
        let brought: Vec<&str> = transfer.brought_paths().collect();
        assert_eq!(brought, ["a", "/tmp/x509up_u7", "b/cloud.py", "box.sh"]);
    }

    #[test]
    fn what_comes_back_after_success_comes_after_the_exit_code_that_is_one() {
        for (text, expected) in [
            ("", None),
            ("JobSuccessExitCode = 3", None),
            ("WhenToTransferOutput = \"on_success\"", None),
            ("WhenToTransferOutput = \"on_success\"\nJobSuccessExitCode = 0", Some(0)),
            ("WhenToTransferOutput = \"ON_SUCCESS\"\nJobSuccessExitCode = 3", Some(3)),
        ] {
            let job = ClassAd::parse_old(text).unwrap();
            assert_eq!(Transfer::of(&job).only_after_exit_code, expected, "{text}");
        }
    }

    #[test]
    fn a_limit_may_be_an_expression_and_a_negative_one_is_none() {
        let job =
            ClassAd::parse_old("MaxTransferInputMB = 1 + 1\nMaxTransferOutputMB = -1").unwrap();
        let limits = FileLimits::of(&job, &Env::at(0));
        assert_eq!(limits, FileLimits { input_bytes: Some(2 << 20), output_bytes: None });
    }

    #[test]
    fn an_evicted_job_keeps_its_files_if_it_says_so() {
        for (text, expected) in [
            ("", OnEvict::Nothing),
            ("WhenToTransferOutput = \"ON_EXIT\"\nSpoolOnEvict = false", OnEvict::Nothing),
            ("WhenToTransferOutput = \"on_exit_or_evict\"", OnEvict::Keep),
            (
                "WhenToTransferOutput = \"ON_EXIT_OR_EVICT\"\nSpoolOnEvict = false",
                OnEvict::BringBack,
            ),
        ] {
            assert_eq!(on_evict(&ClassAd::parse_old(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn files_are_brought_where_the_disk_is_another_one() {
        let mut job = ClassAd::new();
        for (should, domain, travel) in [
            ("YES", "here", true),
            ("NO", "there", false),
            ("IF_NEEDED", "here", false),
            ("IF_NEEDED", "there", true),
        ] {
            job.set("ShouldTransferFiles", should);
            job.set("FileSystemDomain", domain);
            assert_eq!(files_travel(&job, "here"), travel, "{should} {domain}");
        }
        job.set("ShouldTransferFiles", "YES");
        job.set(attr::JOB_UNIVERSE, Universe::Local.number());
        assert!(!files_travel(&job, "here"), "beside the schedd");
    }
}
