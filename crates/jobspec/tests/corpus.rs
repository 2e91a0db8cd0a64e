//! The corpus of the submit language: `grammar/corpus/submit/{ok,err}/NAME.sub`, each with what
//! comes of it beside it in `NAME.expected`. `UPDATE_EXPECT=1` writes the expectations anew; read
//! the diff.
//!
//! Lines that begin with `#:` are for this test: `#: -append LINE`, `#: -queue ARGUMENTS`, `#:
//! NAME=VALUE`, `#: -maxjobs N`, `#: -single-cluster`, `#: -disable`, `#: --strict`. The world is
//! made up: see [`World`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use classad::ClassAd;
use jobspec::htcondor::{self, Interactive, Submission, SubmitOptions};
use jobspec::{Diagnostic, FileKind, Found, Host, Site, SiteError};
use model::diagnostic::About;
use model::{ClusterId, ClusterSpec, Piece, Procs};

#[path = "../../../grammar/corpus/corpus.rs"]
mod corpus;

/// The number of the first cluster that a description makes.
const FIRST_CLUSTER: u32 = 7;

#[test]
fn every_description_comes_to_what_is_written_beside_it() {
    corpus::check("submit", "sub", |file| {
        outcome(&fs::read_to_string(file).unwrap(), &file.file_name().unwrap().to_string_lossy())
    });
}

/// Whether the description is refused, and all that there is to say of it.
fn outcome(text: &str, name: &str) -> (bool, String) {
    let world = World::new();
    let mut clusters = FIRST_CLUSTER..;
    let mut next = || Ok(ClusterId(clusters.next().unwrap()));
    let description = htcondor::parse(text, name).unwrap();
    match description.expand(&world, &mut next, &options(text)) {
        Ok(submission) => {
            (false, print_submission(&submission) + &print_diagnostics(&submission.warnings))
        }
        Err(diagnostics) => (true, print_diagnostics(&diagnostics)),
    }
}

fn options(text: &str) -> SubmitOptions {
    let mut options =
        SubmitOptions { is_file: true, warn_unused: true, ..SubmitOptions::default() };
    for line in text.lines().filter_map(|line| line.strip_prefix("#:")) {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "-append" => options.appends.push(rest.to_owned()),
            "-queue" => options.queue = Some(rest.to_owned()),
            "-queue-in-place" => {
                (options.queue, options.is_queue_in_place) = (Some(rest.to_owned()), true);
            }
            "-maxjobs" => options.max_jobs = Some(rest.parse().unwrap()),
            "-single-cluster" => options.single_cluster = true,
            "-interactive" => {
                let program = "/bin/updraft".to_owned();
                let words = ["terminal", "--to", "/tmp/x/socket"].map(str::to_owned).to_vec();
                options.interactive = Some(Interactive { program, words });
            }
            "-spool" => options.spool = true,
            "-disable" => options.disable_file_checks = true,
            "--strict" => options.strict = true,
            _ => {
                let (name, value) = line.split_once('=').expect("an option of this test");
                options.assignments.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    options
}

fn print_submission(submission: &Submission) -> String {
    let mut out = String::new();
    for (cluster, spec) in &submission.clusters {
        writeln!(out, "cluster {cluster}").unwrap();
        out += &print_ad(&spec.ad, &shared_by_all(spec));
        match &spec.procs {
            Procs::Listed(deltas) => {
                for (proc, delta) in deltas.iter().enumerate() {
                    writeln!(out, "job {cluster}.{proc}").unwrap();
                    out += &print_ad(delta, &ClassAd::new());
                }
            }
            Procs::Counted { count, template } => {
                writeln!(out, "{count} jobs").unwrap();
                for (name, pieces) in &template.0 {
                    let text: String = pieces.iter().map(print_piece).collect();
                    writeln!(out, "  {name} = {text:?}").unwrap();
                }
            }
        }
    }
    if submission.only_empty_queues {
        out += "no jobs\n";
    }
    out
}

fn print_piece(piece: &Piece) -> &str {
    match piece {
        Piece::Text(text) => text,
        Piece::ProcId => "<ProcId>",
        Piece::Stepped { .. } => "<index>",
    }
}

/// The attributes of the plainest job: they are not printed again for every other, but what lacks
/// them is.
fn shared_by_all(spec: &ClusterSpec) -> ClassAd {
    if spec.ad.get("JobDescription").and_then(|e| e.as_literal()).and_then(|v| v.as_str())
        == Some("print all")
    {
        return ClassAd::new();
    }
    let world = World::new();
    let description = htcondor::parse("executable = /bin/true\nqueue", "plain").unwrap();
    let mut next = || Ok(ClusterId(1));
    let mut plain = description.expand(&world, &mut next, &SubmitOptions::default()).unwrap();
    let mut ad = plain.clusters.remove(0).1.ad;
    if let Some(file) = spec.ad.get("JobSubmitFile") {
        ad.set("JobSubmitFile", file.clone());
    }
    ad
}

fn print_ad(ad: &ClassAd, plain: &ClassAd) -> String {
    let mut out = String::new();
    for (name, expr) in ad.iter().filter(|(name, expr)| plain.lookup(name) != Some(expr)) {
        writeln!(out, "  {name} = {expr}").unwrap();
    }
    for (name, _) in plain.iter().filter(|(name, _)| ad.lookup(name).is_none()) {
        writeln!(out, "  no {name}").unwrap();
    }
    out
}

fn print_diagnostics(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        if diagnostic.about == About::Macro {
            out += "complaint: ";
        }
        out += &diagnostic.render();
        let condor = htcondor::said(diagnostic);
        if !condor.is_empty() {
            writeln!(out, "  as condor_submit: {condor:?}").unwrap();
        }
    }
    out
}

/// A made-up submit machine: alice in `/home/alice/g`.
struct World {
    host: Host,
    environ: BTreeMap<String, String>,
}

const FILES: [(&str, u64); 11] = [
    ("/bin/true", 44_000),
    ("/bin/false", 44_000),
    ("/bin/echo", 44_100),
    ("/bin/sleep", 48_000),
    ("/bin/sh", 125_000),
    ("/usr/bin/python3", 6_000_000),
    ("/home/alice/g/test.py", 1_200),
    ("/home/alice/g/probe.sh", 700),
    ("/home/alice/g/data.txt", 4_000_000),
    ("/home/alice/g/dos.sh", 30),
    ("/tmp/x509up_u1000", 4_096),
];

const FOLDERS: [&str; 5] =
    ["/home/alice/g", "/tmp", "/home/alice/g/sub", "/home/alice/g/outd", "/home/alice/g/run1"];

const TEXTS: [(&str, &str); 6] = [
    ("continued.txt", "a \\\n   b\n # z\n#y\nc\n\nd # e\n"),
    ("items.txt", "x y z\n1, 2, 3 4\n\n  lead , t \n"),
    ("inc.sub", "arguments = from the included file\n"),
    ("nested.sub", "include : inc.sub\nerror = nested.err\n"),
    ("loop.sub", "include : loop.sub\n"),
    ("conditional.sub", "if defined greeting\n arguments = $(greeting)\nendif\n"),
];

const MATCHES: [(&str, bool); 6] = [
    ("a.dat", false),
    ("b.dat", false),
    ("c d.dat", false),
    ("sub.dat", true),
    ("run1", true),
    ("run2", true),
];

impl World {
    fn new() -> Self {
        let host = Host {
            cwd: "/home/alice/g".into(),
            user: "alice".into(),
            user_number: 1000,
            arch: "X86_64".into(),
            opsys: "LINUX".into(),
            opsys_version: "1200".into(),
            opsys_and_version: "Debian12".into(),
            opsys_major_version: "12".into(),
            filesystem_domain: "localhost".into(),
            uid_domain: "localhost".into(),
            version: "$CondorVersion: 25.14.1 2026-10-16 $".into(),
            platform: "$CondorPlatform: X86_64-Debian_12 $".into(),
            now: 1_795_363_511,
            today: (2026, 11, 22),
        };
        let environ = [
            ("HOME", "/home/alice"),
            ("FOO", "bar"),
            ("FOOL", "y e s"),
            ("FOX", "no"),
            ("EMPTY", ""),
            ("QUOTE", "it's"),
        ];
        let environ = environ.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { host, environ: environ.into_iter().collect() }
    }
}

impl Site for World {
    fn host(&self) -> &Host {
        &self.host
    }

    fn read_file(&self, path: &str) -> Result<String, SiteError> {
        let text = TEXTS.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        text.ok_or_else(|| SiteError("No such file or directory".into()))
    }

    fn read_stdin(&self) -> Result<String, SiteError> {
        Ok("first\nsecond\n".to_owned())
    }

    fn write_file(&self, path: &str, _: &str) -> Result<(), SiteError> {
        if path.starts_with("/nodir/") {
            Err(SiteError("No such file or directory".into()))
        } else {
            Ok(())
        }
    }

    fn file_kind(&self, path: &str) -> Result<FileKind, SiteError> {
        if FOLDERS.contains(&path) {
            return Ok(FileKind::Directory);
        }
        let file = FILES.iter().find(|(name, _)| *name == path);
        let kind = file
            .map(|(_, size_bytes)| FileKind::File { size_bytes: *size_bytes, executable: true });
        kind.ok_or_else(|| SiteError("No such file or directory".into()))
    }

    fn beginning(&self, path: &str) -> Vec<u8> {
        if path.ends_with("dos.sh") { b"#!/bin/sh\r\necho hi\r\n".to_vec() } else { Vec::new() }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<Found>, SiteError> {
        let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
        let fits = |name: &str| match pattern.contains('*') {
            true => name.starts_with(start) && name.ends_with(end),
            false => name == pattern,
        };
        let found = MATCHES.iter().filter(|(name, _)| fits(name));
        Ok(found
            .map(|(name, is_dir)| Found { path: (*name).to_owned(), is_dir: *is_dir })
            .collect())
    }

    fn run_command(&self, command: &str) -> Result<String, SiteError> {
        match command.strip_prefix("echo ") {
            Some(words) => Ok(format!("{words}\n")),
            None => Err(SiteError(format!(
                "Error \"{command} |\": command terminated with exit code 1"
            ))),
        }
    }

    fn environ(&self) -> &BTreeMap<String, String> {
        &self.environ
    }

    fn random_below(&self, bound: u64) -> u64 {
        bound.saturating_sub(1)
    }
}
