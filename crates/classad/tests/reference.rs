//! The recorded answers of HTCondor 25.14 (`cargo xtask classad-oracle --record`): type, value and printed form, case by case.

use classad::calculator::Calculation;
use classad::{ClassAd, Env, Expr};

/// Where the cases are: the ads of the following cases as an object, and each case as an array of its expression, the type and
/// text of its value, and the expression as it is printed.
const CASES: &str = include_str!("../../../grammar/corpus/classad/reference.jsonl");

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

#[test]
fn every_recorded_case_has_the_value_and_the_print_of_the_reference() {
    let mut ads = (ClassAd::new(), None);
    let mut cases = 0;
    for line in CASES.lines() {
        match serde_json::from_str(line).unwrap() {
            Line::Ads { my, target } => {
                let read = |text: &str| ClassAd::parse_new(text).unwrap();
                ads = (read(&my), target.as_deref().map(read));
            }
            Line::Case(expr, kind, text, unparsed) => {
                cases += 1;
                check(&ads, &expr, (&kind, &text), &unparsed);
            }
        }
    }
    assert!(cases >= MIN_CASES, "only {cases} cases");
}

fn check(ads: &(ClassAd, Option<ClassAd>), text: &str, expected: (&str, &str), unparsed: &str) {
    let expr = match Expr::parse_new(text) {
        Ok(expr) => expr,
        Err(error) => {
            assert_eq!(expected.0, "parse-error", "{text}: {error}");
            return;
        }
    };
    assert_eq!(expr.to_new(), unparsed, "{text} is printed differently");
    let calculation = Calculation { expr: Some(expr), my: ads.0.clone(), target: ads.1.clone() };
    let answer = calculation.answer(&Env::at(0));
    let listed = LIST_MAKERS.iter().any(|maker| text.contains(maker)) && text.contains(" is")
        || expected.1.contains("relTime(\"--");
    if !listed {
        assert_eq!(
            (answer.kind, answer.text.as_str()),
            expected,
            "{text}\nmy {:?}\ntarget {:?}",
            ads.0,
            ads.1
        );
    }
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
