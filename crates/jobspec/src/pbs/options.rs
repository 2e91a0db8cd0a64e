//! The options of `qsub`, from its command line and from directives: which there are, in what forms
//! they are written, and whose word counts. The command line goes before directives; resources and
//! attributes are compared one by one.

use std::collections::{BTreeMap, BTreeSet};

use model::diagnostic::Diagnostic;

use super::checks;
use super::refusal::{Refusal, code};
use super::submission::Caller;
use super::text;

/// Who says it: the greater goes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A line of the script.
    Directive,
    /// A word of the command line.
    CommandLine,
}

/// What options a command has: those with a value, but `-l` and `-W`, which are lists, and those
/// without one.
#[derive(Debug)]
pub(super) struct Taken {
    with_value: &'static str,
    without: &'static str,
}

const LISTS: &str = "lW";

/// `-t` is Torque's name for `-J`.
pub(super) const QSUB: Taken = Taken { with_value: "aACcejJkmMNopPqrRStuv", without: "fhIVXz" };

pub(super) const QALTER: Taken = Taken { with_value: "aAcehjkmMNoprRSuP", without: "" };

/// Everything that was said.
#[derive(Clone, Debug)]
pub(super) struct Options {
    taken: &'static Taken,
    values: BTreeMap<char, (Rank, String)>,
    flags: BTreeSet<char>,
    resources: Vec<(Rank, String, Option<String>)>,
    attributes: Vec<(Rank, String, String)>,
}

/// The words that are no options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Operands {
    /// Before `--`, or without one.
    pub(super) plain: Vec<String>,
    /// Behind `--`.
    pub(super) command: Option<Vec<String>>,
}

impl Options {
    /// Of a command that has these options.
    pub(super) fn of(taken: &'static Taken) -> Self {
        Self {
            taken,
            values: BTreeMap::new(),
            flags: BTreeSet::new(),
            resources: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Takes the words of a command line.
    ///
    /// # Errors
    /// If one is wrong: what, and how the command is used.
    pub(super) fn take_line(
        &mut self,
        words: &[String],
        caller: &dyn Caller,
    ) -> Result<Operands, Refusal> {
        self.take(Rank::CommandLine, words, caller).map_err(|wrong| Refusal::usage(&wrong))
    }

    /// Takes what stands behind a directive's prefix.
    ///
    /// # Errors
    /// If something of it is wrong, or no option.
    pub(super) fn take_directive(
        &mut self,
        directive: &str,
        caller: &dyn Caller,
    ) -> Result<(), Refusal> {
        let words = text::words(directive);
        let told = match &words {
            Some(words) => words.iter().map(|word| format!("{word} ")).collect(),
            None => format!("{} ", directive.trim_ascii()),
        };
        let mut wrong = match &words {
            None => vec![],
            Some(words) => match self.take(Rank::Directive, words, caller) {
                Ok(operands) if operands == Operands::default() => return Ok(()),
                Ok(_) => vec![],
                Err(wrong) => wrong,
            },
        };
        wrong.push(format!("directive error: {told}"));
        Err(Refusal::of(code::FAILED, wrong.into_iter().map(Diagnostic::error).collect()))
    }

    /// Takes words, and gives those that are no options, or what is wrong.
    pub(super) fn take(
        &mut self,
        rank: Rank,
        words: &[String],
        caller: &dyn Caller,
    ) -> Result<Operands, Vec<String>> {
        let mut operands = Operands::default();
        let mut wrong = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                operands.command = Some(words.by_ref().cloned().collect());
                break;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                operands.plain.push(word.clone());
                continue;
            };
            let mut rest = letters.chars();
            while let Some(option) = rest.next() {
                if self.taken.without.contains(option) {
                    self.flag(option, caller, &mut wrong);
                    continue;
                }
                if !self.taken.with_value.contains(option) && !LISTS.contains(option) {
                    wrong.push(format!("invalid option -- '{option}'"));
                    continue;
                }
                let attached = std::mem::replace(&mut rest, "".chars()).as_str();
                let value = match attached {
                    "" => words.next().map(String::as_str),
                    attached => Some(attached),
                };
                match value {
                    None => wrong.push(format!("option requires an argument -- '{option}'")),
                    Some(value) => wrong.extend(self.value(rank, option, value, caller).err()),
                }
            }
        }
        if wrong.is_empty() { Ok(operands) } else { Err(wrong) }
    }

    fn flag(&mut self, option: char, caller: &dyn Caller, wrong: &mut Vec<String>) {
        if option == 'X' && !caller.environ().contains_key("DISPLAY") {
            wrong.push("DISPLAY not set".to_owned());
        }
        if option == 'I' && self.values.contains_key(&'J') {
            let message = "interactive and array job submission cannot be used together";
            wrong.push(message.to_owned());
        }
        self.flags.insert(option);
    }

    fn value(
        &mut self,
        rank: Rank,
        option: char,
        value: &str,
        caller: &dyn Caller,
    ) -> Result<(), String> {
        let illegal = || format!("illegal -{option} value");
        let value = if "pmc".contains(option) { value.trim_start() } else { value };
        match option {
            'l' => {
                let list = text::resources(value).ok_or_else(illegal)?;
                self.resources.extend(list.into_iter().map(|(name, value)| (rank, name, value)));
            }
            'W' => {
                let list = text::attributes(value).ok_or_else(illegal)?;
                if !list.iter().all(|(name, value)| checks::is_attribute(name, value, caller)) {
                    return Err(illegal());
                }
                self.attributes.extend(list.into_iter().map(|(name, value)| (rank, name, value)));
            }
            _ => {
                let option = if option == 't' { 'J' } else { option };
                let before = self.values.get(&option).map(|(rank, _)| *rank);
                if before.is_some_and(|before| before > rank) {
                    return Ok(());
                }
                if !checks::is_value(option, value, caller) {
                    return Err(illegal());
                }
                self.values.insert(option, (rank, value.to_owned()));
            }
        }
        Ok(())
    }

    /// Whether the option without a value was given.
    pub(super) fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    /// The option's value.
    pub(super) fn get(&self, option: char) -> Option<&str> {
        self.values.get(&option).map(|(_, value)| value.as_str())
    }

    /// The resources that are asked for, each once: of the command line the last word counts, of
    /// directives the first.
    pub(super) fn resources(&self) -> Vec<(String, Option<String>)> {
        let mut all: Vec<(Rank, String, Option<String>)> = Vec::new();
        for (rank, name, value) in &self.resources {
            match all.iter_mut().find(|(_, known, _)| known == name) {
                None => all.push((*rank, name.clone(), value.clone())),
                Some(known) if *rank == Rank::CommandLine => known.2.clone_from(value),
                Some(_) => {}
            }
        }
        all.into_iter().map(|(_, name, value)| (name, value)).collect()
    }

    /// The attributes of `-W`, each once.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let mut all: Vec<(Rank, String, String)> = Vec::new();
        for (rank, name, value) in &self.attributes {
            match all.iter_mut().find(|(_, known, _)| known == name) {
                None => all.push((*rank, name.clone(), value.clone())),
                Some(known) if *rank >= known.0 => known.2.clone_from(value),
                Some(_) => {}
            }
        }
        all.into_iter().map(|(_, name, value)| (name, value)).collect()
    }
}
