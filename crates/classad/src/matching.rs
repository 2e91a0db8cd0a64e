//! Evaluating attributes and matching two ads.

use crate::eval::{Env, Evaluator, Scope};
use crate::{ClassAd, Expr, Value};

impl ClassAd {
    /// The value of an attribute of this ad, in a match with `target` if there is one. Undefined if
    /// there is no such attribute, here or up the chain.
    pub fn eval(&self, attr: &str, target: Option<&ClassAd>, env: &Env) -> Value {
        match self.get(attr) {
            Some(expr) => self.eval_expr(expr, target, env),
            None => Value::Undefined,
        }
    }

    /// The value of an expression whose `MY` is this ad and whose `TARGET` is `target`.
    pub fn eval_expr(&self, expr: &Expr, target: Option<&ClassAd>, env: &Env) -> Value {
        let mut evaluator = Evaluator::new(self, target, env);
        let value = evaluator.eval(expr, &Scope::My);
        evaluator.value(value)
    }
}

/// Whether the Requirements of each ad hold for the other. An absent or undefined Requirements does
/// not hold.
///
/// ```
/// use classad::{ClassAd, Env, matches};
/// let job = ClassAd::parse_old("Cpus = 1\nRequirements = TARGET.Memory > 100\n").unwrap();
/// let machine = ClassAd::parse_old("Memory = 512\nRequirements = TARGET.Cpus < 2\n").unwrap();
/// assert!(matches(&job, &machine, &Env::at(0)));
/// ```
pub fn matches(left: &ClassAd, right: &ClassAd, env: &Env) -> bool {
    requirements_hold(left, right, env) && requirements_hold(right, left, env)
}

/// Whether the Requirements of `my` alone hold for `target`.
pub fn requirements_hold(my: &ClassAd, target: &ClassAd, env: &Env) -> bool {
    my.eval("Requirements", Some(target), env).is_true()
}

/// How much `my` prefers `target`: its Rank, or 0.0 if that is not a number.
pub fn rank(my: &ClassAd, target: &ClassAd, env: &Env) -> f64 {
    match my.eval("Rank", Some(target), env) {
        Value::Boolean(preferred) => f64::from(u8::from(preferred)),
        other => other.as_f64().unwrap_or(0.0),
    }
}
