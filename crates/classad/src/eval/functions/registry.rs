//! Which functions there are.
//!
//! A call is resolved once, when its text is read; a name that is not here parses and is an error when it is evaluated.

use crate::Expr;
use crate::eval::functions::types;
use crate::eval::{Evaluator, Scope, Val};

/// How every function is called: with its arguments unevaluated, because some do not evaluate all of them.
pub(crate) type Body = fn(&mut Evaluator<'_>, &[Expr], &Scope) -> Val;

/// A function that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(usize);

impl Function {
    /// Finds a function by its name, in whatever case.
    pub(crate) fn by_name(name: &str) -> Option<Function> {
        TABLE.iter().position(|(known, _)| name.eq_ignore_ascii_case(known)).map(Function)
    }

    pub(crate) fn call(self, evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
        (TABLE[self.0].1)(evaluator, args, scope)
    }
}

/// Every function, in the order of the manual.
static TABLE: &[(&str, Body)] = &[
    ("isUndefined", types::is_undefined),
    ("isError", types::is_error),
    ("ifThenElse", types::if_then_else),
];
