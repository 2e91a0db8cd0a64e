//! Functions that ask for the type of a value, or choose between values.

use crate::Expr;
use crate::eval::{Evaluator, Scope, Val};

/// Whether the only argument has some type; `undefined` and `error` are types like the others here.
fn is_type(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    test: fn(&Val) -> bool,
) -> Val {
    let [only] = args else { return Val::Error };
    Val::Boolean(test(&evaluator.eval(only, scope)))
}

macro_rules! type_tests {
    ($($name:ident: $pattern:pat,)*) => {$(
        pub(super) fn $name(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
            is_type(evaluator, args, scope, |value| matches!(value, $pattern))
        }
    )*};
}

type_tests! {
    is_undefined: Val::Undefined,
    is_error: Val::Error,
    is_boolean: Val::Boolean(_),
    is_integer: Val::Integer(_),
    is_real: Val::Real(_),
    is_string: Val::String(_),
    is_abs_time: Val::AbsTime(_),
    is_rel_time: Val::RelTime(_),
    is_list: Val::List(..),
    is_class_ad: Val::Ad(_),
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

/// `debug(expr)`: the value of the expression, which is also reported.
pub(super) fn debug(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let value = evaluator.eval(only, scope);
    if let Some(report) = &evaluator.env.on_debug {
        let printed = evaluator.value(value.clone()).to_new();
        report(&format!("{only} is {printed}"));
    }
    value
}
