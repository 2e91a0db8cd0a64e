//! Text: joining, cutting, comparing, splitting.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::Expr;
use crate::eval::functions::convert::{Text, from_bytes, text_of};
use crate::eval::operators::compare_text;
use crate::eval::{Evaluator, Scope, Val};

/// What `split` splits at if it is not told.
const SPLIT_SEPARATORS: &str = ", \t";

/// `strcat(...)`: every argument as text; the first that is undefined or error is the result.
pub(super) fn strcat(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let mut whole = String::new();
    for arg in args {
        let value = evaluator.eval(arg, scope);
        match text_of(evaluator, value) {
            Text::Is(text) if evaluator.spend_bytes(text.len()) => whole.push_str(&text),
            Text::Undefined => return Val::Undefined,
            Text::Is(_) | Text::Error => return Val::Error,
        }
    }
    Val::String(whole.into())
}

/// `join(separator, ...)`, `join(separator, list)`, `join(list)`: what is undefined is left out.
pub(super) fn join(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let Some((first, rest)) = args.split_first() else { return Val::String("".into()) };
    let mut items: Vec<Val> = Vec::new();
    let separator;
    match rest {
        [] => match evaluator.eval(first, scope) {
            Val::List(list, inner) => {
                separator = Val::String("".into());
                items.extend(list.iter().map(|item| evaluator.eval_element(item, &inner, scope)));
            }
            Val::Undefined => return Val::Undefined,
            value => separator = value,
        },
        [only] => {
            separator = evaluator.eval(first, scope);
            match evaluator.eval(only, scope) {
                Val::List(list, inner) => {
                    items.extend(
                        list.iter().map(|item| evaluator.eval_element(item, &inner, scope)),
                    );
                }
                value => items.push(value),
            }
        }
        several => {
            separator = evaluator.eval(first, scope);
            items.extend(several.iter().map(|item| evaluator.eval(item, scope)));
        }
    }
    joined(evaluator, separator, items)
}

fn joined(evaluator: &mut Evaluator<'_>, separator: Val, items: Vec<Val>) -> Val {
    let all_undefined = match items.split_first() {
        None => matches!(separator, Val::Undefined),
        Some(_) => items.iter().all(|item| matches!(item, Val::Undefined)),
    };
    let separator: Arc<str> = match text_of(evaluator, separator) {
        Text::Is(text) => text,
        Text::Undefined => "".into(),
        Text::Error => return Val::Error,
    };
    let mut whole = String::new();
    for item in items {
        let text = match text_of(evaluator, item) {
            Text::Is(text) => text,
            Text::Undefined => continue,
            Text::Error => return Val::Error,
        };
        if !evaluator.spend_bytes(separator.len() + text.len()) {
            return Val::Error;
        }
        // Nothing stands before the first text that is not empty.
        if !whole.is_empty() {
            whole.push_str(&separator);
        }
        whole.push_str(&text);
    }
    if all_undefined { Val::Undefined } else { Val::String(whole.into()) }
}

fn changed_case(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    change: fn(&str) -> String,
) -> Val {
    let [only] = args else { return Val::Error };
    let value = evaluator.eval(only, scope);
    match text_of(evaluator, value) {
        Text::Is(text) => evaluator.string(change(&text)),
        Text::Undefined => Val::Undefined,
        Text::Error => Val::Error,
    }
}

pub(super) fn to_upper(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    changed_case(evaluator, args, scope, str::to_ascii_uppercase)
}

pub(super) fn to_lower(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    changed_case(evaluator, args, scope, str::to_ascii_lowercase)
}

/// `size(x)`: the bytes of a string, the elements of a list, the attributes of an ad.
pub(super) fn size(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let size = match evaluator.eval(only, scope) {
        Val::Undefined => return Val::Undefined,
        Val::String(text) => text.len(),
        Val::List(items, _) => items.len(),
        Val::Ad(inner) => evaluator.ad(&inner).len(),
        _ => return Val::Error,
    };
    Val::Integer(i64::try_from(size).unwrap_or(i64::MAX))
}

/// `substr(text, offset [, length])`: a negative offset or length counts from the end.
pub(super) fn substr(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(2..=3).contains(&args.len()) {
        return Val::Error;
    }
    let values: Vec<Val> = args.iter().map(|arg| evaluator.eval(arg, scope)).collect();
    if values.iter().any(|value| matches!(value, Val::Undefined)) {
        return Val::Undefined;
    }
    let (text, offset, length) = match values.as_slice() {
        [Val::String(text), Val::Integer(offset)] => (text, *offset, None),
        [Val::String(text), Val::Integer(offset), Val::Integer(length)] => {
            (text, *offset, Some(*length))
        }
        _ => return Val::Error,
    };
    let size = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 { size.saturating_add(offset).max(0) } else { offset.min(size) };
    let available = size - start;
    let taken = match length {
        None => available,
        Some(length @ 0..) => length.min(available),
        Some(negative) => available.saturating_add(negative).max(0),
    };
    let (start, end) =
        (usize::try_from(start).unwrap_or(0), usize::try_from(start + taken).unwrap_or(0));
    evaluator.string(from_bytes(&text.as_bytes()[start..end]))
}

fn compared(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    compare: fn(&str, &str) -> Ordering,
) -> Val {
    let [left, right] = args else { return Val::Error };
    let (left, right) = (evaluator.eval(left, scope), evaluator.eval(right, scope));
    if matches!(left, Val::Undefined) || matches!(right, Val::Undefined) {
        return Val::Undefined;
    }
    match (text_of(evaluator, left), text_of(evaluator, right)) {
        (Text::Is(left), Text::Is(right)) => Val::Integer(match compare(&left, &right) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }),
        _ => Val::Error,
    }
}

pub(super) fn strcmp(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    compared(evaluator, args, scope, |left, right| left.as_bytes().cmp(right.as_bytes()))
}

pub(super) fn stricmp(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    compared(evaluator, args, scope, compare_text)
}

/// `split(text [, separators])`: at each separator character; blanks next to a separator belong to
/// it.
pub(super) fn split(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let (text, separators) = match args {
        [text] => (evaluator.eval(text, scope), Val::String(SPLIT_SEPARATORS.into())),
        [text, separators] => (evaluator.eval(text, scope), evaluator.eval(separators, scope)),
        _ => return Val::Error,
    };
    let (Val::String(text), Val::String(separators)) = (text, separators) else {
        return Val::Error;
    };
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut start = 0;
    let mut last_separator = None;
    for (index, byte) in text.bytes().enumerate() {
        if !separators.as_bytes().contains(&byte) {
            continue;
        }
        // Two equal separators in a row have an empty piece between them; blanks do not.
        if index > start || last_separator == Some(byte) {
            pieces.push(&text.as_bytes()[start..index]);
        }
        if !byte.is_ascii_whitespace() && byte != 0x0b {
            last_separator = Some(byte);
        }
        start = index + 1;
    }
    if start < text.len() {
        pieces.push(&text.as_bytes()[start..]);
    }
    let items: Vec<Expr> =
        pieces.into_iter().map(|piece| Expr::from(from_bytes(piece).as_ref())).collect();
    if evaluator.spend_bytes(text.len()) { evaluator.list(items) } else { Val::Error }
}

fn split_at_sign(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    alone: fn(&str) -> [&str; 2],
) -> Val {
    let [only] = args else { return Val::Error };
    let Val::String(text) = evaluator.eval(only, scope) else { return Val::Error };
    let halves = match text.split_once('@') {
        Some((before, after)) => [before, after],
        None => alone(&text),
    };
    let items = halves.into_iter().map(Expr::from).collect();
    if evaluator.spend_bytes(text.len()) { evaluator.list(items) } else { Val::Error }
}

/// `splitUserName("user@domain")`; without an `@` the domain is empty.
pub(super) fn split_user_name(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    split_at_sign(evaluator, args, scope, |text| [text, ""])
}

/// `splitSlotName("slot1@host")`; without an `@` the slot is empty.
pub(super) fn split_slot_name(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    split_at_sign(evaluator, args, scope, |text| ["", text])
}
