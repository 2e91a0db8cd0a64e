//! What became of each node, read back from dagman.out: when each attempt waited and ran, and how
//! it ended.
//!
//! dagman.out is there while a DAG runs and when it is over, so that pictures need no queue. It has
//! whole seconds. Knows nothing of the graph.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The last run of a DAG, or that of one job, with all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The DAG's job, if dagman said it.
    pub job: Option<u32>,
    /// When it began, seconds since the epoch.
    pub began: i64,
    /// The last moment that anything was said.
    pub last: i64,
    /// What dagman exited with; none if it goes on.
    pub exit: Option<i32>,
    /// The rescue file that it began from.
    pub rescue: Option<String>,
    /// The nodes that anything was said of.
    pub nodes: BTreeMap<String, NodeStory>,
}

/// What became of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStory {
    /// The first is attempt 0.
    pub attempts: Vec<Attempt>,
    /// Its PRE script, or somebody, said that it is done.
    pub skipped: bool,
    /// Why it failed for good.
    pub error: Option<String>,
}

/// One attempt of a node. Moments are seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    pub pre: Option<Script>,
    pub post: Option<Script>,
    pub submitted: Option<i64>,
    pub started: Option<i64>,
    pub ended: Option<i64>,
    /// Whether a job of it is held now.
    pub held: bool,
    /// How the first of its jobs that failed did.
    pub failure: Option<String>,
}

/// A script of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub began: i64,
    pub ended: Option<i64>,
    /// How it failed.
    pub failure: Option<String>,
}

impl Story {
    /// The nodes that failed for good, and why.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|(name, node)| Some((name.as_str(), node.error.as_deref()?)))
    }
}

impl NodeStory {
    /// The last attempt.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    fn now(&mut self) -> &mut Attempt {
        if self.attempts.is_empty() {
            self.attempts.push(Attempt::default());
        }
        let last = self.attempts.len() - 1;
        &mut self.attempts[last]
    }
}

/// Reads dagman.out, whose moments are of a time zone. Lines that say nothing of nodes are passed
/// over, and so is a last line that is not whole.
pub fn read(text: &str, zone: &TimeZone) -> Story {
    let mut reader = Reader::new(zone.clone());
    reader.take(text);
    reader.story
}

/// Reads dagman.out as it grows.
#[derive(Debug)]
pub struct Reader {
    zone: TimeZone,
    /// The job whose run is wanted; the last run without.
    wanted: Option<u32>,
    /// Whether what is read is of the run of another job.
    is_elsewhere: bool,
    story: Story,
    /// The run before, which another life may go on with.
    before: Story,
    /// The node that the list of failed nodes is about.
    failed: Option<String>,
}

impl Reader {
    /// One that has read nothing. Moments are of this zone.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            wanted: None,
            is_elsewhere: false,
            story: Story::default(),
            before: Story::default(),
            failed: None,
        }
    }

    /// One that reads the run of one job, whatever other jobs have run the same DAG.
    pub fn of_job(zone: TimeZone, job: u32) -> Self {
        Self { wanted: Some(job), is_elsewhere: true, ..Self::new(zone) }
    }

    /// What was read so far comes to this.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// Reads the lines that follow. A last one that is not whole is passed over: it is given again
    /// with its rest.
    pub fn take(&mut self, text: &str) {
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Some((stamp, said)) = line.split_at_checked(STAMP) else { return };
        let Some(at) = moment(stamp, &self.zone) else { return };
        let said = said.strip_prefix(' ').unwrap_or(said);
        let begins = job_of_banner(said);
        if begins.is_some() {
            self.is_elsewhere = self.wanted.is_some() && begins != self.wanted;
        }
        if self.is_elsewhere {
            return;
        }
        let story = &mut self.story;
        // What stands behind its end is the beginning of another run.
        let was_over = story.exit.is_some() && begins.is_none();
        if begins.is_some() {
            let new = Story { job: begins, began: at, ..Story::default() };
            self.before = std::mem::replace(story, new);
        } else if said == "Running in RECOVERY mode..." {
            if self.before.job == story.job {
                *story = std::mem::take(&mut self.before);
            }
            story.exit = None;
        } else if let Some((_, status)) = said.split_once("EXITING WITH STATUS ") {
            story.exit = status.trim().parse().ok();
        } else if let Some((_, rest)) = said.split_once("; running ")
            && said.starts_with("Found rescue DAG")
        {
            story.rescue = rest.split_once(" in combination").map(|(path, _)| path.to_owned());
        } else if let Some(name) = said.trim_start().strip_prefix("Node Name: ") {
            self.failed = Some(name.to_owned());
        } else if let (Some(error), Some(name)) =
            (said.trim_start().strip_prefix("Error: "), &self.failed)
        {
            fail(node(story, name), error);
            self.failed = None;
        } else {
            line_of_a_node(story, said, at);
        }
        if !was_over {
            self.story.last = at;
        }
    }
}

/// The job of dagman in the line that it begins with: `** condor_scheduniv_exec.12.0 (...`.
fn job_of_banner(said: &str) -> Option<u32> {
    let (_, rest) = said.strip_suffix(" STARTING UP")?.split_once("condor_scheduniv_exec.")?;
    rest.split('.').next()?.parse().ok()
}

/// `11/29/26 06:06:40`.
const STAMP: usize = 17;

fn moment(stamp: &str, zone: &TimeZone) -> Option<i64> {
    // most lines are of a second that others are of, but the parsing is a small part of the reading
    let civil = DateTime::strptime("%m/%d/%y %H:%M:%S", stamp).ok()?;
    Some(civil.to_zoned(zone.clone()).ok()?.timestamp().as_second())
}

fn node<'s>(story: &'s mut Story, name: &str) -> &'s mut NodeStory {
    if !story.nodes.contains_key(name) {
        story.nodes.insert(name.to_owned(), NodeStory::default());
    }
    story.nodes.get_mut(name).expect("it was put there")
}

fn line_of_a_node(story: &mut Story, said: &str, at: i64) {
    if let Some(event) = said.strip_prefix("Event: ") {
        let Some((event, rest)) = event.split_once(" for HTCondor Node ") else { return };
        if let Some((name, why)) = rest.split_once(NO_JOB).filter(|_| event == NOT_SUBMITTED) {
            let why = why.split_once("} ").map_or(why, |(_, why)| why);
            let attempt = node(story, name).now();
            attempt.ended = Some(at);
            attempt.failure = Some(format!("could not be submitted: {why}"));
            return;
        }
        let Some((name, _)) = rest.rsplit_once(" (") else { return };
        job_event(node(story, name).now(), event, at);
    } else if let Some(rest) = said.strip_prefix("Running ") {
        let Some((kind, name)) = rest.split_once(" script of Node ") else { return };
        let attempt = node(story, name.trim_end_matches("...")).now();
        if let Some(script) = script_of(attempt, kind) {
            *script = Some(Script { began: at, ..Script::default() });
        }
    } else if let Some(rest) = said.strip_prefix("Retrying node ") {
        let Some((name, _)) = rest.rsplit_once(" (retry #") else { return };
        node(story, name).attempts.push(Attempt::default());
    } else if let Some(rest) = said.strip_prefix("PRE_SKIP return value ") {
        let Some((_, name)) = rest.split_once(" with node ") else { return };
        node(story, name).skipped = true;
    } else if let Some(rest) = said.strip_prefix("Node ") {
        if let Some((name, why)) = rest.split_once(FAILED_FOR_GOOD) {
            fail(node(story, name), why);
        } else if let Some(name) = rest.strip_suffix(REOPENED) {
            let node = node(story, name);
            node.error = None;
            node.attempts.push(Attempt::default());
        } else if let Some(name) = rest.strip_suffix(SKIPPED) {
            let node = node(story, name);
            (node.error, node.skipped) = (None, true);
        } else if let Some((name, _)) = rest.split_once(UNCHANGED) {
            node(story, name).skipped = true;
        } else if let Some((name, how)) = rest.split_once(" job proc (") {
            let how = how.split_once(") ").map_or(how, |(_, how)| how);
            if how.starts_with("failed") {
                let failure = &mut node(story, name).now().failure;
                failure.get_or_insert_with(|| how.trim_end_matches('.').to_owned());
            }
        } else if let Some(name) = rest.strip_suffix(" job(s) have exited the queue") {
            node(story, name).now().ended = Some(at);
        }
    } else if let Some((kind, rest)) = said.split_once(" Script of node ") {
        let ends = [" completed successfully.", " failed with ", " died on ", " could not be "];
        let Some(end) = ends.iter().find_map(|end| rest.find(end)) else { return };
        let (name, how) = rest.split_at(end);
        let attempt = node(story, name).now();
        if let Some(script) = script_of(attempt, kind).and_then(Option::as_mut) {
            script.ended = Some(at);
            let well = how == " completed successfully.";
            script.failure = (!well).then(|| how.trim().to_owned());
        }
    }
}

/// The event of a node that could not be submitted, and what stands there for its job.
const NOT_SUBMITTED: &str = "ULOG_SUBMIT_FAILURE";
const NO_JOB: &str = " (-1.-1.-1)";

/// A node failed for good. Of one that could not be submitted, why is told only where it was tried.
fn fail(node: &mut NodeStory, why: &str) {
    let told = node.last().and_then(|attempt| attempt.failure.clone());
    let told = told.filter(|_| why == "Job submit failed");
    node.error = Some(told.unwrap_or_else(|| why.to_owned()));
}

/// Between the name of a node and why it failed, when nothing more is tried.
pub(super) const FAILED_FOR_GOOD: &str = " failed, and is not tried again: ";

/// Behind the name of a node, when it is tried again that had failed for good.
pub(super) const REOPENED: &str = " is tried again, because somebody asked for it";

/// Between the name of a node and what is as it was when it was done.
pub(super) const UNCHANGED: &str = " is skipped: ";

/// Behind the name of a node that counts as done.
pub(super) const SKIPPED: &str = " counts as done, because somebody asked for it";

fn script_of<'a>(attempt: &'a mut Attempt, kind: &str) -> Option<&'a mut Option<Script>> {
    match kind {
        "PRE" => Some(&mut attempt.pre),
        "POST" => Some(&mut attempt.post),
        _ => None,
    }
}

fn job_event(attempt: &mut Attempt, event: &str, at: i64) {
    match event {
        "ULOG_SUBMIT" => {
            attempt.submitted.get_or_insert(at);
        }
        "ULOG_EXECUTE" => {
            attempt.started.get_or_insert(at);
        }
        "ULOG_JOB_HELD" => attempt.held = true,
        "ULOG_JOB_RELEASED" => attempt.held = false,
        "ULOG_JOB_ABORTED" => {
            attempt.held = false;
            attempt.failure.get_or_insert_with(|| "removed".to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of lines that are a second apart.
    fn check(lines: &[&str]) -> Story {
        let text: String = lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("01/01/70 00:00:{n:02} {line}\n"))
            .collect();
        read(&text, &TimeZone::UTC)
    }

    #[test]
    fn an_attempt_is_read_with_its_scripts_its_job_and_their_ends() {
        let story = check(&[
            "** condor_scheduniv_exec.1.0 (CONDOR_DAGMAN) STARTING UP",
            "Running PRE script of Node A B...",
            "PRE Script of node A B completed successfully.",
            "Event: ULOG_SUBMIT for HTCondor Node A B (2.0.0) {x}",
            "Event: ULOG_EXECUTE for HTCondor Node A B (2.0.0) {x}",
            "Node A B job proc (2.0.0) failed with status 3.",
            "Node A B job(s) have exited the queue",
            "Running POST script of Node A B...",
            "POST Script of node A B failed with status 1",
            "Retrying node A B (retry #1 of 2)...",
            "Event: ULOG_SUBMIT for HTCondor Node A B (3.0.0) {x}",
            "      Node Name: A B",
            "          Error: too bad",
            "**** condor_dagman (condor_DAGMAN) pid 7 EXITING WITH STATUS 1",
        ]);
        let node = &story.nodes["A B"];
        assert_eq!((story.began, story.last, story.exit), (0, 13, Some(1)));
        assert_eq!(node.error.as_deref(), Some("too bad"));
        assert_eq!(node.attempts.len(), 2);
        let first = &node.attempts[0];
        assert_eq!((first.submitted, first.started, first.ended), (Some(3), Some(4), Some(6)));
        assert_eq!(first.failure.as_deref(), Some("failed with status 3"));
        assert_eq!(first.pre, Some(Script { began: 1, ended: Some(2), failure: None }));
        let failure = Some("failed with status 1".to_owned());
        assert_eq!(first.post, Some(Script { began: 7, ended: Some(8), failure }));
        assert_eq!(node.attempts[1].submitted, Some(10));
    }

    #[test]
    fn a_node_that_failed_for_good_is_told_at_once_and_somebody_may_change_that() {
        let end = format!("Node B{FAILED_FOR_GOOD}Job proc (2.0.0) failed with status 3");
        let both = ["Node A failed, and is not tried again: x", &end];
        let failed = |lines: &[&str]| {
            let story = check(lines);
            story.failed().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>()
        };
        assert_eq!(failed(&both), ["A: x", "B: Job proc (2.0.0) failed with status 3"]);
        let (again, done) = (format!("Node A{REOPENED}"), format!("Node B{SKIPPED}"));
        assert_eq!(failed(&[&both[..], &[&again, &done]].concat()), Vec::<String>::new());
    }

    #[test]
    fn a_node_that_could_not_be_submitted_says_why() {
        let story = check(&[
            "Event: ULOG_SUBMIT_FAILURE for HTCondor Node B (-1.-1.-1) {x} can't open file b.sub (no)",
            "Node B failed, and is not tried again: Job submit failed",
        ]);
        let failed: Vec<_> = story.failed().collect();
        assert_eq!(failed, [("B", "could not be submitted: can't open file b.sub (no)")]);
    }

    #[test]
    fn lines_read_in_pieces_tell_the_same() {
        let text = "01/01/70 00:00:01 ** X (CONDOR_DAGMAN) STARTING UP\n\
                    01/01/70 00:00:02 Event: ULOG_SUBMIT for HTCondor Node A (2.0.0) {x}\n\
                    01/01/70 00:00:03 Node A job(s) have exited the queue\n";
        let whole = read(text, &TimeZone::UTC);
        assert_eq!(whole.nodes["A"].attempts[0].ended, Some(3));
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        for at in std::iter::once(0).chain(ends) {
            let mut reader = Reader::new(TimeZone::UTC);
            reader.take(&text[..at]);
            reader.take(&text[at..]);
            assert_eq!(*reader.story(), whole, "in two at {at}");
        }
        let mut cut = Reader::new(TimeZone::UTC);
        cut.take(&text[..text.len() - 1]);
        assert_eq!(cut.story().nodes["A"].attempts[0].ended, None, "its line is not whole");
    }

    #[test]
    fn the_run_of_one_job_is_told_apart_from_later_ones_of_the_same_dag() {
        let up = |job: u32| format!("** condor_scheduniv_exec.{job}.0 (CONDOR_DAGMAN) STARTING UP");
        let failed = |node: &str| format!("Node {node}{FAILED_FOR_GOOD}x");
        let lines = [up(26), failed("B"), up(47), failed("C"), up(26), recovery(), failed("D")];
        let text: String = lines.iter().map(|line| format!("01/01/70 00:00:01 {line}\n")).collect();
        let told = |job: u32| {
            let mut reader = Reader::of_job(TimeZone::UTC, job);
            reader.take(&text);
            reader.story().failed().map(|(node, _)| node.to_owned()).collect::<String>()
        };
        assert_eq!((told(26), told(47), told(50)), ("BD".into(), "C".into(), String::new()));
        assert_eq!(read(&text, &TimeZone::UTC).job, Some(26), "the last life is of the first job");
    }

    fn recovery() -> String {
        "Running in RECOVERY mode...".to_owned()
    }

    #[test]
    fn another_life_goes_on_with_the_story_and_another_run_begins_one() {
        let up = "** condor_scheduniv_exec.1.0 (CONDOR_DAGMAN) STARTING UP";
        let submit = "Event: ULOG_SUBMIT for HTCondor Node A (2.0.0) {x}";
        let recovered = check(&[up, submit, up, "Running in RECOVERY mode...", "x"]);
        assert_eq!((recovered.began, recovered.nodes.len()), (0, 1));
        let rescue = "Found rescue DAG number 1; running a.dag.rescue001 in combination with normal DAG file a.dag";
        let anew = check(&[up, submit, up, rescue]);
        assert_eq!((anew.began, anew.nodes.len()), (2, 0));
        assert_eq!(anew.rescue.as_deref(), Some("a.dag.rescue001"));
    }
}
