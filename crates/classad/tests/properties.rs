//! Properties that hold for every text and every tree: nothing panics, and what is printed reads
//! back.

use classad::{ClassAd, Env, Expr};
use proptest::prelude::*;

/// Expressions as texts, by construction in the language.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-1e9..1e9_f64).prop_map(|number| format!("{number:.6}")),
        "\"[ -!#-\\[\\]-~é\n\t]{0,8}\"".prop_map(|text| text),
        "[a-zA-Z_][a-zA-Z0-9_]{0,6}".prop_filter("a plain name", |name| {
            !["is", "isnt", "true", "false", "error", "undefined"]
                .iter()
                .any(|word| name.eq_ignore_ascii_case(word))
        }),
        Just("undefined".to_owned()),
        Just("MY.x".to_owned()),
        Just("'odd name'".to_owned()),
        Just("TARGET.Memory".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let op = prop::sample::select(vec![
            "+", "-", "*", "/", "&&", "||", "==", "=?=", "<", ">>", "|", "is",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone())
                .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("!({inner})")),
            inner.clone().prop_map(|inner| format!("- ({inner})")),
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("{{{}}}", items.join(","))),
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|args| format!("strcat({})", args.join(","))),
            (inner.clone(), inner.clone()).prop_map(|(list, index)| format!("({list})[{index}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(condition, then, other)| format!("({condition}) ? {then} : {other}")),
            inner.clone().prop_map(|value| format!("[ a = {value}; 'b c' = 1 ].a")),
            (inner.clone(), inner).prop_map(|(left, right)| format!("({left}) ?: ({right})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        drop((Expr::parse(&text), Expr::parse_new(&text), ClassAd::parse_old(&text), ClassAd::parse_new(&text)));
        drop((ClassAd::parse_json(&text), ClassAd::parse_xml_ads(&text), ClassAd::parse_json_ads(&text)));
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop((rmp_serde::from_slice::<ClassAd>(&bytes), rmp_serde::from_slice::<Expr>(&bytes)));
    }

    #[test]
    fn what_is_printed_reads_back(text in expression()) {
        let expr = Expr::parse_new(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = expr.to_new();
        prop_assert_eq!(Expr::parse_new(&printed), Ok(expr.clone()), "{}", printed);
        let mut ad = ClassAd::new();
        ad.set("x", &expr);
        ad.set("odd name", 1);
        prop_assert_eq!(ClassAd::parse_new(&ad.to_new()), Ok(ad.clone()), "{}", ad.to_new());
        prop_assert_eq!(rmp_serde::from_slice::<ClassAd>(&rmp_serde::to_vec_named(&ad).unwrap()).unwrap(), ad);
    }

    #[test]
    fn json_and_xml_read_back(text in expression()) {
        let mut ad = ClassAd::new();
        ad.set("x", Expr::parse_new(&text).unwrap());
        ad.set("list", Expr::parse_new("{1, \"two <&> \\\"3\\\"\", {a + 1}, [ b = 2.5 ], true}").unwrap());
        let json = ad.to_json();
        prop_assert_eq!(ClassAd::parse_json(&json).map(|ad| ad.to_json()), Ok(json));
        let lines = format!("{}\n{}\n", ad.to_jsonl(), ad.to_jsonl());
        prop_assert_eq!(ClassAd::parse_json_ads(&lines).map(|ads| ads.len()), Ok(2));
        let xml = classad::xml_document([&ad]);
        let read = ClassAd::parse_xml_ads(&xml).unwrap_or_else(|error| panic!("{xml}: {error}"));
        prop_assert_eq!(read[0].to_xml(), ad.to_xml());
    }

    #[test]
    fn evaluation_and_folding_never_panic_and_agree(text in expression(), memory in any::<i64>()) {
        let expr = Expr::parse_new(&text).unwrap();
        let mut my = ClassAd::new();
        my.set("x", 5);
        my.set("a", Expr::parse("x * 2").unwrap());
        my.set("self", Expr::parse("self + a").unwrap());
        let mut target = ClassAd::new();
        target.set("Memory", memory);
        let env = Env::at(1);
        let whole = my.eval_expr(&expr, Some(&target), &env);
        let folded = my.eval_expr(&expr.flatten(&my, &env), Some(&target), &env);
        // A conjunction may keep its truth but lose its type: `true && 5` folds to 5.
        prop_assert_eq!(whole.is_true(), folded.is_true(), "{} became {}", expr.to_new(), expr.flatten(&my, &env).to_new());
    }
}

#[test]
fn a_prefix_minus_before_a_number_is_printed_so_that_it_stays_one() {
    for text in ["- 5", "- 1 .a", "- 1 .n.s", "- 1[0]", "- 1 ?: 2", "- 1.5 .a", "-(1).a", "-1 .a"] {
        let expr: Expr = text.parse().unwrap();
        let printed = expr.to_string();
        assert_eq!(printed.parse::<Expr>().as_ref(), Ok(&expr), "{text} as {printed}");
    }
}
