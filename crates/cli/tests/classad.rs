//! `updraft classad eval` as a user types it: what it prints and where, and how it ends.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs it in a folder with three ads.
fn eval(args: &[&str], input: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("job.ad", "RequestMemory = 500\n# a comment\nPattern = \"^n\\d+$\"\n");
    write("machine.ad", "[ Memory = 1024; Name = \"n12\"; Sub = [ x = 1.5 ] ]");
    write("broken.ad", "Memory = 3\nDisk = = 4\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_updraft"))
        .args(["classad", "eval"])
        .args(args)
        .current_dir(folder.path())
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its options does not read.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
    child.wait_with_output().unwrap()
}

/// Runs it, and gives what it prints.
fn printed(args: &[&str], input: &str) -> String {
    let output = eval(args, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    assert_eq!(errors, "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

const JOB: [&str; 2] = ["--my", "job.ad"];
const BOTH: [&str; 4] = ["--my", "job.ad", "--target", "machine.ad"];

#[test]
fn the_value_is_printed_as_the_language_prints_it() {
    let check = |options: &[&str], expr: &str, value: &str| {
        let args = [options, &[expr]].concat();
        assert_eq!(printed(&args, ""), format!("{value}\n"), "{args:?}");
    };
    check(&[], "7 / 2", "3");
    check(&[], "7 / 2.0", "3.500000000000000E+00");
    check(&[], "strcat(\"a\", 1)", "\"a1\"");
    check(&["--"], "-5", "-5");
    check(&JOB, "RequestMemory", "500");
    check(&JOB, "TARGET.Memory", "undefined");
    check(&BOTH, "Memory >= RequestMemory", "true");
    check(&BOTH, "regexp(Pattern, TARGET.Name)", "true");
    check(&BOTH, "TARGET.Sub", "[ x = 1.500000000000000E+00 ]");
}

#[test]
fn json_tells_the_type_of_every_type() {
    for (expr, answer) in [
        ("true", r#"{"type":"boolean","text":"true"}"#),
        ("1 + 1", r#"{"type":"integer","text":"2"}"#),
        ("1.5", r#"{"type":"real","text":"1.500000000000000E+00"}"#),
        ("\"a\\nb\"", r#"{"type":"string","text":"\"a\\nb\""}"#),
        ("{1, a}", r#"{"type":"list","text":"{ 1,a }"}"#),
        ("[a = 1]", r#"{"type":"classad","text":"[ a = 1 ]"}"#),
        (
            "absTime(\"2026-11-22T19:00:00+01:00\")",
            r#"{"type":"abstime","text":"absTime(\"2026-11-22T19:00:00+01:00\")"}"#,
        ),
        ("relTime(93784)", r#"{"type":"reltime","text":"relTime(\"1+02:03:04\")"}"#),
        ("nowhere", r#"{"type":"undefined","text":"undefined"}"#),
        ("1 / 0", r#"{"type":"error","text":"error"}"#),
    ] {
        assert_eq!(printed(&["--json", expr], ""), format!("{answer}\n"));
        let question = serde_json::json!({ "expr": expr }).to_string();
        assert_eq!(printed(&["--jsonl"], &question), format!("{answer}\n"));
    }
}

#[test]
fn explain_shows_the_value_of_each_part() {
    let args =
        [&BOTH[..], &["--explain", "TARGET.Memory >= RequestMemory * 2 && frob(Gpus)"]].concat();
    let expected = "\
TARGET.Memory >= RequestMemory * 2 && frob(Gpus) = error
  TARGET.Memory >= RequestMemory * 2 = true
    TARGET.Memory = 1024
    RequestMemory * 2 = 1000
      RequestMemory = 500
  frob(Gpus) = error    # there is no function frob
    Gpus = undefined    # no such attribute
";
    assert_eq!(printed(&args, ""), expected);
}

#[test]
fn each_line_gets_an_answer() {
    let input = "\
{\"expr\": \"a + b\", \"my\": \"[ a = 2 ]\", \"target\": \"b = 3\"}
{\"expr\": \"1 +\"}

{\"expr\": \"x\", \"my\": \"x = = 1\", \"target\": null}
no question
{\"expr\": \"MY.x\", \"my\": \"x = 1\\ny = 2\", \"unknown\": 5}
";
    let answers = printed(&["--jsonl"], input);
    let lines: Vec<serde_json::Value> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["integer", "parse-error", "parse-error", "parse-error", "integer"]);
    assert_eq!(lines[0]["text"], "5");
    assert_eq!(
        lines[1]["text"],
        "line 1, column 4: the end of the text is not possible here; expected a value, a name or `(`"
    );
    assert_eq!(lines[4]["text"], "1");
}

#[test]
fn mistakes_are_told_on_standard_error() {
    let check = |args: &[&str], code: i32, said: &str| {
        let output = eval(args, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(said), "{args:?}: {errors}");
        assert!(output.stdout.is_empty(), "{args:?}");
    };
    check(&["1 +"], 1, "read the expression `1 +`: line 1, column 4");
    check(&["10K"], 1, "expected `10 * 1024`");
    check(&["absTime(\"soon\")"], 1, "is no time; expected a moment such as");
    check(&["--my", "nowhere.ad", "1"], 1, "read the ad in nowhere.ad: No such file");
    check(&["--target", "broken.ad", "1"], 1, "read the ad in broken.ad: line 2, column 8");
    check(&[], 2, "<EXPR>");
    check(&["--jsonl", "1"], 2, "--jsonl");
    check(&["--json", "--explain", "1"], 2, "--explain");
}
