//! Which queue takes a job: by its name or along routes, if the submitter and what the job asks for
//! are welcome there. How many jobs are there already only the schedd knows: it asks
//! [`QueueSettings::check_count`].

use std::collections::{BTreeMap, BTreeSet};

use super::amount;
use super::denied::Denied;
use super::limits::{Entity, Limits, Submitter};
use super::settings::{Attributes, QueueSettings};

/// Who submits what.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    pub user: &'a str,
    /// The machine that it is submitted from.
    pub host: &'a str,
    /// `Resource_List`.
    pub resources: &'a BTreeMap<String, String>,
    /// How many subjobs, if it is an array.
    pub subjobs: Option<u64>,
    /// Whether it comes through a routing queue.
    pub is_routed: bool,
}

/// Routes that lead to routes that lead to routes: as many as OpenPBS follows.
const MOST_HOPS: usize = 20;

impl QueueSettings {
    /// The queue that is meant by no name.
    ///
    /// # Errors
    /// If there is none.
    pub fn default_queue(&self) -> Result<&str, Denied> {
        self.server.get("default_queue").ok_or(Denied::NoDefault)
    }

    /// The execution queues to which a submission to this queue may lead, in the order in which
    /// they are tried, and whether a route leads there.
    ///
    /// # Errors
    /// If there is no such queue, or it takes no jobs.
    pub fn destinations(
        &self,
        queue: &str,
        user: &str,
        host: &str,
    ) -> Result<Vec<(String, bool)>, Denied> {
        let first = self.queue(queue).ok_or(Denied::UnknownQueue)?;
        if !is_route(first) {
            return Ok(vec![(queue.to_owned(), false)]);
        }
        open(first, user, host)?;
        let mut found = Vec::new();
        let (mut hop, mut seen) = (vec![first], BTreeSet::new());
        for _ in 0..MOST_HOPS {
            let mut next = Vec::new();
            for name in hop.iter().flat_map(|queue| queue.words("route_destinations")) {
                let name = name.split('@').next().unwrap_or_default();
                match self.queue(name) {
                    Some(queue) if !is_route(queue) => found.push((name.to_owned(), true)),
                    Some(queue) if open(queue, user, host).is_ok() && seen.insert(name) => {
                        next.push(queue);
                    }
                    Some(_) | None => {}
                }
            }
            if next.is_empty() {
                break;
            }
            hop = next;
        }
        if found.is_empty() { Err(Denied::Rejected) } else { Ok(found) }
    }

    /// Whether this execution queue takes the job.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, queue: &str, applicant: &Applicant<'_>) -> Result<(), Denied> {
        let name = queue;
        let queue = self.queue(name).ok_or(Denied::UnknownQueue)?;
        open(queue, applicant.user, applicant.host)?;
        if is_route(queue) {
            return Err(Denied::InvalidRequest);
        }
        if queue.is("from_route_only") && !applicant.is_routed {
            return Err(Denied::RoutedOnly);
        }
        if self.server.is("acl_user_enable") && !listed(&self.server, "acl_users", applicant.user) {
            return Err(Denied::NotPermitted);
        }
        let sizes = [self.server.number("max_array_size"), queue.number("max_array_size")];
        let most = sizes.into_iter().flatten().filter_map(|most| u64::try_from(most).ok()).min();
        if applicant.subjobs.zip(most).is_some_and(|(subjobs, most)| subjobs > most) {
            return Err(Denied::ArraySize);
        }
        self.check_resources(queue, applicant.resources)
    }

    /// Whether a job of this queue may ask for this.
    ///
    /// # Errors
    /// If it may not.
    pub fn check_bounds(
        &self,
        queue: &str,
        resources: &BTreeMap<String, String>,
    ) -> Result<(), Denied> {
        let queue = self.queue(queue).ok_or(Denied::UnknownQueue)?;
        self.check_resources(queue, resources)
    }

    /// The bounds of the queue, and of the server for what the queue says nothing of.
    fn check_resources(
        &self,
        queue: &Attributes,
        asked: &BTreeMap<String, String>,
    ) -> Result<(), Denied> {
        let own = |resource: &str| queue.get(&format!("resources_max.{resource}")).is_some();
        let most = queue
            .resources("resources_max")
            .chain(self.server.resources("resources_max").filter(|(resource, _)| !own(resource)));
        let beyond = |(resource, bound): (&str, &str), wrong: fn(u64, u64) -> bool| {
            let asked = asked.get(resource).and_then(|value| amount(value));
            asked.zip(amount(bound)).is_some_and(|(asked, bound)| wrong(asked, bound))
        };
        let too_much = most.into_iter().any(|bound| beyond(bound, |asked, most| asked > most));
        let mut least = queue.resources("resources_min");
        let too_little = least.any(|bound| beyond(bound, |asked, least| asked < least));
        if too_much || too_little { Err(Denied::Resources) } else { Ok(()) }
    }

    /// What is asked for beside what the job says itself: of the queue, and of the server where the
    /// queue says nothing.
    pub fn defaults(&self, queue: &str, of: &str) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let queue = self.queue(queue);
        for attributes in [Some(&self.server), queue].into_iter().flatten() {
            all.extend(attributes.resources(of).map(|(n, v)| (n.to_owned(), v.to_owned())));
        }
        all
    }

    /// Whether so many more of this user's jobs may come into the queue.
    ///
    /// # Errors
    /// In OpenPBS's words for the limit.
    pub fn check_count(
        &self,
        queue: &str,
        submitter: Submitter<'_>,
        more: u64,
        counted: &dyn Fn(Option<&str>, Option<Entity<'_>>) -> u64,
    ) -> Result<(), Denied> {
        let of_queue = self.queue(queue).map(|q| q.limits("max_queued")).unwrap_or_default();
        let of_server = self.server.limits("max_queued");
        let check = |limits: &Limits, of: Option<&str>| -> Result<(), Denied> {
            let place = of.map_or_else(|| "complex".to_owned(), |queue| format!("queue {queue}"));
            let over = |most: u64, who: Option<Entity<'_>>| counted(of, who) + more > most;
            if limits.of_all().is_some_and(|most| over(most, None)) {
                return Err(Denied::TooMany(format!("Maximum number of jobs already in {place}")));
            }
            let limits = limits.of(submitter);
            let Some((entity, _, by_name)) =
                limits.into_iter().find(|(entity, most, _)| over(*most, Some(*entity)))
            else {
                return Ok(());
            };
            let (kind, name) = match entity {
                Entity::User(user) => ("user", user),
                Entity::Group(group) => ("group", group),
                Entity::Project(project) => ("project", project),
            };
            Err(Denied::TooMany(match by_name {
                true => format!("Maximum number of jobs for {kind} {name} already in {place}"),
                false => format!("would exceed {place}'s per-{kind} limit"),
            }))
        };
        check(&of_queue, Some(queue))?;
        check(&of_server, None)
    }

    /// Whether the user may change what is set here: `managers` lists those beside the pool's own.
    pub fn is_manager(&self, user: &str) -> bool {
        listed(&self.server, "managers", user)
    }

    /// Whether the user may run, rerun and order others' jobs, and open and close queues.
    pub fn is_operator(&self, user: &str) -> bool {
        listed(&self.server, "operators", user) || self.is_manager(user)
    }
}

fn is_route(queue: &Attributes) -> bool {
    queue.get("queue_type") == Some("Route")
}

/// Whether the queue takes jobs at all, of this user and machine.
fn open(queue: &Attributes, user: &str, host: &str) -> Result<(), Denied> {
    if !queue.is("enabled") {
        return Err(Denied::NotEnabled);
    }
    let barred =
        |enable: &str, list: &str, who: &str| queue.is(enable) && !listed(queue, list, who);
    if barred("acl_host_enable", "acl_hosts", host) {
        return Err(Denied::BadHost);
    }
    if barred("acl_user_enable", "acl_users", user) {
        return Err(Denied::NotPermitted);
    }
    Ok(())
}

/// Whether a list lets somebody in: the first entry that names them decides, `-` before it keeps
/// them out, `*` is everybody.
fn listed(attributes: &Attributes, list: &str, who: &str) -> bool {
    for entry in attributes.words(list) {
        let (lets, name) = match entry.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, entry.strip_prefix('+').unwrap_or(entry)),
        };
        let name = name.split('@').next().unwrap_or_default();
        if name == "*" || name == who {
            return lets;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Change, Edit, Object};
    use super::*;

    fn settings(edits: &[(&str, &str, &str)]) -> QueueSettings {
        let mut all = Vec::new();
        for (queue, name, value) in edits {
            let object = match *queue {
                "" => Object::Server,
                queue => Object::Queue(queue.to_owned()),
            };
            let change = match *name {
                "create" => Change::Create,
                name => Change::Set { name: name.to_owned(), value: (*value).to_owned() },
            };
            all.push(Edit { object, change });
        }
        QueueSettings::default().changed(&all).unwrap()
    }

    fn pool() -> QueueSettings {
        settings(&[
            ("small", "create", ""),
            ("small", "queue_type", "Execution"),
            ("small", "resources_max.ncpus", "2"),
            ("small", "resources_max.walltime", "01:00:00"),
            ("small", "resources_min.mem", "1mb"),
            ("small", "enabled", "True"),
            ("route1", "create", ""),
            ("route1", "queue_type", "Route"),
            ("route1", "route_destinations", "small,workq"),
            ("route1", "enabled", "True"),
            ("shut", "create", ""),
            ("shut", "queue_type", "Execution"),
            ("aclq", "create", ""),
            ("aclq", "queue_type", "Execution"),
            ("aclq", "acl_user_enable", "True"),
            ("aclq", "acl_users", "-mallory,bob@*"),
            ("aclq", "enabled", "True"),
            ("inner", "create", ""),
            ("inner", "queue_type", "Execution"),
            ("inner", "from_route_only", "True"),
            ("inner", "enabled", "True"),
            ("", "max_array_size", "10"),
        ])
    }

    fn admitted(queue: &str, asked: &[(&str, &str)]) -> Result<(), Denied> {
        let resources: BTreeMap<String, String> =
            asked.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let applicant = Applicant {
            user: "alice",
            host: "here",
            resources: &resources,
            subjobs: asked.iter().any(|(name, _)| *name == "subjobs").then_some(11),
            is_routed: false,
        };
        pool().admit(queue, &applicant)
    }

    #[test]
    fn a_queue_takes_whom_and_what_it_says() {
        assert_eq!(admitted("workq", &[("ncpus", "100")]), Ok(()));
        assert_eq!(admitted("small", &[("ncpus", "2"), ("walltime", "00:59:00")]), Ok(()));
        assert_eq!(admitted("small", &[("ncpus", "3")]), Err(Denied::Resources));
        assert_eq!(admitted("small", &[("walltime", "02:00:00")]), Err(Denied::Resources));
        assert_eq!(admitted("small", &[("mem", "1kb")]), Err(Denied::Resources));
        assert_eq!(admitted("shut", &[]), Err(Denied::NotEnabled));
        assert_eq!(admitted("aclq", &[]), Err(Denied::NotPermitted));
        assert_eq!(admitted("inner", &[]), Err(Denied::RoutedOnly));
        assert_eq!(admitted("nosuch", &[]), Err(Denied::UnknownQueue));
        assert_eq!(admitted("workq", &[("subjobs", "")]), Err(Denied::ArraySize));
    }

    #[test]
    fn routes_lead_to_execution_queues_in_order() {
        let routed = pool().destinations("route1", "alice", "here").unwrap();
        assert_eq!(routed, [("small".to_owned(), true), ("workq".to_owned(), true)]);
        let second = |edits: &[(&str, &str, &str)]| {
            let route = [
                ("outer", "create", ""),
                ("outer", "queue_type", "Route"),
                ("outer", "route_destinations", "second"),
                ("outer", "enabled", "True"),
                ("second", "create", ""),
                ("second", "queue_type", "Route"),
                ("second", "route_destinations", "workq"),
            ];
            settings(&[&route, edits].concat()).destinations("outer", "alice", "here")
        };
        let open = ("second", "enabled", "True");
        assert_eq!(second(&[open]), Ok(vec![("workq".to_owned(), true)]));
        assert_eq!(second(&[]), Err(Denied::Rejected));
        let barred = ("second", "acl_user_enable", "True");
        assert_eq!(second(&[open, barred]), Err(Denied::Rejected));
        let direct = pool().destinations("workq", "alice", "here").unwrap();
        assert_eq!(direct, [("workq".to_owned(), false)]);
    }

    #[test]
    fn no_more_jobs_come_than_may() {
        let limited = settings(&[("workq", "max_queued", "[u:PBS_GENERIC=2],[u:bob=5]")]);
        let of = |user: &'static str| Submitter { user, group: "staff", project: "moon" };
        let check = |user: &'static str, there: u64, more| {
            let checked = limited.check_count("workq", of(user), more, &|_, _| there);
            checked.map_err(|e| e.to_string())
        };
        assert_eq!(check("alice", 1, 1), Ok(()));
        let told = "would exceed queue workq's per-user limit".to_owned();
        assert_eq!(check("alice", 1, 2), Err(told));
        let told = "Maximum number of jobs for user bob already in queue workq".to_owned();
        assert_eq!(check("bob", 5, 1), Err(told));
        let all = settings(&[("", "max_queued", "[o:PBS_ALL=3]")]);
        let told = "Maximum number of jobs already in complex".to_owned();
        let denied = all.check_count("workq", of("x"), 1, &|_, _| 3).map_err(|e| e.to_string());
        assert_eq!(denied, Err(told));
        let groups = settings(&[("workq", "max_queued", "[g:staff=2],[p:PBS_GENERIC=5]")]);
        let of_staff = |_: Option<&str>, who: Option<Entity<'_>>| match who {
            Some(Entity::Group(_)) => 2,
            Some(Entity::User(_) | Entity::Project(_)) | None => 0,
        };
        let denied = groups.check_count("workq", of("x"), 1, &of_staff).map_err(|e| e.to_string());
        let told = "Maximum number of jobs for group staff already in queue workq".to_owned();
        assert_eq!(denied, Err(told));
        let denied = groups.check_count("workq", of("x"), 6, &|_, _| 0).map_err(|e| e.to_string());
        assert!(denied.is_err());
        let other = Submitter { group: "guests", ..of("x") };
        let denied = groups.check_count("workq", other, 6, &|_, _| 0).map_err(|e| e.to_string());
        assert_eq!(denied, Err("would exceed queue workq's per-project limit".to_owned()));
    }

    #[test]
    fn the_first_entry_that_names_somebody_decides() {
        let lists = settings(&[("", "managers", "-mallory@*,alice@here"), ("", "operators", "*")]);
        assert!(lists.is_manager("alice") && !lists.is_manager("mallory"));
        assert!(!lists.is_manager("bob") && lists.is_operator("bob"));
    }
}
