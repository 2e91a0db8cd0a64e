//! One case: a question, the reference's answer, and whether ours is the same.

use classad::calculator::Calculation;
use classad::{Env, Expr};
use serde::{Deserialize, Serialize};

/// An expression and the ads it is evaluated in, as texts in the new syntax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub expr: String,
    /// The ad that `MY` means.
    pub my: Option<String>,
    /// The ad that `TARGET` means.
    pub target: Option<String>,
}

/// What an implementation makes of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The type of the value; `parse-error`, or `failed` where the reference gave up without a
    /// value.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value as printed in the new syntax.
    pub text: String,
    /// The expression as printed in the new syntax.
    #[serde(default)]
    pub unparsed: String,
}

/// What our evaluator answers, in the words of the recorded answers.
pub fn answer(question: &Question) -> Answer {
    let read =
        Calculation::read(&question.expr, question.my.as_deref(), question.target.as_deref());
    match read {
        Err(_) => {
            Answer { kind: "parse-error".to_owned(), text: String::new(), unparsed: String::new() }
        }
        Ok(calculation) => {
            let answer = calculation.answer(&Env::at(0));
            Answer {
                kind: answer.kind.to_owned(),
                text: answer.text,
                unparsed: calculation.expr.as_ref().map_or(String::new(), Expr::to_new),
            }
        }
    }
}

/// Functions that make a list, rather than evaluate one that is written in an expression.
const LIST_MAKERS: &[&str] = &["split", "argsToList", "evalInEachContext"];

/// Whether our answer may stand where the reference gave this one.
pub fn agrees(question: &Question, ours: &Answer, reference: &Answer) -> bool {
    match reference.kind.as_str() {
        "parse-error" => ours.kind == "parse-error",
        // The reference gave up without a value (too deep, or a text that Python cannot hold).
        "failed" => ours.unparsed == reference.unparsed,
        _ => ours == reference || is_listed_difference(question, ours, reference),
    }
}

/// The differences that `docs/user/classads.md` lists and that cannot be kept from being generated.
fn is_listed_difference(question: &Question, ours: &Answer, reference: &Answer) -> bool {
    // Lengths of time beyond 32 bits wrap around in the reference, and its text of them is no time.
    if reference.kind == "reltime" && reference.text.contains("--") {
        return true;
    }
    let texts = [Some(&question.expr), question.my.as_ref(), question.target.as_ref()];
    let mentions = |word: &str| texts.iter().flatten().any(|text| text.contains(word));
    // Patterns that PCRE takes with a shrug (`x{ "y" }`) and our engine refuses.
    let patterns = ["regexp", "replace"].iter().any(|word| mentions(word));
    if patterns
        && mentions("eval(")
        && ours.text != reference.text
        && ours.unparsed == reference.unparsed
    {
        return true;
    }
    // After `unresolved()` of an attribute of the other ad, the reference looks later names up
    // there.
    let forgets = mentions("unresolved(") && question.target.is_some();
    if forgets && ours.unparsed == reference.unparsed {
        return true;
    }
    // `=?=` of a written list and a computed one is false to the reference, and error where both
    // are of one sort.
    let identity = ["=?=", "=!=", " is ", " isnt ", "\"is", "identicalMember"]
        .iter()
        .any(|word| mentions(word));
    let lists = LIST_MAKERS.iter().any(|word| mentions(word));
    identity && lists && ours.unparsed == reference.unparsed && ours.text != reference.text
}
