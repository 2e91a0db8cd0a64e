//! `[u:PBS_GENERIC=5],[u:alice=20],[o:PBS_ALL=100]`: how many of whom.

use std::fmt;

/// Of whom so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// `o:PBS_ALL`: everybody together.
    All,
    /// `u:PBS_GENERIC`: each user for whom nothing else is said.
    EachUser,
    /// `u:alice`.
    User(String),
}

/// So many, of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub who: Who,
    pub most: u64,
}

/// All limits of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits(pub Vec<Limit>);

impl Limits {
    /// `None` if it is none, or speaks of groups and projects, which nobody counts here.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"');
        let one = |part: &str| {
            let (who, most) = part.trim().strip_prefix('[')?.strip_suffix(']')?.split_once('=')?;
            let who = match who.trim().split_once(':')? {
                ("o", "PBS_ALL") => Who::All,
                ("u", "PBS_GENERIC") => Who::EachUser,
                ("u", user) if !user.is_empty() => Who::User(user.trim().to_owned()),
                _ => return None,
            };
            Some(Limit { who, most: most.trim().parse().ok()? })
        };
        let all: Option<Vec<Limit>> = text.split(',').map(one).collect();
        let all = all?;
        let twice = all
            .iter()
            .enumerate()
            .any(|(n, one)| all[..n].iter().any(|other| other.who == one.who));
        (!twice).then_some(Self(all))
    }

    /// The most of everybody together.
    pub fn of_all(&self) -> Option<u64> {
        self.0.iter().find(|limit| limit.who == Who::All).map(|limit| limit.most)
    }

    /// The most of this user, and whether that is said of the user by name.
    pub fn of_user(&self, user: &str) -> Option<(u64, bool)> {
        let named = |limit: &&Limit| matches!(&limit.who, Who::User(name) if name == user);
        if let Some(limit) = self.0.iter().find(named) {
            return Some((limit.most, true));
        }
        let each = self.0.iter().find(|limit| limit.who == Who::EachUser);
        each.map(|limit| (limit.most, false))
    }

    /// With these in place of those that it has of the same.
    pub fn with(mut self, other: &Self) -> Self {
        for limit in &other.0 {
            match self.0.iter_mut().find(|known| known.who == limit.who) {
                Some(known) => known.most = limit.most,
                None => self.0.push(limit.clone()),
            }
        }
        self
    }

    /// Without those that are said of the same.
    pub fn without(mut self, other: &Self) -> Self {
        self.0.retain(|known| !other.0.iter().any(|gone| gone.who == known.who));
        self
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Limit { who, most }) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match who {
                Who::All => write!(f, "{comma}[o:PBS_ALL={most}]")?,
                Who::EachUser => write!(f, "{comma}[u:PBS_GENERIC={most}]")?,
                Who::User(user) => write!(f, "{comma}[u:{user}={most}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_of_all_of_each_and_of_one() {
        let limits = Limits::read("\"[u:PBS_GENERIC=5], [u:alice=20],[o:PBS_ALL=100]\"").unwrap();
        assert_eq!(limits.to_string(), "[u:PBS_GENERIC=5],[u:alice=20],[o:PBS_ALL=100]");
        assert_eq!(limits.of_all(), Some(100));
        assert_eq!(limits.of_user("alice"), Some((20, true)));
        assert_eq!(limits.of_user("bob"), Some((5, false)));
        let fewer = limits.without(&Limits::read("[u:alice=20]").unwrap());
        assert_eq!(fewer.of_user("alice"), Some((5, false)));
        let more = fewer.with(&Limits::read("[o:PBS_ALL=7],[u:bob=1]").unwrap());
        assert_eq!(more.to_string(), "[u:PBS_GENERIC=5],[o:PBS_ALL=7],[u:bob=1]");
    }

    #[test]
    fn what_is_no_limit_is_none() {
        for text in ["", "5", "[u:PBS_GENERIC]", "[o:alice=1]", "[g:staff=1]", "[u:a=1],[u:a=2]"] {
            assert_eq!(Limits::read(text), None, "{text}");
        }
    }
}
