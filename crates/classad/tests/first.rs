//! A first look at the whole path: read, match, print, send.

use classad::{AttrName, ClassAd, Env, Expr, Value, matches, rank, requirements_hold};

fn eval(text: &str) -> Value {
    ClassAd::new().eval_expr(&text.parse::<Expr>().unwrap(), None, &Env::at(1000))
}

#[test]
fn operators_follow_the_reference() {
    let check = |text: &str, value: &str| assert_eq!(eval(text).to_new(), value, "{text}");
    check("7/2", "3");
    check("-7/2", "-3");
    check("-7%3", "-1");
    check("1/0", "error");
    check("\"abc\" == \"ABC\"", "true");
    check("\"abc\" =?= \"ABC\"", "false");
    check("undefined || true", "true");
    check("error || true", "error");
    check("undefined ? 1 : 2", "undefined");
    check("u ?: 9", "9");
    check("2 * undefined ?: 3 * 2", "12");
    check("1 =?= 1.0", "false");
    check("true + 1", "2");
    check("!5", "false");
    check("\"a\" + \"b\"", "error");
    check("{1,2}[5]", "error");
    check("1.5", "1.500000000000000E+00");
    check("9223372036854775807 + 1", "-9223372036854775808");
    check("CurrentTime", "1000");
    check("10 || 5", "true");
    check("1 - 1 - 1", "-1");
}

#[test]
fn an_attribute_of_the_other_ad_is_evaluated_there() {
    let my = ClassAd::parse_old("a = 3\ns = s\nt = isUndefined(t)\n").unwrap();
    let target = ClassAd::parse_old("b = a\na = 100\nc = TARGET.a\nd = MY.a\n").unwrap();
    let check = |text: &str, expected: i64| {
        let value = my.eval_expr(&text.parse().unwrap(), Some(&target), &Env::at(0));
        assert_eq!(value, Value::Integer(expected), "{text}");
    };
    check("a", 3);
    check("b", 100);
    check("c", 3);
    check("d", 100);
    check("TARGET.TARGET.a", 3);
    assert_eq!(my.eval("s", None, &Env::at(0)), Value::Undefined);
}

#[test]
fn an_attribute_that_is_called_like_an_ad_can_be_read() {
    let my = ClassAd::parse_old("Target = \"a\"\nSelf = 3\nX = 5").unwrap();
    let other = ClassAd::parse_old("X = 7\nTarget = \"b\"").unwrap();
    for (expr, expected) in [
        ("Target", "\"a\""),
        ("MY.Target", "\"a\""),
        ("Self", "3"),
        ("MY.X", "5"),
        ("TARGET.X", "7"),
        ("TARGET.Target", "\"b\""),
        ("Self + 1", "4"),
        ("Target == \"a\"", "true"),
    ] {
        let parsed = Expr::parse(expr).unwrap();
        let value = my.eval_expr(&parsed, Some(&other), &Env::at(0));
        assert_eq!(value.to_string(), expected, "{expr}");
    }
}

#[test]
fn a_message_arrives_as_it_was_sent() {
    let cluster = ClassAd::parse_old("Cmd = \"/bin/true\"\n").unwrap();
    let mut job = ClassAd::parse_new(
        r#"[ a = 1; b = -2.5; c = "x\ny"; d = undefined; e = error; f = { 1,a.b[2],!x ?: 3 };
             g = a || b && c || d; h = a ? b : -c; i = [ x = .y; z = foo(1,"2") ]; j = absTime("2020-01-01") ]"#,
    )
    .unwrap();
    job.set_parent(std::sync::Arc::new(cluster));
    let bytes = rmp_serde::to_vec_named(&job).unwrap();
    assert_eq!(rmp_serde::from_slice::<ClassAd>(&bytes).unwrap(), job);
    let text = serde_json::to_string(&job).unwrap();
    assert_eq!(serde_json::from_str::<ClassAd>(&text).unwrap(), job);
}

#[test]
fn two_ads_match_when_both_agree() {
    let job = ClassAd::parse_old("Cpus = 1\nRequirements = TARGET.Memory > 100\n").unwrap();
    let mut machine = ClassAd::parse_old("Memory = 512\nRequirements = TARGET.Cpus < 2\n").unwrap();
    assert!(matches(&job, &machine, &Env::at(0)));
    machine.set("memory", 50);
    assert!(!matches(&job, &machine, &Env::at(0)));
    assert_eq!(machine.get_own("Memory"), Some(&Expr::from(50)));
    assert_eq!(AttrName::from("MEMORY"), AttrName::from("memory"));
}

#[test]
fn rank_is_a_number_or_nothing() {
    let machine = ClassAd::parse_old("Mips = 7\nKind = \"fast\"\n").unwrap();
    for (text, expected) in [
        ("TARGET.Mips * 2", 14.0),
        ("1.5", 1.5),
        ("true", 1.0),
        ("TARGET.Kind", 0.0),
        ("TARGET.Nothing", 0.0),
        ("1 / 0", 0.0),
    ] {
        let mut job = ClassAd::new();
        job.set("Rank", Expr::parse(text).unwrap());
        assert_eq!(rank(&job, &machine, &Env::at(0)), expected, "{text}");
    }
    assert_eq!(rank(&ClassAd::new(), &machine, &Env::at(0)), 0.0);
}

#[test]
fn requirements_hold_only_when_true() {
    let machine = ClassAd::parse_old("Memory = 7\n").unwrap();
    for (text, expected) in [
        ("Memory == 7", true),
        ("5", true),
        ("0.0", false),
        ("Disk > 1", false),
        ("error", false),
        ("\"yes\"", false),
    ] {
        let mut job = ClassAd::new();
        job.set("Requirements", Expr::parse(text).unwrap());
        assert_eq!(requirements_hold(&job, &machine, &Env::at(0)), expected, "{text}");
    }
    assert!(!requirements_hold(&ClassAd::new(), &machine, &Env::at(0)));
}
