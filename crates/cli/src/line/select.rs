//! The words of a command line that name jobs: `12`, `12.3`, `alice`.

use model::{ClusterId, UserName};
use proto::client::{Select, Selector};

/// What each word names. A word that is neither a cluster nor a job is a user, even `1.2.3`
/// (HTCondor 25.14).
pub fn selectors(words: &[String]) -> Vec<Selector> {
    words.iter().map(|word| selector(word)).collect()
}

/// What one word names. Of `alice@domain` the name counts.
pub fn selector(word: &str) -> Selector {
    if let Ok(job) = word.parse() {
        return Selector::Job(job);
    }
    if let Ok(number) = word.parse() {
        return Selector::Cluster(ClusterId(number));
    }
    let name = word.split('@').next().unwrap_or(word);
    Selector::Owner(UserName::new(name))
}

/// The jobs that any of the words names; `default` without words.
pub fn any_or(words: &[String], default: Select) -> Select {
    if words.is_empty() { default } else { Select::Any(selectors(words)) }
}

/// Whether this machine knows a user of this name: then having no jobs is no mistake.
pub fn is_user_here(name: &str) -> bool {
    nix::unistd::User::from_name(name).is_ok_and(|user| user.is_some())
}

#[cfg(test)]
mod tests {
    use model::JobId;

    use super::*;

    #[test]
    fn words_name_clusters_jobs_and_users() {
        let user = |name: &str| Selector::Owner(UserName::new(name));
        for (word, expected) in [
            ("12", Selector::Cluster(ClusterId(12))),
            ("12.3", Selector::Job(JobId::new(12, 3))),
            ("alice", user("alice")),
            ("alice@host", user("alice")),
            ("1.2.3", user("1.2.3")),
            ("99999999999", user("99999999999")),
        ] {
            assert_eq!(selector(word), expected, "{word}");
        }
    }
}
