//! `--json` of every verb, and that it parses whatever the strings in the ads are.

use std::fs;
use std::process::Command;

use clap::Command as Clap;
use classad::{AttrName, ClassAd};
use cli::render::values::ads::{self, Form};
use cli::verbs;
use proptest::prelude::*;

#[test]
fn every_verb_has_json() {
    // Not for users, or its output is a protocol of others, or another program's.
    let without = [
        "daemon",
        "curl_plugin",
        "terminal",
        "chirp",
        "dagman",
        "pbs_job",
        "eval",
        "run_command",
        "sge_qsub",
        "ssh_to_job",
    ];
    // They speak PBS's dialect, which has a form of its own for programs: `qstat -F json`.
    let pbs = ["qsub", "qstat", "qdel", "qhold", "qrls", "qsig"];
    for command in verbs::commands() {
        let name = command.get_name().to_owned();
        if without.contains(&name.as_str()) || pbs.contains(&name.as_str()) {
            continue;
        }
        let actions: Vec<&Clap> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        let all = if actions.is_empty() { vec![&command] } else { actions };
        for one in all {
            let has = one.get_arguments().any(|arg| arg.get_long() == Some("json"));
            assert!(has, "{name} {} has no --json", one.get_name());
        }
    }
}

/// Strings as a user, a file name or a log may bring them. None has a NUL: no text that the kernel
/// passes on has.
fn hostile() -> impl Strategy<Value = String> {
    let any = prop_oneof![
        any::<String>(),
        "[\\PC\"\\\\/\u{0}-\u{1f}\u{7f}-\u{9f}]{0,24}",
        Just("\u{2028}\u{2029}\u{feff}\u{fffd}</script>".to_owned()),
        Just("\\u0000 \" ' ` $(x) \\".to_owned()),
    ];
    any.prop_map(|text| text.replace('\0', ""))
}

fn job(strings: &[String]) -> ClassAd {
    let mut ad = ClassAd::new();
    for (name, number) in [("ClusterId", 1), ("ProcId", 0), ("JobStatus", 5), ("QDate", 0)] {
        ad.set(name, number);
    }
    let names = ["Owner", "Cmd", "Args", "HoldReason", "JobBatchName", "RemoveReason", "Name"];
    for (name, text) in names.iter().zip(strings) {
        ad.set(*name, text.as_str());
    }
    ad
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn what_commands_print_as_json_parses_and_says_the_same(
        strings in prop::collection::vec(hostile(), 7)
    ) {
        let ad = job(&strings);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ads");
        let written = ads::render(std::slice::from_ref(&ad), Form::New, &[], true);
        fs::write(&file, written).unwrap();
        let path = file.to_str().unwrap();
        for words in [
            &["q", "-jobads:new", path][..],
            &["status", "-ads", path],
            &["history", "-file", path],
        ] {
            let run = |form: &str| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_updraft"));
                command.args(words).arg(form).env("UPDRAFT_HOME", dir.path()).output().unwrap()
            };
            let out = run("-json");
            prop_assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
            let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
            let one: serde_json::Value = serde_json::from_slice(&run("-jsonl").stdout).unwrap();
            prop_assert_eq!(&all[0], &one);
            for name in ["Cmd", "HoldReason", "Name"] {
                let said = ad.lookup(&AttrName::from(name)).and_then(|e| e.as_literal()?.as_str().map(str::to_owned));
                prop_assert_eq!(one[name].as_str().map(str::to_owned), said, "{} of {:?}", name, words);
            }
        }
    }
}
