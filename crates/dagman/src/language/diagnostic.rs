//! How DAGMan lists what is wrong with a DAG, and which of the known names was meant. The rest of a
//! message is `model::diagnostic`'s.

use model::diagnostic::Diagnostic;

/// In a line, as `condor_dag_checker` lists it.
pub fn listed(diagnostic: &Diagnostic) -> String {
    format!("{}:{} {}", diagnostic.file(), diagnostic.line(), diagnostic.full_message())
}

/// The one of `names` that is most like `name`, if any is like it at all.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LIKE: f64 = 0.75;
    let lower = name.to_lowercase();
    let scored = names.map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known));
    let best = scored.filter(|(score, _)| *score >= LIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known)
}
