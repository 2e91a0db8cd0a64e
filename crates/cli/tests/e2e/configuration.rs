//! The pool's configuration: files, the environment, and a change of it while jobs run.

use std::fs;

use crate::harness::{Pool, eventually, text};

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
    fs::create_dir(pool.home().join("config.d")).unwrap();
    fs::write(pool.home().join("config.d/10"), "RESERVED_MEMORY = 2 * $(ONE)\nONE = 1\n").unwrap();
    let summary = pool.ok(&["condor_config_val", "-summary"]);
    let (head, rest) = summary.split_once('\n').unwrap();
    assert!(head.starts_with("# condor_config_val $CondorVersion: "), "{head}");
    let home = pool.home().display().to_string();
    let wanted = format!(
        "\n#\n# from {home}/config\n#\nDB_LIMIT = 4\n\n#\n# from {home}/config.d/10\n#\n\
         RESERVED_MEMORY = 2 * $(ONE)\nONE = 1\n"
    );
    assert!(rest.starts_with(&wanted), "{rest}");
    assert_eq!(pool.ok(&["config_val", "-evaluate", "RESERVED_MEMORY"]), "2\n");
    assert_eq!(pool.ok(&["config_val", "-default", "RESERVED_MEMORY"]), "0\n");
    let verbose = pool.ok(&["config_val", "-v", "DB_LIMIT"]);
    let at = config.display();
    assert_eq!(verbose, format!("DB_LIMIT = 4\n # at: {at}, line 1\n # raw: DB_LIMIT = 4\n\n"));
}

#[test]
fn what_is_laid_down_for_every_job_is_followed() {
    let pool = Pool::start_with_config(
        3,
        "SYSTEM_PERIODIC_HOLD_NAMES = Long\nSYSTEM_PERIODIC_HOLD_LONG = Args == \"601\"\n\
         SYSTEM_PERIODIC_HOLD_Long_REASON = strcat(\"not \", Args, \" seconds\")\n\
         SYSTEM_PERIODIC_REMOVE = Args == \"602\"\n",
    );
    pool.submit(
        "executable = /bin/sleep\narguments = $(Item)\nrequest_disk = 1MB\nqueue in (600 601 602)\n",
    );
    pool.until("1.0", "JobStatus", "2");
    pool.until("1.1", "HoldReasonCode", "26");
    assert_eq!(pool.attribute("1.1", "HoldReason"), ["not 601 seconds"]);
    pool.until("1.2", "JobStatus", "3");
    let why =
        "The system macro SYSTEM_PERIODIC_REMOVE expression 'Args == \"602\"' evaluated to TRUE\n";
    assert_eq!(pool.ok(&["history", "1.2", "-af", "RemoveReason"]), why);
    assert_eq!(pool.attribute("1.0", "JobStatus"), ["2"]);

    fs::write(pool.home().join("config"), "SYSTEM_PERIODIC_VACATE_NAMES = A\n").unwrap();
    let refused = pool.updraft(&["reconfig"]);
    assert!(
        text(&refused).contains("set SYSTEM_PERIODIC_VACATE_NAMES to 'A'"),
        "{}",
        text(&refused)
    );
}

#[test]
fn logs_have_the_form_that_is_wanted_and_one_tells_of_all_jobs() {
    let pool = Pool::start_with_config(
        1,
        "EVENT_LOG = $(LOG)/EventLog\nEVENT_LOG_FORMAT_OPTIONS = JSON, UTC\n\
         EVENT_LOG_INFORMATION_ATTRS = Cmd\nDEFAULT_USERLOG_FORMAT_OPTIONS = LEGACY\n",
    );
    pool.submit("executable = /bin/true\nlog = log\nqueue\n");
    pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    pool.until("1.0", "JobStatus", "4");
    let log = pool.work().join("log");
    eventually("the end is told", || fs::read_to_string(&log).unwrap().contains("\n005 "));
    let first = fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    let date = first.strip_prefix("000 (001.000.000) ").unwrap().split(' ').next().unwrap();
    assert!(date.len() == 5 && date.as_bytes()[2] == b'/', "{first}");

    let read = || -> (String, Result<Vec<serde_json::Value>, serde_json::Error>) {
        let all = fs::read_to_string(pool.home().join("log/EventLog")).unwrap_or_default();
        let events = serde_json::Deserializer::from_str(&all).into_iter().collect();
        (all, events)
    };
    eventually("the end is told there too", || {
        read().1.is_ok_and(|events| events.iter().any(|event| event["EventTypeNumber"] == 5))
    });
    let (all, events) = read();
    let events = events.unwrap();
    for (number, cluster, count) in [(0, 1, 1), (5, 1, 1), (0, 2, 1), (28, 2, 1), (12, 2, 0)] {
        let is = |event: &&serde_json::Value| {
            event["EventTypeNumber"] == number && event["Cluster"] == cluster
        };
        assert_eq!(events.iter().filter(is).count(), count, "{number} of {cluster} in {all}");
    }
    assert!(
        events.iter().all(|event| event["EventTime"].as_str().unwrap().ends_with('Z')),
        "{all}"
    );
    let about = events.iter().find(|event| event["EventTypeNumber"] == 28).unwrap();
    assert_eq!(about["Cmd"], "/bin/true");
}
