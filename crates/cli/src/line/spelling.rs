//! How the options of HTCondor's commands that show ads may be spelt under its own names: of each,
//! how many letters are enough, and whether a form may stand behind a colon. Measured of HTCondor
//! 25.14; any other word with a dash is no option of theirs.

/// The options of a command.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    options: &'static [Spelt],
    /// Whether options clash as those of `condor_status` do.
    clashes: bool,
    /// Whether two dashes are as good as one, and one before a number makes it an option.
    pub is_loose: bool,
    /// Whether they are those of a command that acts on jobs.
    acts: bool,
}

/// An option: its name, how many letters of it are enough, and whether it has forms.
#[derive(Clone, Copy, Debug)]
struct Spelt {
    name: &'static str,
    enough: usize,
    has_forms: bool,
}

const fn plain(name: &'static str, enough: usize) -> Spelt {
    Spelt { name, enough, has_forms: false }
}

const fn formed(name: &'static str, enough: usize) -> Spelt {
    Spelt { name, enough, has_forms: true }
}

impl Spelling {
    /// Of a command, by HTCondor's name; `None` if it is not one of those.
    pub fn of(command: &str) -> Option<Self> {
        let options = match command {
            "condor_q" => &Q[..],
            "condor_history" => &HISTORY,
            "condor_status" => &STATUS,
            "condor_wait" => &WAIT,
            "condor_rm" | "condor_hold" | "condor_release" => &ACT,
            _ => return None,
        };
        let (clashes, is_loose) = (command == "condor_status", command != "condor_wait");
        let acts = matches!(command, "condor_rm" | "condor_hold" | "condor_release");
        Some(Self { options, clashes, is_loose, acts })
    }

    /// Whether what an option takes may not begin with a dash.
    pub fn refuses_dashes(self, option: &str) -> bool {
        option == "print-format" || (self.acts && option != "subcode")
    }

    /// The whole name of an option that may clash with others.
    pub fn clashing(self, word: &str) -> Option<&'static str> {
        self.read(word).map(|(name, _)| name).filter(|_| self.clashes)
    }

    /// The whole name of the option that a word with a dash means, and the form behind its colon.
    pub fn read(self, word: &str) -> Option<(&'static str, Option<&str>)> {
        let spelt = word.strip_prefix('-')?;
        let spelt = spelt.strip_prefix('-').filter(|_| self.is_loose).unwrap_or(spelt);
        let (name, form) = match spelt.split_once(':') {
            Some((name, form)) => (name, Some(form)),
            None => (spelt, None),
        };
        let means = |option: &&Spelt| {
            let begins =
                option.name.get(..name.len()).is_some_and(|b| b.eq_ignore_ascii_case(name));
            begins && name.len() >= option.enough && (form.is_none() || option.has_forms)
        };
        self.options.iter().find(means).map(|option| (option.name, form))
    }
}

const Q: [Spelt; 55] = [
    formed("aaf", 3),
    plain("addr", 1),
    formed("af", 2),
    plain("allusers", 2),
    formed("analyze", 2),
    plain("attributes", 2),
    plain("autocluster", 2),
    formed("autoformat", 5),
    plain("batch", 2),
    formed("better-analyze", 2),
    plain("constraint", 1),
    plain("cputime", 2),
    plain("currentrun", 3),
    plain("dag", 2),
    formed("debug", 3),
    plain("direct", 1),
    plain("expert", 1),
    plain("format", 1),
    plain("factory", 4),
    plain("global", 1),
    plain("group-by", 2),
    plain("grid", 3),
    plain("help", 1),
    plain("held", 4),
    formed("hold", 2),
    formed("hold-codes", 6),
    plain("idle", 3),
    plain("io", 2),
    formed("jobads", 1),
    plain("jobset", 5),
    plain("json", 2),
    formed("long", 1),
    plain("limit", 3),
    plain("machine", 2),
    plain("mconstraint", 2),
    plain("name", 1),
    plain("nobatch", 3),
    plain("nouserprios", 7),
    plain("pool", 1),
    formed("print-format", 2),
    plain("profile", 3),
    plain("run", 1),
    plain("reverse-analyze", 3),
    plain("submitter", 1),
    plain("schedd-constraint", 5),
    formed("slotads", 2),
    plain("stream-results", 2),
    plain("totals", 3),
    plain("userlog", 1),
    plain("userprios", 5),
    plain("unmatchable", 5),
    plain("version", 1),
    plain("verbose", 4),
    formed("wide", 1),
    plain("xml", 3),
];

const HISTORY: [Spelt; 39] = [
    formed("af", 2),
    plain("attributes", 2),
    formed("autoformat", 5),
    plain("backwards", 1),
    plain("constraint", 1),
    plain("completedsince", 3),
    plain("daemon", 3),
    formed("debug", 3),
    plain("diagnostic", 4),
    plain("directory", 3),
    formed("epochs", 2),
    plain("extract", 2),
    plain("format", 1),
    plain("file", 2),
    plain("forwards", 4),
    plain("help", 1),
    plain("inherit", 7),
    plain("json", 4),
    plain("jsonl", 5),
    plain("long", 1),
    plain("limit", 3),
    plain("local", 3),
    plain("match", 1),
    plain("name", 1),
    plain("no-librarian", 12),
    plain("pool", 1),
    formed("print-format", 2),
    plain("scanlimit", 4),
    plain("schedd", 3),
    plain("search", 3),
    plain("since", 4),
    plain("startd", 3),
    plain("stream-results", 6),
    plain("transfer-history", 2),
    plain("type", 2),
    plain("userlog", 1),
    formed("wide", 1),
    plain("xml", 3),
    // HTCondor's own does not tell it.
    plain("version", 7),
];

const STATUS: [Spelt; 61] = [
    formed("aaf", 3),
    plain("absent", 2),
    formed("ads", 2),
    formed("af", 2),
    plain("any", 2),
    plain("annex-slots", 5),
    plain("annex-name", 10),
    plain("attributes", 2),
    formed("autoformat", 5),
    plain("avail", 2),
    plain("broken", 4),
    plain("ckptsrvr", 2),
    plain("claimed", 2),
    plain("cod", 3),
    plain("collector", 3),
    plain("compact", 3),
    plain("constraint", 3),
    plain("data", 2),
    formed("debug", 2),
    plain("defrag", 3),
    plain("diagnose", 3),
    plain("direct", 3),
    plain("expert", 1),
    plain("format", 1),
    plain("grid", 1),
    plain("generic", 2),
    plain("gpus", 3),
    plain("help", 1),
    formed("healthy", 4),
    plain("java", 1),
    plain("json", 2),
    formed("long", 1),
    plain("limit", 2),
    plain("license", 3),
    plain("lvm", 3),
    plain("master", 1),
    plain("merge", 5),
    plain("negotiator", 1),
    formed("natural", 3),
    plain("nocompact", 5),
    plain("offline", 2),
    plain("pool", 1),
    formed("print-format", 2),
    plain("run", 1),
    plain("schedd", 2),
    plain("server", 2),
    plain("slots", 2),
    plain("snapshot", 4),
    plain("sort", 2),
    plain("startd", 4),
    plain("state", 4),
    plain("statistics", 5),
    plain("storage", 3),
    plain("submitters", 4),
    plain("subsystem", 4),
    plain("totals", 1),
    plain("target", 4),
    plain("version", 3),
    plain("vm", 2),
    formed("wide", 3),
    plain("xml", 1),
];

const ACT: [Spelt; 16] = [
    plain("version", 1),
    plain("addr", 2),
    plain("all", 1),
    plain("constraint", 1),
    formed("debug", 1),
    plain("fast", 2),
    plain("forcex", 1),
    plain("held", 3),
    plain("help", 1),
    plain("long", 1),
    plain("name", 1),
    plain("pool", 1),
    plain("reason", 1),
    plain("subcode", 1),
    plain("transfer", 2),
    plain("totals", 3),
];

const WAIT: [Spelt; 8] = [
    plain("allevents", 3),
    formed("echo", 4),
    plain("num", 3),
    plain("wait", 4),
    plain("status", 6),
    plain("debug", 5),
    plain("help", 4),
    plain("version", 7),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_mean_to_htcondor() {
        for (command, word, expected) in [
            ("condor_q", "-l", Some(("long", None))),
            ("condor_q", "-lim", Some(("limit", None))),
            ("condor_q", "-ho", Some(("hold", None))),
            ("condor_q", "--hold-c", Some(("hold-codes", None))),
            ("condor_q", "-user", Some(("userlog", None))),
            ("condor_q", "-af:jh", Some(("af", Some("jh")))),
            ("condor_q", "-LONG:json", Some(("long", Some("json")))),
            ("condor_q", "-nobatch:x", None),
            ("condor_q", "-x", None),
            ("condor_q", "-running", None),
            ("condor_history", "-long:json", None),
            ("condor_history", "-f", Some(("format", None))),
            ("condor_status", "-x", Some(("xml", None))),
            ("condor_status", "-1", None),
            ("condor_status", "--", None),
            ("condor_status", "-", None),
            ("condor_wait", "-all", Some(("allevents", None))),
            ("condor_wait", "-echo:JSON", Some(("echo", Some("JSON")))),
            ("condor_wait", "-stat", None),
            ("condor_wait", "--status", None),
            ("condor_rm", "-hel", Some(("held", None))),
            ("condor_rm", "-he", Some(("help", None))),
            ("condor_rm", "-a", Some(("all", None))),
        ] {
            assert_eq!(Spelling::of(command).unwrap().read(word), expected, "{command} {word}");
        }
    }
}
