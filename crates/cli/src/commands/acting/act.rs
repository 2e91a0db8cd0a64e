//! Doing something to jobs: the request that all such verbs make. What they say of each answer is
//! `render::acting`'s.

use anyhow::{Result, bail};
use clap::Args;
use classad::{AttrName, Expr, Value};
use client::{AskError, Schedd};
use jiff::tz::TimeZone;
use model::{ClusterId, JobId, JobStatus, attr};
use proto::client::{ActResult, Acted, Action, Forgotten, Query, Select, Selector};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output::complain;
use crate::line::place::Where;
use crate::line::select;
use crate::line::usage::Mistake;
use crate::render::acting::{self, Acts, Part, WhyNot, Words};
use crate::render::dialect::Dialect;
use crate::render::values::view::Moment;

/// Which jobs: what all these verbs have in common.
#[derive(Debug, Args)]
pub struct Target {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "JOBS")]
    pub jobs: Vec<String>,
    /// Jobs for which this expression is true; if repeated, all of them. Of jobs that are named,
    /// those for which it is true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    pub constraint: Vec<String>,
    /// All jobs that you may touch.
    #[arg(long, short = 'a')]
    pub all: bool,
    /// Only those that are held.
    #[arg(long)]
    pub held: bool,
    /// Also how many jobs it came to what for.
    #[arg(long)]
    pub totals: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Of which schedd.
    #[command(flatten)]
    pub at: Where,
}

impl Part {
    /// The jobs that are meant.
    pub fn select(&self) -> Select {
        match self {
            Self::One(selector) => Select::Any(vec![selector.clone()]),
            Self::Constraint(_, expr) => Select::Constraint(expr.clone()),
            Self::All => Select::All,
        }
    }
}

impl Target {
    /// The parts of the request; or what is said of a constraint that is none.
    fn parts(&self, words: &Words, call: &Call) -> Result<Result<Vec<Part>, String>> {
        let of_htcondor = call.dialect == Dialect::HtCondor;
        let mut jobs = self.jobs.clone();
        if of_htcondor {
            // Clusters begin with 1.
            let (good, wrong): (Vec<String>, Vec<String>) =
                jobs.into_iter().partition(|word| !word.is_empty() && !is_of_cluster_0(word));
            wrong.iter().for_each(|word| complain(&format!("Invalid cluster # from {word}.\n")));
            jobs = good;
            if self.all && !jobs.is_empty() {
                return Err(Mistake("").into());
            }
            if let Some(text) =
                self.constraint.iter().find(|text| connect::constraint(text).is_err())
            {
                return Ok(Err(format!(
                    "DCSchedd::actOnJobs:1:Can't insert constraint into ClassAd\n\
                     Couldn't {} all jobs matching constraint ({text})\n",
                    words.find
                )));
            }
        }
        let is_everything = self.all || (self.held && of_htcondor);
        let names_nothing = jobs.is_empty() && self.constraint.is_empty();
        if names_nothing {
            return parts(&[], None, is_everything).map(Ok);
        }
        let named: Vec<Part> = select::selectors(&jobs).into_iter().map(Part::One).collect();
        together(named, &self.constraint, of_htcondor, self.held).map(Ok)
    }
}

fn is_of_cluster_0(word: &str) -> bool {
    let (cluster, proc) = word.split_once('.').unwrap_or((word, "0"));
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    cluster.parse() == Ok(0) && is_number(proc)
}

/// Jobs that are named and constraints, as they go together (HTCondor 25.14): a job is acted on for
/// itself; clusters and users are those for which all constraints are true. Under our own name jobs
/// are too, and what stands without a constraint stays apart.
fn together(
    named: Vec<Part>,
    constraints: &[String],
    of_htcondor: bool,
    held: bool,
) -> Result<Vec<Part>> {
    let is_single = |part: &Part| matches!(part, Part::One(Selector::Job(_)));
    let apart = |part: &Part| match of_htcondor {
        true => is_single(part) && !held,
        false => constraints.is_empty(),
    };
    let (mut parts, rest): (Vec<Part>, Vec<Part>) = named.into_iter().partition(apart);
    if of_htcondor && !parts.is_empty() && !constraints.is_empty() {
        complain("Warning, -constraint is ignored for fully qualified job ids\n");
    }
    if let ([one], []) = (&rest[..], constraints)
        && !is_single(one)
    {
        parts.push(one.clone());
        return Ok(parts);
    }
    let targets = rest.iter().map(text_of).collect::<Vec<_>>().join(" || ");
    let mut clauses: Vec<String> = constraints.to_vec();
    clauses.extend((!targets.is_empty()).then_some(targets));
    let text = match clauses.as_slice() {
        [] => return Ok(parts),
        [one] => one.clone(),
        several => several.iter().map(|c| format!("({c})")).collect::<Vec<_>>().join(" && "),
    };
    for constraint in constraints {
        connect::constraint(constraint)?;
    }
    let expr = connect::constraint(&text)?;
    parts.push(Part::Constraint(text, expr));
    Ok(parts)
}

/// A part as a condition on a job.
fn text_of(part: &Part) -> String {
    match part {
        Part::One(Selector::Cluster(cluster)) => format!("ClusterId == {cluster}"),
        Part::One(Selector::Job(JobId { cluster, proc })) => {
            format!("(ClusterId == {cluster} && ProcId == {proc})")
        }
        Part::One(Selector::Owner(name)) => format!("Owner == {}", Value::from(name.as_str())),
        Part::Constraint(text, _) => format!("({text})"),
        Part::All => "true".to_owned(),
    }
}

/// Does `action` to the target's jobs and says what came of it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(target: &Target, action: &Action, words: &Words, call: &Call) -> Result<Outcome> {
    target.at.check()?;
    let is_held = || Expr::attr(attr::JOB_STATUS).equals(JobStatus::Held.number());
    let also = target.held.then(is_held);
    let parts = match target.parts(words, call)? {
        Ok(parts) => parts,
        Err(why) => return Ok(Outcome::failed(why)),
    };
    let mut client = connect::schedd()?;
    let (with_totals, held) = (target.totals, target.held);
    let mut acts = Acts { words: *words, with_totals, held, parts: Vec::new(), whys: Vec::new() };
    for part in parts {
        let front_end = call.dialect.front_end();
        let acted = client
            .act_through(front_end, action.clone(), selected(&part, also.clone()))
            .map_err(unknown)?;
        if call.dialect == Dialect::Updraft {
            acts.whys.push(why_not(&mut client, &part, &acted, words)?);
        }
        acts.parts.push((part, acted));
    }
    let exit = if acts.is_done(call.dialect) { Exit::Done } else { Exit::Failed };
    Ok(Outcome::of(&acts, target.json, call, exit))
}

/// Why nobody can say what came of it. An act that the schedd has begun it finishes, also after it
/// was started again.
fn unknown(error: AskError) -> anyhow::Error {
    let is_lost = matches!(error, AskError::Net(_));
    let error = anyhow::Error::from(error);
    match is_lost {
        true => error.context(
            "what came of it is not known: if the schedd had begun, it goes on to its end (see updraft q)",
        ),
        false => error,
    }
}

/// Why it was not done, if it was not done to all: the jobs are looked up, in the queue and past
/// it.
fn why_not(
    client: &mut Schedd,
    part: &Part,
    acted: &[Acted],
    words: &Words,
) -> Result<Vec<WhyNot>> {
    if !acted.is_empty() && acted.iter().all(|acted| acted.result == ActResult::Done) {
        return Ok(Vec::new());
    }
    let projection = WHY.map(AttrName::from).to_vec();
    let query = Query { projection, ..Query::of(part.select()) };
    let in_queue = client.jobs(query.clone())?;
    let is_named = matches!(part, Part::One(Selector::Cluster(_) | Selector::Job(_)));
    let history = match is_named && in_queue.is_empty() {
        true => client.jobs(Query { finished: true, ..query })?,
        false => Vec::new(),
    };
    let forgotten = match in_queue.is_empty() && history.is_empty() {
        true => client.totals()?.forgotten,
        false => Forgotten::default(),
    };
    let past = acting::Past { ads: &history, forgotten };
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let is_user =
        matches!(part, Part::One(Selector::Owner(name)) if select::is_user_here(name.as_str()));
    Ok(acting::why_not(part, acted, words, &in_queue, past, is_user, &moment))
}

/// What is to be known of a job to say why something cannot be done to it.
const WHY: [&str; 11] = [
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::OWNER,
    attr::JOB_STATUS,
    attr::COMPLETION_DATE,
    attr::ENTERED_CURRENT_STATUS,
    attr::HOLD_REASON,
    attr::REMOVE_REASON,
    attr::EXIT_CODE,
    attr::EXIT_SIGNAL,
    attr::EXIT_BY_SIGNAL,
];

/// The parts of a request: words that name jobs, a constraint, or everything.
///
/// # Errors
///
/// If no jobs are named, everything and something else is, or the constraint is no expression.
pub fn parts(jobs: &[String], constraint: Option<&String>, all: bool) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = select::selectors(jobs).into_iter().map(Part::One).collect();
    if let Some(text) = constraint {
        parts.push(Part::Constraint(text.clone(), connect::constraint(text)?));
    }
    if all {
        if !parts.is_empty() {
            bail!("-all cannot be used with other constraints");
        }
        parts.push(Part::All);
    }
    if parts.is_empty() {
        return Err(Mistake("You did not specify any jobs").into());
    }
    Ok(parts)
}

fn selected(part: &Part, also: Option<Expr>) -> Select {
    let Some(also) = also else { return part.select() };
    let of_cluster = |cluster: ClusterId| Expr::attr(attr::CLUSTER_ID).equals(cluster.0);
    let part = match part {
        Part::One(Selector::Cluster(cluster)) => of_cluster(*cluster),
        Part::One(Selector::Job(job)) => {
            of_cluster(job.cluster).and(Expr::attr(attr::PROC_ID).equals(job.proc.0))
        }
        Part::One(Selector::Owner(name)) => Expr::attr(attr::OWNER).equals(name.as_str()),
        Part::Constraint(_, expr) => expr.clone(),
        Part::All => return Select::Constraint(also),
    };
    Select::Constraint(part.parenthesised().and(also.parenthesised()))
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;

    use super::*;
    use crate::commands::acting::continue_job;
    use crate::commands::acting::hold;
    use crate::commands::acting::release;
    use crate::commands::acting::rm;
    use crate::commands::acting::suspend;
    use crate::commands::acting::vacate_job;
    use crate::render::said::{Said, Tell};

    fn check(words: &Words, word: &str, results: &[ActResult], out: &str, err: &str) {
        let part = match word {
            "-all" => Part::All,
            text if text.contains("==") => Part::Constraint(text.to_owned(), text.parse().unwrap()),
            text => Part::One(select::selector(text)),
        };
        let acted: Vec<Acted> = results
            .iter()
            .map(|result| Acted { selector: None, job: Some(JobId::new(1, 0)), result: *result })
            .collect();
        let parts = vec![(part, acted)];
        let acts = Acts { words: *words, with_totals: false, held: false, parts, whys: Vec::new() };
        let err = if err.is_empty() { String::new() } else { format!("\n{err}") };
        assert_eq!(acts.tell(Dialect::HtCondor), Said { out: out.to_owned(), err }, "{word}");
        let is_done = results.contains(&ActResult::Done);
        assert_eq!(acts.is_done(Dialect::HtCondor), is_done, "{word}");
    }

    /// What HTCondor 25.14 says that it acted on, for the same words.
    #[test]
    fn jobs_that_are_named_and_constraints_go_together() {
        let check = |words: &str, constraints: &[&str], held, expected: &[&str]| {
            let named = words.split_whitespace().map(|word| Part::One(select::selector(word)));
            let constraints: Vec<String> = constraints.iter().map(|c| (*c).to_owned()).collect();
            let parts = together(named.collect(), &constraints, true, held).unwrap();
            let told: Vec<String> = parts.iter().map(text_of).collect();
            assert_eq!(told, expected, "{words} {constraints:?}");
        };
        check("7", &[], false, &["ClusterId == 7"]);
        check(
            "7.1 7.2",
            &[],
            false,
            &["(ClusterId == 7 && ProcId == 1)", "(ClusterId == 7 && ProcId == 2)"],
        );
        check("7 bob", &[], false, &["(ClusterId == 7 || Owner == \"bob\")"]);
        check("7", &["a"], false, &["((a) && (ClusterId == 7))"]);
        check("", &["a"], false, &["(a)"]);
        check("", &["a", "b"], false, &["((a) && (b))"]);
        check("7.1 8", &[], true, &["((ClusterId == 7 && ProcId == 1) || ClusterId == 8)"]);
        let ours =
            together(vec![Part::One(select::selector("7.1"))], &["a".to_owned()], false, false);
        let told: Vec<String> = ours.unwrap().iter().map(text_of).collect();
        assert_eq!(told, ["((a) && ((ClusterId == 7 && ProcId == 1)))"]);
    }

    #[test]
    fn who_lost_the_answer_is_told_that_nothing_is_known() {
        let lost = unknown(AskError::Net(proto::net::NetError::NoHello)).to_string();
        assert!(lost.starts_with("what came of it is not known"), "{lost}");
        let other = AskError::Unexpected { ask: "an action", answer: "x".to_owned() };
        assert_eq!(unknown(other).to_string(), "the daemon answered x to an action");
    }

    #[test]
    fn what_was_done_to_some_is_done_under_htcondors_names_and_not_under_ours() {
        let part = |word: &str, result| {
            let acted = Acted { selector: None, job: Some(JobId::new(1, 0)), result };
            (Part::One(select::selector(word)), vec![acted])
        };
        let parts = vec![part("1.0", ActResult::Done), part("1.7", ActResult::NotFound)];
        let acts =
            Acts { words: rm::WORDS, with_totals: false, held: false, parts, whys: Vec::new() };
        assert!(acts.is_done(Dialect::HtCondor) && !acts.is_done(Dialect::Updraft));
    }

    /// Each line is a golden output of HTCondor 25.14.
    #[test]
    fn answers_are_said_in_htcondors_words() {
        use ActResult::{AlreadyDone, BadStatus, Done, NotFound, PermissionDenied};
        let (rm, hold, release) = (&rm::WORDS, &hold::WORDS, &release::WORDS);
        check(rm, "40.2", &[Done], "Job 40.2 marked for removal\n", "");
        check(
            rm,
            "bob",
            &[Done, Done],
            "All jobs of user \"bob\" have been marked for removal\n",
            "",
        );
        check(rm, "40", &[], "", "Couldn't find/remove all jobs in cluster 40\n");
        check(rm, "-all", &[], "", "Couldn't find/remove all jobs\n");
        check(rm, "1.2.3", &[], "", "Couldn't find/remove all jobs of user \"1.2.3\"\n");
        check(
            rm,
            "ClusterId==1",
            &[],
            "",
            "Couldn't find/remove all jobs matching constraint (ClusterId==1)\n",
        );
        check(rm, "99999.0", &[NotFound], "", "Job 99999.0 not found\n");
        check(rm, "41.0", &[PermissionDenied], "", "Permission denied to remove job 41.0\n");
        check(hold, "36.1", &[AlreadyDone], "", "Job 36.1 already held\n");
        check(hold, "36.1", &[Done], "Job 36.1 held\n", "");
        check(hold, "37", &[Done, AlreadyDone], "All jobs in cluster 37 have been held\n", "");
        check(
            hold,
            "ProcId==3",
            &[Done],
            "All jobs matching constraint (ProcId==3) have been held\n",
            "",
        );
        check(hold, "39.0", &[PermissionDenied], "", "Permission denied to hold job 39.0\n");
        check(release, "36.1", &[BadStatus], "", "Job 36.1 not held to be released\n");
        check(release, "36.1", &[Done], "Job 36.1 released\n", "");
        check(release, "-all", &[Done], "All jobs have been released\n", "");
        let (pause, go_on) = (&suspend::WORDS, &continue_job::WORDS);
        check(pause, "40.0", &[Done], "Job 40.0 suspended\n", "");
        check(pause, "36", &[BadStatus], "", "Couldn't find/suspend all jobs in cluster 36\n");
        check(go_on, "40", &[Done], "All jobs in cluster 40 have been continued\n", "");
        check(&vacate_job::WORDS, "40.0", &[Done], "Job 40.0 vacated\n", "");
        check(&vacate_job::FAST_WORDS, "40.1", &[Done], "Job 40.1 fast-vacated\n", "");
    }

    /// What our own verb says of job 1.0 in this state, or of one that is not there.
    fn why(
        words: &Words,
        word: &str,
        in_queue: Option<i64>,
        ended: bool,
        result: ActResult,
    ) -> String {
        let ad = |status: i64| {
            let mut ad = ClassAd::new();
            ad.set(attr::CLUSTER_ID, 1);
            ad.set(attr::PROC_ID, 0);
            ad.set(attr::OWNER, "alice");
            ad.set(attr::JOB_STATUS, status);
            ad.set(attr::EXIT_CODE, 3);
            ad
        };
        let part = Part::One(select::selector(word));
        let job = in_queue.map(|_| JobId::new(1, 0));
        let acted = vec![Acted { selector: None, job, result }];
        let in_queue: Vec<ClassAd> = in_queue.map(ad).into_iter().collect();
        let history: Vec<ClassAd> = ended.then(|| ad(4)).into_iter().collect();
        let moment = Moment::new(0, TimeZone::UTC);
        let past = acting::Past { ads: &history, forgotten: Forgotten::default() };
        let whys = vec![acting::why_not(&part, &acted, words, &in_queue, past, false, &moment)];
        let parts = vec![(part, acted)];
        let acts = Acts { words: *words, with_totals: false, held: false, parts, whys };
        let said = acts.tell(Dialect::Updraft);
        assert_eq!(said.out, "");
        said.err
    }

    #[test]
    fn under_our_own_name_it_is_told_what_each_job_is() {
        use ActResult::{AlreadyDone, BadStatus, NotFound, PermissionDenied};
        let (rm, hold, release) = (&rm::WORDS, &hold::WORDS, &release::WORDS);
        for (words, word, in_queue, ended, result, expected) in [
            (
                release,
                "1",
                Some(2),
                false,
                BadStatus,
                "1.0 is running: only held jobs can be released",
            ),
            (hold, "1.0", Some(5), false, AlreadyDone, "1.0 is held already"),
            (hold, "1", Some(1), false, PermissionDenied, "1.0 is alice's: you may not hold it"),
            (rm, "1", None, true, NotFound, "1.0 finished with exit code 3"),
            (rm, "1", None, false, NotFound, "1: there is no such job, and there was none"),
            (rm, "1,2", None, false, NotFound, "1,2: no job, cluster or user; several are: 1 2"),
        ] {
            assert_eq!(why(words, word, in_queue, ended, result), format!("{expected}\n"));
        }
    }
}
