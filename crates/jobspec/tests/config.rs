//! Configurations as tables: a text, and what settings come to.

#[path = "bare/site.rs"]
mod site;

use jobspec::config::{Configuration, ENVIRONMENT};
use site::Bare;

/// Reads `text`, and compares `NAME=value` of each wanted setting; a setting without a value is not
/// there.
#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let site = Bare::new();
    let mut configuration = Configuration::default();
    configuration.predefine("LOCAL_DIR", "/pool");
    configuration.read(text, "config", &site).unwrap();
    for line in wanted {
        let (name, value) = line.split_once('=').map_or((*line, None), |(n, v)| (n, Some(v)));
        let found = configuration.value(Some("STARTD"), name, &site).unwrap();
        assert_eq!(found.as_deref(), value, "{name} in\n{text}");
    }
}

#[test]
fn values_are_bound_late_and_names_are_case_insensitive() {
    check("b = $(A) $(LOCAL_DIR)/x\na = 1\nA = 2\n", &["B=2 /pool/x", "a=2", "c"]);
}

#[test]
fn a_reference_of_a_value_to_itself_is_filled_in_at_once() {
    check("A = 1\nA = $(A) 2\nA = $(A) 3\n", &["a=1 2 3"]);
    check("LOCAL_DIR = $(LOCAL_DIR)/sub\n", &["LOCAL_DIR=/pool/sub"]);
}

#[test]
fn defaults_lines_that_go_on_comments_and_blocks_are_those_of_submit_descriptions() {
    check("A = $(NONE:7) \\\n  # swallowed \\\n  x\n# B = 1\n", &["A=7 x", "B"]);
    // What is made of macros that are all empty is empty, not absent.
    check("Q =\nP = $(Q)\nA = [$(P:none)] [$(Q:none)]\n", &["A=[] [none]"]);
    check("SCRIPT @=end\none\ntwo\n@end\n", &["SCRIPT=one\ntwo"]);
}

#[test]
fn conditions_are_decided_while_reading() {
    let text = "if defined A\n B = 1\nelif version >= 25.0\n B = 2\nelse\n B = 3\nendif\nA = 1\n";
    check(text, &["B=2"]);
    check("use feature : gpus\nA = 1\n", &["A=1"]);
    check("A = 1\nif $(A)\n B = yes\nendif\n", &["B=yes"]);
}

#[test]
fn a_daemon_s_own_setting_comes_before_that_of_all() {
    check("X = 1\nSTARTD.X = 2\nSCHEDD.X = 3\n", &["X=2"]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, message) in [
        ("A = 1\nqueue 3\n", "queue is for submit descriptions"),
        ("error : no such site\n", "no such site"),
        ("use ROLE : Execute\n", "use ROLE : Execute is not supported yet"),
        ("a line\n", "this line is no setting"),
    ] {
        let error = Configuration::default().read(text, "config", &Bare::new()).unwrap_err();
        let line = error.location.as_ref().map(|_| error.line() as usize);
        assert_eq!((error.message.as_str(), line), (message, Some(text.lines().count())));
    }
}

#[test]
fn a_circle_is_an_error_of_the_setting_that_is_asked_for() {
    let site = Bare::new();
    let mut configuration = Configuration::default();
    configuration.read("A = $(B)\nB = $(A)\nC = 1\n", "config", &site).unwrap();
    assert!(configuration.value(None, "A", &site).is_err());
    assert_eq!(configuration.value(None, "C", &site).unwrap().as_deref(), Some("1"));
}

#[test]
fn what_nobody_asks_for_is_known_with_its_place_unless_another_setting_uses_it() {
    let site = Bare::new();
    let mut configuration = Configuration::default();
    configuration.read("A = 1\nB = $(A)\n\nC = 2\nD = 3\n", "config", &site).unwrap();
    configuration.set_from_environment("C", "4");
    configuration.set_from_environment("E", "5");
    configuration.value(None, "D", &site).unwrap();
    let unused = configuration.unused(&site);
    let found: Vec<_> = unused
        .iter()
        .map(|one| (one.name.as_str(), one.raw.as_str(), one.source.as_str(), one.line))
        .collect();
    let wanted = [
        ("B", "$(A)", "config", Some(2)),
        ("C", "4", ENVIRONMENT, None),
        ("E", "5", ENVIRONMENT, None),
    ];
    assert_eq!(found, wanted);
}
