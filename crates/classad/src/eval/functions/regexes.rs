//! Regular expressions, with the options of PCRE that the language knows.
//!
//! Patterns without back-references and look-around are matched in linear time; the others within a
//! number of steps.

use std::cell::RefCell;

use fancy_regex::{Captures, Regex, RegexBuilder};

use crate::Expr;
use crate::eval::functions::string_lists;
use crate::eval::{Evaluator, Scope, Val};
use crate::limits::{MAX_BACKTRACK_STEPS, MAX_BACKTRACK_TEXT_BYTES, MAX_PATTERN_BYTES};

/// Compiled patterns kept per thread: a Requirements is evaluated against thousands of ads in a
/// row.
const CACHED_PATTERNS: usize = 32;

/// Bytes that one compiled pattern may take: `(a{1000}){1000}` is refused.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// What matching one text with one pattern costs at least, in steps of evaluation.
const MATCH_STEPS: u64 = 20;

/// What compiling a pattern costs, in steps of evaluation: on its own, for each byte, and if it
/// turns out to be too large, which takes milliseconds.
const COMPILE_STEPS: u64 = 2_000;
const COMPILE_BYTE_STEPS: u64 = 20;
const TOO_LARGE_STEPS: u64 = 200_000;

thread_local! {
    /// What is no pattern, or too large a one, is remembered too: that it is costs more than most
    /// patterns.
    static CACHE: RefCell<Vec<(String, Option<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// Compiles `pattern`, or finds it compiled. `None` if it is not a pattern.
fn compile(evaluator: &mut Evaluator<'_>, pattern: &str, options: &str) -> Option<Regex> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return None;
    }
    let flags: String =
        ['i', 'm', 's', 'x'].into_iter().filter(|flag| options.contains(*flag)).collect();
    let key = format!("{flags}/{pattern}");
    let known = CACHE.with_borrow(|cache| {
        cache.iter().find(|(cached, _)| *cached == key).map(|(_, regex)| regex.clone())
    });
    if let Some(known) = known {
        return known;
    }
    if !evaluator.spend_steps(COMPILE_STEPS + COMPILE_BYTE_STEPS * pattern.len() as u64) {
        return None;
    }
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .verbose_mode(flags.contains('x'))
        .backtrack_limit(MAX_BACKTRACK_STEPS)
        .delegate_size_limit(MAX_COMPILED_BYTES)
        .build()
        .ok();
    if regex.is_none() {
        evaluator.spend_steps(TOO_LARGE_STEPS);
    }
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= CACHED_PATTERNS {
            cache.remove(0);
        }
        cache.push((key, regex.clone()));
    });
    regex
}

/// Whether a pattern cannot be matched in linear time: it looks around, refers back, or does not
/// give back what it took.
fn backtracks(pattern: &str) -> bool {
    let marks = [
        "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "\\k", "\\g", "\\K", "\\G", "*+", "++", "?+",
        "}+",
    ];
    let refers_back = pattern
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0] == b'\\' && matches!(pair[1], b'1'..=b'9'));
    refers_back || marks.iter().any(|mark| pattern.contains(mark))
}

/// Whether matching this text with this pattern stays within bounds.
fn is_bounded(regex: &Regex, text: &str) -> bool {
    text.len() <= MAX_BACKTRACK_TEXT_BYTES || !backtracks(regex.as_str())
}

/// Whether the pattern is found in the text; `None` if that took too long.
fn is_match(evaluator: &mut Evaluator<'_>, regex: &Regex, text: &str) -> Option<bool> {
    if !is_bounded(regex, text) || !evaluator.spend_steps(MATCH_STEPS + text.len() as u64 / 64) {
        return None;
    }
    match regex.is_match(text) {
        // A `$` also matches before a newline that ends the text.
        Ok(false) if regex.as_str().contains('$') => match text.strip_suffix('\n') {
            Some(line) => regex.is_match(line).ok(),
            None => Some(false),
        },
        answer => answer.ok(),
    }
}

/// Arguments of which some may be undefined or error: the first error wins, then undefined.
fn strict(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Result<Vec<Val>, Val> {
    let values: Vec<Val> = args.iter().map(|arg| evaluator.eval(arg, scope)).collect();
    if values.iter().any(|value| matches!(value, Val::Error)) {
        return Err(Val::Error);
    }
    if values.iter().any(|value| matches!(value, Val::Undefined)) {
        return Err(Val::Undefined);
    }
    Ok(values)
}

/// `regexp(pattern, text [, options])`.
pub(super) fn regexp(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(2..=3).contains(&args.len()) {
        return Val::Error;
    }
    let values = match strict(evaluator, args, scope) {
        Ok(values) => values,
        Err(result) => return result,
    };
    let (pattern, text, options) = match values.as_slice() {
        [Val::String(pattern), Val::String(text)] => (pattern, text, ""),
        [Val::String(pattern), Val::String(text), Val::String(options)] => {
            (pattern, text, options.as_ref())
        }
        _ => return Val::Error,
    };
    match compile(evaluator, pattern, options) {
        Some(regex) => is_match(evaluator, &regex, text).map_or(Val::Error, Val::Boolean),
        None => Val::Error,
    }
}

/// `regexpMember(pattern, list [, options])`: an undefined element makes the answer undefined
/// unless another matches.
pub(super) fn regexp_member(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(2..=3).contains(&args.len()) {
        return Val::Error;
    }
    let values = match strict(evaluator, args, scope) {
        Ok(values) => values,
        Err(result) => return result,
    };
    let (pattern, items, inner, options) = match values.as_slice() {
        [Val::String(pattern), Val::List(items, inner)] => (pattern, items, inner, ""),
        [Val::String(pattern), Val::List(items, inner), Val::String(options)] => {
            (pattern, items, inner, options.as_ref())
        }
        _ => return Val::Error,
    };
    let regex = compile(evaluator, pattern, options);
    let mut undefined = false;
    for item in items.iter() {
        match evaluator.eval_element(item, inner, scope) {
            Val::Undefined => undefined = true,
            Val::String(text) => {
                // A pattern that cannot be compiled matches nothing here, though it is an error in
                // `regexp`.
                let Some(regex) = &regex else { continue };
                match is_match(evaluator, regex, &text) {
                    Some(true) => return Val::Boolean(true),
                    Some(false) => {}
                    None => return Val::Error,
                }
            }
            _ => return Val::Error,
        }
    }
    if undefined { Val::Undefined } else { Val::Boolean(false) }
}

/// `stringList_regexpMember(pattern, text list [, separators [, options]])`.
pub(super) fn string_list_regexp_member(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
) -> Val {
    if !(2..=4).contains(&args.len()) {
        return Val::Error;
    }
    let values: Vec<Val> = args.iter().map(|arg| evaluator.eval(arg, scope)).collect();
    let mut texts = Vec::with_capacity(values.len());
    for value in &values {
        match value {
            Val::String(text) => texts.push(text.as_ref()),
            _ => return Val::Error,
        }
    }
    let separators = texts.get(2).copied().unwrap_or(string_lists::SEPARATORS);
    let options = texts.get(3).map_or(String::new(), |options| options.to_ascii_lowercase());
    let Some(regex) = compile(evaluator, texts[0], &options) else { return Val::Error };
    let items = string_lists::items(texts[1], separators);
    if items.is_empty() {
        return Val::Undefined;
    }
    for item in items {
        match is_match(evaluator, &regex, item) {
            Some(true) => return Val::Boolean(true),
            Some(false) => {}
            None => return Val::Error,
        }
    }
    Val::Boolean(false)
}

/// `regexps(pattern, text, replacement [, options])`: what the replacement makes of the match, or
/// the empty string; with `f` the whole text with the match replaced, with `g` for every match.
pub(super) fn regexps(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    substitute(evaluator, args, scope, "")
}

/// `replace(pattern, text, replacement [, options])`: the text with the first match replaced.
pub(super) fn replace(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    substitute(evaluator, args, scope, "f")
}

/// `replaceAll(pattern, text, replacement [, options])`: the text with every match replaced.
pub(super) fn replace_all(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    substitute(evaluator, args, scope, "fg")
}

fn substitute(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope, always: &str) -> Val {
    if !(3..=4).contains(&args.len()) {
        return Val::Error;
    }
    let values = match strict(evaluator, args, scope) {
        Ok(values) => values,
        Err(result) => return result,
    };
    let (pattern, text, replacement, options) = match values.as_slice() {
        [Val::String(pattern), Val::String(text), Val::String(replacement)] => {
            (pattern, text, replacement, always.to_owned())
        }
        [
            Val::String(pattern),
            Val::String(text),
            Val::String(replacement),
            Val::String(options),
        ] => (pattern, text, replacement, format!("{options}{always}")),
        _ => return Val::Error,
    };
    let Some(regex) = compile(evaluator, pattern, &options) else { return Val::Error };
    match substituted(evaluator, &regex, text, replacement, &options) {
        Some(whole) => Val::String(whole.into()),
        None => Val::Error,
    }
}

fn substituted(
    evaluator: &mut Evaluator<'_>,
    regex: &Regex,
    text: &str,
    replacement: &str,
    options: &str,
) -> Option<String> {
    if !is_bounded(regex, text) {
        return None;
    }
    let (whole_text, every_match) = (options.contains('f'), options.contains('g'));
    let mut output = String::new();
    let mut done = 0;
    for captures in regex.captures_iter(text) {
        if !evaluator.spend_steps(MATCH_STEPS + text.len() as u64 / 64) {
            return None;
        }
        let captures = captures.ok()?;
        let found = captures.get(0)?;
        let before = output.len();
        if whole_text {
            output.push_str(&text[done..found.start()]);
        }
        push_replacement(&mut output, &captures, replacement)?;
        if !evaluator.spend_bytes(output.len() - before) {
            return None;
        }
        done = found.end();
        if !every_match {
            break;
        }
    }
    // The reference gives up where a global search could go on for ever at the end of the text.
    if every_match && regex.find_from_pos(text, text.len()).ok()?.is_some() {
        return None;
    }
    if whole_text {
        if !evaluator.spend_bytes(text.len() - done) {
            return None;
        }
        output.push_str(&text[done..]);
    }
    Some(output)
}

/// `\1` stands for a group. One beyond the last group that took part in the match is an error.
fn push_replacement(
    output: &mut String,
    captures: &Captures<'_, str>,
    replacement: &str,
) -> Option<()> {
    let last = (0..captures.len()).rev().find(|group| captures.get(*group).is_some()).unwrap_or(0);
    let mut rest = replacement.chars().peekable();
    while let Some(character) = rest.next() {
        let group = rest.peek().and_then(|next| next.to_digit(10)).filter(|_| character == '\\');
        match group {
            Some(group) => {
                rest.next();
                let group = usize::try_from(group).ok()?;
                if group > last {
                    return None;
                }
                output.push_str(captures.get(group).map_or("", |found| found.as_str()));
            }
            None => output.push(character),
        }
    }
    Some(())
}
