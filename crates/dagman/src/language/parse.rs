//! A line to a command, by `grammar/dag.pest`.
//!
//! What a rule does not take is said by `explain`.

use std::borrow::Cow;

use pest::Parser;
use pest::iterators::Pair as Match;

use super::command::{
    Command, ItemsCommand, Keyword, MapCommand, NodeCommand, OptionalOnOff, Pair, PinSide,
    ScriptCommand, Word, Work,
};
use super::explain::{
    self, AT_ONCE, EXIT_STATUS, LEAST, MAX_RETRIES, PAUSE, RETURN_CODE, UNLESS_EXIT,
};
use super::fast;
use super::lines::{Line, says_nothing};
use crate::workflow::{
    Abort, Causes, Defer, NodeKind, Pause, Retry, ScriptKind, ScriptStream, Tolerance,
    ToleranceLimit, VarPlace, WhenExceeded,
};

/// The parser that pest makes of the grammar. Its rules stay inside this module and `explain`.
#[derive(pest_derive::Parser)]
#[grammar = "../../grammar/dag.pest"]
pub(super) struct DagParser;

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where in the line, in bytes.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Takes a line apart.
///
/// # Errors
/// If it is no command, with what would be one.
pub fn parse<'l>(line: &'l Line<'_>) -> Result<Command<'l>, Refusal> {
    match fast::parse(line) {
        Some(command) => Ok(command),
        None => by_grammar(line),
    }
}

/// The same by the grammar alone, which says what a line means: [`parse`] only is faster.
///
/// # Errors
/// If it is no command, with what would be one.
pub fn by_grammar<'l>(line: &'l Line<'_>) -> Result<Command<'l>, Refusal> {
    let Some(keyword) = line.keyword else { return Err(explain::unknown_command(line)) };
    if let Some(closer) = &line.unclosed {
        return Err(explain::unclosed(line, closer));
    }
    let mut pairs = DagParser::parse(rule(keyword), &line.text)
        .map_err(|_| explain::explain(keyword, &line.text))?;
    let inner = pairs.next().map(|pair| pair.into_inner().collect()).unwrap_or_default();
    command(keyword, &Parts(inner))
}

pub(super) fn rule(keyword: Keyword) -> Rule {
    match keyword {
        Keyword::Job => Rule::job,
        Keyword::Map => Rule::map,
        Keyword::Parent | Keyword::Weak => Rule::parent,
        Keyword::Vars => Rule::vars,
        Keyword::Script => Rule::script,
        Keyword::Retry => Rule::retry,
        Keyword::Subdag => Rule::subdag,
        Keyword::Splice => Rule::splice,
        Keyword::Final => Rule::r#final,
        Keyword::Service => Rule::service,
        Keyword::Provisioner => Rule::provisioner,
        Keyword::SubmitDescription => Rule::submit_description,
        Keyword::Priority => Rule::priority,
        Keyword::Category => Rule::category,
        Keyword::MaxJobs => Rule::max_jobs,
        Keyword::PreSkip => Rule::pre_skip,
        Keyword::AbortDagOn => Rule::abort_dag_on,
        Keyword::Tolerance => Rule::tolerance,
        Keyword::Done => Rule::done,
        Keyword::SkipUnchanged => Rule::skip_unchanged,
        Keyword::SavePointFile => Rule::save_point_file,
        Keyword::Include => Rule::include,
        Keyword::Config => Rule::config,
        Keyword::Env => Rule::env,
        Keyword::SetJobAttr => Rule::set_job_attr,
        Keyword::Reject => Rule::reject,
        Keyword::Dot => Rule::dot,
        Keyword::NodeStatusFile => Rule::node_status_file,
        Keyword::JobstateLog => Rule::jobstate_log,
        Keyword::Connect => Rule::connect,
        Keyword::PinIn => Rule::pin_in,
        Keyword::PinOut => Rule::pin_out,
    }
}

/// What the grammar found in a command, in order.
struct Parts<'l>(Vec<Match<'l, Rule>>);

impl<'l> Parts<'l> {
    fn of(part: Match<'l, Rule>) -> Self {
        Self(part.into_inner().collect())
    }

    /// What is said twice in a line: the last counts.
    fn find(&self, rule: Rule) -> Option<Match<'l, Rule>> {
        self.0.iter().rfind(|part| part.as_rule() == rule).cloned()
    }

    fn has(&self, rule: Rule) -> bool {
        self.find(rule).is_some()
    }

    fn all(&self, rule: Rule) -> impl Iterator<Item = Word<'l>> {
        self.0.iter().filter(move |part| part.as_rule() == rule).map(word)
    }

    fn word(&self, rule: Rule) -> Word<'l> {
        self.optional_word(rule).unwrap_or(Word { text: Cow::Borrowed(""), at: 0 })
    }

    fn optional_word(&self, rule: Rule) -> Option<Word<'l>> {
        self.find(rule).as_ref().map(word)
    }

    /// The text of a file or folder: quotes are not part of it, wherever they stand.
    fn path(&self, rule: Rule) -> Word<'l> {
        self.optional_path(rule).unwrap_or(Word { text: Cow::Borrowed(""), at: 0 })
    }

    fn optional_path(&self, rule: Rule) -> Option<Word<'l>> {
        self.find(rule).map(|part| resolved(&part, Quotes::Go))
    }

    /// The files of all parts of a rule.
    fn paths(&self, rule: Rule, inner: Rule) -> Vec<Word<'l>> {
        let parts = self.0.iter().filter(|part| part.as_rule() == rule);
        let files = parts.flat_map(|part| part.clone().into_inner());
        let files = files.filter(|part| part.as_rule() == inner);
        files.map(|part| resolved(&part, Quotes::Go)).collect()
    }

    fn text(&self, rule: Rule) -> &'l str {
        self.find(rule).map(|part| part.as_str()).unwrap_or_default()
    }

    /// A number in the range of its use.
    fn number<N: TryFrom<i64>>(&self, rule: Rule, what: &str) -> Result<N, Refusal> {
        let part = self.find(rule);
        let (text, at) = part.map_or(("", 0), |part| (part.as_str(), part.as_span().start()));
        let digits_start = usize::from(text.starts_with(['-', '+']));
        let digits = text[digits_start..].find(|c: char| !c.is_ascii_digit());
        let digits = &text[..digits.map_or(text.len(), |end| digits_start + end)];
        let value = digits.trim_start_matches('+').parse::<i64>().ok();
        value.and_then(|value| N::try_from(value).ok()).ok_or_else(|| Refusal {
            at,
            message: explain::invalid(what, text),
            hint: Some("the number is too large".to_owned()),
        })
    }
}

fn command<'l>(keyword: Keyword, parts: &Parts<'l>) -> Result<Command<'l>, Refusal> {
    let node = || parts.word(Rule::node);
    Ok(match keyword {
        Keyword::Job => Command::Node(node_command(NodeKind::Job, parts)),
        Keyword::Map => Command::Node(map_command(parts)?),
        Keyword::Subdag => Command::Node(node_command(NodeKind::Subdag, parts)),
        Keyword::Final => Command::Node(node_command(NodeKind::Final, parts)),
        Keyword::Service => Command::Node(node_command(NodeKind::Service, parts)),
        Keyword::Provisioner => Command::Node(node_command(NodeKind::Provisioner, parts)),
        Keyword::SubmitDescription => Command::SubmitDescription {
            name: parts.word(Rule::description_name),
            text: inline_text(parts).unwrap_or_default(),
        },
        Keyword::Splice => Command::Splice {
            name: parts.word(Rule::splice_name),
            file: parts.path(Rule::dag_file),
            dir: parts.find(Rule::dir).map(|dir| Parts::of(dir).path(Rule::folder)),
        },
        Keyword::Include => Command::Include { file: parts.path(Rule::file) },
        Keyword::Parent | Keyword::Weak => Command::Parent {
            weak: parts.has(Rule::weak),
            parents: parts.all(Rule::parent_node).collect(),
            children: parts.all(Rule::child_node).collect(),
        },
        Keyword::Connect => {
            let mut splices = parts.all(Rule::splice_name);
            let mut splice = || splices.next().unwrap_or_else(|| parts.word(Rule::splice_name));
            Command::Connect { parent: splice(), child: splice() }
        }
        Keyword::PinIn => pin(PinSide::In, parts)?,
        Keyword::PinOut => pin(PinSide::Out, parts)?,
        Keyword::Script => Command::Script(script(parts)?),
        Keyword::Retry => Command::Retry { node: node(), retry: retry(parts)? },
        Keyword::Vars => vars(parts)?,
        Keyword::Priority => Command::Priority {
            node: node(),
            priority: parts.number(Rule::priority_value, "priority value")?,
        },
        Keyword::Category => {
            Command::Category { node: node(), category: parts.word(Rule::category_name) }
        }
        Keyword::MaxJobs => Command::MaxJobs {
            category: parts.word(Rule::category_name),
            limit: parts.number(Rule::limit, "throttle limit")?,
        },
        Keyword::PreSkip => {
            Command::PreSkip { node: node(), exit: parts.number(Rule::exit_code, "exit code")? }
        }
        Keyword::AbortDagOn => Command::Abort { node: node(), abort: abort(parts)? },
        Keyword::Tolerance => Command::Tolerance { node: node(), tolerance: tolerance(parts)? },
        Keyword::Done => Command::Done { node: node() },
        Keyword::SkipUnchanged => Command::SkipUnchanged {
            node: node(),
            needs: parts.paths(Rule::needs, Rule::needed_file),
            makes: parts.paths(Rule::makes, Rule::made_file),
        },
        Keyword::SavePointFile => {
            Command::SavePoint { node: node(), file: parts.optional_path(Rule::file) }
        }
        Keyword::Config => Command::Config { file: parts.path(Rule::file) },
        Keyword::Env => env(parts),
        Keyword::SetJobAttr => Command::SetJobAttr(Cow::Borrowed(parts.text(Rule::attribute_line))),
        Keyword::Reject => Command::Reject,
        Keyword::Dot => dot(parts),
        Keyword::NodeStatusFile => node_status_file(parts)?,
        Keyword::JobstateLog => Command::JobstateLog { file: parts.path(Rule::file) },
    })
}

fn node_status_file<'l>(parts: &Parts<'l>) -> Result<Command<'l>, Refusal> {
    let seconds = match parts.has(Rule::seconds) {
        true => Some(parts.number(Rule::seconds, "time")?),
        false => None,
    };
    let (file, always_update) = (parts.path(Rule::file), parts.has(Rule::always_update));
    Ok(Command::NodeStatusFile { file, seconds, always_update })
}

fn node_command<'l>(kind: NodeKind, parts: &Parts<'l>) -> NodeCommand<'l> {
    let description = parts.find(Rule::description).map(Parts::of);
    let work = match (&description, parts.optional_path(Rule::dag_file)) {
        (Some(description), _) => match inline_text(description) {
            Some(text) => Work::Inline(text),
            None => Work::File(description.path(Rule::submit_file)),
        },
        (None, file) => Work::File(file.unwrap_or_else(|| parts.word(Rule::node))),
    };
    NodeCommand {
        kind,
        name: parts.word(Rule::node),
        work,
        dir: parts.find(Rule::dir).map(|dir| Parts::of(dir).path(Rule::folder)),
        noop: parts.has(Rule::noop),
        done: parts.has(Rule::done_mark),
        map: None,
    }
}

fn map_command<'l>(parts: &Parts<'l>) -> Result<NodeCommand<'l>, Refusal> {
    let map = Some(map(parts)?);
    Ok(NodeCommand { map, ..node_command(NodeKind::Job, parts) })
}

fn map<'l>(parts: &Parts<'l>) -> Result<MapCommand<'l>, Refusal> {
    let over = parts.find(Rule::over).map_or(Parts(Vec::new()), Parts::of);
    let names: Vec<Word<'l>> = parts
        .find(Rule::item_names)
        .map(|part| Parts::of(part).all(Rule::item_name).collect())
        .unwrap_or_default();
    let over = match over.optional_path(Rule::item_file) {
        Some(file) => ItemsCommand::File(item_file(file)?),
        None => ItemsCommand::List(Cow::Borrowed(over.text(Rule::item_list))),
    };
    for name in &names {
        may_name_items(name)?;
    }
    if let (ItemsCommand::List(_), [_, second, ..]) = (&over, &names[..]) {
        let message = "The items of a list in the line have one name".to_owned();
        let hint = "OVER FILE AS NAME,NAME has an item of several columns in each line of a file";
        return Err(Refusal { at: second.at, message, hint: Some(hint.to_owned()) });
    }
    let at_once = parts.find(Rule::at_once).map(Parts::of);
    let at_once = at_once.map(|parts| parts.number(Rule::jobs_at_once, AT_ONCE));
    let least = parts.find(Rule::least).map(least).transpose()?;
    Ok(MapCommand { over, names, least, at_once: at_once.transpose()? })
}

/// Behind `queue ... from`, some names are no files.
fn item_file(file: Word<'_>) -> Result<Word<'_>, Refusal> {
    let is_other = file.text.ends_with('|') || file.text.starts_with(['(', '[']);
    if is_other || matches!(&*file.text, "" | "-") {
        let message = format!("'{}' is no list", file.text);
        let hint = "OVER takes a file, or items between parentheses: OVER (a b c)".to_owned();
        return Err(Refusal { at: file.at, message, hint: Some(hint) });
    }
    Ok(file)
}

/// Some words mean something else where the name comes to stand.
fn may_name_items(name: &Word<'_>) -> Result<(), Refusal> {
    let lower = name.text.to_ascii_lowercase();
    if lower.starts_with("queue") || matches!(&*lower, "in" | "from" | "matching") {
        return Err(Refusal {
            at: name.at,
            message: format!("Illegal name '{}' of items", name.text),
            hint: Some("in, from, matching and what begins with queue name no items".to_owned()),
        });
    }
    Ok(())
}

fn least(part: Match<'_, Rule>) -> Result<u32, Refusal> {
    let parts = Parts::of(part);
    let percent = parts.number(Rule::percentage, LEAST)?;
    if percent > 100 {
        let word = parts.word(Rule::percentage);
        let message = explain::invalid(LEAST, &word.text);
        return Err(Refusal { at: word.at, message, hint: None });
    }
    Ok(percent)
}

/// The lines of an inline description that say something, without the line ends at both its ends.
fn inline_text<'l>(parts: &Parts<'l>) -> Option<Cow<'l, str>> {
    let inline = Parts::of(parts.find(Rule::inline)?);
    let text = match inline.find(Rule::tagged_text) {
        Some(text) => text.as_str(),
        None => inline.text(Rule::braced_text),
    };
    let text = text.trim_end_matches([' ', '\t']);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.trim_start_matches([' ', '\t', '\r']);
    let text = text.strip_prefix('\n').unwrap_or(text).trim_end_matches('\r');
    if !text.lines().any(says_nothing) {
        return Some(Cow::Borrowed(text));
    }
    let lines: Vec<&str> = text.split('\n').filter(|line| !says_nothing(line)).collect();
    Some(Cow::Owned(lines.join("\n")))
}

fn pin<'l>(side: PinSide, parts: &Parts<'l>) -> Result<Command<'l>, Refusal> {
    let number = parts.number(Rule::pin_number, "pin number")?;
    Ok(Command::Pin { side, node: parts.word(Rule::node), number })
}

fn script<'l>(parts: &Parts<'l>) -> Result<ScriptCommand<'l>, Refusal> {
    let kind = match first_letter(parts.text(Rule::script_kind)) {
        'H' => ScriptKind::Hold,
        _ if parts.text(Rule::script_kind).eq_ignore_ascii_case("PRE") => ScriptKind::Pre,
        _ => ScriptKind::Post,
    };
    let defer = parts.find(Rule::defer).map(Parts::of);
    let defer = defer.map(|defer| {
        let status = defer.number(Rule::defer_status, "DEFER status value")?;
        let seconds: i64 = defer.number(Rule::defer_seconds, "DEFER time value")?;
        // HTCondor takes a time before now, and starts the script at once
        Ok(Defer { status, seconds: u32::try_from(seconds.max(0)).unwrap_or(u32::MAX) })
    });
    let debug = parts.find(Rule::debug).map(Parts::of).map(|debug| {
        let stream = debug.text(Rule::stream);
        let stream = if stream.eq_ignore_ascii_case("STDOUT") {
            ScriptStream::Stdout
        } else if stream.eq_ignore_ascii_case("STDERR") {
            ScriptStream::Stderr
        } else {
            ScriptStream::All
        };
        (debug.path(Rule::debug_file), stream)
    });
    Ok(ScriptCommand {
        node: parts.word(Rule::node),
        kind,
        command_line: Cow::Borrowed(parts.text(Rule::command_line)),
        defer: defer.transpose()?,
        debug,
    })
}

fn retry(parts: &Parts<'_>) -> Result<Retry, Refusal> {
    let max = parts.number(Rule::max_retries, MAX_RETRIES)?;
    let unless = parts.find(Rule::unless_exit).map(Parts::of);
    let unless = unless.map(|parts| parts.number(Rule::exit_code, UNLESS_EXIT));
    Ok(Retry {
        max,
        unless_exit: unless.transpose()?,
        causes: parts.find(Rule::retry_on).map(Parts::of).map(|on| causes(&on)).transpose()?,
        pause: parts
            .find(Rule::retry_after)
            .map(Parts::of)
            .map(|after| pause(&after))
            .transpose()?,
    })
}

fn causes(parts: &Parts<'_>) -> Result<Causes, Refusal> {
    let mut causes = Causes::default();
    for cause in parts.all(Rule::cause) {
        match cause.text.to_ascii_uppercase().as_str() {
            "SIGNAL" => causes.signal = true,
            "MEMORY" => causes.memory = true,
            "REMOVED" => causes.removed = true,
            codes => {
                let (from, to) = codes.split_once('-').unwrap_or((codes, codes));
                match (from.parse(), to.parse()) {
                    (Ok(from), Ok(to)) if from <= to => causes.add_codes(from, to),
                    _ => return Err(no_exit_codes(&cause)),
                }
            }
        }
    }
    Ok(causes)
}

fn no_exit_codes(cause: &Word<'_>) -> Refusal {
    Refusal {
        at: cause.at,
        message: explain::invalid("exit codes", &cause.text),
        hint: Some("they are from 0 to 255, as 137 or 137-140".to_owned()),
    }
}

fn pause(parts: &Parts<'_>) -> Result<Pause, Refusal> {
    let seconds = parts.number(Rule::pause_seconds, PAUSE)?;
    let up_to = match parts.find(Rule::pause_up_to) {
        Some(_) => parts.number(Rule::pause_up_to, PAUSE)?,
        None => Pause::UP_TO.max(seconds),
    };
    Ok(Pause { seconds, up_to })
}

fn abort(parts: &Parts<'_>) -> Result<Abort, Refusal> {
    let exit = parts.number(Rule::exit_code, EXIT_STATUS)?;
    let Some(code) = parts.find(Rule::return_code).map(Parts::of) else {
        return Ok(Abort { exit, return_code: None });
    };
    let return_code: u8 = code.number(Rule::return_value, RETURN_CODE)?;
    Ok(Abort { exit, return_code: Some(i32::from(return_code)) })
}

fn tolerance(parts: &Parts<'_>) -> Result<Tolerance, Refusal> {
    let tolerated = parts.find(Rule::tolerated).map_or(Parts(Vec::new()), Parts::of);
    let number = tolerated.number(Rule::amount, "tolerance value")?;
    let limit = match tolerated.has(Rule::percent) {
        true => ToleranceLimit::Percent(number),
        false => ToleranceLimit::Jobs(number),
    };
    let when_exceeded = match parts.find(Rule::when_exceeded).map(|p| first_letter(p.as_str())) {
        None => WhenExceeded::Default,
        Some('W') => WhenExceeded::Wait,
        Some(_) => WhenExceeded::FailFast,
    };
    Ok(Tolerance { limit, when_exceeded })
}

fn vars<'l>(parts: &Parts<'l>) -> Result<Command<'l>, Refusal> {
    let place = match parts.find(Rule::var_place).map(|place| first_letter(place.as_str())) {
        None => VarPlace::Default,
        Some('P') => VarPlace::Prepend,
        Some(_) => VarPlace::Append,
    };
    let pairs = parts.0.iter().filter(|part| part.as_rule() == Rule::pair);
    let pairs = pairs.map(|part| pair(&Parts::of(part.clone()))).collect::<Result<_, _>>()?;
    Ok(Command::Vars { node: parts.word(Rule::node), place, pairs })
}

fn pair<'l>(parts: &Parts<'l>) -> Result<Pair<'l>, Refusal> {
    let mut name = parts.word(Rule::macro_name);
    let refuse = |message: String, hint: &str| {
        Err(Refusal { at: parts.word(Rule::macro_name).at, message, hint: Some(hint.to_owned()) })
    };
    if !name.text.contains(|c: char| c.is_ascii_alphanumeric()) {
        let message = "Variable name must contain at least one alphanumeric character".to_owned();
        return refuse(message, "a name is letters, digits and _");
    }
    if name.text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("queue")) {
        let message =
            format!("Illegal variable name '{}': name can not begin with 'queue'", name.text);
        return refuse(message, "give the macro another name");
    }
    if let Some(attribute) = name.text.strip_prefix('+') {
        name.text = Cow::Owned(format!("My.{attribute}"));
    }
    Ok(Pair { name, value: unquoted(parts.word(Rule::value)).text })
}

fn env<'l>(parts: &Parts<'l>) -> Command<'l> {
    let variables = Cow::Borrowed(parts.text(Rule::env_variables));
    match first_letter(parts.text(Rule::env_action)) {
        'G' => Command::EnvGet(variables),
        _ => Command::EnvSet(variables),
    }
}

fn dot<'l>(parts: &Parts<'l>) -> Command<'l> {
    let (mut update, mut overwrite): (OptionalOnOff, OptionalOnOff) = (None, None);
    for option in parts.0.iter().filter(|part| part.as_rule() == Rule::dot_option) {
        let text = option.as_str().to_ascii_uppercase();
        let said = Some(!text.starts_with("DONT"));
        match text.ends_with("UPDATE") {
            true => update = said,
            false => overwrite = said,
        }
    }
    let include = parts.find(Rule::dot_include).map(|p| Parts::of(p).path(Rule::header_file));
    Command::Dot { file: parts.path(Rule::file), update, overwrite, include }
}

fn first_letter(text: &str) -> char {
    text.chars().next().unwrap_or(' ').to_ascii_uppercase()
}

/// What becomes of a word's quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// They are part of it.
    Stay,
    /// They only held it together.
    Go,
}

/// A word with its escapes resolved.
fn word<'l>(part: &Match<'l, Rule>) -> Word<'l> {
    resolved(part, Quotes::Stay)
}

/// Between quotes, a backslash goes and what follows it stays.
fn resolved<'l>(part: &Match<'l, Rule>, quotes: Quotes) -> Word<'l> {
    let (text, at) = (part.as_str(), part.as_span().start());
    let is_plain = match quotes {
        Quotes::Stay => !text.contains('\\'),
        Quotes::Go => !text.contains(['"', '\'']),
    };
    if is_plain {
        return Word { text: Cow::Borrowed(text), at };
    }
    let (mut resolved, mut open) = (String::with_capacity(text.len()), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if open.is_some() && c == '\\' {
            resolved.extend(chars.next());
            continue;
        }
        let is_quote = open.map_or(matches!(c, '"' | '\''), |quote| c == quote);
        if is_quote {
            open = if open.is_some() { None } else { Some(c) };
        }
        if !is_quote || quotes == Quotes::Stay {
            resolved.push(c);
        }
    }
    Word { text: Cow::Owned(resolved), at }
}

/// A word without the quotes around it; those in its middle stay.
fn unquoted(mut word: Word<'_>) -> Word<'_> {
    let quoted = |q| word.text.len() >= 2 && word.text.starts_with(q) && word.text.ends_with(q);
    if quoted('"') || quoted('\'') {
        word.text = match word.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[1..text.len() - 1]),
            Cow::Owned(text) => Cow::Owned(text[1..text.len() - 1].to_owned()),
        };
    }
    word
}

#[cfg(test)]
mod tests {
    use super::super::Lines;
    use super::*;

    /// Each line that the fast path takes, the grammar takes too, and the same. Says how many it
    /// took.
    fn agree(text: &str) -> usize {
        let mut taken = 0;
        for line in Lines::new(text) {
            if let Some(fast) = fast::parse(&line) {
                taken += 1;
                assert_eq!(Ok(fast), by_grammar(&line), "{:?}", line.text);
            }
        }
        taken
    }

    const WORDS: [&str; 26] = [
        "A",
        "x.sub",
        "CHILD",
        "child",
        "\"a b\"",
        "{",
        "@=t",
        "NOOP",
        "DIR",
        "a\\b",
        "+",
        "#",
        "'",
        "done",
        "3",
        "-3",
        "+3",
        "3x",
        "4294967296",
        "x=\"1\"",
        "x=\"1 2\"y",
        "queue1=\"\"",
        "+x=\"a\"",
        "PREPEND",
        "POST",
        "=",
    ];

    #[test]
    fn the_fast_path_takes_only_what_the_grammar_takes_and_takes_it_the_same() {
        let keywords = [
            "JOB",
            "job",
            "PARENT",
            "Parent",
            "VARS",
            "SCRIPT",
            "SCRIPT PRE",
            "RETRY",
            "PRIORITY",
            "CATEGORY",
            "PRE-SKIP",
            "ABORT_DAG_ON",
            "DONE",
        ];
        for keyword in keywords {
            let mut taken = 0;
            for count in 0..4_u32 {
                for mut choice in 0..WORDS.len().pow(count) {
                    let mut text = keyword.to_owned();
                    for _ in 0..count {
                        text += if choice % 2 == 0 { " " } else { "\t " };
                        text += WORDS[choice % WORDS.len()];
                        choice /= WORDS.len();
                    }
                    taken += agree(&text);
                }
            }
            assert!(taken > 10, "only {taken} lines of {keyword} were taken");
        }
    }

    #[test]
    fn the_fast_path_and_the_grammar_agree_on_the_whole_corpus() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../grammar/corpus/dag");
        let mut taken = 0;
        for folder in ["ok", "err"] {
            let folder = std::path::Path::new(corpus).join(folder);
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                // some are no text at all
                taken += std::fs::read_to_string(&path).map_or(0, |text| agree(&text));
            }
        }
        assert!(taken > 400, "only {taken} lines of the corpus were taken");
    }

    proptest::proptest! {
        #[test]
        fn the_fast_path_and_the_grammar_agree_on_random_lines(
            lines in proptest::collection::vec(
                "(JOB|PARENT|VARS|SCRIPT|SCRIPT PRE|SCRIPT post|RETRY|PRIORITY|CATEGORY|PRE_SKIP|ABORT-DAG-ON|DONE)\
                 ( |\t|\r)( )?[A-Za-z_+{@]{1,3}(( |\t|  )([a-z0-9+-]{0,4}=\"[ -~\\\\]{0,5}\"|[-+]?[0-9]{1,10}|CHILD|DIR|NOOP|[ -~\t\r]{0,6})){0,4}",
                1..40,
            ),
        ) {
            agree(&lines.join("\n"));
        }
    }
}
