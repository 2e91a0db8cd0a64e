//! The recorded answers of HTCondor 25.14: type, value and printed form, case by case.
//!
//! The random cases were recorded with `cargo xtask classad-oracle --record`, the formats of whole
//! ads with `tests/classad_oracle/formats.cpp`.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::calculator::Calculation;
use classad::compiled::CompiledExpr;
use classad::{AttributeOrder, ClassAd, Env, Expr, Value};

/// Random cases: the ads of the following cases as an object, and each case as an array of its
/// expression, the type and text of its value, and the expression as it is printed.
const CASES: &str = include_str!("../../../grammar/corpus/classad/reference.jsonl");

/// In the same form: every operator with every two types, every function with every type, and every
/// way to look a name up.
const BY_TYPE: &str = include_str!("../../../grammar/corpus/classad/by-type.jsonl");

/// The hard cases, each under the claim that it shows.
const GOTCHAS: &str = include_str!("../../../grammar/corpus/classad/gotchas.jsonl");

/// Uses of each function and operator as the language's manual explains them, in the same form.
const MANUAL: &str = include_str!("../../../grammar/corpus/classad/manual.jsonl");

/// Whole ads, and what each looks like in the old syntax, as JSON and as XML.
const FORMATS: &str = include_str!("../../../grammar/corpus/classad/formats.jsonl");

/// At least so many cases must be there for the test to mean anything.
const MIN_CASES: usize = 20_000;

/// Functions that make a list: comparing one by identity differs, as `docs/user/classads.md` says.
const LIST_MAKERS: [&str; 3] = ["split", "argsToList", "evalInEachContext"];

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Line {
    Ads { my: String, target: Option<String> },
    Case(String, String, String, String),
}

/// A line of the hard cases: a claim with the ads that it is shown on, or a case as above.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Gotcha {
    Claim { claim: String, my: Option<String>, target: Option<String> },
    Case(String, String, String, String),
}

/// An ad in the new syntax, and in the others.
#[derive(serde::Deserialize)]
struct Formats {
    ad: String,
    /// Left out where a name needs quotes, which the reference's C++ (but not its Python) forgets.
    old: Option<String>,
    json: String,
    jsonl: String,
    xml: String,
}

#[test]
fn every_recorded_case_has_the_value_and_the_print_of_the_reference() {
    assert!(check_all(CASES) >= MIN_CASES);
}

#[test]
fn every_operator_and_function_takes_every_type_as_the_reference_does() {
    assert!(check_all(BY_TYPE) >= 6_000);
}

#[test]
fn gotchas() {
    assert!(check_claims(GOTCHAS) >= 35);
}

#[test]
fn examples_of_the_manual() {
    assert!(check_claims(MANUAL) >= 18);
}

/// Returns the number of claims.
fn check_claims(recorded: &str) -> usize {
    let read = |text: String| ClassAd::parse_new(&text).unwrap();
    let mut ads = (ClassAd::new(), None);
    let (mut claims, mut differences) = (BTreeSet::new(), Vec::new());
    for line in recorded.lines() {
        match serde_json::from_str(line).unwrap() {
            Gotcha::Claim { claim, my, target } => {
                claims.insert(claim);
                ads = (my.map(read).unwrap_or_default(), target.map(read));
            }
            Gotcha::Case(expr, kind, text, print) => {
                differences.extend(difference(&ads, &expr, (&kind, &text), &print));
            }
        }
    }
    assert_none(&differences);
    claims.len()
}

#[test]
fn whole_ads_are_printed_as_the_reference_prints_them_and_read_back() {
    for line in FORMATS.lines() {
        let Formats { ad: text, old, json, jsonl, xml } = serde_json::from_str(line).unwrap();
        let ad = ClassAd::parse_new(&text).unwrap();
        if let Some(old) = old {
            // In which order is up to the caller there.
            let sorted = |text: &str| {
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&ad.to_old()), sorted(&old), "{text}");
        }
        assert_eq!(ad.to_json_in(AttributeOrder::ShorterFirst), json, "{text}");
        assert_eq!(ad.to_jsonl_in(AttributeOrder::ShorterFirst), jsonl, "{text}");
        assert_eq!(ad.to_xml_in(AttributeOrder::ShorterFirst), xml, "{text}");
        // A line is an attribute, so the old syntax cannot say a string of two lines.
        if !text.contains("\\n") {
            assert_eq!(ClassAd::parse_old(&ad.to_old()).unwrap().to_new(), ad.to_new(), "{text}");
        }
        let again = ClassAd::parse_json(&json).unwrap();
        assert_eq!(again.to_json_in(AttributeOrder::ShorterFirst), json, "{text}");
        let again = ClassAd::parse_json(&jsonl).unwrap();
        assert_eq!(again.to_jsonl_in(AttributeOrder::ShorterFirst), jsonl, "{text}");
        let again = ClassAd::parse_xml_ads(&xml).unwrap();
        assert_eq!(again[0].to_xml_in(AttributeOrder::ShorterFirst), xml, "{text}");
    }
}

fn check_all(recorded: &str) -> usize {
    let mut ads = (ClassAd::new(), None);
    let (mut cases, mut differences) = (0, Vec::new());
    for line in recorded.lines() {
        match serde_json::from_str(line).unwrap() {
            Line::Ads { my, target } => {
                let read = |text: &str| ClassAd::parse_new(text).unwrap();
                ads = (read(&my), target.as_deref().map(read));
            }
            Line::Case(expr, kind, text, unparsed) => {
                cases += 1;
                differences.extend(difference(&ads, &expr, (&kind, &text), &unparsed));
            }
        }
    }
    assert_none(&differences);
    cases
}

fn assert_none(differences: &[String]) {
    let shown = &differences[..differences.len().min(20)];
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), shown.join("\n"));
}

/// What differs, if anything.
fn difference(
    ads: &(ClassAd, Option<ClassAd>),
    text: &str,
    expected: (&str, &str),
    unparsed: &str,
) -> Option<String> {
    let expr = match Expr::parse_new(text) {
        Ok(expr) => expr,
        Err(_) if expected.0 == "parse-error" => return None,
        Err(error) => return Some(format!("{text}: {error}")),
    };
    if expr.to_new() != unparsed {
        return Some(format!("{text} is printed {} and not {unparsed}", expr.to_new()));
    }
    if let (my, Some(target)) = ads {
        let of = |value: Value| (value.type_name(), value.to_new());
        let evaluated = of(my.eval_expr(&expr, Some(target), &Env::at(0)));
        let mut compiled = CompiledExpr::new(Arc::new(my.clone()), &expr, &Env::at(0));
        let compiled = of(compiled.eval(target));
        if compiled != evaluated {
            return Some(format!("{text} is compiled {compiled:?} and not {evaluated:?}"));
        }
    }
    let calculation = Calculation { expr: Some(expr), my: ads.0.clone(), target: ads.1.clone() };
    let answer = calculation.answer(&Env::at(0));
    let listed = LIST_MAKERS.iter().any(|maker| text.contains(maker)) && text.contains(" is")
        || expected.1.contains("relTime(\"--");
    if listed || (answer.kind, answer.text.as_str()) == expected {
        return None;
    }
    Some(format!("{text}: {answer:?} and not {expected:?}\n  my {:?}\n  target {:?}", ads.0, ads.1))
}

#[test]
fn every_recorded_expression_reads_back_from_its_print() {
    for line in CASES.lines() {
        if let Line::Case(text, kind, ..) = serde_json::from_str(line).unwrap()
            && kind != "parse-error"
        {
            let expr = Expr::parse_new(&text).unwrap();
            assert_eq!(Expr::parse_new(&expr.to_new()).as_ref(), Ok(&expr), "{text}");
        }
    }
}
