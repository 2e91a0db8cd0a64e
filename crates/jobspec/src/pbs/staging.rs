//! `-W stagein` and `-W stageout`: files that are copied before a job runs, and when it is over.

use super::refusal::Refusal;
use super::submission::Caller;

/// A file or a folder that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// From the folder in which the job runs.
    pub local: String,
    /// From its user's home.
    pub remote: String,
}

impl Staged {
    /// `local@host:remote`, a comma between two; `\,` is one in a name.
    pub fn read(list: &str) -> Option<Vec<(Self, String)>> {
        let one = |word: String| {
            let (local, rest) = word.split_once('@')?;
            let (host, remote) = rest.split_once(':')?;
            let is_whole = ![local, host, remote].contains(&"");
            let staged = Self { local: local.to_owned(), remote: remote.to_owned() };
            is_whole.then(|| (staged, host.to_owned()))
        };
        words(list).into_iter().map(one).collect()
    }
}

/// What stands between the commas that have no backslash.
pub(super) fn words(list: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = list.chars().peekable();
    while let Some(c) = rest.next() {
        let is_escaped = c == '\\' && rest.next_if_eq(&',').is_some();
        match words.last_mut() {
            Some(word) if is_escaped => word.push(','),
            Some(word) if c != ',' => word.push(c),
            Some(_) | None => words.push(String::new()),
        }
    }
    words
}

/// Looks at a list that was read already.
///
/// # Errors
/// If files of another host are named.
pub(super) fn check(name: &str, list: &str, caller: &dyn Caller) -> Result<(), Refusal> {
    let short = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
    for (_, host) in Staged::read(list).ok_or_else(|| Refusal::illegal('W'))? {
        if host != "localhost" && short(&host) != short(caller.server()) {
            let why =
                format!("files of {host} are copied by no daemon here; scp them in the script");
            return Err(Refusal::not_built(format!("-W {name}"), &why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_where_files_are_and_where_they_go() {
        let read = Staged::read("a@h:b,c/d@h.example:/e").unwrap();
        let staged = |local: &str, remote: &str| Staged {
            local: local.to_owned(),
            remote: remote.to_owned(),
        };
        assert_eq!(
            read,
            [(staged("a", "b"), "h".to_owned()), (staged("c/d", "/e"), "h.example".to_owned())]
        );
        let escaped = Staged::read("a\\,b@h:c\\d").unwrap();
        assert_eq!(escaped, [(staged("a,b", "c\\d"), "h".to_owned())]);
        for wrong in ["", "a", "a@h", "@h:b", "a@:b", "a@h:", "a@h:b,"] {
            assert_eq!(Staged::read(wrong), None, "{wrong}");
        }
    }
}
