//! What a pool says of its server, its queues and its nodes: attributes with values, as `qmgr`
//! changes them. What an attribute may be is checked here, once for all who change it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::custom::{self, Custom, CustomKind};
use super::denied::Denied;
use super::limits::Limits;
use super::reservations::Reservations;
use super::{FIRST_QUEUE, amount, custom_attribute};

/// What an attribute is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Server,
    Queue,
    Node,
    Resource,
}

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Truth,
    /// A number between these.
    Number(i64, i64),
    Text,
    /// Words with commas between.
    Words,
    /// One for each resource: `resources_max.ncpus`.
    Resources,
    Limits,
    /// `Execution` or `Route`.
    QueueType,
    /// The name of a queue.
    QueueName,
    /// `free` or `offline`.
    NodeState,
    /// `long`, `size` and their like.
    ResourceType,
    /// `hn`: letters.
    Flags,
}

/// An attribute that means something here.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub of: Of,
    pub name: &'static str,
    pub form: Form,
}

const fn known(of: Of, name: &'static str, form: Form) -> Known {
    Known { of, name, form }
}

const COUNT: Form = Form::Number(0, i32::MAX as i64);

/// All of them, in the order in which OpenPBS shows them.
pub const KNOWN: &[Known] = &[
    known(Of::Server, "scheduling", Form::Truth),
    known(Of::Server, "max_queued", Form::Limits),
    known(Of::Server, "max_run", Form::Limits),
    known(Of::Server, "acl_user_enable", Form::Truth),
    known(Of::Server, "acl_users", Form::Words),
    known(Of::Server, "managers", Form::Words),
    known(Of::Server, "operators", Form::Words),
    known(Of::Server, "default_queue", Form::QueueName),
    known(Of::Server, "resources_default", Form::Resources),
    known(Of::Server, "default_chunk", Form::Resources),
    known(Of::Server, "resources_max", Form::Resources),
    known(Of::Server, "resources_available", Form::Resources),
    known(Of::Server, "comment", Form::Text),
    known(Of::Server, "max_array_size", COUNT),
    known(Of::Queue, "queue_type", Form::QueueType),
    known(Of::Queue, "Priority", Form::Number(-1024, 1023)),
    known(Of::Queue, "max_queued", Form::Limits),
    known(Of::Queue, "acl_host_enable", Form::Truth),
    known(Of::Queue, "acl_hosts", Form::Words),
    known(Of::Queue, "acl_user_enable", Form::Truth),
    known(Of::Queue, "acl_users", Form::Words),
    known(Of::Queue, "from_route_only", Form::Truth),
    known(Of::Queue, "resources_max", Form::Resources),
    known(Of::Queue, "resources_min", Form::Resources),
    known(Of::Queue, "resources_default", Form::Resources),
    known(Of::Queue, "max_array_size", COUNT),
    known(Of::Queue, "comment", Form::Text),
    known(Of::Queue, "default_chunk", Form::Resources),
    known(Of::Queue, "max_run", Form::Limits),
    known(Of::Queue, "route_destinations", Form::Words),
    known(Of::Queue, "enabled", Form::Truth),
    known(Of::Queue, "started", Form::Truth),
    known(Of::Node, "state", Form::NodeState),
    known(Of::Node, "resources_available", Form::Resources),
    known(Of::Node, "comment", Form::Text),
    known(Of::Resource, "type", Form::ResourceType),
    known(Of::Resource, "flag", Form::Flags),
];

/// What values the attribute takes, if there is one of this name; a resource's behind a dot.
pub fn form_of(of: Of, name: &str) -> Option<Form> {
    let head = name.split('.').next().unwrap_or_default();
    let known = KNOWN.iter().find(|known| known.of == of && known.name == head)?;
    (name.contains('.') == (known.form == Form::Resources)).then_some(known.form)
}

/// Attributes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes(pub BTreeMap<String, String>);

impl Attributes {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it is said to be so.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == Some("True")
    }

    /// The words of a list.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.get(name).unwrap_or_default();
        list.split(',').map(str::trim).filter(|word| !word.is_empty())
    }

    /// Each resource of an attribute that has several: `resources_max`.
    pub fn resources(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(move |(key, value)| {
            Some((key.strip_prefix(name)?.strip_prefix('.')?, value.as_str()))
        })
    }

    pub fn limits(&self, name: &str) -> Limits {
        self.get(name).and_then(Limits::read).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    Server,
    Queue(String),
    /// A machine, by its name.
    Node(String),
    /// A resource that managers name.
    Resource(String),
}

/// What is done to its attributes, or to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Create,
    Delete,
    Set {
        name: String,
        value: String,
    },
    /// `+=`.
    Add {
        name: String,
        value: String,
    },
    /// `-=`.
    Remove {
        name: String,
        value: String,
    },
    Unset {
        name: String,
    },
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub object: Object,
    pub change: Change,
}

/// Everything that is said of server, queues and nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    pub server: Attributes,
    /// In the order in which they were made.
    pub queues: Vec<(String, Attributes)>,
    /// Machines of which something is said.
    #[serde(default)]
    pub nodes: BTreeMap<String, Attributes>,
    /// Resources beside those that everybody has.
    #[serde(default)]
    pub resources: BTreeMap<String, Attributes>,
    /// Parts of machines that are kept for windows of time.
    #[serde(default)]
    pub reservations: Reservations,
}

impl Default for QueueSettings {
    fn default() -> Self {
        let all = |pairs: &[(&str, &str)]| {
            Attributes(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        let server = all(&[
            ("scheduling", "True"),
            ("default_queue", FIRST_QUEUE),
            ("resources_default.ncpus", "1"),
            ("default_chunk.ncpus", "1"),
            ("max_array_size", "10000"),
        ]);
        let first = all(&[("queue_type", "Execution"), ("enabled", "True"), ("started", "True")]);
        let queues = vec![(FIRST_QUEUE.to_owned(), first)];
        Self {
            server,
            queues,
            nodes: BTreeMap::new(),
            resources: BTreeMap::new(),
            reservations: Reservations::new(),
        }
    }
}

/// The longest name of a queue, in bytes (OpenPBS 23.06).
pub const LONGEST_NAME: usize = 15;

/// More queues than anybody has; each is looked at when jobs are placed.
const MOST_QUEUES: usize = 1000;

impl QueueSettings {
    pub fn queue(&self, name: &str) -> Option<&Attributes> {
        self.queues.iter().find(|(known, _)| known == name).map(|(_, attributes)| attributes)
    }

    /// The resource of this name that managers have named.
    pub fn custom(&self, name: &str) -> Option<Custom> {
        self.resources.get(name).and_then(custom_of)
    }

    /// With all of these changes, or none.
    ///
    /// # Errors
    /// If one of them cannot be.
    pub fn changed(&self, edits: &[Edit]) -> Result<Self, Denied> {
        let mut new = self.clone();
        edits.iter().try_for_each(|edit| new.change(edit))?;
        for edit in edits {
            // What is said of a queue together is looked at together.
            if let Object::Queue(name) = &edit.object
                && let Some(queue) = new.queue(name).filter(|queue| queue.is("enabled"))
            {
                check_definition(queue)?;
            }
        }
        Ok(new)
    }

    fn change(&mut self, edit: &Edit) -> Result<(), Denied> {
        match (&edit.object, &edit.change) {
            (Object::Queue(name), Change::Create) => self.create(name),
            (Object::Queue(name), Change::Delete) => self.delete(name),
            (Object::Node(name), Change::Delete) => {
                self.nodes.remove(name).map(drop).ok_or(Denied::UnknownNode)
            }
            (Object::Resource(name), change) => self.change_resource(name, change),
            (_, Change::Create | Change::Delete) => Err(Denied::InvalidRequest),
            (Object::Server, change) => {
                alter(Of::Server, &mut self.server, change)?;
                match self.server.get("default_queue") {
                    Some(queue) if self.queue(queue).is_none() => Err(Denied::UnknownQueue),
                    Some(_) | None => Ok(()),
                }
            }
            (Object::Node(name), change) => {
                let node = self.nodes.entry(name.clone()).or_default();
                alter(Of::Node, node, change)?;
                // Whether it is offline the negotiator keeps.
                if node.get("state").is_some() {
                    return Err(Denied::InvalidRequest);
                }
                if node.0.is_empty() {
                    self.nodes.remove(name);
                }
                Ok(())
            }
            (Object::Queue(name), change) => {
                let known = self.queues.iter_mut().find(|(known, _)| known == name);
                let (_, queue) = known.ok_or(Denied::UnknownQueue)?;
                alter(Of::Queue, queue, change)
            }
        }
    }

    /// Whether jobs ask for it is for whoever keeps them to say.
    fn change_resource(&mut self, name: &str, change: &Change) -> Result<(), Denied> {
        match change {
            Change::Create if self.resources.contains_key(name) => {
                return Err(Denied::BadValue);
            }
            Change::Create => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
                // Two that machines would call the same would be one there.
                let own = custom_attribute(name);
                let is_same = |known: &String| custom_attribute(known).eq_ignore_ascii_case(&own);
                if !is_name || !name.chars().all(is_part) || self.resources.keys().any(is_same) {
                    return Err(Denied::BadName);
                }
                if self.resources.len() >= MOST_QUEUES {
                    return Err(Denied::TooMany(format!("{MOST_QUEUES} resources are the most")));
                }
                let kind = ("type".to_owned(), "string".to_owned());
                self.resources.insert(name.to_owned(), Attributes([kind].into()));
            }
            Change::Delete => {
                self.resources.remove(name).ok_or(Denied::UnknownResource)?;
                let is_of_it = |key: &String| key.split_once('.').is_some_and(|(_, of)| of == name);
                let queues = self.queues.iter_mut().map(|(_, queue)| queue);
                let all = queues.chain(self.nodes.values_mut()).chain([&mut self.server]);
                all.for_each(|attributes| attributes.0.retain(|key, _| !is_of_it(key)));
            }
            Change::Set { .. }
            | Change::Add { .. }
            | Change::Remove { .. }
            | Change::Unset { .. } => {
                let resource = self.resources.get_mut(name).ok_or(Denied::UnknownResource)?;
                alter(Of::Resource, resource, change)?;
                let is_possible = custom_of(resource).is_some_and(|custom| custom.is_possible());
                return if is_possible { Ok(()) } else { Err(Denied::BadValue) };
            }
        }
        Ok(())
    }

    pub(super) fn create(&mut self, name: &str) -> Result<(), Denied> {
        if self.queue(name).is_some() {
            return Err(Denied::QueueExists);
        }
        if name.len() > LONGEST_NAME {
            return Err(Denied::LongName);
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_part) {
            return Err(Denied::BadName);
        }
        // Those of reservations have a bound of their own.
        if self.queues.len().saturating_sub(self.reservations.len()) >= MOST_QUEUES {
            return Err(Denied::TooMany(format!("{MOST_QUEUES} queues are the most")));
        }
        self.queues.push((name.to_owned(), Attributes::default()));
        Ok(())
    }

    pub(super) fn put_queue(&mut self, name: &str, attributes: Attributes) {
        if let Some((_, queue)) = self.queues.iter_mut().find(|(known, _)| known == name) {
            *queue = attributes;
        }
    }

    /// Whether jobs are in it is for whoever keeps them to say. A reservation's goes with it.
    fn delete(&mut self, name: &str) -> Result<(), Denied> {
        let place = self.queues.iter().position(|(known, _)| known == name);
        let place = place.ok_or(Denied::UnknownQueue)?;
        let is_needed = self.reservations.contains_key(name);
        if is_needed || self.server.get("default_queue") == Some(name) {
            return Err(Denied::Busy);
        }
        self.queues.remove(place);
        Ok(())
    }
}

fn custom_of(attributes: &Attributes) -> Option<Custom> {
    Custom::read(attributes.get("type"), attributes.get("flag"))
}

fn check_definition(queue: &Attributes) -> Result<(), Denied> {
    match queue.get("queue_type") {
        None => Err(Denied::NoType),
        Some("Route") if queue.words("route_destinations").next().is_none() => {
            Err(Denied::Incomplete)
        }
        Some(_) => Ok(()),
    }
}

fn alter(of: Of, attributes: &mut Attributes, change: &Change) -> Result<(), Denied> {
    let all = &mut attributes.0;
    match change {
        Change::Create | Change::Delete => return Err(Denied::InvalidRequest),
        Change::Unset { name } => {
            if form_of(of, name).is_none() && form_of(of, &format!("{name}.any")).is_none() {
                return Err(Denied::UnknownAttribute);
            }
            let prefix = format!("{name}.");
            all.retain(|known, _| known != name && !known.starts_with(&prefix));
        }
        Change::Set { name, value } => {
            let form = form_of(of, name).ok_or(Denied::UnknownAttribute)?;
            let value = canonical(form, value).ok_or(Denied::BadValue)?;
            all.insert(name.clone(), value);
        }
        Change::Add { name, value } | Change::Remove { name, value } => {
            let form = form_of(of, name).ok_or(Denied::UnknownAttribute)?;
            let value = canonical(form, value).ok_or(Denied::BadValue)?;
            let adds = matches!(change, Change::Add { .. });
            let before = all.get(name).map(String::as_str);
            let after = combined(form, before, &value, adds).ok_or(Denied::BadValue)?;
            match after.is_empty() {
                true => drop(all.remove(name)),
                false => drop(all.insert(name.clone(), after)),
            }
        }
    }
    Ok(())
}

/// A value as it is kept.
fn canonical(form: Form, value: &str) -> Option<String> {
    let value = value.trim();
    match form {
        Form::Truth => match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "y" => Some("True".to_owned()),
            "false" | "f" | "0" | "n" => Some("False".to_owned()),
            _ => None,
        },
        Form::Number(least, most) => {
            let number: i64 = value.parse().ok()?;
            (least..=most).contains(&number).then(|| number.to_string())
        }
        Form::Text => Some(value.to_owned()),
        Form::QueueName => (!value.is_empty()).then(|| value.to_owned()),
        Form::Words => {
            let words: Vec<&str> =
                value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            (!words.is_empty()).then(|| words.join(","))
        }
        Form::Resources => (!value.is_empty()).then(|| value.to_owned()),
        Form::Limits => Limits::read(value).map(|limits| limits.to_string()),
        Form::QueueType => {
            let typed = value.to_ascii_lowercase();
            let types = ["Execution", "Route"];
            let is = |kind: &&str| kind.to_ascii_lowercase().starts_with(&typed);
            types.iter().find(|kind| !typed.is_empty() && is(kind)).map(|kind| (*kind).to_owned())
        }
        Form::NodeState => ["free", "offline"].contains(&value).then(|| value.to_owned()),
        Form::ResourceType => CustomKind::named(value).map(|_| value.to_owned()),
        Form::Flags => custom::flags(value),
    }
}

/// What a value comes to with another added, or taken from it.
fn combined(form: Form, before: Option<&str>, value: &str, adds: bool) -> Option<String> {
    match form {
        Form::Words => {
            let mut words: Vec<&str> = before.unwrap_or_default().split(',').collect();
            words.retain(|word| !word.is_empty() && !value.split(',').any(|other| other == *word));
            if adds {
                words.extend(value.split(','));
            }
            Some(words.join(","))
        }
        Form::Limits => {
            let before = before.and_then(Limits::read).unwrap_or_default();
            let other = Limits::read(value)?;
            let after = if adds { before.with(&other) } else { before.without(&other) };
            Some(after.to_string())
        }
        Form::Number(least, most) => {
            let by: i64 = value.parse().ok()?;
            let before: i64 = before.unwrap_or("0").parse().ok()?;
            let after = if adds { before.checked_add(by)? } else { before.checked_sub(by)? };
            (least..=most).contains(&after).then(|| after.to_string())
        }
        Form::Resources => {
            let (had, by) = (amount(before.unwrap_or("0"))?, amount(value)?);
            let after = if adds { had.checked_add(by)? } else { had.checked_sub(by)? };
            Some(written(after, before.unwrap_or(value), value))
        }
        Form::Text => match (adds, before) {
            (true, before) => Some(before.unwrap_or_default().to_owned() + value),
            (false, _) => None,
        },
        Form::Truth
        | Form::QueueType
        | Form::QueueName
        | Form::NodeState
        | Form::ResourceType
        | Form::Flags => adds.then(|| value.to_owned()),
    }
}

/// An amount as two others are written: a time, a size in their unit or in KiB, or a number.
fn written(amount: u64, one: &str, other: &str) -> String {
    if one.contains(':') || other.contains(':') {
        return format!("{:02}:{:02}:{:02}", amount / 3600, amount / 60 % 60, amount % 60);
    }
    let unit = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    let own = super::amount(&format!("1{}", unit(one))).filter(|_| unit(one) == unit(other));
    match own {
        Some(size) => format!("{}{}", amount.div_ceil(size), unit(one)),
        None => format!("{}kb", amount.div_ceil(1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(object: Object, change: Change) -> Edit {
        Edit { object, change }
    }

    fn queue(name: &str, change: Change) -> Edit {
        edit(Object::Queue(name.to_owned()), change)
    }

    fn set(name: &str, value: &str) -> Change {
        Change::Set { name: name.to_owned(), value: value.to_owned() }
    }

    fn made() -> QueueSettings {
        let edits = [
            queue("small", Change::Create),
            queue("small", set("queue_type", "e")),
            queue("small", set("resources_max.ncpus", "2")),
            queue("small", set("max_run", "[u:PBS_GENERIC=2]")),
            queue("small", set("enabled", "true")),
        ];
        QueueSettings::default().changed(&edits).unwrap()
    }

    #[test]
    fn queues_are_made_changed_and_deleted() {
        let settings = made();
        let small = settings.queue("small").unwrap();
        assert_eq!(small.get("queue_type"), Some("Execution"));
        assert!(small.is("enabled") && !small.is("started"));
        assert_eq!(small.resources("resources_max").collect::<Vec<_>>(), [("ncpus", "2")]);
        let add = Change::Add { name: "max_run".to_owned(), value: "[o:PBS_ALL=9]".to_owned() };
        let more = settings.changed(&[queue("small", add)]).unwrap();
        let limits = more.queue("small").unwrap().limits("max_run");
        assert_eq!(limits.to_string(), "[u:PBS_GENERIC=2],[o:PBS_ALL=9]");
        let unset = Change::Unset { name: "resources_max".to_owned() };
        let fewer = more.changed(&[queue("small", unset)]).unwrap();
        assert_eq!(fewer.queue("small").unwrap().resources("resources_max").count(), 0);
        assert_eq!(
            fewer.changed(&[queue("small", Change::Delete)]).unwrap(),
            QueueSettings::default()
        );
    }

    #[test]
    fn what_is_said_of_a_queue_in_one_line_is_looked_at_together() {
        let edits = [
            queue("rt", Change::Create),
            queue("rt", set("enabled", "t")),
            queue("rt", set("queue_type", "r")),
            queue("rt", set("route_destinations", "workq")),
        ];
        let made = QueueSettings::default().changed(&edits).unwrap();
        assert!(made.queue("rt").unwrap().is("enabled"));
        let unset = queue("rt", Change::Unset { name: "route_destinations".to_owned() });
        assert_eq!(made.changed(&[unset]), Err(Denied::Incomplete));
    }

    #[test]
    fn amounts_are_added_and_taken_away_in_their_own_words() {
        for (before, value, adds, expected) in [
            (None, "00:00:10", true, "00:00:10"),
            (Some("01:00:00"), "00:30:00", true, "01:30:00"),
            (Some("01:00:00"), "00:30:00", false, "00:30:00"),
            (Some("2gb"), "1gb", true, "3gb"),
            (Some("2gb"), "512mb", false, "1572864kb"),
            (Some("4"), "2", true, "6"),
        ] {
            let after = combined(Form::Resources, before, value, adds);
            assert_eq!(after.as_deref(), Some(expected), "{before:?} {value}");
        }
        assert_eq!(combined(Form::Resources, Some("1"), "2", false), None);
    }

    #[test]
    fn what_cannot_be_is_denied_and_changes_nothing() {
        let denied = |edits: &[Edit]| made().changed(edits).unwrap_err();
        assert_eq!(denied(&[queue("workq", Change::Create)]), Denied::QueueExists);
        assert_eq!(denied(&[queue("workq", Change::Delete)]), Denied::Busy);
        assert_eq!(denied(&[queue("nosuch", set("enabled", "true"))]), Denied::UnknownQueue);
        assert_eq!(denied(&[queue("a-very-long-name-of-one", Change::Create)]), Denied::LongName);
        assert_eq!(denied(&[queue("9q", Change::Create)]), Denied::BadName);
        assert_eq!(denied(&[queue("small", set("enabled", "maybe"))]), Denied::BadValue);
        assert_eq!(denied(&[queue("small", set("nosuch", "1"))]), Denied::UnknownAttribute);
        let no_type = [queue("q", Change::Create), queue("q", set("enabled", "t"))];
        assert_eq!(denied(&no_type), Denied::NoType);
        let route = [
            queue("r", Change::Create),
            queue("r", set("queue_type", "Route")),
            queue("r", set("enabled", "t")),
        ];
        assert_eq!(denied(&route), Denied::Incomplete);
        let server = edit(Object::Server, set("default_queue", "nosuch"));
        assert_eq!(denied(&[server]), Denied::UnknownQueue);
        let add = Change::Add { name: "default_queue".to_owned(), value: "nosuch".to_owned() };
        assert_eq!(denied(&[edit(Object::Server, add)]), Denied::UnknownQueue);
    }

    #[test]
    fn resources_are_named_and_forgotten_with_all_that_is_said_of_them() {
        let resource = |change| edit(Object::Resource("lic".to_owned()), change);
        let node = edit(Object::Node("n1".to_owned()), set("resources_available.lic", "5"));
        let edits = [
            resource(Change::Create),
            resource(set("type", "long")),
            resource(set("flag", "nh")),
            node.clone(),
        ];
        let named = made().changed(&edits).unwrap();
        assert_eq!(named.resources["lic"].get("flag"), Some("hn"));
        let expected = Custom { kind: CustomKind::Long, of_machines: true, is_consumed: true };
        assert_eq!(named.custom("lic"), Some(expected));
        let after = named.changed(&[resource(Change::Delete)]).unwrap();
        assert_eq!((after.custom("lic"), after.nodes["n1"].0.len()), (None, 0));
        for (edits, why) in [
            (vec![resource(set("type", "long"))], Denied::UnknownResource),
            (vec![resource(Change::Create), resource(set("type", "int"))], Denied::BadValue),
            (vec![resource(Change::Create), resource(set("flag", "x"))], Denied::BadValue),
            // A text is not used up.
            (vec![resource(Change::Create), resource(set("flag", "n"))], Denied::BadValue),
            (vec![resource(Change::Create), resource(Change::Create)], Denied::BadValue),
        ] {
            assert_eq!(made().changed(&edits).unwrap_err(), why);
        }
    }

    #[test]
    fn that_a_node_is_offline_is_not_for_the_queue_to_keep() {
        let node = |change| edit(Object::Node("n1".to_owned()), change);
        for state in ["offline", "free"] {
            let kept = made().changed(&[node(set("state", state))]);
            assert_eq!(kept.unwrap_err(), Denied::InvalidRequest);
        }
        assert_eq!(made().changed(&[node(set("state", "up"))]).unwrap_err(), Denied::BadValue);
    }
}
