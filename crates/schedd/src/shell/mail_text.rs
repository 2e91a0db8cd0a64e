//! What a letter about a job says. How it travels is the business of `mail`.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use model::{Timestamp, Usage};

use super::mail::Letter;
use crate::core::{MailEntry, MailNews};

/// Who writes, and where times are told.
#[derive(Clone, Debug)]
pub(crate) struct LetterWriter {
    /// The schedd's name.
    pub(crate) schedd: String,
    /// What follows the `@` of an address without one.
    pub(crate) domain: String,
    /// For the times in letters.
    pub(crate) zone: TimeZone,
}

impl LetterWriter {
    /// The letter of an entry.
    pub(crate) fn letter(&self, entry: &MailEntry) -> Letter {
        let words = entry.to.split([',', ' ']).filter(|word| !word.is_empty());
        let to = words.map(|word| match word.contains('@') {
            true => word.to_owned(),
            false => format!("{word}@{}", self.domain),
        });
        let to = to.collect::<Vec<_>>().join(", ");
        let from = format!("Updraft <updraft@{}>", self.domain);
        if let MailNews::Reservation { id, name, said } = &entry.news {
            let text = format!("PBS Reservation Id: {id}\nReservation Name:   {name}\n{said}\n");
            let subject = one_line(&format!("PBS RESERVATION {id}"));
            return Letter { to, from, subject, text };
        }
        if let MailNews::Pbs { id, name, lines } = &entry.news {
            let text = format!("PBS Job Id: {id}\nJob Name:   {name}\n{}\n", lines.join("\n"));
            return Letter { to, from, subject: one_line(&format!("PBS JOB {id}")), text };
        }
        let news = headline(&entry.news);
        Letter {
            to,
            from,
            subject: one_line(&format!("Job {} {news}", entry.job)),
            text: self.text(entry, &news),
        }
    }

    fn text(&self, entry: &MailEntry, news: &str) -> String {
        let mut text = format!("Job {} of {} {news}.\n\n", entry.job, self.schedd);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<14}{value}");
        };
        line("Command:", &entry.command);
        line("Submitted:", &self.time(entry.submitted));
        line("Now:", &self.time(entry.at));
        match &entry.news {
            MailNews::Ended { usage, slot, .. } => {
                tell_usage(usage, slot.as_deref(), &mut line);
            }
            MailNews::Held(hold) => line("Reason:", &hold.reason),
            MailNews::Removed { reason } => line("Reason:", reason),
            MailNews::Started | MailNews::Pbs { .. } | MailNews::Reservation { .. } => {}
        }
        for (name, value) in &entry.attributes {
            let _ = writeln!(text, "{name} = {value}");
        }
        let _ = writeln!(
            text,
            "\nYou get this because the job's submit file has a line `notification = ...`.\n\
             More about the job: updraft q {0}, updraft history {0}",
            entry.job
        );
        text
    }

    fn time(&self, at: Timestamp) -> String {
        jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
            |_| at.as_secs().to_string(),
            |at| at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        )
    }
}

fn tell_usage(usage: &Usage, slot: Option<&str>, line: &mut impl FnMut(&str, &str)) {
    let seconds = |us: u64| format!("{:.1} s", std::time::Duration::from_micros(us).as_secs_f64());
    line("Ran for:", &format!("{} s", usage.wall_ms() / 1000));
    line("Processors:", &seconds(usage.user_us + usage.sys_us));
    line("Memory:", &format!("{} MiB", usage.peak_rss_kib.div_ceil(1024)));
    if let Some(slot) = slot {
        line("On:", slot);
    }
}

/// What follows "Job 1.0".
fn headline(news: &MailNews) -> String {
    match news {
        MailNews::Started => "has started".to_owned(),
        MailNews::Ended { end, .. } => end.to_string(),
        MailNews::Held(hold) => format!("is held: {}", hold.reason),
        MailNews::Removed { .. } => "was removed".to_owned(),
        MailNews::Pbs { .. } | MailNews::Reservation { .. } => String::new(),
    }
}

/// A subject is one line of a length that mail programs show.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}
