//! How claims and matches say in which advance reservation they are.

use model::{LimitAmount, LimitUse, ScheddName};

/// How the use of a limit is called by which claims say in which reservation they are. No user can
/// write a blank into the name of a limit.
const MARK: &str = "reservation ";

/// What a claim in a reservation says that it uses, as it says what it uses of limits: nothing.
pub(crate) fn mark(schedd: &ScheddName, queue: &str) -> LimitUse {
    LimitUse { name: format!("{MARK}{queue} of {schedd}"), amount: LimitAmount::default() }
}

/// In which reservation something is that says so.
pub(crate) fn mark_of(limits: &[LimitUse]) -> Option<&str> {
    limits.iter().map(|one| one.name.as_str()).find(|name| name.starts_with(MARK))
}
