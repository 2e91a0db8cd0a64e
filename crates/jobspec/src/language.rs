//! The language that submit descriptions and the pool's configuration have in common: lines `NAME =
//! VALUE`, macros that are expanded when they are asked for, `if`, `include`, continuation lines
//! and comments.
//!
//! 1. `parse`: the text, by `grammar/submit.pest`, to statements that know where they stand
//!    (`ast`).
//! 2. `read`: the statements in order; `if` and `include` are decided here, assignments go into the
//!    table of macros.
//! 3. `macros`, with `functions` and `evaluate`: a value, expanded.
//!
//! What the names mean is not known here.

pub(crate) mod ast;
pub(crate) mod evaluate;
pub(crate) mod functions;
pub(crate) mod macros;
pub(crate) mod parse;
pub(crate) mod read;

/// The known name that a mistyped one most likely means: at most a third of it differs.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_ascii_lowercase();
    let allowed = (name.len() / 3).min(3);
    known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_ascii_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}
