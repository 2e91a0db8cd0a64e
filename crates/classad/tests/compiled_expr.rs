//! A compiled expression has the value that evaluating it has, type and text, whatever it is.

use std::sync::Arc;

use classad::compiled::CompiledExpr;
use classad::{ClassAd, Env, Expr};
use proptest::prelude::*;

/// The job: literals, expressions it decides alone, expressions that ask the machine, circles.
const JOB: &str = "[ RequestMemory = 500; Half = RequestMemory / 2; Arch = \"X86_64\"; Wished = TARGET.Cpus * 100; Both = x + 1;
    List = { 1, Half, Memory }; Inner = [ k = 1; m = Memory ]; Round = Round + 1; There = TARGET.Back; Text = \"linux\"; Bad = error;
    Length = relTime(\"1:00\"); Twice = random(100); Target = 5 ]";

/// Machines of four shapes, with every type of value, attributes that must be evaluated, and one of
/// the job's names.
const MACHINES: [&str; 6] = [
    "[ Memory = 2048; OpSys = \"LINUX\"; Cpus = 4; HasGpu = true; x = 5; Load = 0.5 ]",
    "[ Memory = 100.5; OpSys = \"Linux\"; Cpus = Total - 1; HasGpu = undefined; x = TARGET.RequestMemory; Load = { 1, 2 } ]",
    "[ Memory = \"lots\"; OpSys = 5; Cpus = error; HasGpu = 0; x = random(1000); Load = [ k = 2 ] ]",
    "[ Memory = relTime(\"2:00\"); OpSys = absTime(\"2020-01-01T00:00:00Z\"); Total = 3; Back = MY.Total + TARGET.There; Text = \"LINUX\" ]",
    "[ RequestMemory = 7; Memory = Memory; x = y; y = x + 1; Total = true ]",
    "[ ]",
];

/// Names that both, one or none of the ads have, and words with a meaning of their own.
const NAMES: [&str; 29] = [
    "Memory",
    "memory",
    "OpSys",
    "Cpus",
    "HasGpu",
    "x",
    "Load",
    "Total",
    "Back",
    "RequestMemory",
    "Half",
    "Wished",
    "Both",
    "List",
    "Inner",
    "Round",
    "There",
    "Text",
    "Bad",
    "Length",
    "Twice",
    "nowhere",
    "CurrentTime",
    "parent",
    "toplevel",
    "left",
    "ad",
    "MY",
    "TARGET",
];

fn expression() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(NAMES.to_vec());
    let literals = [
        "0",
        "1",
        "500",
        "2048",
        "9007199254740993",
        "-3",
        "0.5",
        "2048.0",
        "\"linux\"",
        "\"LINUX\"",
        "\"\"",
        "true",
        "false",
        "undefined",
        "error",
        "relTime(\"2:00\")",
        "absTime(\"2020-01-01T00:00:00Z\")",
        "{ 1, x }",
        "[ k = Memory ]",
        "random(9)",
        ".Memory",
        "nosuch(1)",
        "time()",
    ];
    let leaf = prop_oneof![
        3 => name().prop_map(str::to_owned),
        2 => name().prop_map(|name| format!("TARGET.{name}")),
        1 => name().prop_map(|name| format!("MY.{name}")),
        2 => prop::sample::select(literals.to_vec()).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 32, 3, move |inner| {
        let op = prop::sample::select(vec![
            "&&", "||", "&&", "||", "==", "!=", "<", "<=", ">", ">=", "=?=", "=!=", "+", "-", "*", "/", "%", "|", "^", "&",
            "<<", ">>", ">>>",
        ]);
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            4 => (inner.clone(), op, inner.clone()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            2 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => (prop::sample::select(vec!["!", "-", "+", "~"]), inner.clone())
                .prop_map(|(op, inner)| format!("{op} ({inner})")),
            1 => three.clone().prop_map(|(condition, then, other)| format!("(({condition}) ? {then} : {other})")),
            1 => two.clone().prop_map(|(left, right)| format!("(({left}) ?: ({right}))")),
            1 => three.prop_map(|(left, middle, right)| format!("{left} && {middle} && {right}")),
            1 => two.clone().prop_map(|(left, right)| format!("isUndefined({left}) || member({right}, {{ 1, {left} }})")),
            1 => two.prop_map(|(list, index)| format!("({list})[{index}]")),
            1 => (inner, name()).prop_map(|(base, name)| format!("({base}).{name}")),
        ]
    })
}

/// Evaluates against every machine, twice over, so that shapes are met again and each comes after
/// each other.
fn check(text: &str) {
    let job = Arc::new(ClassAd::parse_new(JOB).unwrap());
    let env = Env::at(1_795_000_000).with_seed(3);
    let expr = Expr::parse_new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut compiled = CompiledExpr::new(Arc::clone(&job), &expr, &env);
    let mut machines: Vec<ClassAd> =
        MACHINES.iter().map(|text| ClassAd::parse_new(text).unwrap()).collect();
    let mut chained = ClassAd::parse_new("[ OpSys = \"WINDOWS\" ]").unwrap();
    chained.set_parent(Arc::new(machines[0].clone()));
    machines.extend([chained, machines[0].clone()]);
    let mut in_blocks = Vec::new();
    compiled.eval_each(machines.iter().chain(machines.iter().rev()), |value| in_blocks.push(value));
    let mut in_blocks = in_blocks.into_iter();
    for machine in machines.iter().chain(machines.iter().rev()) {
        let expected = job.eval_expr(&expr, Some(machine), &env);
        let found = compiled.eval(machine);
        let of = |value: &classad::Value| (value.type_name(), value.to_new());
        assert_eq!(of(&found), of(&expected), "{text} on {machine:?}");
        let found = in_blocks.next().unwrap();
        assert_eq!(of(&found), of(&expected), "{text} on {machine:?}, in blocks");
        assert_eq!(compiled.holds(machine), expected.is_true(), "{text} on {machine:?}");
    }
    assert!(in_blocks.next().is_none(), "one value for each machine");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_and_evaluated_values_are_the_same(text in expression()) {
        check(&text);
    }
}

#[test]
fn what_is_cut_off_by_a_limit_is_the_same() {
    let parentheses = |count: usize| format!("{}Memory{}", "(".repeat(count), ")".repeat(count));
    let minus = |count: usize| format!("{}Wished", "- ".repeat(count));
    for count in [62, 63, 64, 65, 100] {
        check(&parentheses(count));
        check(&minus(count));
        check(&format!("Cpus > 3 || {}", minus(count)));
    }
    check(&format!("{}Memory", "Memory + ".repeat(20_000)));
    check(&format!("{}true", "x == 5 || ".repeat(300)));
}

#[test]
fn a_changed_ad_is_seen_though_its_shape_was_known() {
    let expr = Expr::parse("TARGET.Memory >= 100").unwrap();
    let mut compiled = CompiledExpr::new(Arc::new(ClassAd::new()), &expr, &Env::at(0));
    let mut machine = ClassAd::parse_old("Memory = 50\n").unwrap();
    assert!(!compiled.holds(&machine));
    machine.set("Memory", 150);
    assert!(compiled.holds(&machine));
    machine.set("Cpus", 1);
    assert!(compiled.holds(&machine));
    machine.remove("Memory");
    assert!(!compiled.holds(&machine));
    // More shapes than are remembered take turns.
    for round in 0..3 {
        for extra in 0..20 {
            let mut machine = ClassAd::parse_old("Memory = 150\n").unwrap();
            machine.set(format!("A{extra}"), round);
            machine.set(format!("LongerThanMemory{extra}"), round);
            assert!(compiled.holds(&machine));
        }
    }
}
