//! The files against those that HTCondor 25.14 wrote, and the shapes that their readers match.

use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use jiff::tz::TimeZone;
use model::{ClusterId, JobId, Now, Timestamp};

use super::condor_sub::{DagJob, HandedOn, Program};
use super::*;
use crate::core::{Core, Event, Input, JobEnd, JobFact, Options, Throttles, run_batch};
use crate::workflow::{Abort, Builder, NewNode, NodeIndex, NodeKind, Retry, Script, ScriptKind};
use crate::workflow::{DagSettings, Environment, variables};

fn stamp() -> Stamp {
    Stamp::new(Timestamp::from_secs(1_795_364_771), TimeZone::UTC)
}

/// The DAG whose files HTCondor's are recorded of: a diamond, whose C fails twice.
fn diamond(mut note: impl FnMut(&Core, &Event)) -> Core {
    let mut builder = Builder::new(vec!["diamond.dag".to_owned()]);
    let [a, b, c, d] =
        ["A", "B", "C", "D"].map(|n| builder.add_node(&NewNode::job(n, "node.sub")).unwrap());
    for (parent, child) in [(a, b), (a, c), (b, d), (c, d)] {
        builder.add_edge(parent, child, false);
    }
    builder.set_retry(c, Retry { max: 1, ..Retry::default() });
    let script = |command_line| Script { command_line, defer: None, debug: None };
    builder.set_script(a, ScriptKind::Pre, script("pre.sh"));
    builder.set_script(b, ScriptKind::Post, script("post.sh"));
    let mut core = Core::new(Arc::new(builder.finish()), Options::default());
    let over = |cluster, code| {
        let fact = JobFact::Over(JobEnd::Exited(code));
        Input::Job { job: JobId::new(cluster, 0), fact }
    };
    let runs = |cluster| Input::Job { job: JobId::new(cluster, 0), fact: JobFact::Executing };
    let submitted = |node: NodeIndex, retry, cluster| Input::Submitted {
        node,
        retry,
        cluster: ClusterId(cluster),
        jobs: 1,
    };
    let ended = |node, script| Input::ScriptEnded {
        node,
        retry: 0,
        script,
        end: crate::core::ScriptEnd::Exited(0),
    };
    for input in [
        Input::Begin,
        ended(a, ScriptKind::Pre),
        submitted(a, 0, 63),
        runs(63),
        over(63, 0),
        submitted(b, 0, 65),
        submitted(c, 0, 66),
        over(65, 0),
        over(66, 1),
        submitted(c, 1, 69),
        ended(b, ScriptKind::Post),
        over(69, 1),
    ] {
        run_batch(&mut core, Now::default(), &[input], &mut note);
    }
    core
}

#[test]
fn a_rescue_file_is_what_htcondor_writes() {
    let core = diamond(|_, _| {});
    expect![[r#"
        # Rescue DAG file, created after running
        #   the diamond.dag DAG file
        # Created 11/22/2026 16:26:11 UTC
        # Rescue DAG version: 2.1.0
        #
        # Total number of Nodes: 4
        # Nodes premarked DONE: 2
        # Nodes that failed: 1
        #   C,<ENDLIST>

        DONE A
        DONE B
    "#]]
    .assert_eq(&rescue::text(&core, "diamond.dag", &stamp(), true));
    let kept = rescue::text(&core, "diamond.dag", &stamp(), false);
    assert!(kept.ends_with("DONE A\nDONE B\nRETRY C 0\n"), "{kept}");
}

#[test]
fn metrics_are_what_htcondor_counts() {
    let core = diamond(|_, _| {});
    let start = Stamp::new(Timestamp::from_millis(1_795_364_740_501), TimeZone::UTC);
    let end = Stamp::new(Timestamp::from_millis(1_795_364_771_897), TimeZone::UTC);
    let run = metrics::Run {
        start: &start,
        end: &end,
        exit: 1,
        dagman_id: "57",
        parent_id: "",
        rescue: 0,
        graph: false,
    };
    let golden = r#"{
    "client":"condor_dagman",
    "version":"25.14.1",
    "type":"metrics",
    "metrics_version":2,
    "start_time":1795364740.501,
    "end_time":1795364771.897,
    "duration":31.396,
    "exitcode":1,
    "dagman_id":"57",
    "parent_dagman_id":"",
    "rescue_dag_number":0,
    "has_final_node":false,
    "nodes":4,
    "nodes_failed":1,
    "nodes_succeeded":2,
    "dag_nodes":0,
    "dag_nodes_failed":0,
    "dag_nodes_succeeded":0,
    "provisioner_nodes":0,
    "service_nodes":0,
    "service_nodes_failed":0,
    "service_nodes_succeeded":0,
    "total_nodes":4,
    "total_nodes_run":3,
    "jobs_submitted":4,
    "jobs_succeeded":4,
    "jobs_failed":0,
    "DagStatus":2
}
"#;
    assert_eq!(metrics::text(&core, &run), golden);
    let graph = "    \"graph_height\":2,\n    \"graph_width\":2,\n    \"graph_num_edges\":4,\n    \"graph_num_vertices\":4,\n";
    let with_graph = golden.replace("    \"DagStatus\"", &format!("{graph}    \"DagStatus\""));
    assert_eq!(metrics::text(&core, &metrics::Run { graph: true, ..run }), with_graph);
}

#[test]
fn the_nodes_log_is_where_the_setting_says() {
    for (dag, form, path) in [
        ("a.dag", "@(DAG_DIR)/@(DAG_FILE).nodes.log", "./a.dag.nodes.log"),
        ("d/a.dag", "@(DAG_DIR)/@(DAG_FILE).nodes.log", "d/a.dag.nodes.log"),
        ("/a.dag", "@(DAG_DIR)x", "/x"),
        ("d/a.dag", "/logs/@(OWNER)-@(CLUSTER)-@(DAG_FILE)", "/logs/alice-7-a.dag"),
    ] {
        assert_eq!(Names::new(dag, false).nodes_log(form, 7, "alice"), path);
    }
}

#[test]
fn dagman_out_has_the_lines_that_monitord_matches() {
    let mut lines = Vec::new();
    diamond(|core, event| lines.extend(dagman_out::lines(core, event, &stamp())));
    expect![[r#"
        Running PRE script of Node A...
        PRE Script of node A completed successfully.
        Submitting HTCondor Node A job(s)...
        Submitting node A from file node.sub using direct job submission
        	assigned HTCondor ID (63.0.0)
        Event: ULOG_SUBMIT for HTCondor Node A (63.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 1
        Event: ULOG_EXECUTE for HTCondor Node A (63.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 0
        Event: ULOG_JOB_TERMINATED for HTCondor Node A (63.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 0
        Node A job proc (63.0.0) completed successfully.
        Node A job(s) have exited the queue
        Submitting HTCondor Node B job(s)...
        Submitting node B from file node.sub using direct job submission
        	assigned HTCondor ID (65.0.0)
        Event: ULOG_SUBMIT for HTCondor Node B (65.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 2
        Submitting HTCondor Node C job(s)...
        Submitting node C from file node.sub using direct job submission
        	assigned HTCondor ID (66.0.0)
        Event: ULOG_SUBMIT for HTCondor Node C (66.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 2
        Event: ULOG_JOB_TERMINATED for HTCondor Node B (65.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 1
        Node B job proc (65.0.0) completed successfully.
        Node B job(s) have exited the queue
        Running POST script of Node B...
        Event: ULOG_JOB_TERMINATED for HTCondor Node C (66.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 0
        Node C job proc (66.0.0) failed with status 1.
        Node C job(s) have exited the queue
        Retrying node C (retry #1 of 1)...
        Submitting HTCondor Node C job(s)...
        Submitting node C from file node.sub using direct job submission
        	assigned HTCondor ID (69.0.0)
        Event: ULOG_SUBMIT for HTCondor Node C (69.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 1
        Event: ULOG_POST_SCRIPT_TERMINATED for HTCondor Node B (65.0.0) {11/22/26 16:26:11}
        POST Script of node B completed successfully.
        Event: ULOG_JOB_TERMINATED for HTCondor Node C (69.0.0) {11/22/26 16:26:11}
        Number of idle job procs: 0
        Node C job proc (69.0.0) failed with status 1.
        Node C job(s) have exited the queue
        Node C failed, and is not tried again: Job proc (69.0.0) failed with status 1 (after 1 node retries)
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn dagman_out_ends_with_the_table_and_the_nodes_that_failed() {
    let core = diamond(|_, _| {});
    let mut lines = dagman_out::table(&core);
    lines.extend(dagman_out::result(&core, 1, true));
    lines.push(dagman_out::end(7, 1));
    expect![[r#"
        DAG status: 2 (DAG_STATUS_NODE_FAILED)
        Of 4 nodes total:
         Done     Pre   Queued    Post   Ready   Un-Ready   Failed   Futile
          ===     ===      ===     ===     ===        ===      ===      ===
            2       0        0       0       0          0        1        1
        0 job proc(s) currently held
        ERROR: the following job(s) failed:
        ---------------------- Node ----------------------
              Node Name: C
                   Noop: false
                 NodeID: 2
            Node Status: STATUS_ERROR    
        Node return val: 1
                  Error: Job proc (69.0.0) failed with status 1 (after 1 node retries)
        Job Submit File: node.sub
                  Retry: 1
        PARENTS: A WAITING: 0 CHILDREN: D
        ---------------------------------------	<END>
        Aborting DAG...
        **** condor_dagman (condor_DAGMAN) pid 7 EXITING WITH STATUS 1
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn jobstate_log_has_a_line_for_each_step() {
    let mut text = String::new();
    let mut numbers = jobstate::Numbers::default();
    diamond(|core, event| text.extend(jobstate::lines(core, event, &stamp(), &mut numbers)));
    expect![[r#"
        1795364771 A PRE_SCRIPT_STARTED - - - 1
        1795364771 A PRE_SCRIPT_SUCCESS - - - 1
        1795364771 A SUBMIT 63.0 - - 1
        1795364771 A EXECUTE 63.0 - - 1
        1795364771 A JOB_TERMINATED 63.0 - - 1
        1795364771 A JOB_SUCCESS 0 - - 1
        1795364771 B SUBMIT 65.0 - - 2
        1795364771 C SUBMIT 66.0 - - 3
        1795364771 B JOB_TERMINATED 65.0 - - 2
        1795364771 B JOB_SUCCESS 0 - - 2
        1795364771 B POST_SCRIPT_STARTED 65.0 - - 2
        1795364771 C JOB_TERMINATED 66.0 - - 3
        1795364771 C JOB_FAILURE 1 - - 3
        1795364771 C SUBMIT 69.0 - - 4
        1795364771 B POST_SCRIPT_TERMINATED 65.0 - - 2
        1795364771 B POST_SCRIPT_SUCCESS 65.0 - - 2
        1795364771 C JOB_TERMINATED 69.0 - - 4
        1795364771 C JOB_FAILURE 1 - - 4
    "#]]
    .assert_eq(&text);
}

#[test]
fn the_node_status_file_is_new_classads() {
    let core = diamond(|_, _| {});
    let text = node_status::text(&core, &["diamond.dag".to_owned()], &stamp(), None);
    expect![[r#"
        [
          Type = "DagStatus";
          DagFiles = {
            "diamond.dag"
          };
          Timestamp = 1795364771; /* "Sun Nov 22 16:26:11 2026" */
          DagStatus = 6; /* "STATUS_ERROR (failed)" */
          NodesTotal = 4;
          NodesDone = 2;
          NodesPre = 0;
          NodesQueued = 0;
          NodesPost = 0;
          NodesReady = 0;
          NodesUnready = 0;
          NodesFutile = 1;
          NodesFailed = 1;
          JobProcsHeld = 0;
          JobProcsIdle = 0; /* includes held */
        ]
        [
          Type = "NodeStatus";
          Node = "A";
          NodeStatus = 5; /* "STATUS_DONE" */
          StatusDetails = "";
          RetryCount = 0;
          JobProcsQueued = 0;
          JobProcsHeld = 0;
        ]
        [
          Type = "NodeStatus";
          Node = "B";
          NodeStatus = 5; /* "STATUS_DONE" */
          StatusDetails = "";
          RetryCount = 0;
          JobProcsQueued = 0;
          JobProcsHeld = 0;
        ]
        [
          Type = "NodeStatus";
          Node = "C";
          NodeStatus = 6; /* "STATUS_ERROR" */
          StatusDetails = "Job proc (69.0.0) failed with status 1 (after 1 node retries)";
          RetryCount = 1;
          JobProcsQueued = 0;
          JobProcsHeld = 0;
        ]
        [
          Type = "NodeStatus";
          Node = "D";
          NodeStatus = 7; /* "STATUS_FUTILE" */
          StatusDetails = "Had an ancestor node fail";
          RetryCount = 0;
          JobProcsQueued = 0;
          JobProcsHeld = 0;
        ]
        [
          Type = "StatusEnd";
          EndTime = 1795364771; /* "Sun Nov 22 16:26:11 2026" */
          NextUpdate = 0; /* "none" */
        ]
    "#]]
    .assert_eq(&text);
}

#[test]
fn the_description_of_the_dags_job_is_htcondors() {
    let job = DagJob {
        dag_files: vec!["good.dag".to_owned()],
        dagman: Program { path: "/usr/bin/condor_dagman".to_owned(), words: Vec::new() },
        options: vec![vec!["-AutoRescue".to_owned(), "1".to_owned()]],
        made_by: "condor_submit_dag good.dag".to_owned(),
        ..DagJob::default()
    };
    expect![[r##"
        # Filename: good.dag.condor.sub
        # Generated by condor_submit_dag good.dag 
        universe    = scheduler
        executable  = /usr/bin/condor_dagman
        getenv      = CONDOR_CONFIG,_CONDOR_*,PATH,PYTHONPATH,PERL*,PEGASUS_*,TZ,HOME,USER,LANG,LC_ALL,ASAN_OPTIONS,LSAN_OPTIONS,BEARER_TOKEN,BEARER_TOKEN_FILE
        output      = good.dag.lib.out
        error       = good.dag.lib.err
        log         = good.dag.dagman.log
        remove_kill_sig = SIGUSR1
        My.OtherJobRemoveRequirements = "DAGManJobId =?= $(cluster)"
        My.IsDaemonCore = True
        # Note: default on_exit_remove expression:
        # (ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >=0 && ExitCode <= 2))
        # attempts to ensure that DAGMan is automatically
        # requeued by the schedd if it exits abnormally or
        # is killed (e.g., during a reboot).
        on_exit_remove = (ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >=0 && ExitCode <= 2))
        arguments = "-f -l . -Lockfile good.dag.lock -Dag good.dag -CsdVersion $CondorVersion:' '25.14.1' '2026-10-16' 'PackageID:' 'Updraft-0.1.0' '$ -dagman /usr/bin/condor_dagman -AutoRescue 1"
        environment = "_CONDOR_DAGMAN_LOG=good.dag.dagman.out _CONDOR_MAX_DAGMAN_LOG=0"
        queue
    "##]].assert_eq(&job.text());
}

/// The lines that condor_submit_dag 25.14 wrote for the same flags.
#[test]
fn what_sub_dags_inherit_is_in_the_arguments_and_holds_for_the_dag_itself() {
    let check = |handed_on: HandedOn, expected: &[&str]| {
        let dag_files = vec!["s.dag".to_owned()];
        let dagman = Program { path: "/usr/bin/condor_dagman".to_owned(), words: Vec::new() };
        let options = vec![vec!["-AutoRescue".to_owned(), "1".to_owned()]];
        let batch_name = Some("foo".to_owned());
        let job = DagJob { dag_files, dagman, options, handed_on, batch_name, ..DagJob::default() };
        let text = job.text();
        for part in expected {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    };
    let handed_on = HandedOn {
        insert_env: vec!["AA=1;B=two words".to_owned()],
        include_env: vec!["FOO".to_owned()],
        out_dir: Some("od".to_owned()),
        notification: Some("complete".to_owned()),
        ..HandedOn::default()
    };
    check(
        handed_on,
        &[
            "$ -notification complete -dagman /usr/bin/condor_dagman -outfile_dir od -AutoRescue 1 -include_env FOO -insert_env AA=1;B=two' 'words\"\n",
            ",BEARER_TOKEN_FILE,FOO\n",
            "s.dag.dagman.log\nMy.JobBatchName = \"foo\"\nremove_kill_sig",
            "environment = \"AA=1 B=two' 'words _CONDOR_DAGMAN_LOG=od/s.dag.dagman.out _CONDOR_MAX_DAGMAN_LOG=0\"\nnotification = complete\nqueue\n",
        ],
    );
    let handed_on = HandedOn {
        debug: Some(5),
        import_env: true,
        do_recurse: true,
        allow_version_mismatch: true,
        ..HandedOn::default()
    };
    check(
        handed_on,
        &[
            "-f -l . -Debug 5 -Lockfile s.dag.lock",
            "-AutoRescue 1 -AllowVersionMismatch -import_env -do_recurse\"\n",
            "getenv      = True\n",
        ],
    );
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    for (text, expected) in [
        ("A=1;B", Err("B")),
        ("A=1; B =x=y;", Ok(vec![("A", "1"), ("B", "x=y")])),
        ("|A=1;2|B=2", Ok(vec![("A", "1;2"), ("B", "2")])),
        ("=2", Err("=2")),
    ] {
        assert_eq!(variables(text), expected.map(|all| all.into_iter().map(pair).collect()));
    }
}

#[test]
fn what_a_dag_s_files_say_of_its_job_comes_between_what_the_site_and_the_command_line_say() {
    let settings = DagSettings {
        config: Some("./own.conf".to_owned()),
        environment: Environment {
            get: vec!["X".to_owned(), "Y".to_owned()],
            set: vec!["A=2".to_owned()],
        },
        job_attributes: vec![("Kind".to_owned(), "\"x\"".to_owned())],
        ..DagSettings::default()
    };
    let mut job = DagJob {
        dag_files: vec!["s.dag".to_owned()],
        handed_on: HandedOn { insert_env: vec!["A=1".to_owned()], ..HandedOn::default() },
        inserted: Some("+site = 1".to_owned()),
        appended: vec!["+line = 1".to_owned()],
        ..DagJob::default()
    };
    job.take_over(&settings, Path::new("/home/alice")).unwrap();
    let text = job.text();
    for part in [
        "-include_env X,Y -insert_env A=1 -insert_env A=2\"\n",
        "environment = \"A=2 _CONDOR_DAGMAN_CONFIG_FILE=/home/alice/own.conf _CONDOR_DAGMAN_LOG",
        "\n+site = 1\nMy.Kind = \"x\"\n+line = 1\nqueue\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(
        job.take_over(&settings, Path::new("/tmp")),
        Err("Conflicting DAGMan config files specified: /home/alice/own.conf and /tmp/own.conf"
            .to_owned())
    );
}

#[test]
fn a_picture_shows_what_became_of_each_node() {
    let core = diamond(|_, _| {});
    let text = dot::text(&core, &stamp(), Some(("hdr", "rankdir=LR;\n")));
    expect![[r#"
        digraph DAG {
            label="DAGMan Job status at Sun Nov 22 16:26:11 2026";

        // Beginning of commands included from hdr.
        rankdir=LR;
        // End of commands included from hdr.

            "A" [shape=ellipse label="A (Done)" style=bold];
            "B" [shape=ellipse label="B (Done)" style=bold];
            "C" [shape=box label="C (E)"];
            "D" [shape=ellipse label="D (I)"];

            "A" -> "B";
            "A" -> "C";
            "B" -> "D";
            "C" -> "D";
        }
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_node_that_is_not_in_the_queue_says_why() {
    let mut builder = Builder::new(vec!["a.dag".to_owned()]);
    let [a, b, c, p, q, _f] = ["A", "B", "C", "P", "Q", "F"].map(|name| {
        let kind = if name == "F" { NodeKind::Final } else { NodeKind::Job };
        builder.add_node(&NewNode { kind, ..NewNode::job(name, "n.sub") }).unwrap()
    });
    for node in [a, b] {
        builder.set_category(node, "k");
    }
    builder.set_max_jobs("k", 1);
    builder.add_edge(a, c, false);
    builder.add_edge(b, c, false);
    let script = |command_line| Script { command_line, defer: None, debug: None };
    for node in [p, q] {
        builder.set_script(node, ScriptKind::Pre, script("pre.sh"));
    }
    let throttles = Throttles { pre: 1, ..Throttles::default() };
    let options = Options { throttles, ..Options::default() };
    let mut core = Core::new(Arc::new(builder.finish()), options);
    let now = Now { wall: Timestamp::from_secs(1_795_364_771), boot_ms: 1_000_000 };
    let mut check = |input, expected: &[&str]| {
        run_batch(&mut core, now, &[input], |_, _| {});
        let told = waiting::waiting(&core, now, &TimeZone::UTC, 20);
        let told: Vec<String> = told.iter().map(|(node, why)| format!("{node}: {why}")).collect();
        assert_eq!(told, expected);
    };
    check(
        Input::Begin,
        &[
            "B: as many nodes of its category k are in the queue as may (MAXJOBS 1)",
            "P: its PRE script runs",
            "Q: as many PRE scripts run as may (-maxpre 1)",
            "C: waits for its parents A, B",
            "F: waits for the end of all others (FINAL)",
        ],
    );
    let why = "no room".to_owned();
    check(
        Input::SubmitFailed { node: a, retry: 0, lasting: false, why },
        &[
            "A: was not submitted in 1 tries; the next is at 11/22/26 16:26:12",
            "B: as many nodes of its category k are in the queue as may (MAXJOBS 1)",
            "P: its PRE script runs",
            "Q: as many PRE scripts run as may (-maxpre 1)",
            "C: waits for its parents A, B",
            "F: waits for the end of all others (FINAL)",
        ],
    );
    check(
        Input::Halt(true),
        &[
            "A: was not submitted in 1 tries; the next is at 11/22/26 16:26:12",
            "B: the DAG is halted",
            "P: its PRE script runs",
            "Q: the DAG is halted",
            "C: waits for its parents A, B",
            "F: waits for the end of all others (FINAL)",
        ],
    );
}

#[test]
fn rescue_numbers_rise_and_the_last_is_written_anew() {
    let stem = "a.dag.rescue";
    let names = ["a.dag.rescue001", "a.dag.rescue004", "a.dag.rescue002.old", "b.dag.rescue009"];
    let numbers = names.iter().filter_map(|name| names::rescue_number(name, stem));
    assert_eq!(numbers.clone().collect::<Vec<_>>(), [1, 4]);
    assert_eq!(rescue::next_number(numbers.clone(), 100), 5);
    assert_eq!(rescue::next_number(numbers, 4), 4);
    assert_eq!(rescue::next_number(std::iter::empty(), 100), 1);
    assert_eq!(Names::new("d/a.dag", true).rescue(7), "d/a.dag_multi.rescue007");
}

#[test]
fn a_node_whose_own_line_says_done_is_told_from_one_that_a_rescue_file_names() {
    let mut builder = Builder::new(vec!["a.dag".to_owned()]);
    builder.add_node(&NewNode { done: true, ..NewNode::job("A", "n.sub") }).unwrap();
    let b = builder.add_node(&NewNode::job("B", "n.sub")).unwrap();
    builder.set_done(b, true);
    let mut core = Core::new(Arc::new(builder.finish()), Options::default());
    let picture = dot::text(&core, &stamp(), None);
    assert_eq!(picture.matches("(Done)").count(), 2, "before anything began: {picture}");
    let now = Now { wall: Timestamp::from_secs(1), boot_ms: 1 };
    run_batch(&mut core, now, &[Input::Begin], |_, _| {});
    let text = node_status::text(&core, &["a.dag".to_owned()], &stamp(), None);
    let details = text.lines().filter_map(|line| line.trim().strip_prefix("StatusDetails = "));
    assert_eq!(details.collect::<Vec<_>>(), ["\"User defined as DONE\";", "\"\";"]);
}

#[test]
fn nodes_that_an_abort_cut_off_are_errors_in_the_status_file_whatever_the_exit_status() {
    let mut builder = Builder::new(vec!["a.dag".to_owned()]);
    let [ends, hangs] =
        ["ENDS", "HANGS"].map(|n| builder.add_node(&NewNode::job(n, "node.sub")).unwrap());
    builder.set_abort(ends, Abort { exit: 5, return_code: Some(0) });
    let mut core = Core::new(Arc::new(builder.finish()), Options::default());
    let submitted =
        |node, cluster| Input::Submitted { node, retry: 0, cluster: ClusterId(cluster), jobs: 1 };
    let fact = JobFact::Over(JobEnd::Exited(5));
    let over = Input::Job { job: JobId::new(7, 0), fact };
    let now = Now { wall: Timestamp::from_secs(1), boot_ms: 1 };
    for input in [Input::Begin, submitted(ends, 7), submitted(hangs, 8), over] {
        run_batch(&mut core, now, &[input], |_, _| {});
    }
    assert_eq!(core.progress().finished, Some((0, false)));
    let text = node_status::text(&core, &["a.dag".to_owned()], &stamp(), None);
    for line in [
        "DagStatus = 6; /* \"STATUS_ERROR (aborted)\" */",
        "NodesQueued = 0;",
        "NodesFailed = 2;",
        "StatusDetails = \"Was STATUS_SUBMITTED\";",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let said = dagman_out::result(&core, 0, false);
    assert_eq!(said, ["Aborting DAG..."]);
}
