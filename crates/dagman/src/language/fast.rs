//! The commands that a large DAG is made of, in their plainest forms, taken apart without the
//! grammar.
//!
//! `cargo xtask bench dag` has the times of both in one run. It takes only what the grammar takes,
//! with the same result; the tests hold the two against each other, over the corpus and over random
//! lines.
//!
//! Knows no errors: a line that it does not take is the grammar's.

use std::borrow::Cow;
use std::str::FromStr;

use super::command::{Command, Keyword, NodeCommand, Pair, ScriptCommand, Word, Work};
use super::lines::Line;
use crate::workflow::{Abort, NodeKind, Retry, ScriptKind, VarPlace};

/// The command, or `None` if the grammar must look at the line.
pub(super) fn parse<'l>(line: &'l Line<'_>) -> Option<Command<'l>> {
    let mut words = Words { text: &line.text, at: 0 };
    words.next()?;
    match line.keyword? {
        Keyword::Job => job(words),
        Keyword::Parent => parent(words),
        Keyword::Vars => vars(words),
        Keyword::Script => script(words),
        Keyword::Retry => {
            let (node, max) = (words.next()?, words.number()?);
            words.end(Command::Retry { node, retry: Retry { max, ..Retry::default() } })
        }
        Keyword::Priority => {
            let (node, priority) = (words.next()?, words.number()?);
            words.end(Command::Priority { node, priority })
        }
        Keyword::Category => {
            let (node, category) = (words.next()?, words.next()?);
            words.end(Command::Category { node, category })
        }
        Keyword::PreSkip => {
            let (node, exit) = (words.next()?, words.number()?);
            words.end(Command::PreSkip { node, exit })
        }
        Keyword::AbortDagOn => {
            let (node, exit) = (words.next()?, words.number()?);
            words.end(Command::Abort { node, abort: Abort { exit, return_code: None } })
        }
        Keyword::Done => {
            let node = words.next()?;
            words.end(Command::Done { node })
        }
        _ => None,
    }
}

fn job(mut words: Words<'_>) -> Option<Command<'_>> {
    let (name, file) = (words.next()?, words.next()?);
    if file.text.starts_with('{') || file.text.starts_with("@=") {
        return None;
    }
    let (mut dir, mut noop, mut done) = (None, false, false);
    while !words.is_over() {
        let option = words.next()?;
        if option.text.eq_ignore_ascii_case("NOOP") {
            noop = true;
        } else if option.text.eq_ignore_ascii_case("DONE") {
            done = true;
        } else if option.text.eq_ignore_ascii_case("DIR") && dir.is_none() {
            dir = Some(words.next()?);
        } else {
            return None;
        }
    }
    let work = Work::File(file);
    let kind = NodeKind::Job;
    Some(Command::Node(NodeCommand { kind, name, work, dir, noop, done, map: None }))
}

fn parent(mut words: Words<'_>) -> Option<Command<'_>> {
    let (mut parents, mut children) = (Vec::with_capacity(1), Vec::with_capacity(1));
    let mut behind_child = false;
    while !words.is_over() {
        let word = words.next()?;
        if word.text.eq_ignore_ascii_case("CHILD") {
            behind_child = true;
        } else if behind_child {
            children.push(word);
        } else {
            parents.push(word);
        }
    }
    let whole = !parents.is_empty() && !children.is_empty();
    whole.then_some(Command::Parent { weak: false, parents, children })
}

/// `name="value"`, as often as one likes, with nothing to resolve in a value.
fn vars(mut words: Words<'_>) -> Option<Command<'_>> {
    let node = words.next()?;
    let mut pairs = Vec::with_capacity(2);
    while !words.is_over() {
        let (text, at) = (words.text, words.at);
        let rest = &text[at..];
        let (name, value) = rest.split_once("=\"")?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let begins = |with: &str| {
            name.as_bytes().get(..5).is_some_and(|n| n.eq_ignore_ascii_case(with.as_bytes()))
        };
        let has_letter = name.bytes().any(|b| b.is_ascii_alphanumeric());
        if !has_letter || !name.bytes().all(is_plain) || begins("queue") {
            return None;
        }
        let value = &value[..value.find('"')?];
        words.at += name.len() + value.len() + 3;
        let is_apart = words.at == text.len() || matches!(text.as_bytes()[words.at], b' ' | b'\t');
        if !is_apart || value.contains(['\\', '\r', '\n']) {
            return None;
        }
        words.skip_blanks();
        let name = Word { text: Cow::Borrowed(name), at };
        pairs.push(Pair { name, value: Cow::Borrowed(value) });
    }
    let place = VarPlace::Default;
    (!pairs.is_empty()).then_some(Command::Vars { node, place, pairs })
}

fn script(mut words: Words<'_>) -> Option<Command<'_>> {
    let kind = words.next()?.text;
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    let kind = if is("PRE") {
        ScriptKind::Pre
    } else if is("POST") {
        ScriptKind::Post
    } else if is("HOLD") {
        ScriptKind::Hold
    } else {
        return None;
    };
    let node = words.next()?;
    let line = words.text[words.at..].trim_end_matches([' ', '\t']);
    if line.is_empty() || line.contains(['\r', '\n']) {
        return None;
    }
    let command_line = Cow::Borrowed(line);
    Some(Command::Script(ScriptCommand { node, kind, command_line, defer: None, debug: None }))
}

/// The words between blanks; `at` is where the next begins.
struct Words<'l> {
    text: &'l str,
    at: usize,
}

impl<'l> Words<'l> {
    /// `None` at the end, and for a word that the grammar might read otherwise.
    fn next(&mut self) -> Option<Word<'l>> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut end = start;
        while let Some(byte) = bytes.get(end).filter(|b| !matches!(b, b' ' | b'\t')) {
            if matches!(byte, b'"' | b'\'' | b'\\' | b'\r' | b'\n') {
                return None;
            }
            end += 1;
        }
        self.at = end;
        self.skip_blanks();
        (end > start).then(|| Word { text: Cow::Borrowed(&self.text[start..end]), at: start })
    }

    /// A number that is nothing else, and small enough for every use.
    fn number<N: FromStr>(&mut self) -> Option<N> {
        let word = self.next()?.text;
        let digits = word.strip_prefix('-').unwrap_or(&word);
        let plain = (1..10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { word.parse().ok() } else { None }
    }

    /// The command, if nothing follows.
    fn end(&self, command: Command<'l>) -> Option<Command<'l>> {
        self.is_over().then_some(command)
    }

    fn is_over(&self) -> bool {
        self.at == self.text.len()
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    }
}
