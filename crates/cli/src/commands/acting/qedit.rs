//! `updraft qedit`, `condor_qedit`: sets attributes of jobs in the queue.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use classad::{AttrName, ClassAd, Env, Expr};
use jobspec::htcondor::KEYWORDS;
use model::attr;
use proto::client::{Edited, Query, Select, Selector};

use crate::line::ad_file;
use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::line::select;
use crate::line::usage;
use crate::render::acting::Edits;
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::said::Said;

/// Options of HTCondor's `condor_qedit` that are not built.
pub const NOT_YET: &[&str] = &["forward"];

const SAYS_TOO_LITTLE: &str = "name jobs, and what is to be set in them";

/// Set attributes of jobs in the queue: in all of the jobs or in none. What a waiting job asks for
/// counts at once, what a running one asks for when it runs again.
#[derive(Debug, Args)]
pub struct QeditArgs {
    /// Jobs (CLUSTER, CLUSTER.PROC or USER; none with -owner, -jobids or -constraint), then ATTR
    /// VALUE or ATTR=VALUE, as many as you like.
    #[arg(value_name = "JOBS EDITS", allow_hyphen_values = true)]
    words: Vec<String>,
    /// Jobs of this user.
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Jobs: CLUSTER or CLUSTER.PROC, with commas between them.
    #[arg(long, value_name = "IDS")]
    jobids: Option<String>,
    /// Those of your jobs for which this expression is true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    constraint: Option<String>,
    #[command(flatten)]
    at: Where,
    /// What is to be set, from a file: an ad in any form. The form may be named: -edits:json.
    #[arg(long, value_name = "FILE")]
    edits: Option<String>,
    #[arg(long, hide = true, value_name = "FORM")]
    edits_form: Option<String>,
    /// Only say what would come of it.
    #[arg(long)]
    dry_run: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Why nothing was set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Mistake {
    #[error("{SAYS_TOO_LITTLE}")]
    Usage,
    #[error(
        "Update aborted, illegal value for : {0}\nTransaction failed.  No attributes were set."
    )]
    Value(String),
    #[error("{0} is no attribute's name\nTransaction failed.  No attributes were set.")]
    Name(String),
    #[error("Attribute {0} has no value: write {0} VALUE or {0}=VALUE")]
    NoValue(String),
}

/// Does it.
///
/// # Errors
///
/// If an expression is none, or the schedd cannot be asked.
pub fn run(args: &QeditArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    let (jobs, edits) = divide(args);
    let from_file = from_file(args)?;
    let all = changes(edits).map(|changes| from_file.into_iter().chain(changes).collect());
    let changes: Result<BTreeMap<AttrName, Expr>, Mistake> = match all {
        _ if jobs.is_empty() && !has_restriction(args) => Err(Mistake::Usage),
        Ok(changes) if BTreeMap::is_empty(&changes) => Err(Mistake::Usage),
        changes => changes,
    };
    let changes = match changes {
        Ok(changes) => changes,
        Err(mistake) => {
            if mistake == Mistake::Usage {
                let what = if call.dialect == Dialect::HtCondor { "" } else { SAYS_TOO_LITTLE };
                return Err(usage::Mistake(what).into());
            }
            return Ok(Outcome::failed(match call.dialect {
                Dialect::HtCondor => format!("{mistake}\n"),
                Dialect::Updraft | Dialect::Pbs => in_own_words(&mistake, edits),
            }));
        }
    };
    let select = selected(args, &jobs)?;
    let doubts = match call.dialect {
        Dialect::HtCondor => Doubts::default(),
        Dialect::Updraft | Dialect::Pbs => Doubts::of(&select, &changes)?,
    };
    if !doubts.errors.is_empty() {
        return Ok(Outcome::failed(doubts.errors));
    }
    let names = changes.keys().cloned().collect();
    let wanted = changes.into_iter().collect();
    let edited = connect::schedd()?.edit(select, wanted, args.dry_run)?;
    let exit = if matches!(edited, Edited::Done(_)) { Exit::Done } else { Exit::Failed };
    let constraint = args.constraint.clone().unwrap_or_else(|| any_of(&jobs));
    let words = jobs.iter().map(finished::word).chain(args.owner.clone()).collect::<Vec<_>>();
    let meant = args.constraint.clone().unwrap_or_else(|| words.join(" "));
    let edits = Edits { edited, names, constraint, meant, dry_run: args.dry_run };
    let notes = Said::err(doubts.warnings);
    Ok(Outcome::of(&edits, args.json, call, exit).after(&notes))
}

/// A mistake as our own command tells it, with what would be right.
fn in_own_words(mistake: &Mistake, edits: &[String]) -> String {
    let Mistake::Value(name) = mistake else {
        let text = mistake.to_string();
        return format!("updraft qedit: {}\n", text.lines().next().unwrap_or_default());
    };
    let joined =
        edits.iter().find_map(|word| word.split_once('=').filter(|(n, _)| n.trim() == name));
    let value = joined.map(|(_, value)| value.to_owned()).or_else(|| {
        let at = edits.iter().position(|word| word == name)?;
        edits.get(at + 1).cloned()
    });
    let value = value.unwrap_or_default();
    let hint = match mib(&value) {
        Some(mib) if name.eq_ignore_ascii_case(attr::REQUEST_MEMORY) => {
            format!("; memory is in MiB: write {mib}")
        }
        Some(mib) if name.eq_ignore_ascii_case(attr::REQUEST_DISK) => {
            format!("; disk is in KiB: write {}", mib.saturating_mul(1024))
        }
        _ => format!("; a text is written with quotes: {name}='\"{value}\"'"),
    };
    format!("updraft qedit: {name}: '{value}' is no expression{hint}\n")
}

/// `2GB`, in MiB.
fn mib(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let factor = match unit.trim().to_ascii_uppercase().chars().next()? {
        'M' => 1,
        'G' => 1024,
        'T' => 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// What is odd about an edit that the schedd would take.
#[derive(Debug, Default)]
struct Doubts {
    warnings: String,
    errors: String,
}

impl Doubts {
    /// Of changes to these jobs, of which one is looked at: they have the same attributes.
    fn of(select: &Select, changes: &BTreeMap<AttrName, Expr>) -> Result<Self> {
        let query = Query { limit: Some(1), ..Query::of(select.clone()) };
        let job = connect::schedd()?.jobs(query)?.pop();
        Ok(job.map(|job| Self::about(&job, changes)).unwrap_or_default())
    }

    fn about(job: &ClassAd, changes: &BTreeMap<AttrName, Expr>) -> Self {
        let mut doubts = Self::default();
        for (name, value) in changes {
            if job.get(name.as_str()).is_none() {
                doubts.warnings += &meant_otherwise(job, name.as_str());
            }
            doubts.errors += &no_number(job, name.as_str(), value);
        }
        doubts
    }
}

/// What may have been meant by a name that the job does not have: a submit command's, or one that
/// is like it.
fn meant_otherwise(job: &ClassAd, name: &str) -> String {
    let keyword = KEYWORDS.iter().find(|keyword| {
        keyword.name.eq_ignore_ascii_case(name) && !keyword.attr.eq_ignore_ascii_case(name)
    });
    if let Some(keyword) = keyword.filter(|keyword| !keyword.attr.is_empty()) {
        return format!(
            "Warning: {name} is a command of submit files; the attribute is {}, which was not changed.\n",
            keyword.attr
        );
    }
    let known = job.iter().map(|(known, _)| known.as_str());
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= SIMILAR) {
        Some((_, like)) => {
            format!("Warning: the job had no attribute {name} before; did you mean {like}?\n")
        }
        None => String::new(),
    }
}

/// A name that is so like another is more probably a slip than a new one.
const SIMILAR: f64 = 0.95;

/// What a job asks for is a number, or something that comes to one.
fn no_number(job: &ClassAd, name: &str, value: &Expr) -> String {
    let numbers = [attr::REQUEST_CPUS, attr::REQUEST_MEMORY, attr::REQUEST_DISK];
    if !numbers.iter().any(|number| number.eq_ignore_ascii_case(name)) {
        return String::new();
    }
    let names = value.references();
    let knows_none = names.iter().all(|(_, of)| job.get(of.as_str()).is_none());
    let env = Env::at(proto::clock::now().wall.as_secs());
    let result = job.eval_expr(value, None, &env);
    match result.as_f64() {
        Some(number) if number < 0.0 => {
            format!("updraft qedit: {name} = {value}: no job asks for less than nothing\n")
        }
        Some(_) => String::new(),
        None if knows_none => {
            format!("updraft qedit: {name} = {value} comes to no number\n")
        }
        None => String::new(),
    }
}

/// The attributes of the ads in the file that `-edits` names.
fn from_file(args: &QeditArgs) -> Result<BTreeMap<AttrName, Expr>> {
    let Some(path) = &args.edits else { return Ok(BTreeMap::new()) };
    let form = ad_file::Form::named(args.edits_form.as_deref())?;
    let ads = ad_file::read(path, form)?;
    Ok(ads.iter().flat_map(ClassAd::iter).map(|(n, e)| (n.clone(), e.clone())).collect())
}

fn has_restriction(args: &QeditArgs) -> bool {
    args.owner.is_some() || args.jobids.is_some() || args.constraint.is_some()
}

/// The words that name jobs, and those that say what is to be set. Without an option that names
/// jobs the first word does, and more of them while they are numbers.
fn divide(args: &QeditArgs) -> (Vec<Selector>, &[String]) {
    let mut jobs: Vec<Selector> = Vec::new();
    if let Some(ids) = &args.jobids {
        let ids = ids.split([',', ' ']).filter(|id| !id.is_empty());
        jobs.extend(ids.map(select::selector));
    }
    let mut rest = &args.words[..];
    let owner_may_come = jobs.is_empty() && !has_restriction(args);
    while let Some((first, tail)) = rest.split_first() {
        let selector = select::selector(first);
        let is_owner = matches!(selector, Selector::Owner(_));
        if first.contains('=') || is_owner && !(owner_may_come && jobs.is_empty()) {
            break;
        }
        jobs.push(selector);
        rest = tail;
        if is_owner {
            break;
        }
    }
    (jobs, rest)
}

/// What is to be set: `Attr=value` in one word, or a name and a value in two.
fn changes(words: &[String]) -> Result<BTreeMap<AttrName, Expr>, Mistake> {
    let mut changes = BTreeMap::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.trim(), value),
            None => {
                let value = rest.next().ok_or_else(|| Mistake::NoValue(word.clone()))?;
                (word.as_str(), value.as_str())
            }
        };
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Mistake::Name(name.to_owned()));
        }
        let value = value.parse().map_err(|_| Mistake::Value(name.to_owned()))?;
        changes.insert(AttrName::from(name), value);
    }
    Ok(changes)
}

/// Jobs that are named; all others must be one's own anyhow.
fn selected(args: &QeditArgs, jobs: &[Selector]) -> Result<Select> {
    if args.constraint.is_none() && args.owner.is_none() {
        return Ok(Select::Any(jobs.to_vec()));
    }
    if let (Some(owner), None, true) = (&args.owner, &args.constraint, jobs.is_empty()) {
        return Ok(Select::Any(vec![select::selector(owner)]));
    }
    let mut parts = Vec::new();
    if !jobs.is_empty() {
        parts.push(jobs.iter().map(condition).collect::<Vec<_>>().join(" || "));
    }
    parts.extend(args.owner.as_ref().map(|owner| condition(&select::selector(owner))));
    parts.extend(args.constraint.clone());
    let all = parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(" && ");
    Ok(Select::Constraint(connect::constraint(&all)?))
}

/// HTCondor's own words for what a selector means.
fn condition(selector: &Selector) -> String {
    match selector {
        Selector::Cluster(cluster) => format!("(ClusterId == {cluster} )"),
        Selector::Job(job) => format!("(ClusterId == {} && ProcId == {})", job.cluster, job.proc),
        Selector::Owner(user) => {
            format!("(Owner == {})", Expr::from(classad::Value::from(user.as_str())))
        }
    }
}

/// Any of these jobs, as HTCondor writes it.
fn any_of(jobs: &[Selector]) -> String {
    format!("( {} )", jobs.iter().map(condition).collect::<Vec<_>>().join(" || "))
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, JobId};

    use super::*;
    use crate::render::said::Tell;

    fn args(words: &[&str], constraint: Option<&str>) -> QeditArgs {
        QeditArgs {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            owner: None,
            jobids: None,
            constraint: constraint.map(str::to_owned),
            dry_run: false,
            edits: None,
            edits_form: None,
            json: false,
            at: Where::default(),
        }
    }

    #[test]
    fn words_are_jobs_first_and_then_edits() {
        for (words, constraint, jobs, edits) in [
            (&["36.3", "Foo", "42"][..], None, 1, vec![("Foo", "42")]),
            (&["36", "Foo", "43", "Bar", "\"x\""], None, 1, vec![("Bar", "\"x\""), ("Foo", "43")]),
            (&["36", "37.1", "Foo=43"], None, 2, vec![("Foo", "43")]),
            (&["alice", "Foo", "43"], None, 1, vec![("Foo", "43")]),
            (&["Foo=7"], Some("ProcId==1"), 0, vec![("Foo", "7")]),
            (&["Foo", "7"], Some("ProcId==1"), 0, vec![("Foo", "7")]),
            (&["1.0", "Foo", "-7"], None, 1, vec![("Foo", "-7")]),
        ] {
            let args = args(words, constraint);
            let (named, rest) = divide(&args);
            let set: Vec<(String, String)> = changes(rest)
                .unwrap()
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let set: Vec<(&str, &str)> = set.iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!((named.len(), set), (jobs, edits), "{words:?}");
        }
    }

    /// Golden outputs of HTCondor 25.14.
    #[test]
    fn what_came_of_it_is_said_in_htcondors_words() {
        let foo = [AttrName::from("Foo")];
        let cluster = [Selector::Cluster(ClusterId(99999))];
        let check = |edited: Edited, jobs: &[Selector], out: &str, err: &str| {
            let (names, constraint) = (foo.to_vec(), any_of(jobs));
            let meant = String::new();
            let edits = Edits { edited, names, constraint, meant, dry_run: false };
            let found = edits.tell(Dialect::HtCondor);
            assert_eq!((found.out.as_str(), found.err.as_str()), (out, err));
        };
        check(Edited::Done(1), &[], "Set attribute \"Foo\" for 1 matching jobs.\n", "");
        check(
            Edited::NoJobs,
            &cluster,
            "",
            "Failed to set attribute \"Foo\" by constraint: ( (ClusterId == 99999 ) )\n\
             Queue transaction failed.  No attributes were set.\n",
        );
        check(
            Edited::NotThisJob(JobId::new(39, 0)),
            &[],
            "",
            "Failed to set attribute \"Foo\" for job 39.0.\nQueue transaction failed.  No attributes were set.\n",
        );
        check(
            Edited::Immutable(AttrName::from("Owner")),
            &[],
            "",
            "Update of immutable attribute \"Owner\" is not allowed.\nTransaction failed.  No attributes were set.\n",
        );
        check(
            Edited::NoPriority(AttrName::from("PreJobPrio1")),
            &[],
            "",
            "Attribute \"PreJobPrio1\" orders jobs: its value must be an integer from -2147483648 to 2147483647.\n\
             Transaction failed.  No attributes were set.\n",
        );
        check(
            Edited::TooLong { name: AttrName::from("Foo"), limit: 65536 },
            &[],
            "",
            "The value of attribute \"Foo\" is longer than 65536 bytes.\nTransaction failed.  No attributes were set.\n",
        );
        let words: Vec<String> = ["Foo", "a b ("].map(str::to_owned).to_vec();
        assert_eq!(
            changes(&words).unwrap_err().to_string(),
            "Update aborted, illegal value for : Foo\nTransaction failed.  No attributes were set."
        );
    }

    #[test]
    fn an_edit_that_may_be_a_slip_is_told_and_one_that_is_no_number_refused() {
        let mut job = ClassAd::new();
        job.set("RequestMemory", 100);
        job.set("MemoryUsage", 7);
        let check = |edit: &str, warning: &str, error: &str| {
            let changes = changes(&[edit.to_owned()]).unwrap();
            let Doubts { warnings, errors } = Doubts::about(&job, &changes);
            assert!(
                warnings.contains(warning) && warnings.is_empty() == warning.is_empty(),
                "{warnings}"
            );
            assert!(errors.contains(error) && errors.is_empty() == error.is_empty(), "{errors}");
        };
        check("request_memory=200", "the attribute is RequestMemory", "");
        check("RequestMemry=200", "did you mean RequestMemory?", "");
        check("Colour=200", "", "");
        check("RequestMemory=MemoryUsage * 2", "", "");
        check("RequestMemory=abc", "", "comes to no number");
        check("RequestMemory=\"2\"", "", "comes to no number");
        check("RequestMemory=-1", "", "less than nothing");
    }

    #[test]
    fn a_value_that_is_no_expression_is_told_with_what_would_be_right() {
        for (edit, expected) in [
            (&["RequestMemory=2GB"][..], "'2GB' is no expression; memory is in MiB: write 2048"),
            (&["RequestDisk", "1 TB"], "disk is in KiB: write 1073741824"),
            (&["Foo=a b"], "a text is written with quotes: Foo='\"a b\"'"),
        ] {
            let edit: Vec<String> = edit.iter().map(|word| (*word).to_owned()).collect();
            let mistake = changes(&edit).unwrap_err();
            let text = in_own_words(&mistake, &edit);
            assert!(text.contains(expected), "{text}");
        }
    }
}
