//! Numbers: rounding, powers, quantising, chance.

use crate::Expr;
use crate::eval::functions::convert::{real_of, to_integer};
use crate::eval::{Evaluator, Scope, Val};

/// Below this a real step of `quantize` counts as zero.
const SMALLEST_STEP: f64 = 1e-8;

fn rounded(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    round: fn(f64) -> f64,
) -> Val {
    let [only] = args else { return Val::Error };
    match evaluator.eval(only, scope) {
        Val::Integer(value) => Val::Integer(value),
        value => real_of(&value).map_or(Val::Error, |value| Val::Integer(to_integer(round(value)))),
    }
}

pub(super) fn floor(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    rounded(evaluator, args, scope, f64::floor)
}

pub(super) fn ceiling(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    rounded(evaluator, args, scope, f64::ceil)
}

/// Halves go to the even neighbour.
pub(super) fn round(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    rounded(evaluator, args, scope, f64::round_ties_even)
}

/// `pow(base, exponent)`: an integer for integers, computed through reals as the reference does it.
#[expect(
    clippy::cast_precision_loss,
    reason = "the reference computes integer powers through reals"
)]
pub(super) fn pow(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [base, exponent] = args else { return Val::Error };
    let (base, exponent) = (evaluator.eval(base, scope), evaluator.eval(exponent, scope));
    if let (Val::Integer(base), Val::Integer(exponent @ 0..)) = (&base, &exponent) {
        return Val::Integer(to_integer((*base as f64).powf(*exponent as f64) + 0.5));
    }
    match (real_of(&base), real_of(&exponent)) {
        (Some(base), Some(exponent)) => Val::Real(base.powf(exponent)),
        _ => Val::Error,
    }
}

/// `quantize(value, step)`: up to a multiple of the step. With a list: up to the first element that
/// is large enough, else to a multiple of the last.
pub(super) fn quantize(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [value, step] = args else { return Val::Error };
    let (value, mut step) = (evaluator.eval(value, scope), evaluator.eval(step, scope));
    let Some(wanted) = real_of(&value) else { return Val::Error };
    if let Val::List(items, inner) = &step {
        let mut last = Val::Real(0.0);
        for item in items.iter() {
            last = evaluator.eval_element(item, inner, scope);
            match real_of(&last) {
                Some(offered) if offered >= wanted => return last,
                Some(_) => {}
                None => return Val::Error,
            }
        }
        step = last;
    }
    quantize_to(value, wanted, &step)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the language promotes integers to reals in this way"
)]
fn quantize_to(value: Val, wanted: f64, step: &Val) -> Val {
    let Some(real_step) = real_of(step) else { return Val::Error };
    match (&value, step) {
        (_, Val::Integer(0)) => value,
        (Val::Integer(value), Val::Integer(step)) => {
            let raised = value.wrapping_add(step.wrapping_sub(1));
            Val::Integer(raised.wrapping_div(*step).wrapping_mul(*step))
        }
        (_, Val::Integer(step)) => Val::Real((wanted / *step as f64).ceil() * *step as f64),
        _ if real_step.abs() <= SMALLEST_STEP => value,
        _ => Val::Real((wanted / real_step).ceil() * real_step),
    }
}

/// `random()`, `random(limit)`: at least zero and below the limit, which is 1.0 if it is not given.
#[expect(clippy::cast_precision_loss, reason = "53 random bits are wanted")]
pub(super) fn random(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let limit = match args {
        [] => Val::Real(1.0),
        [limit] => evaluator.eval(limit, scope),
        _ => return Val::Error,
    };
    evaluator.draws += 1;
    let bits =
        mixed(evaluator.env.seed.wrapping_add(evaluator.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    match limit {
        Val::Integer(0) => Val::Error,
        Val::Integer(limit) => {
            let drawn = (bits >> 1).cast_signed();
            Val::Integer(drawn.wrapping_rem(limit))
        }
        Val::Real(limit) => Val::Real(limit * ((bits >> 11) as f64 / (1_u64 << 53) as f64)),
        _ => Val::Error,
    }
}

/// The finaliser of SplitMix64: turns a counter into well-spread bits.
fn mixed(counter: u64) -> u64 {
    let mut bits = counter;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
