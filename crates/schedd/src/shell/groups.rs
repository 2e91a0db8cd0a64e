//! Which groups a user is in, as the system's database says. A command says for which group a job
//! is; limits of groups hang on that, so it is not believed.

use std::collections::BTreeSet;
use std::ffi::CString;

use nix::unistd::{Group, User, getgrouplist};

/// The names of a user's groups; none of a user who is not known here. Asks the database, which may
/// take its time.
pub(crate) fn of(user: &str) -> BTreeSet<String> {
    let known = User::from_name(user).ok().flatten();
    let name = CString::new(user).ok();
    let Some((known, name)) = known.zip(name) else { return BTreeSet::new() };
    let all = getgrouplist(&name, known.gid).unwrap_or_default();
    all.into_iter().filter_map(|gid| Some(Group::from_gid(gid).ok()??.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_in_its_own_group_and_nobody_knows_who_is_not_there() {
        assert!(of("root").contains("root"));
        assert_eq!(of("nobody of this name"), BTreeSet::new());
        assert_eq!(of("a\0b"), BTreeSet::new());
    }
}
