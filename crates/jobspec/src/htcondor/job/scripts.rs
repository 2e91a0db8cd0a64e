//! What a job says of the programs before and after its own (`+PreCmd`, `+PostCmd`), which have
//! attributes only and no keywords: whether it can be done. Where the machine would find nothing to
//! run, the user is told here.

use classad::Value;
use model::{Script, Universe};

use super::Job;
use model::diagnostic::Diagnostic;

impl Job<'_> {
    pub(super) fn check_scripts(&mut self) -> Result<(), Diagnostic> {
        for script in Script::ALL {
            let attr = script.attribute();
            let Some(program) = self.ad.get(attr) else { continue };
            let written = format!("my.{attr}");
            let value = program.as_literal();
            if value.is_some_and(Value::is_undefined) {
                continue;
            }
            if value.and_then(Value::as_str).is_none_or(str::is_empty) {
                let message = format!("{attr} = {program} names no program");
                let hint = format!("a path in double quotes, as in +{attr} = \"setup.sh\"");
                return Err(Diagnostic::error(message).at(self.place(&written)).hint(hint));
            }
            if let Err(error) = script.of(&self.ad) {
                let message = format!("the arguments or the environment of {attr}: {error}");
                return Err(Diagnostic::error(message).at(self.place(&written)));
            }
            if self.universe == Universe::Scheduler {
                self.warn(&written, format!("{attr} does nothing in the scheduler universe"));
            }
        }
        Ok(())
    }
}
