//! Which options of `condor_status` HTCondor 25.14 does not take together: ads of two kinds end it,
//! of two ways to show them the second is told of, and one of them counts.

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Clashes {
    /// The option that chose which ads.
    kind: Option<Seen>,
    /// How they are shown.
    style: Option<Seen>,
    is_compact: bool,
    tables: Vec<Seen>,
    /// What is told.
    pub notes: Vec<String>,
}

/// An option and where it stands, from 1.
#[derive(Clone, Debug)]
struct Seen {
    name: &'static str,
    at: usize,
    word: String,
}

/// Options that choose ads of a kind.
const KINDS: [&str; 19] = [
    "run",
    "schedd",
    "claimed",
    "avail",
    "master",
    "submitters",
    "startd",
    "any",
    "collector",
    "gpus",
    "broken",
    "cod",
    "negotiator",
    "grid",
    "storage",
    "license",
    "defrag",
    "generic",
    "ckptsrvr",
];

/// Kinds that go together.
const ALIKE: [(&str, &str); 6] = [
    ("run", "schedd"),
    ("schedd", "run"),
    ("claimed", "run"),
    ("startd", "gpus"),
    ("startd", "broken"),
    ("gpus", "startd"),
];

/// Kinds of slots: they can be shown by machine.
const OF_SLOTS: [&str; 5] = ["claimed", "avail", "gpus", "broken", "cod"];

/// Options that print ads whole.
const WHOLE: [&str; 3] = ["long", "xml", "json"];

/// Options that print values of ads.
const VALUES: [&str; 4] = ["af", "autoformat", "format", "print-format"];

impl Clashes {
    /// Takes the next option: its whole name, where it stands, and as it was written.
    ///
    /// # Errors
    ///
    /// With what the command says before it ends.
    pub fn next(&mut self, name: &'static str, at: usize, word: &str) -> Result<(), String> {
        let seen = Seen { name, at, word: word.to_owned() };
        if KINDS.contains(&name) {
            self.choose(&seen)?;
        }
        self.is_compact |= name == "compact";
        let style = self.style.as_ref().map(|style| style.name);
        let is_whole = style.is_some_and(|style| WHOLE.contains(&style));
        let is_values = style.is_some_and(|style| VALUES.contains(&style));
        match name {
            _ if WHOLE.contains(&name) => self.style = Some(seen),
            _ if VALUES.contains(&name) => {
                if is_whole {
                    self.note(&seen);
                } else {
                    self.style = Some(seen.clone());
                }
                self.tables.extend((name == "print-format").then_some(seen));
            }
            "state" | "server" | "avail" if is_whole || is_values => {}
            "state" | "server" | "avail" => match style {
                Some(other) if other != name => self.note(&seen),
                _ if name != "avail" => self.style = Some(seen),
                _ => {}
            },
            _ if KINDS.contains(&name) && !is_whole && !is_values => self.style = Some(seen),
            _ => {}
        }
        Ok(())
    }

    /// What is wrong with all of them together.
    ///
    /// # Errors
    ///
    /// With what the command says before it ends.
    pub fn end(&mut self) -> Result<(), String> {
        for table in std::mem::take(&mut self.tables) {
            if self.style.as_ref().is_some_and(|style| WHOLE.contains(&style.name)) {
                self.note(&table);
            }
        }
        match &self.kind {
            Some(Seen { name, at, word }) if self.is_compact && !OF_SLOTS.contains(name) => {
                let more = if *name == "startd" { STARTD } else { "" };
                Err(format!("Error:  arg (-compact) contradicts arg {at} ({word}){more}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn choose(&mut self, seen: &Seen) -> Result<(), String> {
        let Some(before) = &self.kind else {
            self.kind = Some(seen.clone());
            return Ok(());
        };
        let alike = before.name == seen.name || ALIKE.contains(&(before.name, seen.name));
        if !alike && (before.name, seen.name) != ("broken", "startd") {
            let (Seen { at, word, .. }, of) = (seen, before);
            return Err(format!(
                "Error:  Arg {at} ({word}) contradicts arg {} ({})",
                of.at, of.word
            ));
        }
        if before.name == "startd" {
            self.kind = Some(seen.clone());
        }
        Ok(())
    }

    fn note(&mut self, seen: &Seen) {
        let Some(style) = &self.style else { return };
        self.notes.push(format!(
            "Error:  arg {} ({}) contradicts arg {} ({})",
            seen.at, seen.word, style.at, style.word
        ));
    }
}

const STARTD: &str = " remove -startd from command or use -slot instead";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clashes_is_told_as_condor_status_tells_it() {
        let check = |options: &[&'static str], notes: &[&str], end: Option<&str>| {
            let mut clashes = Clashes::default();
            let mut ended = None;
            for (i, name) in options.iter().enumerate() {
                if ended.is_none() {
                    ended = clashes.next(name, i + 3, &format!("-{name}")).err();
                }
            }
            let ended = ended.or_else(|| clashes.end().err());
            assert_eq!(clashes.notes, notes, "{options:?}");
            assert_eq!(ended.as_deref(), end, "{options:?}");
        };
        check(&["long", "af"], &["Error:  arg 4 (-af) contradicts arg 3 (-long)"], None);
        check(&["af", "long"], &[], None);
        check(&["state", "server"], &["Error:  arg 4 (-server) contradicts arg 3 (-state)"], None);
        check(&["run", "state"], &["Error:  arg 4 (-state) contradicts arg 3 (-run)"], None);
        check(&["state", "run"], &[], None);
        check(&["avail", "state"], &[], None);
        check(&["state", "avail"], &["Error:  arg 4 (-avail) contradicts arg 3 (-state)"], None);
        let twice = ["Error:  arg 4 (-print-format) contradicts arg 3 (-xml)"; 2];
        check(&["xml", "print-format"], &twice, None);
        let late = ["Error:  arg 3 (-print-format) contradicts arg 4 (-json)"];
        check(&["print-format", "json"], &late, None);
        check(
            &["startd", "submitters"],
            &[],
            Some("Error:  Arg 4 (-submitters) contradicts arg 3 (-startd)"),
        );
        check(&["startd", "gpus"], &[], None);
        check(&["claimed", "run"], &[], None);
        let compact = Some("Error:  arg (-compact) contradicts arg 4 (-master)");
        check(&["compact", "master"], &[], compact);
        check(&["compact", "claimed"], &[], None);
    }
}
