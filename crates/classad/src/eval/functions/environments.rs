//! Functions on environments and argument lists in the two forms in which jobs carry them, and on
//! what is known of users.
//!
//! The forms themselves are in `words`; only that an environment of form 1 is split at semicolons
//! is known here.

use std::collections::BTreeMap;

use crate::eval::{Evaluator, Scope, Val};
use crate::{Expr, words};

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
    words::print_v2(environment.iter().map(|(name, value)| format!("{name}={value}")))
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
        let definition = definition.trim_start_matches([' ', '\t', '\n', '\r']);
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
        let Ok(definitions) = words::split_v2(&text) else { return Val::Error };
        if !definitions.iter().all(|definition| set_variable(&mut environment, definition)) {
            return Val::Error;
        }
    }
    evaluator.string(form_2(&environment))
}

/// Which of the two forms.
enum Form {
    V1,
    V2,
}

/// The form asked for by an optional last argument; `None` if there is no such form.
fn form(evaluator: &mut Evaluator<'_>, arg: Option<&Expr>, scope: &Scope) -> Option<Form> {
    match arg.map(|arg| evaluator.eval(arg, scope)) {
        None | Some(Val::Integer(2)) => Some(Form::V2),
        Some(Val::Integer(1)) => Some(Form::V1),
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
    let split = match form {
        Form::V1 => Ok(words::split_v1(&text).map(Expr::from).collect()),
        Form::V2 => words::split_v2(&text).map(|all| all.into_iter().map(Expr::from).collect()),
    };
    match split {
        Ok(items) if evaluator.spend_bytes(text.len()) => evaluator.list(items),
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
    let mut listed = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Val::String(word) = evaluator.eval_element(item, &inner, scope) else {
            return Val::Error;
        };
        if !evaluator.spend_bytes(word.len()) {
            return Val::Error;
        }
        listed.push(word);
    }
    let text = match form {
        Form::V1 => words::print_v1(&listed),
        Form::V2 => Some(words::print_v2(&listed)),
    };
    text.map_or(Val::Error, |text| Val::String(text.into()))
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

/// `userMap(map, user [, preferred [, default]])`: the whole of what the map gives; with a
/// preferred name, that name if the map gives it, else the first one.
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
