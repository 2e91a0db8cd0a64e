//! The language of `qmgr`: `set queue small resources_max.ncpus = 2, enabled = true`.

use model::queues::Of;

use super::names;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Delete,
    Set,
    Unset,
    List,
    Print,
    /// What later lines mean that name nothing.
    Active,
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

/// Which objects a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// It names none.
    Active,
    /// `@default`: those of a server.
    All,
    These(Vec<String>),
}

impl Names {
    /// Those that are named.
    pub(super) fn these(&self) -> &[String] {
        match self {
            Self::Active | Self::All => &[],
            Self::These(names) => names,
        }
    }
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) operation: Operation,
    pub(super) object: ObjectKind,
    pub(super) names: Names,
    /// The servers that are named behind `@`.
    pub(super) servers: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Operation(String),
    Object(String),
    NoObject,
    /// At this character of the line.
    Syntax(usize),
}

const OPERATIONS: [(&str, Operation); 10] = [
    ("create", Operation::Create),
    ("delete", Operation::Delete),
    ("set", Operation::Set),
    ("unset", Operation::Unset),
    ("list", Operation::List),
    ("print", Operation::Print),
    ("active", Operation::Active),
    ("quit", Operation::Quit),
    ("exit", Operation::Quit),
    ("help", Operation::Help),
];

const OBJECTS: [(&str, ObjectKind); 9] = [
    ("server", ObjectKind::Attributed(Of::Server)),
    ("queue", ObjectKind::Attributed(Of::Queue)),
    ("queues", ObjectKind::Attributed(Of::Queue)),
    ("node", ObjectKind::Attributed(Of::Node)),
    ("nodes", ObjectKind::Attributed(Of::Node)),
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
        names: Names::Active,
        servers: Vec::new(),
        attributes: Vec::new(),
    };
    if matches!(operation, Operation::Quit | Operation::Help) {
        return Ok(Some(directive));
    }
    let Some(word) = text.word() else { return Err(Wrong::NoObject) };
    directive.object = beginning(&OBJECTS, word).ok_or_else(|| Wrong::Object(word.to_owned()))?;
    if !text.is_attribute_next(directive.object) || matches!(operation, Operation::Create) {
        directive.take_names(text.word());
    }
    directive.attributes = text.attributes()?;
    Ok(Some(directive))
}

impl Directive {
    /// `a,b@server`, and `@server`.
    fn take_names(&mut self, word: Option<&str>) {
        let Some(word) = word else { return };
        let parts = word.split(',').map(|name| name.split_once('@').unwrap_or((name, "")));
        let (names, servers): (Vec<&str>, Vec<&str>) = parts.unzip();
        let owned = |words: Vec<&str>| -> Vec<String> {
            words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        self.names = match names.contains(&"") {
            true => Names::All,
            false => Names::These(owned(names)),
        };
        self.servers = owned(servers);
    }
}

/// The commands of a line: `;` stands between them, and behind a `#` nothing is meant, unless they
/// are in quotes.
pub(super) fn commands(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let (mut begin, mut quote, mut is_behind_blank) = (0, None, true);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, ';') => {
                all.push(&line[begin..at]);
                begin = at + 1;
            }
            (None, '#') if is_behind_blank => {
                all.push(&line[begin..at]);
                return all;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None | Some(_), _) => {}
        }
        is_behind_blank = c.is_whitespace() || c == ';';
    }
    all.push(&line[begin..]);
    all
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

    /// Whether no name follows but an attribute of these objects: `NAME =`, or one that is known.
    fn is_attribute_next(&mut self, object: ObjectKind) -> bool {
        self.skip_blanks();
        let (name, behind) = name_of(self.rest());
        let is_assigned = operator(behind.trim_start()).is_some();
        let is_whole = behind.is_empty() || behind.starts_with([',', ' ', '\t']);
        let is_known = match object {
            ObjectKind::Attributed(Of::Resource) | ObjectKind::Sched | ObjectKind::Missing(_) => {
                false
            }
            ObjectKind::Attributed(of) => is_whole && names::is_attribute(of, name),
        };
        is_assigned || is_known
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

    fn these(names: &[&str]) -> Names {
        Names::These(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn check(line: &str, names: &[&str], attributes: &[(&str, &str)]) {
        check_of(line, &these(names), attributes);
    }

    fn check_of(line: &str, names: &Names, attributes: &[(&str, &str)]) {
        let directive = read(line).unwrap().unwrap();
        assert_eq!(directive.names, *names, "{line}");
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
        let none = Names::Active;
        check_of("set server scheduling=false", &none, &[("scheduling", "false")]);
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
        check_of("unset server comment", &none, &[("comment", "")]);
        check_of("p s default_queue", &none, &[("default_queue", "")]);
        check_of("list server scheduling, comment", &none, &[("scheduling", ""), ("comment", "")]);
        check("list server default", &["default"], &[]);
        check_of("list queue enabled", &none, &[("enabled", "")]);
        check("list queue workq enabled", &["workq"], &[("enabled", "")]);
        check_of("list queues", &none, &[]);
        check_of("list queue @default", &Names::All, &[]);
        check_of("print nodes @default", &Names::All, &[]);
        check("active queue a@default", &["a"], &[]);
        let less = read("set queue q acl_users -= bob").unwrap().unwrap();
        assert_eq!(less.attributes[0].1, Some((Assign::Remove, "bob".to_owned())));
    }

    #[test]
    fn what_is_no_directive_is_said() {
        assert_eq!(read("bogus"), Err(Wrong::Operation("bogus".to_owned())));
        assert_eq!(read("set foo"), Err(Wrong::Object("foo".to_owned())));
        assert_eq!(read("set"), Err(Wrong::NoObject));
        assert_eq!(read("set queue q a=\"x"), Err(Wrong::Syntax(16)));
        assert_eq!(read(" # set"), Ok(None));
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn a_line_may_have_several_commands_and_a_comment() {
        for (line, expected) in [
            ("set server a=1", &["set server a=1"][..]),
            ("a; b ;c", &["a", " b ", "c"]),
            ("set server comment = \"a;b # c\"; d", &["set server comment = \"a;b # c\"", " d"]),
            ("a # b; c", &["a "]),
            ("a#b", &["a#b"]),
            ("# all", &[""]),
            ("", &[""]),
        ] {
            assert_eq!(commands(line), expected, "{line}");
        }
    }
}
