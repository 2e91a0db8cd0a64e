//! When the job may start: a fixed time, or a crontab.

use model::{Universe, attr};

use super::Job;
use crate::language::evaluate;
use model::diagnostic::Diagnostic;

/// How long before its time a deferred job may take a slot, in seconds (HTCondor 25.14).
const DEFAULT_PREP_SECONDS: i64 = 300;

/// How often HTCondor's schedd asks for matches, in seconds; deferral's Requirements name it.
const SCHEDD_INTERVAL_SECONDS: i64 = 300;

/// The fields of a crontab line.
const CRON: [(&str, &str); 5] = [
    ("cron_minute", attr::CRON_MINUTE),
    ("cron_hour", attr::CRON_HOUR),
    ("cron_day_of_month", attr::CRON_DAY_OF_MONTH),
    ("cron_month", attr::CRON_MONTH),
    ("cron_day_of_week", attr::CRON_DAY_OF_WEEK),
];

/// What a deferred job's Requirements add; the first clause only where a machine does the waiting.
pub(super) const DEFERRAL_CLAUSES: (&str, &str) = (
    "TARGET.HasJobDeferral",
    "(((time() + ScheddInterval) >= (DeferralTime - DeferralPrepTime)) && (time() < (DeferralTime + DeferralWindow)))",
);

impl Job<'_> {
    pub(super) fn set_timing(&mut self) -> Result<(), Diagnostic> {
        let mut needed = false;
        for (keyword, attr) in CRON {
            if let Some(field) = self.text(keyword)? {
                self.ad.set(attr, field);
                needed = true;
            }
        }
        if let Some(text) = self.text("deferral_time")? {
            self.set_seconds(("deferral_time", "deferral_time"), attr::DEFERRAL_TIME, &text)?;
            needed = true;
            self.check_deferral_universe()?;
        }
        if !needed {
            return Ok(());
        }
        self.set_margin("cron_window", "deferral_window", attr::DEFERRAL_WINDOW, 0)?;
        self.set_margin(
            "cron_prep_time",
            "deferral_prep_time",
            attr::DEFERRAL_PREP_TIME,
            DEFAULT_PREP_SECONDS,
        )?;
        self.ad.set(attr::SCHEDD_INTERVAL, SCHEDD_INTERVAL_SECONDS);
        Ok(())
    }

    /// HTCondor 25.14 refuses a time, and takes a crontab, for a job that nothing waits for.
    fn check_deferral_universe(&self) -> Result<(), Diagnostic> {
        if self.universe != Universe::Scheduler {
            return Ok(());
        }
        let message = "DeferralTime does not work for scheduler universe jobs.\n\
                       Consider submitting this job using the local universe, instead";
        Err(Diagnostic::error(message).at(self.place("universe")))
    }

    pub(super) fn is_deferred(&self) -> bool {
        self.ad.get(attr::SCHEDD_INTERVAL).is_some()
    }

    fn set_margin(
        &mut self,
        cron: &str,
        deferral: &str,
        attr: &str,
        default: i64,
    ) -> Result<(), Diagnostic> {
        for keyword in [cron, deferral] {
            if let Some(text) = self.text(keyword)? {
                return self.set_seconds((keyword, deferral), attr, &text);
            }
        }
        self.ad.set(attr, default);
        Ok(())
    }

    /// A time that a keyword gives; HTCondor 25.14 may call it by the name of another one.
    fn set_seconds(
        &mut self,
        (keyword, said): (&str, &str),
        attr: &str,
        text: &str,
    ) -> Result<(), Diagnostic> {
        let negative =
            evaluate::constant(text).and_then(|value| value.as_f64()).is_some_and(|n| n < 0.0);
        // HTCondor 25.14 tells what is wrong with the expression, and then what should be there.
        let unread = self.set_expression(keyword, attr, text).err();
        let is_other = self.ad.literal(attr).is_some_and(|value| value.as_i64().is_none());
        if negative || is_other || unread.is_some() {
            self.warnings.extend(unread);
            let message =
                format!("{said} = {text} is invalid, must eval to a non-negative integer.");
            return Err(Diagnostic::error(message).at(self.place(keyword)));
        }
        Ok(())
    }
}
