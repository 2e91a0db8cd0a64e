//! `[u:PBS_GENERIC=5],[u:alice=20],[g:staff=50],[o:PBS_ALL=100]`: how many of whom.

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
    /// `g:PBS_GENERIC`.
    EachGroup,
    /// `g:staff`.
    Group(String),
    /// `p:PBS_GENERIC`.
    EachProject,
    /// `p:moon`.
    Project(String),
}

/// Whose a job is: its user's, of a group, for a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitter<'a> {
    pub user: &'a str,
    pub group: &'a str,
    pub project: &'a str,
}

/// Somebody of whom only so many jobs may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity<'a> {
    User(&'a str),
    Group(&'a str),
    Project(&'a str),
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
    /// `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"');
        let one = |part: &str| {
            let (who, most) = part.trim().strip_prefix('[')?.strip_suffix(']')?.split_once('=')?;
            let who = match who.trim().split_once(':')? {
                ("o", "PBS_ALL") => Who::All,
                ("u", "PBS_GENERIC") => Who::EachUser,
                ("g", "PBS_GENERIC") => Who::EachGroup,
                ("p", "PBS_GENERIC") => Who::EachProject,
                ("u", user) if !user.is_empty() => Who::User(user.trim().to_owned()),
                ("g", group) if !group.is_empty() => Who::Group(group.trim().to_owned()),
                ("p", project) if !project.is_empty() => Who::Project(project.trim().to_owned()),
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

    /// The limits that the submitter is under as a user, a group or a project: of whom, how many,
    /// and whether that is said of them by name.
    pub fn of<'s>(&self, submitter: Submitter<'s>) -> Vec<(Entity<'s>, u64, bool)> {
        let Submitter { user, group, project } = submitter;
        let kinds = [
            (Entity::User(user), Who::User(user.to_owned()), Who::EachUser),
            (Entity::Group(group), Who::Group(group.to_owned()), Who::EachGroup),
            (Entity::Project(project), Who::Project(project.to_owned()), Who::EachProject),
        ];
        let most = |who: &Who| self.0.iter().find(|limit| limit.who == *who).map(|one| one.most);
        let limit = |(entity, named, each): (Entity<'s>, Who, Who)| {
            let by_name = most(&named).map(|most| (entity, most, true));
            by_name.or_else(|| most(&each).map(|most| (entity, most, false)))
        };
        kinds.into_iter().filter_map(limit).collect()
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
                Who::EachGroup => write!(f, "{comma}[g:PBS_GENERIC={most}]")?,
                Who::Group(group) => write!(f, "{comma}[g:{group}={most}]")?,
                Who::EachProject => write!(f, "{comma}[p:PBS_GENERIC={most}]")?,
                Who::Project(project) => write!(f, "{comma}[p:{project}={most}]")?,
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
        let of_user = |limits: &Limits, user| {
            let submitter = Submitter { user, group: "", project: "" };
            limits.of(submitter).first().map(|(_, most, by_name)| (*most, *by_name))
        };
        assert_eq!(of_user(&limits, "alice"), Some((20, true)));
        assert_eq!(of_user(&limits, "bob"), Some((5, false)));
        let fewer = limits.without(&Limits::read("[u:alice=20]").unwrap());
        assert_eq!(of_user(&fewer, "alice"), Some((5, false)));
        let more = fewer.with(&Limits::read("[o:PBS_ALL=7],[u:bob=1]").unwrap());
        assert_eq!(more.to_string(), "[u:PBS_GENERIC=5],[o:PBS_ALL=7],[u:bob=1]");
    }

    #[test]
    fn limits_are_of_groups_and_projects_too() {
        let text = "[g:PBS_GENERIC=5],[g:staff=9],[p:moon=2],[u:alice=3]";
        let limits = Limits::read(text).unwrap();
        assert_eq!(limits.to_string(), text);
        let submitter = Submitter { user: "alice", group: "staff", project: "sun" };
        let expected = [(Entity::User("alice"), 3, true), (Entity::Group("staff"), 9, true)];
        assert_eq!(limits.of(submitter), expected);
        let submitter = Submitter { user: "bob", group: "guests", project: "moon" };
        let expected = [(Entity::Group("guests"), 5, false), (Entity::Project("moon"), 2, true)];
        assert_eq!(limits.of(submitter), expected);
    }

    #[test]
    fn what_is_no_limit_is_none() {
        for text in ["", "5", "[u:PBS_GENERIC]", "[o:alice=1]", "[g:=1]", "[u:a=1],[u:a=2]"] {
            assert_eq!(Limits::read(text), None, "{text}");
        }
    }
}
