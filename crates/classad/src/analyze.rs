//! Why an ad matches so few others: which clause of its Requirements fails on how many, and which
//! ad comes nearest.

use crate::eval::{Env, Evaluator, Scope};
use crate::expr::RefScope;
use crate::{AttrName, ClassAd, Expr, Value};

/// What stands in the way of one ad's Requirements.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The clauses of the Requirements, in the order of the expression.
    pub clauses: Vec<Clause>,
    /// How many ads were looked at.
    pub targets: usize,
    /// On how many of them every clause holds.
    pub matched: usize,
    /// The ad on which the fewest clauses fail; the first of several. `None` if there was no ad.
    pub nearest: Option<Nearest>,
    /// Functions that the Requirements calls and that do not exist.
    pub unknown_functions: Vec<AttrName>,
}

/// One operand of the top-level `&&`.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// The clause after this ad's side was folded away, as it is printed.
    pub text: String,
    /// The clause as it was written.
    pub written: String,
    /// On how many ads it is not true.
    pub failed: usize,
    /// On how many of those it is undefined.
    pub undefined: usize,
    /// The names in it that neither ad had, on some ad where it was undefined.
    pub undefined_references: Vec<AttrName>,
}

/// The ad that comes nearest to a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Its place among the ads that were given.
    pub index: usize,
    /// The places of the clauses that fail on it.
    pub failing: Vec<usize>,
}

/// Evaluates every clause of `my`'s Requirements against every ad.
///
/// ```
/// use classad::{ClassAd, Env, analyze::analyze};
/// let job = ClassAd::parse_old("Requirements = TARGET.Memory >= 100 && TARGET.HasGpu\n").unwrap();
/// let machines = [ClassAd::parse_old("Memory = 64\n").unwrap(), ClassAd::parse_old("Memory = 512\n").unwrap()];
/// let analysis = analyze(&job, machines.iter(), &Env::at(0));
/// assert_eq!(analysis.clauses[0].failed, 1);
/// assert_eq!(analysis.clauses[1].undefined_references[0].as_str(), "HasGpu");
/// assert_eq!(analysis.nearest.unwrap().index, 1);
/// ```
pub fn analyze<'t>(
    my: &ClassAd,
    targets: impl Iterator<Item = &'t ClassAd>,
    env: &Env,
) -> Analysis {
    let requirements =
        my.get("Requirements").cloned().unwrap_or_else(|| Expr::from(Value::Undefined));
    let (mut clauses, exprs) = clauses_of(&requirements, my, env);
    let mut analysis = Analysis {
        clauses: Vec::new(),
        targets: 0,
        matched: 0,
        nearest: None,
        unknown_functions: requirements.unknown_functions(),
    };
    for (index, target) in targets.enumerate() {
        analysis.targets += 1;
        let failing = failing_clauses(my, target, env, &mut clauses, &exprs);
        if failing.is_empty() {
            analysis.matched += 1;
        }
        let nearer =
            analysis.nearest.as_ref().is_none_or(|nearest| failing.len() < nearest.failing.len());
        if nearer {
            analysis.nearest = Some(Nearest { index, failing });
        }
    }
    analysis.clauses = clauses;
    analysis
}

/// The clauses, none of them counted yet, and their flattened expressions.
fn clauses_of(requirements: &Expr, my: &ClassAd, env: &Env) -> (Vec<Clause>, Vec<Expr>) {
    let mut clauses = Vec::new();
    let mut exprs = Vec::new();
    for written in requirements.clauses() {
        let flat = written.flatten(my, env);
        clauses.push(Clause {
            text: flat.to_string(),
            written: written.to_string(),
            failed: 0,
            undefined: 0,
            undefined_references: Vec::new(),
        });
        exprs.push(flat);
    }
    (clauses, exprs)
}

/// Counts one ad, and says which clauses fail on it.
fn failing_clauses(
    my: &ClassAd,
    target: &ClassAd,
    env: &Env,
    clauses: &mut [Clause],
    exprs: &[Expr],
) -> Vec<usize> {
    let mut failing = Vec::new();
    for (place, (clause, expr)) in clauses.iter_mut().zip(exprs).enumerate() {
        let value = Evaluator::new(my, Some(target), env).eval(expr, &Scope::My);
        if value.truth() == Some(true) {
            continue;
        }
        failing.push(place);
        clause.failed += 1;
        if matches!(value, crate::eval::Val::Undefined) {
            clause.undefined += 1;
            for name in missing_names(expr, my, target) {
                if !clause.undefined_references.contains(&name) {
                    clause.undefined_references.push(name);
                }
            }
        }
    }
    failing
}

/// The names in the expression that are not where it looks for them.
fn missing_names(expr: &Expr, my: &ClassAd, target: &ClassAd) -> Vec<AttrName> {
    let references = expr.references().into_iter();
    let missing = references.filter(|(scope, name)| match scope {
        RefScope::Unscoped => my.lookup(name).is_none() && target.lookup(name).is_none(),
        RefScope::My => my.lookup(name).is_none(),
        RefScope::Target => target.lookup(name).is_none(),
        RefScope::Other => false,
    });
    missing.map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clause_is_counted_and_the_nearest_ad_found() {
        let job = ClassAd::parse_old(
            "RequestMemory = 100\nRequirements = (TARGET.Memory >= RequestMemory) && (OpSys == \"LINUX\" && HasDcoker) && frob(1)\n",
        )
        .unwrap();
        let machine = |memory: i64, system: &str| {
            let mut ad = ClassAd::new();
            ad.set("Memory", memory);
            ad.set("OpSys", system);
            ad
        };
        let machines = [machine(50, "WINDOWS"), machine(50, "LINUX"), machine(500, "linux")];
        let analysis = analyze(&job, machines.iter(), &Env::at(0));
        let seen: Vec<_> =
            analysis.clauses.iter().map(|clause| (clause.text.as_str(), clause.failed)).collect();
        assert_eq!(
            seen,
            [
                ("(TARGET.Memory >= 100)", 2),
                ("OpSys == \"LINUX\"", 1),
                ("HasDcoker", 3),
                ("frob(1)", 3)
            ]
        );
        assert_eq!(analysis.clauses[2].undefined, 3);
        assert_eq!(analysis.clauses[2].undefined_references, [AttrName::from("HasDcoker")]);
        assert_eq!(analysis.nearest, Some(Nearest { index: 2, failing: vec![2, 3] }));
        assert_eq!((analysis.targets, analysis.matched), (3, 0));
        assert_eq!(analysis.unknown_functions, [AttrName::from("frob")]);
    }
}
