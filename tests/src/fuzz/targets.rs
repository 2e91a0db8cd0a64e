//! What must hold for any input, entry point by entry point. A target panics where it does not
//! hold.
//!
//! Knows only the `classad` crate: `fuzz/fuzz_targets/` includes this file.

use std::hint::black_box;
use std::sync::Arc;

use classad::analyze::analyze;
use classad::calculator::{Calculation, Question, answer, read_ad};
use classad::compiled::{CompiledExpr, CompiledRequirements, MachineTable};
use classad::{ClassAd, Env, Expr, matches, rank, requirements_hold, words};

/// One target: takes any bytes.
pub type Target = fn(&[u8]);

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The old syntax cannot say every string: a backslash before the closing quote hides it, and a
/// line is an attribute.
fn sayable(printed: &str) -> bool {
    !printed.contains(['\\', '\n'])
}

/// Any text is an expression or is refused; what is printed reads back as the same expression, in
/// both syntaxes.
pub fn expression(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(expr) = Expr::parse_new(&text) {
        let printed = expr.to_new();
        let again = Expr::parse_new(&printed);
        assert_eq!(again.as_ref().map(Expr::to_new), Ok(printed.clone()), "new: {text}");
        // A real is printed with sixteen digits, so what is read may be a neighbour.
        assert!(again == Ok(expr) || printed.contains(['E', '\"']), "new: {printed}");
    }
    if let Ok(expr) = Expr::parse(&text) {
        let printed = expr.to_string();
        if sayable(&printed) {
            let again = Expr::parse(&printed).map(|again| again.to_string());
            assert_eq!(again.as_ref(), Ok(&printed), "old: {text}");
        }
    }
}

/// Any text is an ad in the old or new syntax or is refused; what is printed reads back.
pub fn ad_text(bytes: &[u8]) {
    let text = text_of(bytes);
    drop(ClassAd::parse_old_ads(&text));
    if let Ok(ad) = ClassAd::parse_new(&text) {
        let again = ClassAd::parse_new(&ad.to_new()).map(|ad| ad.to_new());
        assert_eq!(again, Ok(ad.to_new()));
    }
    if let Ok(ad) = ClassAd::parse_old(&text) {
        let lines: Vec<String> = ad.iter().map(|(name, expr)| format!("{name}{expr}")).collect();
        if lines.iter().all(|line| sayable(line)) {
            assert_eq!(ClassAd::parse_old(&ad.to_old()).map(|ad| ad.to_old()), Ok(ad.to_old()));
        }
    }
}

/// Any text is JSON or XML of ads or is refused; what is printed reads back.
pub fn interchange(bytes: &[u8]) {
    let text = text_of(bytes);
    for ad in ClassAd::parse_xml_ads(&text).unwrap_or_default() {
        let again = ClassAd::parse_xml_ads(&ad.to_xml());
        assert_eq!(again.map(|ads| ads[0].to_xml()), Ok(ad.to_xml()));
    }
    for ad in ClassAd::parse_json_ads(&text).unwrap_or_default() {
        assert_eq!(ClassAd::parse_json(&ad.to_json()).map(|ad| ad.to_json()), Ok(ad.to_json()));
        assert_eq!(ClassAd::parse_json(&ad.to_jsonl()).map(|ad| ad.to_jsonl()), Ok(ad.to_jsonl()));
    }
    drop(ClassAd::parse_json(&text));
}

/// Any bytes are a message with an ad or are refused; an ad arrives as it was sent.
pub fn message(bytes: &[u8]) {
    if let Ok(ad) = rmp_serde::from_slice::<ClassAd>(bytes) {
        let sent = rmp_serde::to_vec_named(&ad).expect("an ad can be sent");
        let arrived: ClassAd = rmp_serde::from_slice(&sent).expect("what was sent can be read");
        assert_eq!(arrived.to_new(), ad.to_new());
    }
}

/// An expression and the two ads of a match, on the lines of a text.
fn expression_and_ads(bytes: &[u8]) -> Option<(Expr, ClassAd, ClassAd)> {
    let text = text_of(bytes);
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let expr = Expr::parse_new(part()).ok()?;
    let mut my = ClassAd::parse_new(part()).unwrap_or_default();
    let target = ClassAd::parse_new(part()).unwrap_or_default();
    my.set("Requirements", &expr);
    Some((expr, my, target))
}

/// Evaluation ends, and folding one side away does not change what holds.
pub fn evaluate(bytes: &[u8]) {
    let Some((expr, my, target)) = expression_and_ads(bytes) else { return };
    let env = Env::at(1_795_000_000).with_seed(7);
    let value = my.eval_expr(&expr, Some(&target), &env);
    drop((value.to_new(), value.to_string(), my.eval_expr(&expr, None, &env)));
    black_box((matches(&my, &target, &env), rank(&my, &target, &env)));
    drop(analyze(&my, [&target].into_iter(), &env));
    let folded = expr.flatten(&my, &env);
    // Random numbers, what time it takes and how deep it goes are not the same after folding.
    let steady = !expr.to_new().to_ascii_lowercase().contains("random") && !value.is_error();
    if steady && !my.to_new().contains("random") {
        let again = my.eval_expr(&folded, Some(&target), &env);
        assert_eq!(
            value.is_true(),
            again.is_true(),
            "{} became {}",
            expr.to_new(),
            folded.to_new()
        );
    }
}

/// Requirements asked of a whole table say what they say of each machine, and a compiled expression
/// has the evaluator's value.
pub fn compiled(bytes: &[u8]) {
    let Some((expr, my, target)) = expression_and_ads(bytes) else { return };
    if expr.to_new().to_ascii_lowercase().contains("random") || my.to_new().contains("random") {
        return;
    }
    let env = Env::at(1_795_000_000);
    let machines = [Arc::new(target), Arc::new(my.clone()), Arc::new(ClassAd::new())];
    let mut table = MachineTable::new();
    let rows: Vec<usize> = machines.iter().map(|ad| table.insert(Arc::clone(ad))).collect();
    let requirements = CompiledRequirements::new(Arc::new(my.clone()), &env);
    table.prepare(&requirements);
    let found = requirements.eval_all(&table);
    for (row, machine) in rows.iter().zip(&machines) {
        let expected = requirements_hold(&my, machine, &env);
        assert_eq!(found.contains(*row), expected, "{} on {machine:?}", expr.to_new());
    }
    let mut compiled = CompiledExpr::new(Arc::new(my.clone()), &expr, &env);
    for machine in &machines {
        let expected = my.eval_expr(&expr, Some(machine), &env);
        // What is folded away has a step limit of its own, so a value may be where the evaluator
        // runs out.
        if !expected.is_error() {
            let (found, expected) = (compiled.eval(machine).to_new(), expected.to_new());
            assert_eq!(found, expected, "{} on {machine:?}", expr.to_new());
        }
    }
}

/// The calculator answers any question, and explains any expression.
pub fn calculator(bytes: &[u8]) {
    let text = text_of(bytes);
    let env = Env::at(0);
    drop(read_ad(&text));
    if let Ok(question) = serde_json::from_str::<Question>(&text) {
        drop(answer(&question, &env));
    }
    if let Some((expr, my, target)) = expression_and_ads(bytes) {
        let calculation = Calculation { expr: Some(expr), my, target: Some(target) };
        drop((calculation.answer(&env), calculation.explain(&env)));
    }
}

/// Words survive being printed.
pub fn command_words(bytes: &[u8]) {
    let text = text_of(bytes);
    if let Ok(split) = words::split_v2(&text) {
        assert_eq!(words::split_v2(&words::print_v2(&split)), Ok(split));
    }
    let plain: Vec<&str> = words::split_v1(&text).collect();
    assert!(words::print_v1(&plain).is_some());
}
