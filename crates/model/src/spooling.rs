//! Jobs that are submitted with `-spool`: which of their files are copied to the schedd, under
//! which names they lie there, and how the job's ad names them from then on. The command that sends
//! them and the schedd that takes them go by the same rules, these.
//!
//! What an attribute said when the job was submitted is kept under its name with [`SUBMITTED`]
//! before it (HTCondor 25.14).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use classad::{AttrName, ClassAd, Value};

use crate::job_ad::{self, Streams, Transfer, text};
use crate::spec::ClusterSpec;
use crate::travel::{output_remaps, url_scheme};
use crate::{HoldCode, attr};

/// Why a job whose files are still to come is held (HTCondor 25.14).
pub const HOLD_REASON: &str = "Spooling input data files";

/// Why it is released (HTCondor 25.14).
pub const RELEASE_REASON: &str = "Data files spooled";

/// When the schedd began to take a job's input files.
pub const STAGE_IN_START: &str = "StageInStart";
/// When it had them all.
pub const STAGE_IN_FINISH: &str = "StageInFinish";
/// When somebody last began to fetch what a job has made.
pub const STAGE_OUT_START: &str = "StageOutStart";
/// When they had it.
pub const STAGE_OUT_FINISH: &str = "StageOutFinish";

/// What stands before the name of an attribute that keeps what was submitted.
const SUBMITTED: &str = "SUBMIT_";

/// Standard output in a folder of ours: the scratch folder of a run, the job's folder in the spool.
pub const STDOUT: &str = "_condor_stdout";
/// Standard error there.
pub const STDERR: &str = "_condor_stderr";
/// The job's event log in its folder.
pub const LOG: &str = "_condor_log";

/// What is in a folder whose contents were listed as input: in the job's folder each such list item
/// has one of its own.
const CONTENTS: &str = "_condor_input_";

/// Something that is copied to the job's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is: a path of the submitter's, from the initial directory if it is relative. A file
    /// or a folder.
    pub from: String,
    /// Where it goes: below the job's folder.
    pub to: PathBuf,
    /// Whether it is the program.
    pub is_executable: bool,
}

/// What spooling a job means.
#[derive(Clone, Debug, PartialEq)]
pub struct Spooling {
    /// What is copied, in order: a later one takes the place of an earlier one of the same name, as
    /// where a job's files are brought.
    pub inputs: Vec<Input>,
    /// The attributes that the job gets.
    pub changes: ClassAd,
}

/// Whether the jobs of a submission are spooled: all of them say that they are held for that, and
/// so it stands in what they share.
pub fn is_spooled(spec: &ClusterSpec) -> bool {
    let code = spec.ad.get_own(attr::HOLD_REASON_CODE).and_then(|expr| expr.as_literal());
    code.and_then(Value::as_i64) == Some(i64::from(HoldCode::SpoolingInput.number()))
}

/// What an attribute said when the job was submitted, whether it was changed by spooling or not.
pub fn submitted<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    text(job, &format!("{SUBMITTED}{name}")).or_else(|| text(job, name))
}

/// The attributes of a spooled job in which what was submitted is kept, of those that say where
/// things are or go.
pub fn kept_names() -> impl Iterator<Item = AttrName> {
    let names = [attr::IWD, attr::OUT, attr::ERR, attr::USER_LOG, attr::TRANSFER_OUTPUT_REMAPS];
    names.into_iter().map(|name| AttrName::from(format!("{SUBMITTED}{name}").as_str()))
}

/// Whether this is the ad of a job that was spooled.
pub fn was_spooled(job: &ClassAd) -> bool {
    text(job, &format!("{SUBMITTED}{}", attr::IWD)).is_some()
}

/// What spooling this job means, if `folder` is where its files are to be.
pub fn plan(job: &ClassAd, folder: &str) -> Spooling {
    let (transfer, streams) = (Transfer::of(job), Streams::of(job));
    let mut spooler =
        Spooler { job, spooling: Spooling { inputs: Vec::new(), changes: ClassAd::new() } };
    spooler.list(&transfer, folder);
    if let Some(stdin) = streams.stdin.filter(|stdin| stdin.travels) {
        spooler.last_name(attr::IN, stdin.path, false);
    }
    if let Some(program) = transfer.program.filter(|_| transfer.brings_program) {
        spooler.last_name(attr::CMD, program, true);
    }
    if let Some(proxy) = transfer.proxy {
        spooler.last_name(attr::X509_USER_PROXY, proxy, false);
    }
    spooler.plugins(&transfer);
    spooler.outputs(&streams, folder);
    spooler.remaps(&transfer);
    spooler.change(attr::IWD, folder);
    spooler.spooling
}

struct Spooler<'a> {
    job: &'a ClassAd,
    spooling: Spooling,
}

impl Spooler<'_> {
    fn change(&mut self, name: &str, new: &str) {
        let old = self.job.literal(name).and_then(Value::as_str).unwrap_or_default();
        self.spooling.changes.set(format!("{SUBMITTED}{name}"), old);
        self.spooling.changes.set(name, new);
    }

    fn take(&mut self, from: &str, to: PathBuf, is_executable: bool) {
        self.spooling.inputs.push(Input { from: from.to_owned(), to, is_executable });
    }

    /// The listed files: each under its last name, as it comes to the machine; with
    /// `preserve_relative_paths` under its path.
    fn list(&mut self, transfer: &Transfer<'_>, folder: &str) {
        let mut items = Vec::new();
        let keeps = |path: &str| transfer.preserve_relative_paths && leads_down(path);
        // What is in it goes to the top also where paths are kept: an absolute path has none.
        let contents = |n| {
            let (to, item) = contents(n);
            match transfer.preserve_relative_paths {
                true => (to, format!("{folder}/{item}")),
                false => (to, item),
            }
        };
        for (n, item) in transfer.inputs.iter().enumerate() {
            let path = match item {
                job_ad::Input::Path(path) => *path,
                job_ad::Input::Url(url) => {
                    items.push((*url).to_owned());
                    continue;
                }
            };
            let (to, new) = match Path::new(path).file_name() {
                Some(_) if path.ends_with('/') && !keeps(path) => contents(n),
                Some(_) if keeps(path) => {
                    let parts = Path::new(path).components();
                    let to: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
                    let mut new = to.to_string_lossy().into_owned();
                    if path.ends_with('/') {
                        new.push('/');
                    }
                    (to, new)
                }
                Some(name) => (name.into(), name.to_string_lossy().into_owned()),
                None => contents(n),
            };
            self.take(path, to, false);
            items.push(new);
        }
        if !items.is_empty() {
            self.change(attr::TRANSFER_INPUT, &items.join(","));
        }
    }

    fn last_name(&mut self, attr: &str, path: &str, is_executable: bool) {
        let Some(name) = Path::new(path).file_name() else { return };
        self.take(path, name.into(), is_executable);
        self.change(attr, &name.to_string_lossy());
    }

    /// The plug-ins that the job brings along, each under its last name.
    fn plugins(&mut self, transfer: &Transfer<'_>) {
        let mut items = Vec::new();
        for plugin in &transfer.plugins {
            let Some(name) = Path::new(plugin.path).file_name() else { continue };
            self.take(plugin.path, name.into(), true);
            items.push(format!("{}={}", plugin.methods.join(","), name.to_string_lossy()));
        }
        if !items.is_empty() {
            self.change(attr::TRANSFER_PLUGINS, &items.join(";"));
        }
    }

    /// Names of our own, so that no input and no output has them.
    fn outputs(&mut self, streams: &Streams<'_>, folder: &str) {
        let (out, err) = (streams.stdout, streams.stderr);
        let (out, err) = (out.filter(|out| out.travels), err.filter(|err| err.travels));
        if out.is_some() {
            self.change(attr::OUT, STDOUT);
        }
        if let Some(err) = err {
            let is_one = out.is_some_and(|out| out.path == err.path);
            self.change(attr::ERR, if is_one { STDOUT } else { STDERR });
        }
        if text(self.job, attr::USER_LOG).is_some() {
            self.change(attr::USER_LOG, &format!("{folder}/{LOG}"));
        }
    }

    /// New names count where the outputs are fetched to; URLs where they are made.
    fn remaps(&mut self, transfer: &Transfer<'_>) {
        if transfer.remaps.is_empty() {
            return;
        }
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace(';', "\\;").replace('=', "\\=");
        let urls = transfer.remaps.iter().filter(|(_, new)| url_scheme(new).is_some());
        let urls: Vec<String> =
            urls.map(|(name, url)| format!("{}={}", escaped(name), escaped(url))).collect();
        self.change(attr::TRANSFER_OUTPUT_REMAPS, &urls.join(";"));
    }
}

fn contents(n: usize) -> (PathBuf, String) {
    let to = format!("{CONTENTS}{n}");
    let item = format!("{to}/");
    (to.into(), item)
}

fn leads_down(path: &str) -> bool {
    let is_down = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    Path::new(path).components().all(is_down)
}

/// Where what a spooled job has made goes when it is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    iwd: PathBuf,
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
    log: Option<PathBuf>,
    remaps: BTreeMap<String, String>,
    preserve: bool,
}

/// Where one of them goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To this path, which its owner has chosen.
    At(PathBuf),
    /// Into the log at this path, which other jobs may write too.
    Log(PathBuf),
    /// Below the initial directory, under the name that it has.
    Below,
}

impl Destinations {
    /// Of this job.
    pub fn of(job: &ClassAd) -> Self {
        let iwd = PathBuf::from(submitted(job, attr::IWD).unwrap_or("/"));
        let kept = |name: &str| text(job, &format!("{SUBMITTED}{name}")).map(|path| iwd.join(path));
        Self {
            stdout: kept(attr::OUT),
            stderr: kept(attr::ERR),
            log: kept(attr::USER_LOG),
            remaps: output_remaps(submitted(job, attr::TRANSFER_OUTPUT_REMAPS).unwrap_or_default()),
            preserve: Transfer::of(job).preserve_relative_paths,
            iwd,
        }
    }

    /// The initial directory.
    pub fn iwd(&self) -> &Path {
        &self.iwd
    }

    /// Of what has this path in the job's folder.
    pub fn get(&self, name: &Path) -> Destination {
        let own = [(STDOUT, &self.stdout), (STDERR, &self.stderr)];
        let own = own.into_iter().find(|(own, _)| name == Path::new(own));
        if let Some((_, Some(path))) = own {
            return Destination::At(path.clone());
        }
        if let Some(log) = self.log.as_ref().filter(|_| name == Path::new(LOG)) {
            return Destination::Log(log.clone());
        }
        // An output came under its last name, unless paths are kept; the new name is given to the
        // one that was listed.
        let is_named = |listed: &&str| {
            let listed = Path::new(listed);
            name == listed || (!self.preserve && listed.file_name() == Some(name.as_os_str()))
        };
        let listed = self.remaps.keys().map(String::as_str).find(is_named);
        match listed.and_then(|listed| self.remaps.get(listed)) {
            Some(new) => Destination::At(self.iwd.join(new)),
            None => Destination::Below,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(ad: &str, expected: &Expect) {
        let job = ClassAd::parse_old(&format!("Iwd = \"/home/a\"\n{ad}")).unwrap();
        let Spooling { inputs, changes } = plan(&job, "/spool/7.0");
        let mut told = String::new();
        for Input { from, to, is_executable } in inputs {
            let program = if is_executable { " (the program)" } else { "" };
            writeln!(told, "{from} -> {}{program}", to.display()).unwrap();
        }
        for (name, expr) in changes.iter() {
            writeln!(told, "{name} = {expr}").unwrap();
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn a_job_finds_its_files_under_their_last_names() {
        check(
            "Cmd = \"/home/a/bin/prog\"\nIn = \"data/in\"\nOut = \"o/out\"\nErr = \"/tmp/err\"\nUserLog = \"/home/a/log\"\n\
             TransferInput = \"a/b, /etc/c, d/, http://x/y, file:///e/f, ..\"",
            &expect![[r#"
                a/b -> b
                /etc/c -> c
                d/ -> _condor_input_2
                /e/f -> f
                .. -> _condor_input_5
                data/in -> in
                /home/a/bin/prog -> prog (the program)
                In = "in"
                Cmd = "prog"
                Err = "_condor_stderr"
                Iwd = "/spool/7.0"
                Out = "_condor_stdout"
                UserLog = "/spool/7.0/_condor_log"
                SUBMIT_In = "data/in"
                SUBMIT_Cmd = "/home/a/bin/prog"
                SUBMIT_Err = "/tmp/err"
                SUBMIT_Iwd = "/home/a"
                SUBMIT_Out = "o/out"
                TransferInput = "b,c,_condor_input_2/,http://x/y,f,_condor_input_5/"
                SUBMIT_UserLog = "/home/a/log"
                SUBMIT_TransferInput = "a/b, /etc/c, d/, http://x/y, file:///e/f, .."
            "#]],
        );
    }

    #[test]
    fn what_stays_where_it_is_keeps_its_name() {
        check(
            "Cmd = \"prog\"\nTransferExecutable = false\nIn = \"in\"\nTransferIn = false\nOut = \"both\"\nErr = \"both\"\n\
             TransferOutputRemaps = \"a=b; c=http://x/c\\=d\"",
            &expect![[r#"
                Err = "_condor_stdout"
                Iwd = "/spool/7.0"
                Out = "_condor_stdout"
                SUBMIT_Err = "both"
                SUBMIT_Iwd = "/home/a"
                SUBMIT_Out = "both"
                TransferOutputRemaps = "c=http://x/c\=d"
                SUBMIT_TransferOutputRemaps = "a=b; c=http://x/c\=d"
            "#]],
        );
        check(
            "Cmd = \"/bin/true\"\nIn = \"/dev/null\"\nOut = \"/dev/null\"\nPreserveRelativePaths = true\n\
             TransferInput = \"./a/b,../c,/d/e\"",
            &expect![[r#"
                ./a/b -> a/b
                ../c -> c
                /d/e -> e
                /bin/true -> true (the program)
                Cmd = "true"
                Iwd = "/spool/7.0"
                SUBMIT_Cmd = "/bin/true"
                SUBMIT_Iwd = "/home/a"
                TransferInput = "a/b,c,e"
                SUBMIT_TransferInput = "./a/b,../c,/d/e"
            "#]],
        );
    }

    #[test]
    fn what_was_made_goes_where_it_would_have_gone() {
        let before = ClassAd::parse_old(
            "Iwd = \"/home/a\"\nOut = \"o/out\"\nErr = \"/tmp/err\"\nUserLog = \"/home/a/log\"\n\
             TransferOutputRemaps = \"d/made=new/made;x=/abs;u=http://u\"",
        )
        .unwrap();
        let mut job = before.clone();
        job.update(&plan(&before, "/spool/7.0").changes);
        assert!(was_spooled(&job) && !was_spooled(&before));
        let destinations = Destinations::of(&job);
        let at = |path: &str| Destination::At(path.into());
        for (name, expected) in [
            (STDOUT, at("/home/a/o/out")),
            (STDERR, at("/tmp/err")),
            (LOG, Destination::Log("/home/a/log".into())),
            ("made", at("/home/a/new/made")),
            ("x", at("/abs")),
            ("y", Destination::Below),
            ("folder/x", Destination::Below),
        ] {
            assert_eq!(destinations.get(Path::new(name)), expected, "{name}");
        }
    }
}
