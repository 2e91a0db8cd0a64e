//! Functions that ask for the type of a value, or choose between values.

use crate::Expr;
use crate::eval::{Evaluator, Scope, Val};

pub(super) fn is_undefined(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    is_type(evaluator, args, scope, |value| matches!(value, Val::Undefined))
}

pub(super) fn is_error(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    is_type(evaluator, args, scope, |value| matches!(value, Val::Error))
}

fn is_type(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    test: fn(&Val) -> bool,
) -> Val {
    let [only] = args else { return Val::Error };
    Val::Boolean(test(&evaluator.eval(only, scope)))
}

/// `ifThenElse(condition, then, else)`: only the chosen value is evaluated.
pub(super) fn if_then_else(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [condition, then, otherwise] = args else { return Val::Error };
    match evaluator.eval(condition, scope) {
        Val::Undefined => Val::Undefined,
        condition => match condition.truth() {
            Some(true) => evaluator.eval(then, scope),
            Some(false) => evaluator.eval(otherwise, scope),
            None => Val::Error,
        },
    }
}
