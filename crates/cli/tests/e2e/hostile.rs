//! Strings that quoting, shells and JSON trip over, from a submit file to a real program and back
//! to every command.

use std::fmt::Write as _;
use std::fs;

use crate::harness::Pool;

/// As arguments, and as values of the environment. With NUL a process cannot be started; everything
/// else has to arrive.
const HOSTILE: [&str; 12] = [
    "",
    " two  blanks ",
    "it's",
    "\"quoted\"",
    "'\"'\"''",
    "back\\slash\\",
    // `$$(Cpus)` is not among them: it is asked of the machine, however it came into the ad.
    "$HOME $(Process) $$ `id` ${x}",
    "; rm -rf x; # & | > <",
    "é 日本 \u{1f600} \u{a0}",
    "%s%n{}[]~*?",
    "tab\there",
    "line\nend, and = , and ,comma",
];

/// In the new syntax, inside a block, which may hold line ends.
fn block(name: &str, words: &[String]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|word| format!("'{}'", word.replace('\'', "''"))).collect();
    let value = quoted.join(" ").replace('"', "\"\"").replace('$', "$(DOLLAR)");
    format!("{name} @=end_of_value\n\"{value}\"\n@end_of_value\n")
}

fn lines_of(nul_separated: &[u8]) -> Vec<String> {
    let text = String::from_utf8(nul_separated.to_vec()).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn hostile_arguments_and_environment_reach_the_program_bit_for_bit() {
    let pool = Pool::start(1);
    // The shell's own command line and environment, as it was started with them: the kernel keeps
    // both.
    let script = "cat /proc/$$/cmdline > argv; cat /proc/$$/environ > environ; true";
    let argv: Vec<String> = ["-c", script].into_iter().chain(HOSTILE).map(str::to_owned).collect();
    let environ: Vec<String> =
        HOSTILE.iter().enumerate().map(|(n, value)| format!("HOSTILE_{n}={value}")).collect();
    let description = format!(
        "executable = /bin/sh\n{}{}queue\n",
        block("arguments", &argv),
        block("environment", &[environ.clone(), vec!["PATH=/usr/bin:/bin".to_owned()]].concat()),
    );
    pool.submit(&description);
    pool.until("1.0", "JobStatus", "4");
    let read = |name: &str| lines_of(&fs::read(pool.work().join(name)).unwrap());
    assert_eq!(read("argv")[1..], argv);
    let found = read("environ");
    for entry in &environ {
        assert!(found.contains(entry), "{entry:?} is not in {found:?}");
    }
}

#[test]
fn json_is_json_whatever_the_strings() {
    let pool = Pool::start(1);
    // In a submit file's expressions a backslash is a backslash, and a line end cannot be written.
    let written: Vec<String> = HOSTILE.iter().map(|text| text.replace('\n', " ") + ".").collect();
    let mut description = String::from("executable = /bin/true\nhold = true\n");
    for (n, text) in written.iter().enumerate() {
        let text = text.replace('"', "\\\"").replace('$', "$(DOLLAR)");
        writeln!(description, "+Hostile{n} = \"{text}\"").unwrap();
    }
    let cluster = pool.submit(&(description + "batch_name = it's \"mine\" \\ é\nqueue\n"));
    let parsed = |words: &[&str]| -> serde_json::Value {
        let said = pool.ok(words);
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{words:?}: {why}: {said}"))
    };
    let check = |ads: &serde_json::Value| {
        for (n, text) in written.iter().enumerate() {
            assert_eq!(ads[0][format!("Hostile{n}")], **text);
        }
    };
    check(&parsed(&["q", "--json", &cluster]));
    let line = pool.ok(&["q", "-jsonl", &cluster]);
    assert_eq!(line.lines().count(), 1, "{line}");
    check(&serde_json::json!([serde_json::from_str::<serde_json::Value>(&line).unwrap()]));
    let said = HOSTILE.join(" ");
    pool.ok(&["rm", &cluster, "--reason", &said]);
    let history = parsed(&["history", "--json", &cluster]);
    check(&history);
    let reason = history[0]["RemoveReason"].as_str().unwrap();
    assert!(reason.starts_with(&said), "{reason}");
    for event in pool.ok(&["events", "--json"]).lines() {
        serde_json::from_str::<serde_json::Value>(event).unwrap();
    }
}
