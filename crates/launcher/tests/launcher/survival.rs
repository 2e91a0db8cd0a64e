//! What outlives what: `kill -9` of the launcher, of a keeper, of both.

use std::fs;
use std::process::Command;

use crate::host::{Host, is_alive, key, kill_9, own, parent_of, until};
use launcher::wire::{Answer, Event, KilledBy, Outcome, RequestBody, RunState};

/// Ends when the test writes to `gate`.
const GATED: &str = "read line <gate; exit 9";

fn with_gate() -> Host {
    let host = Host::new();
    nix::unistd::mkfifo(&host.path("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    host
}

fn ends(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Ended { .. })).count()
}

#[test]
fn a_run_goes_on_while_the_launcher_is_killed_and_started_again() {
    let mut host = with_gate();
    let request = host.script("gated", GATED);
    host.client.start(request);
    let pid = host.client.started("gated");
    for _ in 0..3 {
        host.kill_launcher();
        assert!(is_alive(pid));
        host.restart_launcher();
        let runs = host.client.list();
        assert_eq!(runs.len(), 1);
        let state = &runs[0].state;
        assert!(
            matches!(state, RunState::Running { pid: listed, .. } if *listed == pid),
            "{state:?}"
        );
        // The new launcher can do with it what the old one could.
        let usage = host.client.ask(RequestBody::Usage { run_key: key("gated") });
        assert!(matches!(usage, Ok(Answer::Usage(_))), "{usage:?}");
    }
    fs::write(host.path("gate"), "go\n").unwrap();
    let end = host.client.ended("gated");
    assert_eq!(end.outcome, Outcome::Exited { code: 9 });
    assert_eq!(ends(&host.client.events_so_far()), 0, "an end is told once");

    // A third launcher knows the end from the run's file, and tells it in the list only.
    host.kill_launcher();
    host.restart_launcher();
    assert_eq!(host.client.list()[0].state, RunState::Ended(end));
    assert_eq!(ends(&host.client.events_so_far()), 0);
    let forget = RequestBody::Forget { run_keys: vec![key("gated")] };
    assert_eq!(host.client.ask(forget), Ok(Answer::Done));
    host.kill_launcher();
    host.restart_launcher();
    assert_eq!(host.client.list(), []);
}

#[test]
fn a_run_that_ends_without_a_launcher_is_known_to_the_next() {
    let mut host = with_gate();
    let request = host.script("gated", GATED);
    host.client.start(request);
    let pid = host.client.started("gated");
    let keeper = parent_of(pid);
    host.kill_launcher();
    fs::write(host.path("gate"), "go\n").unwrap();
    until("the keeper has nothing to keep and ends", || (!is_alive(keeper)).then_some(()));
    host.restart_launcher();
    let runs = host.client.list();
    let RunState::Ended(end) = &runs[0].state else { panic!("{runs:?}") };
    assert_eq!(end.outcome, Outcome::Exited { code: 9 });
}

#[test]
fn more_runs_than_a_job_may_have_files_open_are_found_again_by_the_next_launcher() {
    const SOFT: u32 = 24;
    let mut host = Host::with_descriptors(SOFT);
    nix::unistd::mkfifo(&host.path("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let keys: Vec<String> = (0..2 * SOFT).map(|number| format!("run{number}")).collect();
    for run_key in &keys {
        let request = host.script(run_key, "ulimit -Sn >limit; read line <gate");
        host.client.start(request);
        host.client.started(run_key);
    }
    // A job has the limit that the launcher found.
    assert_eq!(host.line("limit"), SOFT.to_string());
    host.kill_launcher();
    host.restart_launcher();
    let runs = host.client.list();
    let running = runs.iter().filter(|run| matches!(run.state, RunState::Running { .. }));
    assert_eq!((runs.len(), running.count()), (keys.len(), keys.len()));
    // Each keeper has come back: it answers.
    for run_key in &keys {
        let usage = host.client.ask(RequestBody::Usage { run_key: key(run_key) });
        assert!(matches!(usage, Ok(Answer::Usage(_))), "{run_key}: {usage:?}");
    }
}

#[test]
fn a_restarted_launcher_can_end_what_another_started() {
    let mut host = Host::new();
    let script = "trap '' TERM; echo ready >ready; while :; do sleep 1000; done";
    let request = host.script("deaf", script);
    host.client.start(request);
    host.line("ready");
    host.kill_launcher();
    host.restart_launcher();
    let kill = RequestBody::Kill { run_key: key("deaf"), signal: 15, grace_ms: 50 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("deaf");
    assert_eq!(end.outcome, Outcome::Signaled { signal: 9, core: false });
    assert_eq!(host.tagged("deaf"), []);
}

#[test]
fn a_lease_ends_a_run_that_nobody_watches() {
    let mut host = Host::new();
    let request = host.script("unwatched", "trap '' TERM; while :; do sleep 1000; done");
    host.client.start(request);
    let pid = host.client.started("unwatched");
    host.client.lease("unwatched", 300).unwrap();
    host.kill_launcher();
    until("the lease ends the run", || (!is_alive(pid)).then_some(()));
    host.restart_launcher();
    let end = until("the end is known", || match host.client.list().remove(0).state {
        RunState::Ended(end) => Some(end),
        RunState::Starting | RunState::Running { .. } | RunState::Clearing => None,
    });
    assert_eq!(end.killed_by, Some(KilledBy::Lease));
    assert!(host.tagged("unwatched").is_empty());
}

/// A main process, a child in its session without environment, a tagged daemon in a session of its
/// own. Its run needs a key that no other test has: what bears the tag of a lost run is killed.
const FAMILY: &str = "env -i /bin/sleep 1000 & echo $! >child
    (setsid sh -c 'echo $$ >daemon; exec sleep 1000' &)
    while ! [ -s daemon ]; do :; done; echo $$ >main; while :; do sleep 1000; done";

/// Kills the run's keeper and shows that nothing of the run is left when it is reported as lost.
fn check_lost(host: &mut Host, run_key: &str) {
    let family = ["child", "daemon", "main"].map(|name| host.pid(name));
    let witness = Command::new("/bin/sleep").arg("1000").spawn();
    kill_9(parent_of(family[2]));
    assert_eq!(host.client.ended(run_key).outcome, Outcome::Lost);
    for pid in family {
        assert!(!is_alive(pid), "{pid} outlived its run");
    }
    assert_eq!(host.tagged(run_key), []);
    let mut witness = witness.unwrap();
    assert!(witness.try_wait().unwrap().is_none(), "a stranger was killed");
    witness.kill().unwrap();
    witness.wait().unwrap();
    assert_eq!(ends(&host.client.events_so_far()), 0, "an end is told once");
}

#[test]
fn a_run_whose_keeper_is_killed_is_lost_and_nothing_of_it_is_left() {
    let mut host = Host::new();
    let request = host.script("bystander", "exec sleep 1000");
    host.client.start(request);
    let bystander = host.client.started("bystander");
    let request = host.script(&own("family-1"), FAMILY);
    host.client.start(request);
    check_lost(&mut host, &own("family-1"));
    assert!(is_alive(bystander), "another run was killed");
}

#[test]
fn a_run_whose_keeper_is_killed_after_the_launcher_was_is_lost_too() {
    let mut host = Host::new();
    let request = host.script(&own("family-2"), FAMILY);
    host.client.start(request);
    host.pid("main");
    host.kill_launcher();
    host.restart_launcher();
    check_lost(&mut host, &own("family-2"));
}

#[test]
fn a_keeper_killed_while_there_is_no_launcher_is_noticed_by_the_next() {
    let mut host = Host::new();
    let request = host.script(&own("family-3"), FAMILY);
    host.client.start(request);
    let family = ["child", "daemon", "main"].map(|name| host.pid(name));
    host.kill_launcher();
    kill_9(parent_of(family[2]));
    host.restart_launcher();
    let end = until("the run is cleared away", || match host.client.list().remove(0).state {
        RunState::Ended(end) => Some(end),
        RunState::Starting | RunState::Running { .. } | RunState::Clearing => None,
    });
    assert_eq!(end.outcome, Outcome::Lost);
    for pid in family {
        assert!(!is_alive(pid), "{pid} outlived its run");
    }
}

/// Rewrites a run's file as another machine state would have left it, and shows that the run is
/// lost and that nobody is harmed.
fn check_stale_record(change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut host = Host::new();
    let stale = own("stale");
    let request = host.script(&stale, "exec sleep 1000");
    host.client.start(request);
    let pid = host.client.started(&stale);
    host.kill_launcher();
    let path = host.path("state/runs").join(&stale);
    fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    host.restart_launcher();
    let state = host.client.list().remove(0).state;
    let RunState::Ended(end) = state else { panic!("{state:?}") };
    assert_eq!(end.outcome, Outcome::Lost);
    assert!(is_alive(pid), "a process of another time was taken for the run's");
    kill_9(pid);
}

#[test]
fn a_run_of_another_boot_is_lost() {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot_id = boot_id.trim().as_bytes().to_vec();
    check_stale_record(|mut bytes| {
        let at = bytes.windows(boot_id.len()).position(|window| window == boot_id).unwrap();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        bytes
    });
}

#[test]
fn a_run_whose_file_was_never_written_is_lost() {
    check_stale_record(|_| Vec::new());
}

#[test]
fn two_launchers_never_share_a_state_directory() {
    let host = Host::new();
    let test = std::env::current_exe().unwrap();
    let second = Command::new(test.ancestors().nth(2).unwrap().join("examples/launcher_host"))
        .arg(host.path("second.sock"))
        .arg(host.path("state"))
        .output()
        .unwrap();
    assert!(!second.status.success());
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(complaint.contains("another launcher is using"), "{complaint}");
}

/// The cgroup path with a real kernel, where this machine lets us: the hybrid hierarchy's v2 part
/// kills although it limits nothing.
#[test]
fn a_cgroup_holds_and_kills_a_run() {
    let hierarchy = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|dir| fs::exists(format!("{dir}/cgroup.subtree_control")).unwrap_or(false));
    let parent = hierarchy.map(|dir| format!("{dir}/updraft-test-{}", std::process::id()));
    let Some(parent) = parent.filter(|dir| fs::create_dir(dir).is_ok()) else {
        eprintln!("not shown: no cgroup v2 hierarchy is writable here");
        return;
    };
    {
        let mut host = Host::with_options(&["--cgroup", &parent]);
        let script = "(setsid sh -c 'echo $$ >daemon; exec sleep 1000' &)
                      while ! [ -s daemon ]; do :; done; while :; do sleep 1000; done";
        let request = host.script("held", script);
        host.client.start(request);
        let daemon = host.pid("daemon");
        let groups = fs::read_to_string(format!("/proc/{daemon}/cgroup")).unwrap();
        assert!(groups.contains("/run-held\n"), "{groups}");
        let kill = RequestBody::Kill { run_key: key("held"), signal: 15, grace_ms: 0 };
        assert_eq!(host.client.ask(kill), Ok(Answer::Done));
        host.client.ended("held");
        assert!(!is_alive(daemon));
        assert!(!fs::exists(format!("{parent}/run-held")).unwrap(), "the cgroup is removed");
    }
    until("the launcher's own cgroup is empty", || {
        fs::remove_dir(format!("{parent}/launcher")).ok()
    });
    fs::remove_dir(&parent).unwrap();
}
