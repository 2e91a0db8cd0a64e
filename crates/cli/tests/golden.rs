//! What our commands print, against what HTCondor 25.14 printed: `golden/*.out` are its outputs,
//! `golden/*.ads` the ads that they were made from (the attributes that matter). No daemon is
//! needed.
//!
//! `golden/COMMANDS` says where every recorded answer is compared, or why it cannot be.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use clap::{Args, Command, FromArgMatches};
use classad::{AttrName, ClassAd, Expr, Value};
use cli::commands::machines::daemon_ads;
use cli::line::shape::{Shape, Shown};
use cli::render::dialect::Dialect;
use cli::render::jobs::queue::{Answer, Layout, Source};
use cli::render::jobs::{history, queue};
use cli::render::paint::Paint;
use cli::render::pool::{accounts, daemons, machines};
use cli::render::values::ads::{self, Form};
use cli::render::values::view::{Moment, View};
use jiff::tz::TimeZone;
use model::userlog::{Entries, LogEntry, LogStyle};
use model::{Timestamp, UserName};
use proto::client::{AccountLine, Counts, DaemonIdentity, Totals};

/// 2026-11-22 16:06:17 UTC: when most of the outputs were made.
const NOW: i64 = 1_795_363_577;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn ads_of(name: &str, constraint: &str) -> Vec<ClassAd> {
    let wanted: Expr = constraint.parse().unwrap();
    let mut ads = ClassAd::parse_old_ads(&golden(name)).unwrap();
    ads.retain(|ad| ad.eval_expr(&wanted, None, moment(NOW).env()).is_true());
    ads
}

fn moment(now: i64) -> Moment {
    Moment::new(now, TimeZone::UTC)
}

/// The schedd's counts when the outputs were made; all zero for the outputs of an empty queue.
fn totals(is_empty: bool) -> Totals {
    if is_empty {
        return Totals::default();
    }
    let alice = Counts { idle: 5, running: 1, held: 1, ..Counts::default() };
    let bob = Counts { idle: 3, running: 1, ..Counts::default() };
    let all = Counts { idle: 8, running: 2, held: 1, ..Counts::default() };
    let by_owner = vec![(UserName::new("alice"), alice), (UserName::new("bob"), bob)];
    Totals { all, by_owner, ..Totals::default() }
}

fn check_queue(file: &str, now: i64, constraint: &str, layout: Layout, mine: bool) {
    // The table is made from no more than what it asks for.
    let jobs = projected(&ads_of("queue.ads", constraint), &layout.attributes());
    let (plain, totals) = (moment(now), totals(file.contains("empty")));
    let answer = answer(&plain, &jobs, &totals, mine);
    assert_eq!(queue::render(&answer, layout), golden(file), "{file}");
    let at = moment(now).with_paint(Paint::On);
    let painted = queue::render(&Answer { moment: &at, ..answer }, layout);
    let stripped = anstream::adapter::strip_str(&painted).to_string();
    assert_eq!(stripped, golden(file), "{file}, painted: columns stay in line");
}

/// The schedd that answered in the recordings.
static SOURCE: LazyLock<Source> = LazyLock::new(|| Source::Schedd {
    name: "localhost".to_owned(),
    address: "<127.0.0.1:9618?...".to_owned(),
});

/// What it answers to `condor_q`, with alice's line of totals if she asks for her own.
fn answer<'a>(
    moment: &'a Moment,
    jobs: &'a [ClassAd],
    totals: &'a Totals,
    mine: bool,
) -> Answer<'a> {
    let me = mine.then_some(("alice", "alice@localhost"));
    let dialect = Dialect::HtCondor;
    Answer { source: &SOURCE, moment, jobs, totals, me, width: None, dialect }
}

const ALICE: &str = "Owner == \"alice\"";
const BOB: &str = "Owner == \"bob\"";
/// 16:23:37, when the queue was empty.
const EMPTY: i64 = 1_795_364_617;

#[test]
fn views_of_the_queue_are_htcondors() {
    let held = "Owner == \"alice\" && JobStatus == 5";
    let running = "Owner == \"alice\" && JobStatus == 2";
    let idle = "Owner == \"alice\" && JobStatus == 1";
    for (file, later, constraint, layout, mine) in [
        ("condor_q.out", 0, ALICE, Layout::Batches, true),
        ("condor_q.nobatch.out", 0, ALICE, Layout::Jobs, true),
        ("condor_q.allusers.out", 0, "true", Layout::Batches, false),
        ("condor_q.allusers-nobatch.out", 0, "true", Layout::Jobs, false),
        ("condor_q.bob.out", 0, BOB, Layout::Batches, false),
        ("condor_q.bob-nobatch.out", 0, BOB, Layout::Jobs, false),
        ("condor_q.hold.out", 0, held, Layout::Held, true),
        ("condor_q.run.out", 0, running, Layout::Running, true),
        ("condor_q.idle.out", 0, idle, Layout::Idle, true),
        ("condor_q.run-nobatch.out", 0, running, Layout::Running, true),
        ("condor_q.wide.out", 0, ALICE, Layout::Jobs, true),
        ("condor_q.held-nobatch.out", 0, held, Layout::Held, true),
        ("condor_q.nojob-nobatch.out", 1, "false", Layout::Jobs, false),
        ("condor_q.io.out", 0, "false", Layout::Io, true),
        ("condor_q.totals.out", 0, ALICE, Layout::Totals, true),
        ("condor_q.dag.out", 1, ALICE, Layout::Dag, true),
        (
            "condor_q.constraint.out",
            1,
            "JobStatus==2 && ProcId==0 && Owner == \"alice\"",
            Layout::Jobs,
            true,
        ),
        (
            "condor_q.limit.out",
            1,
            "ClusterId == 37 && ProcId == 0 || ClusterId == 38",
            Layout::Jobs,
            true,
        ),
        ("condor_q.nojob.out", 1, "false", Layout::Batches, false),
        ("condor_q.nouser.out", 1, "false", Layout::Batches, false),
        ("condor_q.empty.out", EMPTY - NOW, "false", Layout::Batches, true),
        ("condor_q.empty-nobatch.out", EMPTY - NOW, "false", Layout::Jobs, true),
        ("condor_q.empty-hold.out", EMPTY - NOW + 1, "false", Layout::Held, true),
        ("condor_q.empty-run.out", EMPTY - NOW + 1, "false", Layout::Running, true),
        ("condor_q.factory.out", 1, "JobMaterializeLimit isnt undefined", Layout::Factories, true),
        ("condor_q.running2.out", 1007, "false", Layout::Running, true),
    ] {
        check_queue(file, NOW + later, constraint, layout, mine);
    }
}

#[test]
fn jobs_are_not_grouped_as_htcondor_does_not_group_them() {
    let jobs = ads_of("queue.ads", ALICE);
    let (at, totals) = (moment(NOW + 1), totals(false));
    let answer = answer(&at, &jobs, &totals, true);
    assert_eq!(queue::render_group_by(&answer), golden("condor_q.group-by.out"));
}

/// The job that makes this line of `q -nobatch` at `now`: the reference's ads were not kept.
fn queued(line: &str, now: i64) -> ClassAd {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (cluster, proc) = words[0].split_once('.').unwrap();
    let numbers: Vec<i64> =
        words[4].split(['+', ':']).map(|number| number.parse().unwrap()).collect();
    let [days, hours, minutes, seconds] = numbers[..] else { panic!("{line}") };
    let ran = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    let status = "?IRXCH".find(words[5]).unwrap();
    let mut ad = ClassAd::new();
    ad.set("ClusterId", cluster.parse::<i64>().unwrap());
    ad.set("ProcId", proc.parse::<i64>().unwrap());
    ad.set("Owner", words[1]);
    ad.set("QDate", seconds_of(&format!("{} {}", words[2], words[3])));
    ad.set("JobStatus", i64::try_from(status).unwrap());
    if status == 2 {
        ad.set("ShadowBday", now - ran);
    } else {
        ad.set("RemoteWallClockTime", ran);
    }
    ad.set("JobPrio", words[6].parse::<i64>().unwrap());
    ad.set("MemoryUsage", words[7].parse::<f64>().unwrap());
    ad.set("Cmd", format!("/bin/{}", words[8]));
    ad.set("Args", words[9..].join(" "));
    ad
}

#[test]
fn lists_of_queued_jobs_are_htcondors() {
    let counts = |idle, running, held, completed| Counts {
        idle,
        running,
        held,
        completed,
        ..Counts::default()
    };
    for (file, clock, mine, all, of_me) in [
        ("condor_q.now.out", "16:20:53", false, counts(7, 2, 0, 0), None),
        ("condor_q.final-idle.out", "16:23:33", true, counts(1, 2, 0, 0), Some(counts(1, 2, 0, 0))),
        ("condor_q.spool.out", "16:26:21", false, counts(0, 0, 6, 1), None),
        ("condor_q.stream.out", "16:06:18", true, counts(8, 2, 1, 0), Some(counts(5, 1, 1, 0))),
    ] {
        let expected = golden(file);
        let now =
            seconds_of(&format!("11/22 {}", &clock[..5])) + clock[6..].parse::<i64>().unwrap();
        let lines = expected.lines().skip(4).take_while(|line| !line.is_empty());
        let jobs: Vec<ClassAd> = lines.map(|line| queued(line, now)).collect();
        let by_owner = of_me.map(|counts| (UserName::new("alice"), counts)).into_iter().collect();
        let (at, totals) = (moment(now), Totals { all, by_owner, ..Totals::default() });
        let answer = answer(&at, &jobs, &totals, mine);
        assert_eq!(queue::render(&answer, Layout::Jobs), expected, "{file}");
    }
}

#[test]
fn held_jobs_are_listed_with_code_subcode_and_reason() {
    let expected = golden("condor_q.hold2.out");
    let lines = expected.lines().skip(4).take_while(|line| !line.is_empty());
    let held = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (cluster, proc) = words[0].split_once('.').unwrap();
        let (code, sub) = words[4].split_once('/').unwrap();
        let mut ad = ClassAd::new();
        for (name, number) in [
            ("ClusterId", cluster),
            ("ProcId", proc),
            ("HoldReasonCode", code),
            ("HoldReasonSubCode", sub),
            ("JobStatus", "5"),
        ] {
            ad.set(name, number.parse::<i64>().unwrap());
        }
        ad.set("Owner", words[1]);
        ad.set("EnteredCurrentStatus", seconds_of(&format!("{} {}", words[2], words[3])));
        ad.set("HoldReason", words[5..].join(" "));
        ad
    };
    let jobs: Vec<ClassAd> = lines.map(held).collect();
    let alice = Counts { held: 7, ..Counts::default() };
    let all = Counts { idle: 2, running: 2, held: 7, ..Counts::default() };
    let by_owner = vec![(UserName::new("alice"), alice)];
    let (at, totals) = (moment(NOW + 44), Totals { all, by_owner, ..Totals::default() });
    let answer = answer(&at, &jobs, &totals, true);
    assert_eq!(queue::render(&answer, Layout::Held), expected);
}

/// The moment `11/22 16:06` of the year of the outputs.
fn seconds_of(date: &str) -> i64 {
    let civil = jiff::civil::DateTime::strptime("%Y/%m/%d %H:%M", format!("2026/{date}")).unwrap();
    civil.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
}

/// The words of a command line, read as `q` and `status` read them.
fn shape(words: &[&str]) -> Shape {
    let mut command = Shape::augment_args(Command::new("q").no_binary_name(true));
    command.build();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let words = cli::line::args::to_clap(&words, &command, None, &mut Vec::new()).unwrap();
    Shape::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
}

fn projected(ads: &[ClassAd], names: &[AttrName]) -> Vec<ClassAd> {
    ads.iter().map(|ad| ad.projected(names)).collect()
}

fn check_shape(file: &str, ads: &[ClassAd], words: &[&str]) {
    let instead =
        shape(words).instead(Dialect::HtCondor, Shown::Queue).unwrap().expect("not a table");
    let ads = projected(ads, &instead.projection());
    assert_eq!(instead.render(&ads, &moment(NOW), Dialect::HtCondor), golden(file), "{file}");
}

#[test]
fn whole_ads_and_chosen_values_are_htcondors() {
    let jobs = ads_of("queue.ads", ALICE);
    let six = ["ClusterId", "ProcId", "JobStatus", "Cmd", "Args", "NoSuch"];
    check_shape("condor_q.af.out", &jobs, &[&["-af"], &six[..]].concat());
    check_shape("condor_q.af-h.out", &jobs, &[&["-af:h"], &six[..]].concat());
    check_shape("condor_q.af-jt.out", &jobs, &["-af:jth", "Owner", "Cmd", "Args"]);
    check_shape("condor_q.af-comma.out", &jobs, &["-af:,", "Owner", "Cmd", "Args", "JobStatus+1"]);
    check_shape("condor_q.af-lrng.out", &jobs, &["-af:lrng", "ClusterId", "Requirements"]);
    let formats =
        ["-format", "%d.", "ClusterId", "-format", "%d ", "ProcId", "-format", "%s\\n", "Cmd"];
    check_shape("condor_q.format.out", &jobs, &formats);
    check_shape(
        "condor_q.json-attrs.out",
        &jobs,
        &["-json", "-attributes", "ClusterId,ProcId,JobStatus,Cmd"],
    );
    check_shape(
        "condor_q.long-attrs.out",
        &jobs,
        &["-long", "-attributes", "ClusterId,ProcId,JobStatus"],
    );
    check_shape(
        "condor_q.xml.out",
        &jobs,
        &["-xml", "-attributes", "ClusterId,ProcId,JobStatus,Cmd"],
    );
}

#[test]
fn what_clients_parse_is_what_they_expect() {
    let jobs = ads_of("queue.ads", "ClusterId == 36 && ProcId <= 1");
    let render = |words: &[&str]| {
        shape(words).instead(Dialect::HtCondor, Shown::Queue).unwrap().expect("not a table").render(
            &jobs,
            &moment(NOW),
            Dialect::HtCondor,
        )
    };
    // parsl: `C.P N`.
    assert_eq!(render(&["-af:jr", "JobStatus"]), "36.0 2\n36.1 1\n");
    // radical.saga
    assert_eq!(render(&["-af:jv", "ProcId"]), "36.0 0\n36.1 1\n");
    // law: blocks with an empty line before each, `Attr = value`.
    assert_eq!(
        render(&["-af:lng", "ClusterId", "ProcId", "RemoteHost"]),
        "\nClusterId = 36\nProcId = 0\nRemoteHost = slot1_1@localhost\n\nClusterId = 36\nProcId = 1\nRemoteHost = undefined\n"
    );
}

/// Slots as they were `later` seconds after the outputs' first.
fn slots(constraint: &str, later: i64) -> Vec<ClassAd> {
    let mut slots = ads_of("slots.ads", constraint);
    for slot in &mut slots {
        let now = slot.literal("MyCurrentTime").and_then(Value::as_i64).unwrap();
        slot.set("MyCurrentTime", now + later);
    }
    slots
}

#[test]
fn views_of_machines_are_htcondors() {
    for (file, later, constraint, layout) in [
        ("condor_status.out", 0, "true", machines::Layout::Slots),
        ("condor_status.constraint.out", 0, "SlotType == \"Dynamic\"", machines::Layout::Slots),
        ("condor_status.none.out", 0, "false", machines::Layout::Slots),
        ("condor_status.claimed.out", 0, "State == \"Claimed\"", machines::Layout::Claimed),
        ("condor_status.server.out", 0, "true", machines::Layout::Servers),
        ("condor_status.state.out", 1, "true", machines::Layout::States),
        ("condor_status.total.out", 0, "true", machines::Layout::Totals),
        ("condor_status.compact.out", 0, "true", machines::Layout::Machines),
    ] {
        assert_eq!(
            machines::render(&slots(constraint, later), layout, &moment(NOW), None),
            golden(file),
            "{file}"
        );
    }
    let slots = slots("true", 0);
    check_shape(
        "condor_status.af.out",
        &slots,
        &["-af", "Name", "State", "Activity", "Cpus", "Memory"],
    );
    check_shape(
        "condor_status.af-h.out",
        &slots,
        &["-af:h", "Name", "State", "Activity", "Cpus", "Memory", "NoSuch"],
    );
    let xml = shape(&["-xml", "-attributes", "Name,State"])
        .instead(Dialect::HtCondor, Shown::Machines)
        .unwrap()
        .expect("not a table");
    let xml = xml.render(&slots, &moment(NOW), Dialect::HtCondor);
    assert_eq!(xml, golden("condor_status.xml.out"));
    check_shape("condor_status.json.out", &slots, &["-json", "-attributes", "Name,State,Cpus"]);
}

#[test]
fn accounts_are_shown_in_htcondors_table() {
    let line = |user: &str, effective_priority: f64, used: f64, begun_ago: i64| AccountLine {
        user: UserName::new(user),
        effective_priority,
        real_priority: effective_priority / 1000.0,
        factor: 1000.0,
        held: 1.0,
        used_weight_seconds: used,
        begun: Some(Timestamp::from_secs(NOW - begun_ago)),
        last_used: Some(Timestamp::from_secs(NOW)),
    };
    let lines = [line("bob", 500.04, 10.0, 7), line("alice", 500.64, 163.0, 180)];
    for (file, all_columns, everybody) in
        [("condor_userprio.out", false, false), ("condor_userprio.all.out", true, true)]
    {
        let wanted = accounts::Wanted { all_columns, everybody };
        let shown = accounts::table(&lines, "localhost", wanted, &moment(NOW));
        assert_eq!(shown, golden(file), "{file}");
    }
}

#[test]
fn schedds_and_submitters_are_shown_in_htcondors_tables() {
    let identity = DaemonIdentity {
        role: "schedd".to_owned(),
        name: "localhost".to_owned(),
        version: "0".to_owned(),
        address: "<127.0.0.1:9618>".to_owned(),
        pid: 1,
        since: Timestamp::from_secs(NOW),
    };
    let totals = totals(false);
    let (schedd, submitters) = (
        daemon_ads::scheduler(&identity, &totals, &ClassAd::new()),
        daemon_ads::submitters(&identity, &totals),
    );
    assert_eq!(daemons::schedds(&[schedd], &moment(NOW)), golden("condor_status.schedd.out"));
    assert_eq!(
        daemons::submitter_table(&submitters, &moment(NOW)),
        golden("condor_status.submitters.out")
    );
}

#[test]
fn daemons_are_shown_in_htcondors_tables() {
    let ad = |text: &str| ClassAd::parse_old(text).unwrap();
    let at = moment(NOW);
    let master = "Name = \"localhost\"\nCondorVersion = \"$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1+dfsg-1 $\"\n\
                  DetectedCpus = 2\nDetectedMemory = 24105\nDaemonStartTime = 1795363453\nMyCurrentTime = 1795363458\n";
    assert_eq!(daemons::masters(&[ad(master)], &at), golden("condor_status.master.out"));
    let collector = "Name = \"My Pool - 127.0.0.1@localhost\"\nMachine = \"localhost\"\nRunningJobs = 0\nIdleJobs = 0\nHostsTotal = 0\n";
    assert_eq!(daemons::collectors(&[ad(collector)], &at), golden("condor_status.collector.out"));
    let negotiator = "Name = \"localhost\"\nLastNegotiationCycleEnd0 = 1795363454\nLastNegotiationCycleMatches0 = 0\n";
    assert_eq!(
        daemons::negotiators(&[ad(negotiator)], &at),
        golden("condor_status.negotiator.out")
    );
    let schedd = "Name = \"localhost\"\nTotalJobAds = 11\nTotalRunningJobs = 2\nRecentJobsCompleted = 6\nRecentJobsStarted = 12\n";
    assert_eq!(daemons::running(&[ad(schedd)], &at), golden("condor_status.run.out"));
    let expected = golden("condor_status.any.out");
    let line = |line: &str| {
        let (my_type, name) = (line[..18].trim(), line[38..].trim());
        ad(&format!("MyType = \"{my_type}\"\nName = \"{name}\"\n"))
    };
    let ads: Vec<ClassAd> = expected.lines().skip(2).map(line).collect();
    assert_eq!(daemons::any(&ads, &at), expected);
    assert_eq!(daemons::masters(&[], &at), "", "HTCondor prints nothing where there is nothing");
}

/// The ad of a job that makes this line of a history: the reference's ads were not kept.
fn finished(line: &str) -> ClassAd {
    let (cluster, proc) = line[..12].trim().split_once('.').unwrap();
    let numbers: Vec<i64> =
        line[40..52].trim().split(['+', ':']).map(|number| number.parse().unwrap()).collect();
    let [days, hours, minutes, seconds] = numbers[..] else { panic!("{line}") };
    let mut ad = ClassAd::new();
    ad.set("ClusterId", cluster.parse::<i64>().unwrap());
    ad.set("ProcId", proc.parse::<i64>().unwrap());
    ad.set("Owner", line[13..27].trim());
    ad.set("QDate", seconds_of(line[28..39].trim()));
    let wall = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    ad.set("RemoteWallClockTime", i32::try_from(wall).map(f64::from).unwrap());
    ad.set("JobStatus", i64::from(if line[53..54] == *"C" { 4 } else { 3 }));
    let completed = line[56..67].trim();
    // A job that was removed has none.
    if !completed.is_empty() {
        ad.set("CompletionDate", seconds_of(completed));
    }
    let (program, args) = line[68..].split_once(' ').unwrap_or((&line[68..], ""));
    ad.set("Cmd", format!("/bin/{program}"));
    ad.set("Args", args);
    ad
}

#[test]
fn lists_of_finished_jobs_are_htcondors() {
    for file in [
        "condor_history.out",
        "condor_history.cluster.out",
        "condor_history.forwards.out",
        "condor_history.none.out",
        "condor_history.constraint.out",
        "condor_history.limit.out",
        "condor_history.match.out",
        "condor_history.wide.out",
    ] {
        let expected = golden(file);
        let ads: Vec<ClassAd> = expected.lines().skip(1).map(finished).collect();
        let ads = projected(&ads, &history::attributes());
        assert_eq!(
            history::render(&ads, &moment(NOW), Dialect::HtCondor, None),
            expected,
            "{file}"
        );
    }
}

#[test]
fn values_of_finished_jobs_are_shown_as_htcondor_shows_them() {
    let ad = |line: &str| {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let mut ad = ClassAd::new();
        for (name, text) in [("ClusterId", words[0]), ("ProcId", words[1]), ("JobStatus", words[2])]
        {
            ad.set(name, text.parse::<i64>().unwrap());
        }
        if words[3] != "undefined" {
            ad.set("ExitCode", words[3].parse::<i64>().unwrap());
        }
        if words[4] != "undefined" {
            ad.set("RemoveReason", words[4]);
        }
        ad
    };
    let jobs: Vec<ClassAd> = golden("condor_history.af.out").lines().map(ad).collect();
    let names = ["-af", "ClusterId", "ProcId", "JobStatus", "ExitCode", "RemoveReason"];
    check_shape("condor_history.af.out", &jobs, &names);
}

#[test]
fn suspended_jobs_are_shown_as_htcondor_shows_them() {
    // 16:23:17.
    let now = NOW + 17 * 60;
    let job = |proc: i64, status: i64, memory: f64| {
        let mut ad = ClassAd::new();
        for (name, value) in [
            ("ClusterId", 40),
            ("ProcId", proc),
            ("JobStatus", status),
            ("QDate", now - 60),
            ("TotalSubmitProcs", 3),
            ("JobPrio", 0),
        ] {
            ad.set(name, value);
        }
        ad.set("Owner", "alice");
        ad.set("JobBatchName", "mysleepers");
        ad.set("Cmd", "/bin/sh");
        ad.set("Args", "-c echo' 'started;' 'date;' 'exec' 'sleep' '600");
        ad.set("MemoryUsage", memory);
        if status != 1 {
            ad.set("ShadowBday", now - 12);
        }
        ad
    };
    let jobs = [job(0, 7, 2.0), job(1, 2, 5.0), job(2, 1, 0.1)];
    let alice = Counts { idle: 1, running: 1, suspended: 1, ..Counts::default() };
    let by_owner = vec![(UserName::new("alice"), alice)];
    let (at, totals) = (moment(now), Totals { all: alice, by_owner, ..Totals::default() });
    let answer = answer(&at, &jobs, &totals, true);
    assert_eq!(queue::render(&answer, Layout::Jobs), golden("condor_q.suspended.out"));
    assert_eq!(queue::render(&answer, Layout::Batches), golden("condor_q.suspended-batch.out"));
}

#[test]
fn jobs_that_ask_for_the_same_are_counted_as_htcondor_counts_them() {
    let mut jobs = ads_of("queue.ads", "true");
    // What the queue's ads were kept without.
    let usual = jobs[0].get("Requirements").cloned().unwrap();
    for job in &mut jobs {
        job.set("RequestCpus", 1);
        job.set("RequestDisk", 1_048_576);
        if job.get("Requirements").is_none() {
            job.set("Requirements", usual.clone());
            job.set("RequestMemory", 128);
        }
    }
    let (at, totals) = (moment(NOW + 1), totals(false));
    let answer = answer(&at, &jobs, &totals, false);
    // HTCondor numbers what it has ever seen, ours what is shown.
    let expected = golden("condor_q.autocluster.out").replace("\n    4     2 ", "\n    2     2 ");
    assert_eq!(queue::render(&answer, Layout::Autoclusters), expected);
}

#[test]
fn edited_attributes_are_shown_in_htcondors_columns() {
    let rows = [
        (36, 0, Some("43"), Some("\"x\""), 3),
        (36, 1, Some("7"), Some("\"x\""), 3),
        (36, 2, Some("43"), Some("\"x\""), 3),
        (36, 3, Some("43"), Some("\"x\""), 3),
        (37, 0, None, None, 0),
        (37, 1, Some("7"), None, 0),
        (38, 0, None, None, 0),
    ];
    let ad = |(cluster, proc, foo, bar, prio): (i64, i64, Option<&str>, Option<&str>, i64)| {
        let mut ad = ClassAd::new();
        for (name, value) in [("ClusterId", cluster), ("ProcId", proc), ("JobPrio", prio)] {
            ad.set(name, value);
        }
        for (name, value) in [("Foo", foo), ("Bar", bar)] {
            if let Some(value) = value {
                ad.set(name, value.parse::<Expr>().unwrap());
            }
        }
        ad
    };
    let jobs: Vec<ClassAd> = rows.into_iter().map(ad).collect();
    check_shape("condor_qedit.after.out", &jobs, &["-af:jh", "Foo", "Bar", "JobPrio"]);
}

#[test]
fn events_are_ads_as_htcondor_writes_them() {
    let zone = TimeZone::UTC;
    let log = golden("probeYES.log");
    let expected: Vec<serde_json::Value> = serde_json::from_str(&golden("probeYES.json")).unwrap();
    let entries: Vec<LogEntry> = Entries::new(&log, &zone, 2026).map(Result::unwrap).collect();
    assert_eq!(entries.len(), expected.len());
    for (entry, mut expected) in entries.iter().zip(expected) {
        let ours = ads::one(&entry.ad(&LogStyle::iso(&zone)), Form::JsonLines);
        let mut ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
        // The log has whole seconds, and cannot tell a whole number from one with a fraction of
        // zero.
        for ad in [&mut ours, &mut expected] {
            let seconds = ad["EventTime"].as_str().unwrap()[..19].to_owned();
            ad["EventTime"] = seconds.into();
            for value in ad.as_object_mut().unwrap().values_mut() {
                if let Some(number) = value.as_f64() {
                    *value = number.into();
                }
            }
        }
        assert_eq!(ours, expected);
    }
}

#[test]
fn slots_fit_a_narrow_terminal() {
    let narrow =
        machines::render(&slots("true", 0), machines::Layout::Slots, &moment(NOW), Some(80));
    let lines: Vec<&str> = narrow.lines().collect();
    assert!(lines.iter().take(4).all(|line| line.len() <= 80), "{narrow}");
    assert!(lines[0].starts_with("Name ") && lines[0].ends_with(" ActvtyTime"), "{narrow}");
}

#[test]
fn totals_for_programs_are_one_ad_of_counts() {
    let ads = ads_of("queue.ads", ALICE);
    let at = moment(NOW);
    let jobs: Vec<View<'_>> = ads.iter().map(|ad| View::new(ad, &at)).collect();
    let ad =
        cli::render::jobs::totals::summary(&jobs, &totals(false), Some(("alice", "alice@h")), NOW);
    let number = |name: &str| ad.literal(name).and_then(Value::as_i64);
    for (name, expected) in [
        ("Jobs", 7),
        ("Idle", 5),
        ("MyHeld", 1),
        ("AllusersRunning", 2),
        ("AllusersSchedulerJobs", 0),
        ("ErrorCode", 0),
    ] {
        assert_eq!(number(name), Some(expected), "{name}");
    }
    assert_eq!(ad.literal("MyType").and_then(Value::as_str), Some("Summary"));
}
