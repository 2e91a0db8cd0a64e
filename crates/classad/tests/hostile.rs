//! Hostile texts, messages and ads are refused or give an error in bounded time, memory and stack.
//! Nothing panics.

use std::time::Duration;

use classad::{ClassAd, Env, Expr, Value};

/// Far less stack than any thread of a daemon has.
const STACK_BYTES: usize = 256 << 10;

/// What one hostile evaluation may take on a slow machine in a debug build.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a test with little stack, and fails if it takes too long.
fn in_small_stack(test: impl FnOnce() + Send + 'static) {
    let (done, waiting) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        test();
        done.send(()).unwrap_or_default();
    });
    let thread = thread.unwrap();
    let in_time = waiting.recv_timeout(PATIENCE).is_ok();
    if thread.is_finished() || in_time {
        thread.join().unwrap();
    }
    assert!(in_time, "still running after {PATIENCE:?}");
}

fn eval(text: &str) -> Value {
    match Expr::parse_new(text) {
        Ok(expr) => ClassAd::new().eval_expr(&expr, None, &Env::at(0)),
        Err(_) => Value::Error,
    }
}

#[test]
fn deep_nesting_of_every_kind_is_refused() {
    in_small_stack(|| {
        let deep = 1_000_000;
        for (open, inside, close) in [
            ("(", "1", ")"),
            ("{", "", "}"),
            ("[a=", "1", "]"),
            ("f(", "1", ")"),
            ("!", "true", ""),
            ("-", "x", ""),
            ("a[", "1", "]"),
            ("a?b:", "c", ""),
            ("a?", "b", ":c"),
            ("", "a", ".a"),
            ("", "a", "[0]"),
            ("", "a", " ?: a"),
        ] {
            let text = format!("{}{inside}{}", open.repeat(deep), close.repeat(deep));
            assert!(Expr::parse_new(&text).is_err(), "{open}{inside}{close}");
        }
    });
}

#[test]
fn the_deepest_text_that_is_read_can_be_used_in_every_way() {
    in_small_stack(|| {
        for (open, inside, close) in [
            ("(", "1", ")"),
            ("{", "1", "}"),
            ("[a=", "1", "]"),
            ("int(", "1", ")"),
            ("!", "true", ""),
        ] {
            let nested =
                |deep: usize| format!("{}{inside}{}", open.repeat(deep), close.repeat(deep));
            let deepest = (1..=classad::limits::MAX_NESTING)
                .rev()
                .find_map(|deep| Expr::parse_new(&nested(deep)).ok());
            let expr = deepest.unwrap_or_else(|| panic!("{open} is never read"));
            let mut ad = ClassAd::new();
            ad.set("a", &expr);
            assert_eq!(Expr::parse_new(&expr.to_new()).unwrap(), expr);
            let sent = rmp_serde::to_vec_named(&ad);
            if let Ok(bytes) = sent {
                drop(rmp_serde::from_slice::<ClassAd>(&bytes));
            }
            drop((
                ad.to_json(),
                ad.to_xml(),
                ad.to_old(),
                expr.flatten(&ad, &Env::at(0)),
                expr.references(),
            ));
            drop(ad.eval("a", None, &Env::at(0)));
        }
    });
}

#[test]
fn long_flat_chains_are_no_problem() {
    in_small_stack(|| {
        let sum = vec!["1"; 100_000].join(" + ");
        assert_eq!(eval(&sum), Value::Integer(100_000));
        let any = format!("{} || true", vec!["a == 1"; 50_000].join(" || "));
        assert_eq!(eval(&any), Value::Boolean(true));
        let expr = Expr::parse_new(&sum).unwrap();
        assert_eq!(expr.to_new(), sum);
    });
}

#[test]
fn growth_without_end_becomes_an_error() {
    in_small_stack(|| {
        let mut ad = ClassAd::new();
        ad.set("s0", "0123456789");
        ad.set("l0", Expr::parse("{1,2}").unwrap());
        for step in 1..60 {
            let before = step - 1;
            ad.set(
                format!("s{step}"),
                Expr::parse(&format!("strcat(s{before},s{before})")).unwrap(),
            );
            ad.set(format!("l{step}"), Expr::parse(&format!("{{l{before},l{before}}}")).unwrap());
            ad.set(format!("n{step}"), Expr::parse(&format!("n{before} + n{before}")).unwrap());
            ad.set(
                format!("j{step}"),
                Expr::parse(&format!("split(strcat(j{before},\" \",j{before}))")).unwrap(),
            );
        }
        ad.set("n0", 1);
        ad.set("j0", "a");
        for name in ["s59", "n59"] {
            assert_eq!(ad.eval(name, None, &Env::at(0)), Value::Error, "{name}");
        }
        for text in [
            "string(l59)",
            "size(join(l59))",
            "eval(strcat(s20,s20))",
            "j59",
            "replaceAll(\"0\",s18,s10)",
        ] {
            drop(ad.eval_expr(&Expr::parse(text).unwrap(), None, &Env::at(0)));
        }
    });
}

#[test]
fn circles_through_three_ads_end() {
    in_small_stack(|| {
        let my = ClassAd::parse_new("[ a = TARGET.b; n = [ x = y; y = MY.z; z = TARGET.c ]; e = eval(\"e\"); l = { l[0] } ]").unwrap();
        let target = ClassAd::parse_new("[ b = TARGET.a; c = TARGET.n.x; d = d + 1 ]").unwrap();
        for (text, value) in
            [("a", Value::Undefined), ("n.x", Value::Undefined), ("d", Value::Undefined)]
        {
            assert_eq!(
                my.eval_expr(&Expr::parse(text).unwrap(), Some(&target), &Env::at(0)),
                value,
                "{text}"
            );
        }
        for text in ["e", "l[0]", "l[0][0]"] {
            drop(my.eval_expr(&Expr::parse(text).unwrap(), Some(&target), &Env::at(0)));
        }
        let chain: ClassAd = (0..100_000)
            .map(|index| (format!("c{index}"), Expr::attr(format!("c{}", index + 1))))
            .collect();
        assert_eq!(chain.eval("c0", None, &Env::at(0)), Value::Error);
    });
}

#[test]
fn catastrophic_patterns_end() {
    in_small_stack(|| {
        let long = "a".repeat(50_000);
        for pattern in [
            "(a+)+$",
            "(a|a)*b",
            "(a*)*b",
            "(?=(a+)+$)b",
            "(a+)+\\\\1$",
            "(a{1000}){1000}{1000}",
            "((((((((a+)+)+)+)+)+)+)+)+b",
        ] {
            let text = format!("regexp(\"{pattern}\",\"{long}b\")");
            drop(eval(&text));
        }
        assert_eq!(eval(&format!("regexp(\"{}\",\"a\")", "(".repeat(100_000))), Value::Error);
    });
}

#[test]
fn a_pattern_that_is_too_large_is_refused_once_and_not_once_an_evaluation() {
    in_small_stack(|| {
        let expr = Expr::parse_new(r#"regexp("((((a{100}){100}){100}){100})", "a")"#).unwrap();
        for _ in 0..20_000 {
            assert_eq!(ClassAd::new().eval_expr(&expr, None, &Env::at(0)), Value::Error);
        }
    });
}

#[test]
fn an_evaluation_that_makes_ever_new_patterns_runs_out_of_steps() {
    in_small_stack(|| {
        let steps = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let env = Env::at(0).with_meter(std::sync::Arc::clone(&steps));
        let large = |n: u32| format!(r#"regexp("(((a{{100}}){{100}}){{100}}){n}", "a") isnt true"#);
        let text: Vec<String> = (0..1000).map(large).collect();
        let expr = Expr::parse_new(&text.join(" && ")).unwrap();
        ClassAd::new().eval_expr(&expr, None, &env);
        assert_eq!(
            steps.load(std::sync::atomic::Ordering::Relaxed),
            classad::limits::MAX_EVAL_STEPS
        );
    });
}

#[test]
fn a_string_of_64_mib_is_read_or_refused() {
    in_small_stack(|| {
        let half = format!("\"{}\"", "x".repeat(32 << 20));
        assert!(Expr::parse_new(&half).is_ok());
        let too_long = format!("\"{}\"", "x".repeat(64 << 20));
        assert!(Expr::parse_new(&too_long).is_err());
        assert!(ClassAd::parse_old(&format!("a = {too_long}")).is_err());
    });
}

#[test]
fn hostile_messages_are_refused() {
    in_small_stack(|| {
        // [22, [22, [22, ...]]]: parentheses in parentheses.
        let deep: Vec<u8> = [0x92, 22].repeat(1_000_000);
        assert!(rmp_serde::from_slice::<Expr>(&deep).is_err());
        // A list that claims four billion elements.
        assert!(rmp_serde::from_slice::<Expr>(&[0xdd, 0xff, 0xff, 0xff, 0xff, 20]).is_err());
        // Unknown tags and operators, missing and superfluous parts.
        for bytes in [
            &[0x91, 99][..],
            &[0x94, 15, 99, 1, 2],
            &[0x92, 15, 1],
            &[0x95, 17, 1, 2, 3, 4],
            &[0x90],
        ] {
            assert!(rmp_serde::from_slice::<Expr>(bytes).is_err(), "{bytes:?}");
        }
        let json = format!("{}1{}", "[22,".repeat(500), "]".repeat(500));
        assert!(serde_json::from_str::<Expr>(&json).is_err());
        assert!(
            ClassAd::parse_json(&format!(
                "{{\"a\":{}1{}}}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            ))
            .is_err()
        );
        assert!(
            ClassAd::parse_xml_ads(&format!("<c><a n=\"a\">{}", "<l>".repeat(100_000))).is_err()
        );
    });
}
