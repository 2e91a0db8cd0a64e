//! Environments and argument lists in the two forms in which jobs carry them, and what is known of users.
//!
//! Form 1 splits at blanks (arguments) or semicolons (environment) and quotes nothing. Form 2 splits at blanks; single
//! quotes keep blanks, and two of them inside quotes are one.

use std::collections::BTreeMap;

use crate::Expr;
use crate::eval::{Evaluator, Scope, Val};

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Splits a text of form 2; `None` if a quote is not closed.
fn split_form_2(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\'' {
            let current = word.get_or_insert_default();
            if quoted && rest.peek() == Some(&'\'') {
                rest.next();
                current.push('\'');
            } else {
                quoted = !quoted;
            }
        } else if !quoted && is_blank(character) {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(character);
        }
    }
    words.extend(word);
    if quoted { None } else { Some(words) }
}

/// Appends a word to a text of form 2: only what needs quotes is put in quotes, as the reference does it.
fn push_form_2(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    if word.is_empty() {
        text.push_str("''");
        return;
    }
    let mut in_quotes = false;
    for character in word.chars() {
        let special = is_blank(character) || character == '\'';
        if special != in_quotes {
            text.push('\'');
            in_quotes = special;
        }
        if character == '\'' {
            text.push('\'');
        }
        text.push(character);
    }
    if in_quotes {
        text.push('\'');
    }
}

/// Sets `NAME=value`; false if it is not of that form.
fn set_variable(environment: &mut BTreeMap<String, String>, definition: &str) -> bool {
    match definition.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            environment.insert(name.to_owned(), value.to_owned());
            true
        }
        _ => false,
    }
}

fn form_2(environment: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in environment {
        push_form_2(&mut text, &format!("{name}={value}"));
    }
    text
}

/// `envV1ToV2(text)`; undefined stays undefined, so that the result can be merged.
pub(super) fn env_v1_to_v2(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let text = match evaluator.eval(only, scope) {
        Val::Undefined => return Val::Undefined,
        Val::String(text) => text,
        _ => return Val::Error,
    };
    let mut environment = BTreeMap::new();
    for definition in text.split([';', '\n']) {
        let definition = definition.trim_start_matches(is_blank);
        if !definition.is_empty() && !set_variable(&mut environment, definition) {
            return Val::Error;
        }
    }
    evaluator.string(form_2(&environment))
}

/// `mergeEnvironment(...)`: texts of form 2, later ones winning; undefined ones are passed over.
pub(super) fn merge_environment(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
) -> Val {
    let mut environment = BTreeMap::new();
    for arg in args {
        let text = match evaluator.eval(arg, scope) {
            Val::Undefined => continue,
            Val::String(text) => text,
            _ => return Val::Error,
        };
        let Some(definitions) = split_form_2(&text) else { return Val::Error };
        if !definitions.iter().all(|definition| set_variable(&mut environment, definition)) {
            return Val::Error;
        }
    }
    evaluator.string(form_2(&environment))
}

/// The form asked for by an optional last argument; `None` if there is no such form.
fn form(evaluator: &mut Evaluator<'_>, arg: Option<&Expr>, scope: &Scope) -> Option<i64> {
    match arg.map(|arg| evaluator.eval(arg, scope)) {
        None => Some(2),
        Some(Val::Integer(form @ 1..=2)) => Some(form),
        Some(_) => None,
    }
}

/// `argsToList(text [, form])`.
pub(super) fn args_to_list(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(1..=2).contains(&args.len()) {
        return Val::Error;
    }
    let Some(form) = form(evaluator, args.get(1), scope) else { return Val::Error };
    let Val::String(text) = evaluator.eval(&args[0], scope) else { return Val::Error };
    let words = if form == 1 {
        Some(text.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    } else {
        split_form_2(&text)
    };
    match words {
        Some(words) if evaluator.spend_bytes(text.len()) => {
            evaluator.list(words.into_iter().map(Expr::from).collect())
        }
        _ => Val::Error,
    }
}

/// `listToArgs(list [, form])`: form 1 cannot hold blanks inside an argument.
pub(super) fn list_to_args(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(1..=2).contains(&args.len()) {
        return Val::Error;
    }
    let Some(form) = form(evaluator, args.get(1), scope) else { return Val::Error };
    let Val::List(items, inner) = evaluator.eval(&args[0], scope) else { return Val::Error };
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let Val::String(word) = evaluator.eval_element(item, &inner, scope) else {
            return Val::Error;
        };
        if !evaluator.spend_bytes(word.len()) {
            return Val::Error;
        }
        if form == 2 {
            push_form_2(&mut text, &word);
        } else if word.contains(is_blank) {
            return Val::Error;
        } else {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(&word);
        }
    }
    Val::String(text.into())
}

/// `userHome(user [, default])`.
pub(super) fn user_home(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(1..=2).contains(&args.len()) {
        return Val::Error;
    }
    let default = match args.get(1).map(|arg| evaluator.eval(arg, scope)) {
        Some(Val::String(default)) if !default.is_empty() => Some(Val::String(default)),
        _ => None,
    };
    match evaluator.eval(&args[0], scope) {
        Val::Undefined => default.unwrap_or(Val::Undefined),
        Val::String(user) => {
            let home = evaluator.env.users.as_ref().and_then(|users| users.home(&user));
            match home {
                Some(home) => evaluator.string(home),
                None => default.unwrap_or(Val::Undefined),
            }
        }
        _ => default.unwrap_or(Val::Error),
    }
}

/// `userMap(map, user [, preferred [, default]])`: the whole of what the map gives; with a preferred name, that name if the
/// map gives it, else the first one.
pub(super) fn user_map(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(2..=4).contains(&args.len()) {
        return Val::Error;
    }
    let values: Vec<Val> = args.iter().map(|arg| evaluator.eval(arg, scope)).collect();
    if values[..2].iter().any(|value| matches!(value, Val::Error)) {
        return Val::Error;
    }
    let mapped = match (&values[0], &values[1]) {
        (Val::String(map), Val::String(user)) => {
            evaluator.env.users.as_ref().and_then(|users| users.map(map, user))
        }
        _ => None,
    };
    let Some(mapped) = mapped else { return values.get(3).cloned().unwrap_or(Val::Undefined) };
    if values.len() == 2 {
        return evaluator.string(mapped);
    }
    let mut names = mapped.split(',').map(str::trim);
    let preferred = match &values[2] {
        Val::String(preferred) => names.clone().find(|name| name.eq_ignore_ascii_case(preferred)),
        _ => None,
    };
    match preferred.or_else(|| names.next()) {
        Some(name) => evaluator.string(name),
        None => values.get(3).cloned().unwrap_or(Val::Undefined),
    }
}
