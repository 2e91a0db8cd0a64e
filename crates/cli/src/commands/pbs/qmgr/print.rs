//! `print` of `qmgr`: the lines that would make what there is.

use std::fmt::Write as _;

use model::queues::{Denied, Form, KNOWN, Known, Of};

use super::language::Directive;
use super::{Manager, Meant};
use crate::render::pbs::listed::{Listed, Shown, Value};
use crate::render::pbs::queues;

impl Manager<'_> {
    pub(super) fn print(&mut self, of: Of, directive: &Directive, meant: &Meant) -> Result<(), u8> {
        let settings = self.settings()?;
        let nodes = if of == Of::Node { self.nodes()? } else { Vec::new() };
        let missing = meant.names().iter().find_map(|name| match of {
            Of::Queue => settings.queue(name).is_none().then_some((name, Denied::UnknownQueue)),
            Of::Resource => {
                let is_missing = !settings.resources.contains_key(name);
                is_missing.then_some((name, Denied::UnknownResource))
            }
            Of::Node => {
                let is_there = nodes.iter().any(|node| node.name == *name);
                (!is_there).then_some((name, Denied::UnknownNode))
            }
            Of::Server => None,
        });
        if let Some((name, denied)) = missing {
            return self.told(name, &denied);
        }
        let mut out = String::new();
        let is_whole = of == Of::Server && directive.attributes.is_empty();
        if of == Of::Resource || is_whole && !settings.resources.is_empty() {
            out += "#\n# Create resources and set their properties.\n#\n";
            let all = settings.resources.iter().filter(|(name, _)| is_whole || meant.has(name));
            for (name, resource) in all {
                let head = format!("#\n# Create and define resource {name}\n#\n");
                let _ = writeln!(out, "{head}create resource {name}");
                put_set(&mut out, Of::Resource, &format!("resource {name}"), resource, directive);
            }
        }
        if is_whole || of == Of::Queue {
            out += "#\n# Create queues and set their attributes.\n#\n";
            for (name, queue) in
                settings.queues.iter().filter(|(name, _)| is_whole || meant.has(name))
            {
                let _ =
                    write!(out, "#\n# Create and define queue {name}\n#\ncreate queue {name}\n");
                let queue = queues::with_flags(queue);
                put_set(&mut out, Of::Queue, &format!("queue {name}"), &queue, directive);
            }
        }
        if of == Of::Server {
            out += "#\n# Set server attributes.\n#\n";
            put_set(&mut out, Of::Server, "server", &settings.server, directive);
        }
        if of == Of::Node {
            out += "#\n# Create nodes and set their properties.\n#\n";
            for node in nodes.iter().filter(|node| meant.has(&node.name)) {
                put_node(&mut out, &node.listed(self.here, false), directive);
            }
        }
        self.here.print(&out)
    }
}

impl Directive {
    /// Those that it names, or all.
    pub(super) fn shown(&self, mut attributes: Vec<Shown>) -> Vec<Shown> {
        attributes.retain(|shown| self.asks_for(&shown.name));
        attributes
    }

    /// Whether it names the attribute, or none.
    fn asks_for(&self, attribute: &str) -> bool {
        let head = |name: &str| name.split('.').next() == Some(attribute);
        self.attributes.is_empty() || self.attributes.iter().any(|(name, _, _)| head(name))
    }
}

/// What is set of a machine, beside what it says itself.
const OF_NODES: [&str; 4] = ["state", "resources_available", "comment", "resv_enable"];

/// The lines that would make a machine known.
fn put_node(out: &mut String, node: &Listed, directive: &Directive) {
    let name = &node.name;
    let head = format!("#\n# Create and define node {name}\n#\n");
    let _ = writeln!(out, "{head}create node {name} Mom={name}");
    let wanted = directive.shown(node.attributes.clone());
    for Shown { name: attribute, value } in wanted {
        match value {
            Value::Parts(parts) if OF_NODES.contains(&attribute.as_str()) => {
                for (part, value) in parts {
                    let _ =
                        writeln!(out, "set node {name} {attribute}.{part} = {}", quoted(&value));
                }
            }
            Value::One(value) if OF_NODES.contains(&attribute.as_str()) => {
                let _ = writeln!(out, "set node {name} {attribute} = {}", quoted(&value));
            }
            Value::Parts(_) | Value::One(_) | Value::Words(_) | Value::Pairs(_) => {}
        }
    }
}

/// A value as a line has it.
fn quoted(value: &str) -> String {
    match value.contains([' ', ',', '"', '=']) {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}

/// The lines that would set those of these attributes that are asked for.
fn put_set(
    out: &mut String,
    of: Of,
    object: &str,
    attributes: &model::queues::Attributes,
    directive: &Directive,
) {
    let wanted = |known: &&Known| known.of == of && directive.asks_for(known.name);
    for known in KNOWN.iter().filter(wanted) {
        if known.form == Form::Resources {
            for (resource, value) in attributes.resources(known.name) {
                let _ = writeln!(out, "set {object} {}.{resource} = {value}", known.name);
            }
            continue;
        }
        let Some(value) = attributes.get(known.name) else { continue };
        let parts: Vec<String> = match known.form {
            Form::Words => attributes.words(known.name).map(str::to_owned).collect(),
            Form::Limits => {
                let limits = attributes.limits(known.name).0;
                let one = |limit| model::queues::Limits(vec![limit]).to_string();
                limits.into_iter().map(one).collect()
            }
            Form::Truth
            | Form::Number(..)
            | Form::Text
            | Form::Resources
            | Form::QueueType
            | Form::QueueName
            | Form::NodeState
            | Form::ResourceType
            | Form::Flags => vec![value.to_owned()],
        };
        for (nth, part) in parts.iter().enumerate() {
            let operator = if nth == 0 { "=" } else { "+=" };
            let part = if known.form == Form::Limits { part.clone() } else { quoted(part) };
            let _ = writeln!(out, "set {object} {} {operator} {part}", known.name);
        }
    }
}
