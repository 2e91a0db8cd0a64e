//! Evaluation ends, and nothing panics: an expression, and the ads of a match, separated by newlines.
#![no_main]

use classad::analyze::analyze;
use classad::{ClassAd, Env, Expr, matches};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let Ok(expr) = Expr::parse_new(part()) else { return };
    let mut my = ClassAd::parse_new(part()).unwrap_or_default();
    let target = ClassAd::parse_new(part()).unwrap_or_default();
    my.set("Requirements", &expr);
    let env = Env::at(1_795_000_000).with_seed(7);
    let value = my.eval_expr(&expr, Some(&target), &env);
    drop((value.to_new(), my.eval_expr(&expr, None, &env), matches(&my, &target, &env)));
    drop((expr.flatten(&my, &env).to_new(), analyze(&my, [&target].into_iter(), &env)));
});
