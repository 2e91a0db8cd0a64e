//! The calculator for people who write Requirements: `updraft classad eval`.
//!
//! Knows how to show a value, the value of each part of an expression, and the protocol of one JSON
//! object a line. Does no IO: the command passes lines in and prints lines out.

use serde::{Deserialize, Serialize};

use crate::eval::{Env, Evaluator, Scope};
use crate::{ClassAd, Expr, ParseError, Value};

/// An expression and the ads it is evaluated in.
#[derive(Clone, Debug, Default)]
pub struct Calculation {
    /// What is evaluated.
    pub expr: Option<Expr>,
    /// What `MY` and unscoped names mean.
    pub my: ClassAd,
    /// What `TARGET` means.
    pub target: Option<ClassAd>,
}

/// One line of the input of the line protocol.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    /// The text of the expression.
    pub expr: String,
    /// The text of the ad that `MY` means.
    #[serde(default)]
    pub my: Option<String>,
    /// The text of the ad that `TARGET` means.
    #[serde(default)]
    pub target: Option<String>,
}

/// One line of its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The type of the value, or `parse-error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The value as the language prints it, or what is wrong with the text.
    pub text: String,
}

/// The value of one part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How deep inside the expression the part is.
    pub depth: usize,
    pub expr: String,
    pub value: String,
    /// What a person should know about the part, such as that the name is nowhere defined.
    pub note: Option<String>,
}

impl Calculation {
    /// Reads the texts. An ad may be in the old syntax or, if it begins with `[`, in the new.
    ///
    /// # Errors
    /// The first text that is not in the language.
    pub fn read(
        expr: &str,
        my: Option<&str>,
        target: Option<&str>,
    ) -> Result<Calculation, ParseError> {
        Ok(Calculation {
            expr: Some(Expr::parse_new(expr)?),
            my: my.map_or_else(|| Ok(ClassAd::new()), read_ad)?,
            target: target.map(read_ad).transpose()?,
        })
    }

    pub fn value(&self, env: &Env) -> Value {
        match &self.expr {
            Some(expr) => self.my.eval_expr(expr, self.target.as_ref(), env),
            None => Value::Undefined,
        }
    }

    /// The type and text of the value.
    pub fn answer(&self, env: &Env) -> Answer {
        let value = self.value(env);
        Answer { kind: value.type_name(), text: value.to_new() }
    }

    /// The value of the expression and of every part of it that is not a literal, from the outside
    /// in.
    pub fn explain(&self, env: &Env) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(expr) = &self.expr {
            self.explain_part(expr, 0, env, &mut steps);
        }
        steps
    }

    fn explain_part(&self, part: &Expr, depth: usize, env: &Env, steps: &mut Vec<Step>) {
        if depth > 0 && part.as_literal().is_some() {
            return;
        }
        let mut evaluator = Evaluator::new(&self.my, self.target.as_ref(), env);
        let value = evaluator.eval(part, &Scope::My);
        let value = evaluator.value(value);
        let note = note_on(part, &value);
        steps.push(Step {
            depth,
            expr: part.to_new().trim().to_owned(),
            value: value.to_new(),
            note,
        });
        if crate::expr::is_reference(part) {
            return;
        }
        part.for_each_child(&mut |child| self.explain_part(child, depth + 1, env, steps));
    }
}

fn note_on(part: &Expr, value: &Value) -> Option<String> {
    let unknown = crate::expr::called_but_unknown(part);
    if let Some(name) = unknown {
        return Some(format!("there is no function {name}"));
    }
    if value.is_undefined() && crate::expr::is_reference(part) {
        return Some("no such attribute".to_owned());
    }
    None
}

/// Reads an ad in the old syntax or, if it begins with `[`, in the new.
///
/// # Errors
/// Says where the text leaves the language.
pub fn read_ad(text: &str) -> Result<ClassAd, ParseError> {
    if text.trim_start().starts_with('[') {
        ClassAd::parse_new(text)
    } else {
        ClassAd::parse_old(text)
    }
}

/// Answers one question of the line protocol. A text that is not in the language is an answer too.
pub fn answer(question: &Question, env: &Env) -> Answer {
    match Calculation::read(&question.expr, question.my.as_deref(), question.target.as_deref()) {
        Ok(calculation) => calculation.answer(env),
        Err(error) => Answer { kind: "parse-error", text: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_explained_once() {
        let calculation = Calculation::read(
            "TARGET.Memory >= a * 2 && frob(b)",
            Some("a = 4\n"),
            Some("[ Memory = 9 ]"),
        )
        .unwrap();
        let steps: Vec<String> = calculation
            .explain(&Env::at(0))
            .iter()
            .map(|step| {
                let note = step.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
                format!("{}{} = {}{note}", "  ".repeat(step.depth), step.expr, step.value)
            })
            .collect();
        assert_eq!(
            steps,
            [
                "TARGET.Memory >= a * 2 && frob(b) = error",
                "  TARGET.Memory >= a * 2 = true",
                "    TARGET.Memory = 9",
                "    a * 2 = 8",
                "      a = 4",
                "  frob(b) = error (there is no function frob)",
                "    b = undefined (no such attribute)",
            ]
        );
    }

    #[test]
    fn a_question_gets_a_type_and_a_text() {
        let ask = |expr: &str| {
            let question = Question {
                expr: expr.to_owned(),
                my: Some("[ x = 1.5 ]".to_owned()),
                target: None,
            };
            let Answer { kind, text } = answer(&question, &Env::at(0));
            format!("{kind} {text}")
        };
        assert_eq!(ask("x"), "real 1.500000000000000E+00");
        assert_eq!(ask("{1,x}"), "list { 1,x }");
        assert_eq!(ask("y"), "undefined undefined");
        assert_eq!(ask("\"a\\nb\""), "string \"a\\nb\"");
        assert!(ask("1 +").starts_with("parse-error line 1, column 4"), "{}", ask("1 +"));
    }
}
