//! Whose jobs are, in each way in which limits speak of it: their owner's, of a group, for a
//! project. What the limits are is not known here.

use std::sync::Arc;

use classad::Value;
use model::UserName;
use model::queues::{self, Entity, Submitter};

/// Somebody whose jobs are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Owner(UserName),
    Group(Arc<str>),
    Project(Arc<str>),
}

/// Whose a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) owner: UserName,
    group: Arc<str>,
    project: Arc<str>,
}

impl Parties {
    /// By what attributes say: `look` finds their values.
    pub(crate) fn of(owner: &UserName, look: impl Fn(&str) -> Option<Value>) -> Self {
        let text = |name: &str| look(name).as_ref().and_then(Value::as_str).map(Arc::<str>::from);
        let project = text(queues::PROJECT).filter(|project| !project.is_empty());
        Self {
            owner: owner.clone(),
            group: text(queues::GROUP).unwrap_or_else(|| Arc::from("")),
            project: project.unwrap_or_else(|| Arc::from(queues::NO_PROJECT)),
        }
    }

    pub(crate) fn each(&self) -> [Party; 3] {
        [
            Party::Owner(self.owner.clone()),
            Party::Group(Arc::clone(&self.group)),
            Party::Project(Arc::clone(&self.project)),
        ]
    }

    pub(crate) fn has(&self, party: &Party) -> bool {
        match party {
            Party::Owner(owner) => *owner == self.owner,
            Party::Group(group) => *group == self.group,
            Party::Project(project) => *project == self.project,
        }
    }

    /// As limits are asked about them.
    pub(crate) fn submitter(&self) -> Submitter<'_> {
        let Self { owner, group, project } = self;
        Submitter { user: owner.as_str(), group, project }
    }
}

impl From<Entity<'_>> for Party {
    fn from(entity: Entity<'_>) -> Self {
        match entity {
            Entity::User(user) => Self::Owner(UserName::new(user)),
            Entity::Group(group) => Self::Group(Arc::from(group)),
            Entity::Project(project) => Self::Project(Arc::from(project)),
        }
    }
}
