//! Resources that managers have named (`create resource`): how many there are, where machines and
//! the matchmaker look. A machine has them as HTCondor's machines have theirs, by its
//! configuration; what the pool has as a whole is a limit of as many jobs. So matching, claiming
//! and reasons are the same as for any other resource.
//!
//! `qmgr` writes a file of the pool's configuration anew whenever something of this changes, and
//! the pool reads it. Machines that joined the pool have a configuration of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use client::{DaemonRole, Home};
use jobspec::pbs::{code, consumed, is_known_resource};
use model::queues::{Change, Custom, CustomKind, Edit, Of, QueueSettings, custom_attribute};
use proto::whole_file;

use crate::pool;
use crate::render::pbs::Here;

/// The file, among those of the pool's configuration.
const FILE: &str = "qmgr-resources";

/// What is set of a machine's resources.
const AVAILABLE: &str = "resources_available.";

/// Whether a change is of what machines have.
pub(super) fn is_of_machines(change: &Change) -> bool {
    match change {
        Change::Set { name, .. } | Change::Add { name, .. } | Change::Remove { name, .. } => {
            name.starts_with(AVAILABLE)
        }
        Change::Unset { name } => name.starts_with("resources_available"),
        Change::Create | Change::Delete => false,
    }
}

/// Whether these machines read this pool's configuration; the exit code if one does not.
pub(super) fn check_machines(here: &Here, names: &[String]) -> Result<(), u8> {
    match names.iter().find(|name| !here.is_server(name.split('.').next().unwrap_or(name))) {
        None => Ok(()),
        Some(name) => {
            here.say(format_args!(
                "resources_available of {name} is not supported yet: say MACHINE_RESOURCE_PBS_<name> in that machine's configuration"
            ));
            Err(code::NOT_SUPPORTED)
        }
    }
}

/// Whether everybody has a resource of this name; accelerators there are where managers name them.
pub(super) fn is_taken(name: &str) -> bool {
    is_known_resource(name) && name != "naccelerators"
}

/// Whether the server or a node can be said to have so much of a resource; the exit code and why
/// not.
pub(super) fn check(of: Of, name: &str, settings: &QueueSettings) -> Result<(), (u8, String)> {
    let not_built = |why: &str| {
        let said = format!("resources_available.{name} is not supported yet: {why}");
        Err((code::NOT_SUPPORTED, said))
    };
    if is_known_resource(name) {
        return not_built(
            "a machine says itself what it has; see NUM_CPUS and MEMORY in its configuration",
        );
    }
    let Some(custom) = settings.custom(name) else {
        return Err((code::UNKNOWN_RESOURCE, format!("Unknown resource {name}")));
    };
    match (of, custom.of_machines) {
        (Of::Node, false) => not_built("the resource has no flag h: set it of the server"),
        (Of::Server, true) => not_built("the resource has flag h: set it of nodes"),
        (Of::Server, false) if !custom.is_consumed => {
            not_built("only what is used up (flag q or n) is looked at")
        }
        (Of::Node | Of::Server | Of::Queue | Of::Resource, _) => Ok(()),
    }
}

/// Whether these changes can be carried out whole: what of them is the pool's configuration only
/// its owner writes, and the queue is asked for nothing that would then be said nowhere else.
pub(super) fn may_follow(
    before: &QueueSettings,
    edits: &[Edit],
    here: &Here,
) -> Result<(), (u8, String)> {
    let Ok(after) = before.changed(edits) else { return Ok(()) };
    if configuration(before, here) == configuration(&after, here) {
        return Ok(());
    }
    let folder = Home::from_environment().config_dir();
    let tried = fs::create_dir_all(&folder).and_then(|()| can_write_in(&folder));
    tried.map_err(|error| {
        let why = client::site::plain(&error);
        let said = format!(
            "what machines and the pool have is configuration, and {} cannot be written: {why}",
            folder.display()
        );
        (code::NOT_PERMITTED, said)
    })
}

/// Whether a file can be made there; a hidden one is no configuration.
fn can_write_in(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".{FILE}.{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

/// Writes the file anew if something is otherwise, and has the pool read it; not while a job runs
/// on several machines, if the machine's startd would be started again for it: the lines between
/// the job's programs go through that.
pub(super) fn follow(
    before: &QueueSettings,
    after: &QueueSettings,
    here: &Here,
    is_on_several: impl FnOnce() -> bool,
) -> Result<(), String> {
    let text = configuration(after, here);
    if text == configuration(before, here) {
        return Ok(());
    }
    let home = Home::from_environment();
    let folder = home.config_dir();
    let path = folder.join(FILE);
    let replace = || whole_file::replace(&path, 0o644, text.as_bytes());
    let written = fs::create_dir_all(&folder).and_then(|()| replace());
    written.map_err(|error| {
        let why = client::site::plain(&error);
        format!("it is set, but cannot be written to {}: {why}", path.display())
    })?;
    let changed = pool::configuration_changes(&home).unwrap_or_default();
    if changed.iter().any(|changed| changed.reader() == DaemonRole::Startd) && is_on_several() {
        let why = "a job runs on several machines, whose programs there would end if the machine's \
                   startd was started again for it";
        return Err(format!("it is set, and counts from the next 'updraft reconfig': {why}"));
    }
    match pool::reconfigure(&home) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(format!("it is set, but the pool does not take {}: {error}", path.display()))
        }
    }
}

/// What the file has.
fn configuration(settings: &QueueSettings, here: &Here) -> String {
    let mut out = "# What qmgr was told of resources. It writes this file anew.\n".to_owned();
    let mut told: Vec<String> = Vec::new();
    let machines = settings
        .nodes
        .iter()
        .filter(|(name, _)| here.is_server(name.split('.').next().unwrap_or(name)));
    let of_machine: BTreeMap<&str, &str> =
        machines.flat_map(|(_, node)| node.resources("resources_available")).collect();
    for (name, value) in of_machine {
        let Some(custom) = settings.custom(name) else { continue };
        let attribute = custom_attribute(name);
        if custom.is_consumed {
            let _ = writeln!(out, "MACHINE_RESOURCE_{attribute} = {}", count(custom, value));
        } else {
            let _ = writeln!(out, "{attribute} = {}", literal(custom, value));
            told.push(attribute);
        }
    }
    if !told.is_empty() {
        let _ = writeln!(out, "STARTD_ATTRS = $(STARTD_ATTRS) {}", told.join(" "));
    }
    for (name, value) in settings.server.resources("resources_available") {
        if let Some(custom) = settings.custom(name) {
            let _ = writeln!(out, "{}_LIMIT = {}", custom_attribute(name), count(custom, value));
        }
    }
    out
}

fn count(custom: Custom, value: &str) -> u64 {
    consumed(custom, value).unwrap_or(0)
}

/// A value as conditions of jobs look at it.
fn literal(custom: Custom, value: &str) -> String {
    match custom.kind {
        CustomKind::Boolean => (value == "True").to_string(),
        CustomKind::Long | CustomKind::Float => value.to_owned(),
        CustomKind::Size => count(custom, value).to_string(),
        CustomKind::Text | CustomKind::Words => classad::Value::from(value).to_new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use model::queues::{Attributes, Object};

    use super::*;

    #[test]
    fn what_managers_say_is_what_machines_and_the_matchmaker_read() {
        let here = Here {
            command: "qmgr".to_owned(),
            server: "here".to_owned(),
            zone: TimeZone::UTC,
            now: 0,
        };
        let mut edits = Vec::new();
        let mut set = |object: &Object, name: &str, value: &str| {
            let change = Change::Set { name: name.to_owned(), value: value.to_owned() };
            edits.push(Edit { object: object.clone(), change });
        };
        let mut settings = QueueSettings::default();
        for (name, kind, flag) in [
            ("lic", "long", "nh"),
            ("scratch", "size", "hf"),
            ("color", "string", "h"),
            ("seats", "long", "q"),
        ] {
            let kinds = [("type", kind), ("flag", flag)];
            let kinds = kinds.map(|(name, value)| (name.to_owned(), value.to_owned()));
            settings.resources.insert(name.to_owned(), Attributes(kinds.into()));
        }
        let node = Object::Node("here".to_owned());
        set(&node, "resources_available.lic", "5");
        set(&node, "resources_available.scratch", "2mb");
        set(&node, "resources_available.color", "red");
        set(&Object::Node("there".to_owned()), "resources_available.lic", "9");
        set(&Object::Server, "resources_available.seats", "3");
        let settings = settings.changed(&edits).unwrap();
        let text = configuration(&settings, &here);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "PBS_color = \"red\"",
                "MACHINE_RESOURCE_PBS_lic = 5",
                "MACHINE_RESOURCE_PBS_scratch = 2048",
                "STARTD_ATTRS = $(STARTD_ATTRS) PBS_color",
                "PBS_seats_LIMIT = 3",
            ]
        );
        for (of, name, exit) in [
            (Of::Node, "ncpus", Err(181)),
            (Of::Node, "nosuch", Err(187)),
            (Of::Node, "seats", Err(181)),
            (Of::Server, "lic", Err(181)),
            (Of::Server, "seats", Ok(())),
            (Of::Node, "lic", Ok(())),
        ] {
            assert_eq!(check(of, name, &settings).map_err(|(exit, _)| exit), exit, "{name}");
        }
    }
}
