//! The pool's configuration: files, the environment, and a change of it while jobs run.

use std::fs;

use crate::harness::{Pool, text};

#[test]
fn a_configuration_counts_at_the_start_and_a_change_of_it_without_harm_to_what_runs() {
    let pool = Pool::start_with_config(
        2,
        "NAME = \"here\"\nSite = $(NAME)\nSTARTD_ATTRS = Site\nDB_LIMIT = 3\nPRIORITY_HALFLIVE = 5\n",
    );
    assert_eq!(pool.ok(&["status", "-af", "Site", "Cpus"]), "here 2\n");
    assert_eq!(pool.ok(&["condor_config_val", "db_limit"]), "3\n");
    let cluster = pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    let job = format!("{cluster}.0");
    pool.until(&job, "NumJobStarts", "1");

    let config = pool.home().join("config");
    fs::write(&config, "Site = \"there\"\nSTARTD_ATTRS = Site\nDB_LIMIT = 4\n").unwrap();
    let said = pool.ok(&["pool", "reconfig", "--dir", &pool.home().display().to_string()]);
    for line in ["  DB_LIMIT: 3 -> 4\n", "  SITE: \"here\" -> \"there\"\n"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("Started again: negotiator, startd. Running jobs go on."), "{said}");
    let site = pool.ok(&["status", "-af", "Site", "-constraint", "PartitionableSlot"]);
    assert_eq!(site, "there\n");
    assert_eq!(pool.attribute(&job, "JobStatus"), ["2"]);
    assert_eq!(pool.attribute(&job, "NumJobStarts"), ["1"]);

    // What is wrong changes nothing, and is said.
    fs::write(&config, "NUM_CPUS = many\nSTARTD.START = (\n").unwrap();
    let refused = pool.updraft(&["reconfig"]);
    assert!(text(&refused).contains("set START to"), "{}", text(&refused));
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(pool.attribute(&job, "JobStatus"), ["2"]);
    fs::write(&config, "DB_LIMIT = 4\n").unwrap();
    let verbose = pool.ok(&["config_val", "-v", "DB_LIMIT"]);
    let at = config.display();
    assert_eq!(verbose, format!("DB_LIMIT = 4\n # at: {at}, line 1\n # raw: DB_LIMIT = 4\n\n"));
}
