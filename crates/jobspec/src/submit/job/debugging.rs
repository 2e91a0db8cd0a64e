//! What the machine tells of a run (`starter_debug`, `starter_log`).

use super::Job;
use crate::diagnostic::Diagnostic;
use crate::language::evaluate;

const DEBUG: &str = "starter_debug";

const DEBUG_ATTR: &str = "JobStarterDebug";

impl Job<'_> {
    /// Who says where the account of a run goes wants one (HTCondor 25.14).
    pub(super) fn set_debugging(&mut self) -> Result<(), Diagnostic> {
        if let Some(path) = self.text("starter_log")? {
            let path = self.absolute(&path);
            self.ad.set("JobStarterLog", path);
            self.ad.set(DEBUG_ATTR, true);
        }
        let Some(levels) = self.word(DEBUG)? else { return Ok(()) };
        if let Some(truth) = evaluate::truth(&levels) {
            self.ad.set(DEBUG_ATTR, truth);
            return Ok(());
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "_:+-~|, \t".contains(c);
        if let Some(odd) = levels.chars().find(|c| !fits(*c)) {
            let message = format!("{DEBUG} = {levels}: {odd:?} stands in no name of a level");
            let hint = "true, or levels as in D_FULLDEBUG, which tells more";
            return Err(Diagnostic::error(message).at(self.place(DEBUG)).hint(hint));
        }
        self.ad.set(DEBUG_ATTR, levels);
        Ok(())
    }
}
