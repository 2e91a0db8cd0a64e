//! The macro functions: `$ENV()`, `$INT()`, `$F()` and the others. Their names are case-sensitive.
//!
//! A mistake in an argument is a complaint, not an error: HTCondor 25.14 prints it and submits what
//! came out.

use super::evaluate::{self, Format};
use super::macros::{Expansion, MacroError, balanced_body};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function<'t> {
    Env,
    RandomChoice,
    RandomInteger,
    Choice,
    Int,
    Real,
    String,
    Eval,
    Substr,
    DirName,
    BaseName,
    /// `$F...()`, with the letters behind the F.
    File(&'t str),
}

/// Splits `$NAME(body)rest`. The body ends at the first `)`: parentheses do not nest (HTCondor
/// 25.14), but for `$ENV()`.
pub(crate) fn split_call(from: &str) -> Option<(Function<'_>, &str, &str)> {
    let (name, _) = from.strip_prefix('$')?.split_once('(')?;
    let function = match name {
        "ENV" => Function::Env,
        "RANDOM_CHOICE" => Function::RandomChoice,
        "RANDOM_INTEGER" => Function::RandomInteger,
        "CHOICE" => Function::Choice,
        "INT" => Function::Int,
        "REAL" => Function::Real,
        "STRING" => Function::String,
        "EVAL" => Function::Eval,
        "SUBSTR" => Function::Substr,
        "DIRNAME" => Function::DirName,
        "BASENAME" => Function::BaseName,
        _ => {
            let letters = name.strip_prefix('F')?;
            let is_known = |c: char| "abdfnpquwx".contains(c.to_ascii_lowercase());
            letters.chars().all(is_known).then_some(Function::File(letters))?
        }
    };
    let open = &from[1 + name.len()..];
    let body = match function {
        Function::Env => balanced_body(open)?,
        _ => &open[1..open.find(')')?],
    };
    Some((function, body, &open[body.len() + 2..]))
}

/// The text that a call stands for.
pub(crate) fn call(
    expansion: &mut Expansion<'_, '_>,
    function: Function<'_>,
    body: &str,
) -> Result<String, MacroError> {
    Ok(match function {
        Function::Env => env(expansion, body)?,
        Function::RandomChoice => random_choice(expansion, body),
        Function::RandomInteger => random_integer(expansion, body),
        Function::Choice => choice(expansion, body)?,
        Function::Int => number(expansion, "INT", body)?,
        Function::Real => number(expansion, "REAL", body)?,
        Function::String => string(expansion, body)?,
        Function::Eval => {
            let text = value_or_text(expansion, body)?;
            evaluate::constant(&text)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .unwrap_or_default()
        }
        Function::Substr => substr(expansion, body)?,
        Function::DirName => file(&value_or_text(expansion, body)?, "p", ""),
        Function::BaseName => {
            let (name, suffix) = body.split_once(',').unwrap_or((body, ""));
            let base = file(&value_or_text(expansion, name)?, "nx", "");
            base.strip_suffix(suffix.trim()).unwrap_or(&base).to_owned()
        }
        Function::File(letters) => {
            let path = value_or_text(expansion, body)?;
            let letters = letters.to_ascii_lowercase();
            let folder = match letters.contains('f') {
                true => initial_folder(expansion)?,
                false => String::new(),
            };
            file(&path, &letters, &folder)
        }
    })
}

/// An argument that is the name of a macro, or else just text.
fn value_or_text(expansion: &mut Expansion<'_, '_>, argument: &str) -> Result<String, MacroError> {
    let value = expansion.value(argument)?.unwrap_or_else(|| argument.to_owned());
    expansion.scope.check_mark(&value);
    Ok(value)
}

/// The folder that the job's paths begin in (HTCondor 25.14): `initialdir`, if that is not just
/// being worked out.
fn initial_folder(expansion: &mut Expansion<'_, '_>) -> Result<String, MacroError> {
    let cwd = expansion.scope.site.host().cwd.clone();
    let spellings = ["initialdir", "initial_dir", "job_iwd", "iwd"];
    if spellings.iter().any(|name| expansion.is_open(name)) {
        return Ok(cwd);
    }
    for name in spellings {
        let Some(folder) = expansion.value(name)?.filter(|folder| !folder.trim().is_empty()) else {
            continue;
        };
        expansion.scope.check_mark(&folder);
        let folder = folder.trim_ascii();
        return Ok(match folder.starts_with('/') {
            true => folder.to_owned(),
            false => format!("{cwd}/{folder}"),
        });
    }
    Ok(cwd)
}

fn env(expansion: &mut Expansion<'_, '_>, body: &str) -> Result<String, MacroError> {
    let body = expansion.expand(body)?;
    let (name, default) = match body.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (body.as_str(), None),
    };
    let value = expansion.scope.site.environ().get(name).map(String::as_str);
    Ok(value.or(default).unwrap_or("UNDEFINED").to_owned())
}

fn random_choice(expansion: &Expansion<'_, '_>, body: &str) -> String {
    expansion.scope.depends_on_number();
    let choices: Vec<_> = body.split(',').map(str::trim).collect();
    if body.trim().is_empty() {
        expansion.scope.complain("$RANDOM_CHOICE() macro is empty!".to_owned());
        return String::new();
    }
    let drawn = expansion.scope.random_below(choices.len() as u64);
    usize::try_from(drawn)
        .ok()
        .and_then(|at| choices.get(at))
        .copied()
        .unwrap_or_default()
        .to_owned()
}

fn random_integer(expansion: &mut Expansion<'_, '_>, body: &str) -> String {
    let scope = expansion.scope;
    scope.depends_on_number();
    let mut arguments = body.split(',').map(|argument| argument.trim().parse::<i64>().ok());
    let mut bound = |what: &str| {
        arguments
            .next()
            .flatten()
            .ok_or_else(|| format!("$RANDOM_INTEGER() config macro: invalid {what}!"))
    };
    let bounds = bound("min").and_then(|min| bound("max").map(|max| (min, max)));
    let step = arguments.next().flatten().unwrap_or(1).max(1);
    match bounds {
        Ok((min, max)) if min <= max => {
            // As far apart as two numbers can be, there are more steps than a number of this kind.
            let steps = (i128::from(max) - i128::from(min)) / i128::from(step) + 1;
            let drawn = scope.random_below(u64::try_from(steps).unwrap_or(u64::MAX));
            (i128::from(min) + i128::from(drawn) * i128::from(step)).to_string()
        }
        Ok((min, _)) => {
            scope.complain("$RANDOM_INTEGER() config macro: min > max!".to_owned());
            min.to_string()
        }
        Err(message) => {
            scope.complain(message);
            String::new()
        }
    }
}

/// `$CHOICE(index, list)` with the name of a list, or `$CHOICE(index, a, b, c)`. Positions count
/// from 0.
fn choice(expansion: &mut Expansion<'_, '_>, body: &str) -> Result<String, MacroError> {
    let (index, items) = body.split_once(',').unwrap_or((body, ""));
    let index = value_or_text(expansion, index.trim())?;
    let mut items: Vec<String> = items.split(',').map(|item| item.trim().to_owned()).collect();
    if items == [""] {
        expansion.scope.complain("$CHOICE() error: no list".to_owned());
        return Ok(String::new());
    }
    if let [list] = items.as_slice() {
        let Some(value) = expansion.value(list)? else {
            expansion.scope.complain(format!("$CHOICE() macro: no list named \"{list}\"!"));
            return Ok(String::new());
        };
        items = value.split(',').map(|item| item.trim().to_owned()).collect();
    }
    let at = evaluate::integer(&index).and_then(|at| usize::try_from(at).ok());
    if at.is_none() {
        expansion.scope.complain(format!("$CHOICE() error: '{index}' is invalid index"));
    }
    // HTCondor 25.14 goes on with the first
    let at = at.unwrap_or(0);
    if at >= items.len() {
        expansion.scope.complain(format!("$CHOICE() config macro: index {at} is out of range!"));
        return Ok(String::new());
    }
    Ok(items.swap_remove(at))
}

/// `$INT(expression[,format])` and `$REAL(...)`.
fn number(expansion: &mut Expansion<'_, '_>, name: &str, body: &str) -> Result<String, MacroError> {
    let is_int = name == "INT";
    let (argument, format) =
        body.split_once(',').unwrap_or((body, if is_int { "%d" } else { "%.16G" }));
    let conversions = if is_int { "dioxXu" } else { "fFgGeE" };
    let parsed = Format::parse(format).filter(|parsed| conversions.contains(parsed.conversion));
    let Some(parsed) = parsed else {
        expansion
            .scope
            .complain(format!("${name}() macro: '{format}' is not a valid format specifier!"));
        return Ok(String::new());
    };
    let text = value_or_text(expansion, argument)?;
    let printed = if is_int {
        evaluate::integer(&text).map(|number| parsed.integer(number))
    } else {
        evaluate::real(&text).map(|number| parsed.real(number))
    };
    let Some(printed) = printed else {
        let kind = if is_int { "an integer" } else { "an real" };
        expansion.scope.complain(format!("${name}() macro: {text} does not evaluate to {kind}!"));
        return Ok(String::new());
    };
    // HTCondor 25.14: an explicit format of a real that prints none gets a fraction
    let bare =
        body.contains(',') && !is_int && printed.chars().all(|c| c.is_ascii_digit() || c == '-');
    Ok(if bare { printed + ".0" } else { printed })
}

/// `$STRING(name[,format])`: the string that the value evaluates to, or else its text.
fn string(expansion: &mut Expansion<'_, '_>, body: &str) -> Result<String, MacroError> {
    let (argument, format) = body.split_once(',').unwrap_or((body, "%s"));
    let text = value_or_text(expansion, argument)?;
    let value = evaluate::constant(&text);
    let text = value.as_ref().and_then(classad::Value::as_str).unwrap_or(&text);
    match Format::parse(format).filter(|parsed| parsed.conversion == 's') {
        Some(parsed) => Ok(parsed.text(text)),
        None => {
            expansion
                .scope
                .complain(format!("$STRING() macro: '{format}' is not a valid format specifier!"));
            Ok(String::new())
        }
    }
}

/// `$SUBSTR(name,start[,length])`: a negative start counts from the end, a negative length drops
/// from the end.
fn substr(expansion: &mut Expansion<'_, '_>, body: &str) -> Result<String, MacroError> {
    let mut arguments = body.splitn(3, ',');
    let name = arguments.next().unwrap_or_default();
    let value = expansion.value(name)?.unwrap_or_default();
    expansion.scope.check_mark(&value);
    let chars: Vec<char> = value.chars().collect();
    let count = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let mut position = |what: &str, default: Option<i64>| -> Result<Option<i64>, MacroError> {
        let Some(argument) = arguments.next() else {
            if default.is_none() {
                expansion.scope.complain("$SUBSTR() macro: no length specified!".to_owned());
            }
            return Ok(default);
        };
        let text = value_or_text(expansion, argument.trim())?;
        let number = evaluate::integer(&text);
        if number.is_none() {
            expansion.scope.complain(format!("$SUBSTR() macro: {text} is invalid {what}!"));
        }
        Ok(number)
    };
    let Some(start) = position("start index", None)? else { return Ok(String::new()) };
    let Some(length) = position("length", Some(count))? else { return Ok(String::new()) };
    let start = if start < 0 { (start + count).max(0) } else { start.min(count) };
    let end = if length < 0 { count + length } else { start.saturating_add(length).min(count) };
    let at = |position: i64| usize::try_from(position).unwrap_or(0);
    Ok(chars[at(start)..at(end.max(start))].iter().collect())
}

/// The parts of a path that the letters ask for.
///
/// `p` its folder, `d` the last folder of it (`dd` the last two), `n` the name without, `x` with
/// extension; no part means all of it. `f` makes it absolute, `b` drops a trailing slash or the dot
/// of an extension, `u` and `w` turn the slashes, `q` quotes.
fn file(path: &str, letters: &str, initial: &str) -> String {
    let has = |letter: char| letters.contains(letter);
    let path = path.trim_matches('"');
    let absolute = if has('f') && !path.starts_with('/') {
        format!("{initial}/{path}")
    } else {
        path.to_owned()
    };
    let folder_end = absolute.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
    let (folder, name) = absolute.split_at(folder_end);
    // The dot that a name begins with begins no extension.
    let dot = name.rfind('.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let folders_wanted = letters.matches('d').count();
    let mut part = String::new();
    if !['p', 'd', 'n', 'x'].into_iter().any(has) {
        part.push_str(&absolute);
    }
    if has('p') {
        part.push_str(folder);
    } else if folders_wanted > 0 {
        part.push_str(last_folders(folder, folders_wanted));
    }
    if has('n') {
        part.push_str(stem);
    }
    if has('x') {
        part.push_str(extension);
    }
    if has('b') {
        let bare = part.strip_suffix('/').unwrap_or(&part);
        part = bare.strip_prefix('.').filter(|_| has('x') && !has('n')).unwrap_or(bare).to_owned();
    }
    if has('u') {
        part = part.replace('\\', "/");
    }
    if has('w') {
        part = part.replace('/', "\\");
    }
    match (has('q'), has('a')) {
        (true, true) => format!("'{part}'"),
        (true, false) => format!("\"{part}\""),
        (false, _) => part,
    }
}

/// The last `count` folders of `/a/b/c/`, with their slashes; all of it if there are not as many.
fn last_folders(folder: &str, count: usize) -> &str {
    let inner = folder.strip_suffix('/').unwrap_or(folder);
    match inner.rmatch_indices('/').nth(count - 1) {
        Some((slash, _)) => &folder[slash + 1..],
        None => folder,
    }
}
