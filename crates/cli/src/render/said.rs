//! What a command says: the texts for its two outputs, and the one way from data to them or to
//! JSON.

use serde::Serialize;

use crate::render::dialect::Dialect;

/// What is written to each output; the standard output first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub out: String,
    pub err: String,
}

impl Said {
    /// On standard output only.
    pub fn out(text: impl Into<String>) -> Self {
        Self { out: text.into(), err: String::new() }
    }

    /// On standard error only.
    pub fn err(text: impl Into<String>) -> Self {
        Self { out: String::new(), err: text.into() }
    }
}

/// What a verb found or did, as data. Its fields are its JSON; in words it is told in the dialect
/// in which the verb was called.
pub trait Tell: Serialize {
    fn tell(&self, dialect: Dialect) -> Said;
}

/// A value as the JSON that commands print: the one form of what is no ad.
pub fn json(value: &impl Serialize) -> String {
    // A value's numbers and keys are ours; a type that is no JSON is a mistake in this program.
    let value = serde_json::to_value(value).expect("an outcome that is JSON");
    format!("{value:#}\n")
}
