//! Whether a job takes something from the machine that it is matched with. What it takes is
//! `runs::expand`'s matter.

use classad::{ClassAd, Expr, Value};
use model::{ClusterSpec, Piece, Procs, attr};

/// How a text begins that stands for something of the machine.
pub(crate) const OPEN: &str = "$$(";

/// Whether a job of a cluster takes something from its machine.
pub(crate) fn expands(spec: &ClusterSpec, shared: &ClassAd) -> bool {
    let own = match &spec.procs {
        Procs::Listed(ads) => ads.iter().any(asks),
        Procs::Counted { template, .. } => {
            template.0.iter().flat_map(|(_, pieces)| pieces).any(|piece| match piece {
                Piece::Text(text) => text.contains(OPEN),
                Piece::ProcId | Piece::Stepped { .. } => false,
            })
        }
    };
    own || asks(shared)
}

fn asks(ad: &ClassAd) -> bool {
    let text = |expr: &Expr| expr.as_literal().and_then(Value::as_str).map(str::to_owned);
    [attr::JOB_MACHINE_ATTRS, attr::LAST_MATCH_LIST_LENGTH, attr::USER_LOG_EXECUTE_EVENT_ATTRS]
        .iter()
        .any(|name| ad.get(name).is_some())
        || ad.iter().any(|(_, expr)| text(expr).is_some_and(|text| text.contains(OPEN)))
}
