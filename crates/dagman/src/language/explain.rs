//! Why a line is no command: the grammar's furthest place, and what it would have liked there, in
//! words.
//!
//! The words are those of `condor_dag_checker` 25.14, where it has any for the case.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};

use super::command::Keyword;
use super::diagnostic::nearest;
use super::lines::Line;
use super::parse::{DagParser, Refusal, Rule, rule};

/// A first word that is no keyword.
pub(super) fn unknown_command(line: &Line<'_>) -> Refusal {
    let word = line.first_word();
    let message = format!("'{word}' is not a valid DAG command");
    let upper = word.to_ascii_uppercase();
    let hint = match upper.as_str() {
        "TASK" | "EDGE" => Some(
            "this looks like a workflow for another program (TASK and EDGE lines are those of \
             simulators of task graphs); DAGMan's files say JOB and PARENT ... CHILD ..."
                .to_owned(),
        ),
        "CHILD" => Some("PARENT comes first: PARENT NODE... CHILD NODE...".to_owned()),
        "DATA" => Some("Stork's data placement is gone since HTCondor 8.7: JOB runs it".to_owned()),
        _ if word.starts_with('\u{feff}') => Some(
            "the file begins with an invisible mark (a byte order mark): save it without"
                .to_owned(),
        ),
        _ if word.starts_with('}') => Some("no description is open here".to_owned()),
        _ => nearest(word, Keyword::ALL.iter().map(|keyword| keyword.name()))
            .map(|keyword| format!("did you mean {keyword}?")),
    };
    Refusal { at: 0, message, hint }
}

/// A description that never ends.
pub(super) fn unclosed(line: &Line<'_>, closer: &str) -> Refusal {
    let at = line.text.find('{').or_else(|| line.text.find("@=")).unwrap_or(0);
    let message = format!("Missing inline description closing token: {closer}");
    let hint = format!("a line that begins with {closer} ends the description");
    Refusal { at, message, hint: Some(hint) }
}

/// A line that begins with a keyword and does not go on as its command does.
pub(super) fn explain(keyword: Keyword, text: &str) -> Refusal {
    let hint = Some(keyword.syntax().to_owned());
    if let Some(at) = open_quote(text).filter(|_| !takes_rest_of_line(keyword)) {
        let message = "Invalid quoting: no ending quote found".to_owned();
        return Refusal { at, message, hint };
    }
    // a blank at the end lets the grammar come to what it misses there
    let text = format!("{text} ");
    let Err(error) = DagParser::parse(rule(keyword), &text) else {
        let message = "Unexpected blank".to_owned();
        return Refusal { at: text.len() - 1, message, hint };
    };
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let (wanted, unwanted) = match error.variant {
        ErrorVariant::ParsingError { positives, negatives } => (positives, negatives),
        ErrorVariant::CustomError { .. } => (Vec::new(), Vec::new()),
    };
    let message = said(keyword, &wanted, &unwanted, &text[at..]);
    Refusal { at: at.min(text.len() - 1), message, hint }
}

fn said(keyword: Keyword, wanted: &[Rule], unwanted: &[Rule], rest: &str) -> String {
    let wants = |rule| wanted.contains(&rule);
    let found = rest.split_ascii_whitespace().next();
    if keyword == Keyword::Vars && wants(Rule::equals) && rest.starts_with(['"', '\'']) {
        return "Key contains quotation mark".to_owned();
    }
    if keyword == Keyword::Vars {
        return said_of_vars(wanted, rest);
    }
    if unwanted.contains(&Rule::child_word)
        || (wants(Rule::parent_node) && !wants(Rule::child_word))
    {
        return "No parent node(s) specified".to_owned();
    }
    if wants(Rule::child_node) && found.is_none() {
        return "No children node(s) specified".to_owned();
    }
    let words = wanted.iter().find_map(|rule| words_of(keyword, *rule));
    match (words, found) {
        (Some((missing, _)), None) => missing.to_owned(),
        (None, None) => "The line ends too early".to_owned(),
        (Some((_, what)), Some(word)) if !what.is_empty() => invalid(what, word),
        (_, Some(word)) => format!("Unexpected token '{word}'"),
    }
}

/// What cannot be right in the place of `{}`.
pub(super) const MAX_RETRIES: &str = "Invalid max retry value '{}' (Must be positive integer)";
pub(super) const UNLESS_EXIT: &str = "Invalid UNLESS-EXIT code '{}' specified";
pub(super) const PAUSE: &str = "Invalid number of seconds '{}' (Must be positive integer)";
pub(super) const LEAST: &str = "Invalid LEAST percentage '{}' (Must be between 0% and 100%)";
pub(super) const AT_ONCE: &str = "Invalid AT-ONCE number '{}' (Must be positive integer)";
pub(super) const EXIT_STATUS: &str = "Invalid exit status '{}' specified";
pub(super) const RETURN_CODE: &str = "Invalid RETURN code '{}' (Must be between 0 and 255)";

/// The sentence about a word: a sentence with `{}`, or what the word should have been.
pub(super) fn invalid(what: &str, word: &str) -> String {
    match (what.contains("{}"), what.starts_with(|c: char| c.is_ascii_uppercase())) {
        (true, _) => what.replace("{}", word),
        (false, true) if !what.starts_with("DEFER ") => what.to_owned(),
        _ => format!("Invalid {what} '{word}'"),
    }
}

/// Whether a command ends with a text in which quotes mean nothing here.
fn takes_rest_of_line(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::Script | Keyword::Env | Keyword::SetJobAttr)
}

/// Where a quote begins that does not end.
fn open_quote(text: &str) -> Option<usize> {
    let (mut open, mut chars) = (None, text.char_indices());
    while let Some((at, c)) = chars.next() {
        match open {
            Some(_) if c == '\\' => drop(chars.next()),
            Some((_, quote)) if c == quote => open = None,
            Some(_) => {}
            None => open = matches!(c, '"' | '\'').then_some((at, c)),
        }
    }
    open.map(|(at, _)| at)
}

/// What is missing, and what is wrong if something else stands there (nothing: it is just not
/// expected).
fn words_of(keyword: Keyword, rule: Rule) -> Option<(&'static str, &'static str)> {
    Some(match rule {
        Rule::node if keyword_makes_node(keyword) => ("Missing node name", ""),
        Rule::node => ("No node name specified", ""),
        Rule::submit_file | Rule::description => ("No submit description provided", ""),
        Rule::inline if keyword == Keyword::SubmitDescription => {
            ("No inline description provided", "")
        }
        Rule::tag => ("No inline description closing token specified (@=TOKEN)", ""),
        Rule::dag_file if keyword == Keyword::Subdag => ("No submit description provided", ""),
        Rule::dag_file => ("Missing DAG file", ""),
        Rule::description_name => ("No submit description name provided", ""),
        Rule::splice_name if keyword == Keyword::Connect => ("Missing splice(s) to connect", ""),
        Rule::splice_name => ("Missing splice name", ""),
        Rule::external => ("Missing EXTERNAL keyword", "Missing EXTERNAL keyword"),
        Rule::folder => ("No directory path provided for DIR subcommand", ""),
        Rule::parent_word => {
            ("WEAK dependency missing PARENT keyword", "WEAK dependency missing PARENT keyword")
        }
        Rule::child_word => ("Missing CHILD specifier", ""),
        Rule::child_node => ("No children node(s) specified", ""),
        Rule::script_kind | Rule::defer | Rule::debug => (
            "Missing script type (PRE, POST, HOLD) and optional sub-commands (DEFER, DEBUG)",
            "Missing script type (PRE, POST, HOLD) and optional sub-commands (DEFER, DEBUG)",
        ),
        Rule::command_line if keyword == Keyword::Script => ("No script specified", ""),
        Rule::defer_status => ("DEFER missing status value", "DEFER status value"),
        Rule::defer_seconds => ("DEFER missing time value", "DEFER time value"),
        Rule::debug_file => ("DEBUG missing filename", ""),
        Rule::stream => {
            ("DEBUG missing output stream type", "Unknown DEBUG output stream type '{}'")
        }
        Rule::max_retries => ("Missing max retry value", MAX_RETRIES),
        Rule::exit_code if keyword == Keyword::Retry => {
            ("UNLESS-EXIT missing exit code", UNLESS_EXIT)
        }
        Rule::cause | Rule::exit_codes => (
            "ON missing causes (exit codes, SIGNAL, MEMORY, REMOVED)",
            "Unknown cause '{}' (ON takes exit codes, SIGNAL, MEMORY and REMOVED)",
        ),
        Rule::pause_seconds => ("AFTER missing number of seconds", PAUSE),
        Rule::pause_up_to => ("UP-TO missing number of seconds", PAUSE),
        Rule::exit_code if keyword == Keyword::AbortDagOn => {
            ("Missing exit status to abort on", EXIT_STATUS)
        }
        Rule::exit_code => ("Missing exit code", "exit code"),
        Rule::return_value => ("RETURN is missing value", RETURN_CODE),
        Rule::priority_value => ("Missing priority value", "priority value"),
        Rule::category_name => ("No category name specified", ""),
        Rule::limit => ("No throttle limit specified", "throttle limit"),
        Rule::tolerated | Rule::amount => ("Missing failure tolerance value", "tolerance value"),
        Rule::pin_number => ("No pin number specified", "pin number"),
        Rule::file if keyword == Keyword::Config => ("No configuration file specified", ""),
        Rule::file if keyword == Keyword::Include => ("No include file specified", ""),
        Rule::file => ("No file specified", ""),
        Rule::needed_file => ("NEEDS missing files", ""),
        Rule::made_file => ("MAKES missing files", ""),
        Rule::header_file => ("Missing INCLUDE header file", ""),
        Rule::env_action => ("Missing action (SET or GET) and variables", ""),
        Rule::env_variables => ("No environment variables provided", ""),
        Rule::attribute_line => ("No attribute line (key = value) provided", ""),
        _ => return words_of_map(rule),
    })
}

fn words_of_map(rule: Rule) -> Option<(&'static str, &'static str)> {
    const OVER: &str = "Missing OVER and a list (a file, or items between parentheses)";
    Some(match rule {
        Rule::over => (OVER, OVER),
        Rule::item_file | Rule::item_list => {
            ("OVER missing a list (a file, or items between parentheses)", "")
        }
        Rule::item_name => ("AS missing names of items", "name of items"),
        Rule::jobs_at_once => ("AT-ONCE missing number of jobs", AT_ONCE),
        Rule::percentage => ("LEAST missing percentage", LEAST),
        _ => return None,
    })
}

fn keyword_makes_node(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::Job
            | Keyword::Map
            | Keyword::Subdag
            | Keyword::Final
            | Keyword::Service
            | Keyword::Provisioner
    )
}

fn said_of_vars(wanted: &[Rule], rest: &str) -> String {
    let wants = |rule| wanted.contains(&rule);
    let message = match rest.split_ascii_whitespace().next() {
        None if wants(Rule::node) => "No node name specified",
        None if wants(Rule::value) => "Key value pair missing value: No value specified",
        None if wants(Rule::equals) => "Key value pair missing operator and value",
        None => "No key=value pairs specified",
        Some(word) if word.starts_with('=') && wants(Rule::equals) => {
            "Key value pair missing value: Double operator"
        }
        Some(word) if word.starts_with('=') => "Key value pair missing key",
        Some(_) if wants(Rule::equals) => "Key value pair missing value: Failed to locate operator",
        Some(word) => return format!("Unexpected token '{word}'"),
    };
    message.to_owned()
}
