//! The scheduler as `qmgr` shows it: there is one, and what may be set of it is whether it starts
//! jobs, which is the server's `scheduling`.

use model::queues::QueueSettings;

use super::language::Attribute;
use crate::render::pbs::Here;
use crate::render::pbs::listed::{Listed, Shown};

/// What OpenPBS calls the first.
pub(super) const NAME: &str = "default";

/// What there is to say of it; of these attributes if any are named.
pub(super) fn listed(settings: &QueueSettings, here: &Here, wanted: &[Attribute]) -> Listed {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|(w, ..)| w == name);
    let attributes = said(settings, here)
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, value)| Shown::one(name, value))
        .collect();
    Listed { name: NAME.to_owned(), attributes }
}

/// The lines that would make it.
pub(super) fn printed(settings: &QueueSettings, here: &Here) -> String {
    let head = format!("#\n# Create and define scheduler {NAME}\n#\ncreate sched {NAME}\n");
    let set = said(settings, here)
        .into_iter()
        .map(|(name, value)| format!("set sched {name} = {value}\n"));
    set.fold(head, |all, line| all + &line)
}

fn said(settings: &QueueSettings, here: &Here) -> [(&'static str, String); 4] {
    let scheduling = settings.server.is("scheduling");
    let truth = if scheduling { "True" } else { "False" };
    [
        ("sched_host", here.server.clone()),
        ("partition", "pbs-default".to_owned()),
        ("scheduling", truth.to_owned()),
        ("state", "idle".to_owned()),
    ]
}
