//! The language of `qmgr`: `set queue small resources_max.ncpus = 2, enabled = true`.

use model::queues::Of;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Delete,
    Set,
    Unset,
    List,
    Print,
    Quit,
    Help,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Attributed(Of),
    /// The one scheduler.
    Sched,
    /// What OpenPBS has and this program does not.
    Missing(&'static str),
}

/// How a value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assign {
    Set,
    Add,
    Remove,
}

/// An attribute, with its value if the operation sets one, and where it begins in the line.
pub(super) type Attribute = (String, Option<(Assign, String)>, usize);

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) operation: Operation,
    pub(super) object: ObjectKind,
    /// All, if there are none.
    pub(super) names: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Operation(String),
    Object(String),
    /// At this character of the line.
    Syntax(usize),
}

const OPERATIONS: [(&str, Operation); 9] = [
    ("create", Operation::Create),
    ("delete", Operation::Delete),
    ("set", Operation::Set),
    ("unset", Operation::Unset),
    ("list", Operation::List),
    ("print", Operation::Print),
    ("quit", Operation::Quit),
    ("exit", Operation::Quit),
    ("help", Operation::Help),
];

const OBJECTS: [(&str, ObjectKind); 7] = [
    ("server", ObjectKind::Attributed(Of::Server)),
    ("queue", ObjectKind::Attributed(Of::Queue)),
    ("node", ObjectKind::Attributed(Of::Node)),
    ("sched", ObjectKind::Sched),
    ("hook", ObjectKind::Missing("hook")),
    ("pbshook", ObjectKind::Missing("pbshook")),
    ("resource", ObjectKind::Attributed(Of::Resource)),
];

/// Reads a line; nothing for one that is empty or a comment.
pub(super) fn read(line: &str) -> Result<Option<Directive>, Wrong> {
    let mut text = Reader { line, at: 0 };
    let Some(word) = text.word() else { return Ok(None) };
    if word.starts_with('#') {
        return Ok(None);
    }
    let operation = if word == "?" { Some(Operation::Help) } else { beginning(&OPERATIONS, word) };
    let operation = operation.ok_or_else(|| Wrong::Operation(word.to_owned()))?;
    let mut directive = Directive {
        operation,
        object: ObjectKind::Attributed(Of::Server),
        names: Vec::new(),
        attributes: Vec::new(),
    };
    if matches!(operation, Operation::Quit | Operation::Help) {
        return Ok(Some(directive));
    }
    let Some(word) = text.word() else { return Err(Wrong::Syntax(line.len())) };
    directive.object = beginning(&OBJECTS, word).ok_or_else(|| Wrong::Object(word.to_owned()))?;
    if !text.is_assignment_next() || matches!(operation, Operation::Create | Operation::Delete) {
        let is_unset_of_server =
            operation == Operation::Unset && directive.object == ObjectKind::Attributed(Of::Server);
        if !is_unset_of_server && let Some(names) = text.word() {
            let named = names.split(',').map(|name| name.split('@').next().unwrap_or_default());
            directive.names = named.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        }
    }
    directive.attributes = text.attributes()?;
    Ok(Some(directive))
}

/// What a word begins, if it is one of these: `s` is `set`, and `server`.
fn beginning<T: Copy>(known: &[(&str, T)], word: &str) -> Option<T> {
    let word = word.to_ascii_lowercase();
    let exact = known.iter().find(|(name, _)| *name == word);
    exact.or_else(|| known.iter().find(|(name, _)| name.starts_with(&word))).map(|(_, what)| *what)
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let word = self.rest().split_whitespace().next()?;
        self.at += word.len();
        Some(word)
    }

    /// Whether `NAME =` follows: then the server is meant.
    fn is_assignment_next(&mut self) -> bool {
        self.skip_blanks();
        let (_, behind) = name_of(self.rest());
        operator(behind.trim_start()).is_some()
    }

    fn attributes(&mut self) -> Result<Vec<Attribute>, Wrong> {
        let mut all = Vec::new();
        loop {
            self.skip_blanks();
            if self.rest().is_empty() {
                return Ok(all);
            }
            let (name, _) = name_of(self.rest());
            if name.is_empty() {
                return Err(Wrong::Syntax(self.at));
            }
            self.at += name.len();
            self.skip_blanks();
            let value = match operator(self.rest()) {
                None => None,
                Some((assign, length)) => {
                    self.at += length;
                    Some((assign, self.value()?))
                }
            };
            all.push((name.to_owned(), value, self.at));
            self.skip_blanks();
            if self.rest().is_empty() {
                return Ok(all);
            }
            if !self.rest().starts_with(',') {
                return Err(Wrong::Syntax(self.at));
            }
            self.at += 1;
        }
    }

    /// A value in quotes, or up to a comma behind which another attribute begins.
    fn value(&mut self) -> Result<String, Wrong> {
        self.skip_blanks();
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| ['"', '\''].contains(c)) {
            let inside = &rest[1..];
            let end = inside.find(quote).ok_or(Wrong::Syntax(self.line.len()))?;
            self.at += end + 2;
            return Ok(inside[..end].to_owned());
        }
        let is_next = |(place, _): &(usize, &str)| {
            let (name, behind) = name_of(rest[place + 1..].trim_start());
            !name.is_empty() && operator(behind.trim_start()).is_some()
        };
        let end = rest.match_indices(',').find(is_next).map_or(rest.len(), |(place, _)| place);
        self.at += end;
        Ok(rest[..end].trim_end().to_owned())
    }
}

/// The name of an attribute that a text begins with, and what is behind it.
fn name_of(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let mut end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    // A minus may belong to what follows: `-=`.
    if text[end..].starts_with('=') && text[..end].ends_with('-') {
        end -= 1;
    }
    text.split_at(end)
}

fn operator(text: &str) -> Option<(Assign, usize)> {
    let all = [("+=", Assign::Add), ("-=", Assign::Remove), ("=", Assign::Set)];
    all.iter().find(|(word, _)| text.starts_with(word)).map(|(word, how)| (*how, word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, names: &[&str], attributes: &[(&str, &str)]) {
        let directive = read(line).unwrap().unwrap();
        assert_eq!(directive.names, names, "{line}");
        let found: Vec<(String, String)> = directive
            .attributes
            .into_iter()
            .map(|(name, value, _)| (name, value.map_or(String::new(), |(_, text)| text)))
            .collect();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, attributes, "{line}");
    }

    #[test]
    fn directives_name_objects_and_set_attributes() {
        check("set queue a,b enabled = true", &["a", "b"], &[("enabled", "true")]);
        check(
            "s q a resources_max.ncpus=2, started=t",
            &["a"],
            &[("resources_max.ncpus", "2"), ("started", "t")],
        );
        check("set server scheduling=false", &[], &[("scheduling", "false")]);
        check(
            "create queue q queue_type=e,enabled=t",
            &["q"],
            &[("queue_type", "e"), ("enabled", "t")],
        );
        check("set queue q acl_users = \"a, b\"", &["q"], &[("acl_users", "a, b")]);
        check(
            "set q q max_run=[u:PBS_GENERIC=2],[o:PBS_ALL=3]",
            &["q"],
            &[("max_run", "[u:PBS_GENERIC=2],[o:PBS_ALL=3]")],
        );
        check("unset queue q max_run, comment", &["q"], &[("max_run", ""), ("comment", "")]);
        check("unset server comment", &[], &[("comment", "")]);
        check("list queue", &[], &[]);
        check("list queue @default", &[], &[]);
        let less = read("set queue q acl_users -= bob").unwrap().unwrap();
        assert_eq!(less.attributes[0].1, Some((Assign::Remove, "bob".to_owned())));
    }

    #[test]
    fn what_is_no_directive_is_said() {
        assert_eq!(read("bogus"), Err(Wrong::Operation("bogus".to_owned())));
        assert_eq!(read("set foo"), Err(Wrong::Object("foo".to_owned())));
        assert_eq!(read("set"), Err(Wrong::Syntax(3)));
        assert_eq!(read("set queue q a=\"x"), Err(Wrong::Syntax(16)));
        assert_eq!(read(" # set"), Ok(None));
        assert_eq!(read(""), Ok(None));
    }
}
