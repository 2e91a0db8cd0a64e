//! What a job takes from the machine that it is matched with: `$$(Name)`, `$$(Name:default)` and
//! `$$([expression])` in its texts, and the attributes that `JobMachineAttrs` names. Worked out
//! when a run is authorised, and kept in the job's ad (`MATCH_Name`, `MATCH_EXP_Attribute`,
//! `MachineAttrName0`), so that a run that is ordered again is ordered alike.

use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr, Value};
use model::{ClaimId, Hold, HoldCode, JobEvent, JobId, Now, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::job::expansion::OPEN;
use crate::core::state::core::{Core, JobRef};
use crate::core::words::{ClaimFact, Fact, JobFact};

const MATCH: &str = "MATCH_";
const MATCH_EXP: &str = "MATCH_EXP_";

/// How many machines are remembered if the job does not say (HTCondor 25.14).
const DEFAULT_HISTORY: i64 = 1;

/// The most machines that are remembered: each is an attribute in the job's row.
const MAX_HISTORY: i64 = 100;

impl Core {
    /// What comes before the run: what the job takes from its machine; a hold where it cannot have
    /// it. `Err` is what happens instead of the run.
    pub(crate) fn taken_from_machine(
        &self,
        now: Now,
        job: JobRef<'_>,
        claim: ClaimId,
    ) -> Result<Option<Fact>, Box<Fact>> {
        if !self.expanding.contains(&job.job.cluster) {
            return Ok(None);
        }
        // Of a claim from before a restart the machine's ad is not known any more.
        let slot = self.claims.get(&claim).and_then(|claim| claim.slot_ad.clone());
        let slot =
            slot.ok_or_else(|| Box::new(Fact::Claim(ClaimFact::Dropped { claim, release: true })))?;
        let ad = ads::record_ad(job.cluster, &job.record(), &self.config);
        let mut changes = machine_attrs(&ad, &slot, now);
        let expanded =
            expanded(&ad, &slot, now).map_err(|name| Box::new(cannot(job.job, &name, now)))?;
        changes.update(&expanded);
        Ok((!changes.is_empty()).then(|| Fact::Job {
            job: job.job,
            fact: JobFact::Matched { changes: Arc::new(changes) },
        }))
    }
}

/// A job's ad as its run gets it: with the texts as they were expanded.
pub(crate) fn with_expansions(ad: &mut ClassAd) {
    let kept: Vec<(AttrName, Expr)> = ad
        .iter_all()
        .filter_map(|(name, expr)| {
            let of = name.as_str().strip_prefix(MATCH_EXP)?;
            Some((AttrName::from(of), expr.clone()))
        })
        .collect();
    for (name, expr) in kept {
        ad.set(name, expr);
    }
}

fn cannot(job: JobId, name: &str, now: Now) -> Fact {
    let reason = format!("Cannot expand $$ expression ({name}).");
    let hold = Hold { code: HoldCode::Unspecified, subcode: 0, reason, since: now.wall };
    Fact::Job { job, fact: JobFact::Happened(JobEvent::Held(hold)) }
}

/// The job's texts, expanded; the name that cannot be.
fn expanded(ad: &ClassAd, slot: &ClassAd, now: Now) -> Result<ClassAd, String> {
    let mut changes = ClassAd::new();
    let texts = ad.iter_all().filter(|(name, _)| !name.as_str().starts_with(MATCH));
    for (name, expr) in texts {
        let Some(text) = expr.as_literal().and_then(Value::as_str) else { continue };
        if text.contains(OPEN) {
            let expanded = expand(text, ad, slot, now, &mut changes)?;
            changes.set(format!("{MATCH_EXP}{name}").as_str(), expanded);
        }
    }
    Ok(changes)
}

fn expand(
    text: &str,
    ad: &ClassAd,
    slot: &ClassAd,
    now: Now,
    changes: &mut ClassAd,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        out += before;
        let Some((inside, behind)) = closed(after) else {
            rest = after;
            out += OPEN;
            continue;
        };
        rest = behind;
        if inside.eq_ignore_ascii_case("DOLLARDOLLAR") {
            out += "$$";
        } else if inside.eq_ignore_ascii_case(attr::CONDOR_SCRATCH_DIR) {
            out += &format!("{OPEN}{inside})");
        } else {
            out += &value_of(inside, ad, slot, now, changes)?;
        }
    }
    Ok(out + rest)
}

/// What stands before the parenthesis that closes, and behind it. Between brackets parentheses
/// count for nothing.
fn closed(text: &str) -> Option<(&str, &str)> {
    let end =
        if text.starts_with('[') { text.find("])").map(|at| at + 1) } else { text.find(')') }?;
    Some((&text[..end], &text[end + 1..]))
}

fn value_of(
    inside: &str,
    ad: &ClassAd,
    slot: &ClassAd,
    now: Now,
    changes: &mut ClassAd,
) -> Result<String, String> {
    let env: Env = env(now);
    if let Some(expr) = inside.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let value = Expr::parse(expr).map(|expr| ad.eval_expr(&expr, Some(slot), &env));
        return value.ok().and_then(|value| words(&value)).ok_or_else(|| inside.to_owned());
    }
    let (name, default) = match inside.split_once(':') {
        Some((name, default)) => (name.trim(), Some(default)),
        None => (inside.trim(), None),
    };
    let value = slot.eval(name, Some(ad), &env);
    match (words(&value), default) {
        (Some(text), _) => {
            changes.set(format!("{MATCH}{name}").as_str(), value);
            Ok(text)
        }
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(name.to_owned()),
    }
}

/// A value as it stands in a text; `None` if it has none.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Undefined | Value::Error => None,
        Value::String(text) => Some(text.to_string()),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Real(_)
        | Value::AbsTime(_)
        | Value::RelTime(_)
        | Value::List(_)
        | Value::Ad(_) => Some(value.to_new()),
    }
}

/// `MachineAttrName0` of this machine, `MachineAttrName1` of the one before it, and so on.
fn machine_attrs(ad: &ClassAd, slot: &ClassAd, now: Now) -> ClassAd {
    let env = env(now);
    let names = ad.eval(attr::JOB_MACHINE_ATTRS, None, &env);
    let length = ad
        .eval(attr::JOB_MACHINE_ATTRS_HISTORY_LENGTH, None, &env)
        .as_i64()
        .unwrap_or(DEFAULT_HISTORY);
    let mut changes = ClassAd::new();
    let separators = |c: char| c == ',' || c.is_whitespace();
    for name in names.as_str().unwrap_or_default().split(separators).filter(|name| !name.is_empty())
    {
        let now = slot.eval(name, Some(ad), &env);
        remember(ad, &format!("MachineAttr{name}"), length, now, &mut changes);
    }
    let matches = ad.eval(attr::LAST_MATCH_LIST_LENGTH, None, &env).as_i64().unwrap_or(0);
    remember(ad, "LastMatchName", matches, slot.eval(attr::NAME, None, &env), &mut changes);
    changes
}

/// The newest value is number 0; those before it move up, and the last of `length` is forgotten.
fn remember(ad: &ClassAd, name: &str, length: i64, newest: Value, changes: &mut ClassAd) {
    let numbered = |n: i64| format!("{name}{n}");
    for n in (1..length.min(MAX_HISTORY)).rev() {
        if let Some(before) = ad.get(&numbered(n - 1)) {
            changes.set(numbered(n).as_str(), before.clone());
        }
    }
    if length > 0 {
        changes.set(numbered(0).as_str(), newest);
    }
}
