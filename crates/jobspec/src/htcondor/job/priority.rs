//! Where the job stands among its owner's: `priority`, and the four attributes around it that have
//! no keyword (`+PreJobPrio1 = 5`). What they weigh is `model`'s matter; here is seen to it that
//! they are numbers.

use model::{JobPriority, attr};

use super::Job;
use crate::language::evaluate;
use model::diagnostic::Diagnostic;

impl Job<'_> {
    /// A constant expression becomes its value, as with `priority`. The schedd sorts whole clusters
    /// by what is written there, so that a value which differs with the time or the job's state
    /// could not count.
    pub(super) fn check_priorities(&mut self) -> Result<(), Diagnostic> {
        for name in JobPriority::ATTRIBUTES {
            let Some(value) = self.ad.get(name) else { continue };
            if JobPriority::value(value).is_some() {
                continue;
            }
            let number = evaluate::integer(&value.to_string());
            if let Some(number) = number.and_then(|number| i32::try_from(number).ok()) {
                self.ad.set(name, number);
                continue;
            }
            let message = format!("{name} = {value} cannot order jobs");
            let hint = format!("an integer from {} to {}", i32::MIN, i32::MAX);
            let written = format!("my.{name}");
            let keyword = (name == attr::JOB_PRIO).then(|| self.place("priority")).flatten();
            let place = self.place(&written).or(keyword);
            return Err(Diagnostic::error(message).at(place).hint(hint));
        }
        Ok(())
    }
}
