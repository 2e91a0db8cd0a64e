//! What a verb gives back: what is to be said, and how it ended. Verbs do not print; whoever called
//! them does, here.

use std::io;
use std::process::ExitCode;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::output::complain;
use crate::render::said::{self, Said, Tell};

/// How a verb ended, with what it has to say. By default all is well, and was said as it happened.
#[derive(Debug, Default)]
pub struct Outcome {
    pub said: Said,
    pub exit: ExitCode,
}

impl Outcome {
    /// What a verb found or did: as JSON, or in the words of the dialect in which it was called.
    pub fn of(what: &impl Tell, as_json: bool, call: &Call, exit: Exit) -> Self {
        let said = match as_json {
            true => Said::out(said::json(what)),
            false => what.tell(call.dialect),
        };
        Self { said, exit: exit.into() }
    }

    /// A text that is the same in every dialect, and all is well.
    pub fn done(text: impl Into<String>) -> Self {
        Self { said: Said::out(text), exit: Exit::Done.into() }
    }

    /// Why it could not be done, where the words are the dialect's own.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { said: Said::err(text), exit: Exit::Failed.into() }
    }

    /// The same, after what there was to say on the way.
    #[must_use]
    pub fn after(mut self, notes: &Said) -> Self {
        self.said.out.insert_str(0, &notes.out);
        self.said.err.insert_str(0, &notes.err);
        self
    }

    /// Says it.
    ///
    /// # Errors
    ///
    /// If nobody reads it any more.
    pub fn print(self) -> io::Result<ExitCode> {
        let Self { said: Said { out, err }, exit } = self;
        if !out.is_empty() {
            output::put(&out)?;
        }
        if !err.is_empty() {
            complain(&err);
        }
        Ok(exit)
    }
}

/// A verb that has said all as it happened.
impl From<ExitCode> for Outcome {
    fn from(exit: ExitCode) -> Self {
        Self { said: Said::default(), exit }
    }
}
