//! Why a pool does not answer, for who has asked it: none runs, one of its daemons is down, or it
//! is somebody else's.

use std::fs;
use std::os::unix::fs::MetadataExt;

use client::home::{DaemonRole, Home};
use client::lock;
use nix::unistd::Uid;

use crate::pool::failure;

/// What there is to say where nobody takes a connection.
pub fn nobody_answers(home: &Home) -> String {
    let dir = home.dir().display();
    let is_down = |role: &DaemonRole| !matches!(lock::holder(&home.lock(role.name())), Ok(Some(_)));
    let down = DaemonRole::ALL.into_iter().find(is_down);
    match down.filter(|_| home.is_supervised()) {
        Some(role) => format!(
            "the {} of the pool in {dir} is down; it said last: {}; see {}",
            role.name(),
            failure::last_line(home, role),
            home.log(role.name()).display()
        ),
        None => format!(
            "no pool runs in {dir}{}\nStart a pool of your own:  updraft pool start",
            whose(home).unwrap_or_default()
        ),
    }
}

/// Whose the pool is, if it is somebody else's.
pub fn whose(home: &Home) -> Option<String> {
    if home.is_of_many_users() {
        return None;
    }
    let owner = fs::metadata(home.dir()).ok()?.uid();
    let me = Uid::current().as_raw();
    let name = |uid| proto::net::user_name(uid).to_string();
    (owner != me).then(|| {
        let (owner, me) = (name(owner), name(me));
        format!("; the pool is {owner}'s, whom alone it answers, and you are {me}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_pool_runs_it_is_said_in_which_folder() {
        let dir = tempfile::tempdir().unwrap();
        let said = nobody_answers(&Home::at(dir.path()));
        let expected = format!("no pool runs in {}\n", dir.path().display());
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(whose(&Home::at(dir.path())), None);
    }
}
