//! The programs that run before and after a job's own on its machine (`PreCmd`, `PostCmd`), as its
//! ad describes them.

use std::collections::BTreeMap;
use std::fmt;

use classad::{ClassAd, Env, Value};
use serde::{Deserialize, Serialize};

use crate::cmdline::{self, CmdlineError};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Script {
    /// `PreCmd`: when the job's files are there, before its executable.
    Pre,
    /// `PostCmd`: after its executable, before its files are brought back.
    Post,
}

/// What a job says of one of its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptWanted<'ad> {
    /// The program, from the folder in which the job runs.
    pub program: &'ad str,
    /// Its arguments, without its own name.
    pub argv: Vec<String>,
    /// What its environment has besides what every run's has. It is not the job's.
    pub environ: BTreeMap<String, String>,
    /// How it has to end; none: it only has to be executed.
    pub success: Option<ScriptSuccess>,
    /// The one after the executable runs also where the job is stopped ([`AT_ANY_END`]).
    pub at_any_end: bool,
}

/// Whether a job's `PostCmd` runs also where the job is stopped. HTCondor has no such word: a job
/// of PBS's brings its files out whatever ends it.
pub const AT_ANY_END: &str = "PostCmdAtAnyEnd";

/// How a script has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptSuccess {
    /// By itself, with this exit code.
    ExitCode(i32),
    /// By this signal.
    Signal(i32),
}

/// The attributes of one script.
struct Names {
    program: &'static str,
    arguments: [&'static str; 2],
    environment: [&'static str; 2],
    success: [&'static str; 3],
    ended: [&'static str; 3],
}

const PRE: Names = Names {
    program: "PreCmd",
    arguments: ["PreArguments", "PreArgs"],
    environment: ["PreEnvironment", "PreEnv"],
    success: ["SuccessPreExitBySignal", "SuccessPreExitSignal", "SuccessPreExitCode"],
    ended: ["PreCmdExitBySignal", "PreCmdExitSignal", "PreCmdExitCode"],
};

const POST: Names = Names {
    program: "PostCmd",
    arguments: ["PostArguments", "PostArgs"],
    environment: ["PostEnvironment", "PostEnv"],
    success: ["SuccessPostExitBySignal", "SuccessPostExitSignal", "SuccessPostExitCode"],
    ended: ["PostCmdExitBySignal", "PostCmdExitSignal", "PostCmdExitCode"],
};

impl Script {
    /// Both, in their order.
    pub const ALL: [Self; 2] = [Self::Pre, Self::Post];

    fn names(self) -> &'static Names {
        match self {
            Self::Pre => &PRE,
            Self::Post => &POST,
        }
    }

    /// The attribute that names the program.
    pub fn attribute(self) -> &'static str {
        self.names().program
    }

    /// The attributes that say how it ended: whether by a signal, by which, with which code.
    pub fn end_attributes(self) -> [&'static str; 3] {
        self.names().ended
    }

    /// What a job says of it; none if it has none.
    ///
    /// # Errors
    ///
    /// If its arguments or its environment cannot be read.
    pub fn of(self, job: &ClassAd) -> Result<Option<ScriptWanted<'_>>, CmdlineError> {
        let names = self.names();
        let program = job.literal(names.program).and_then(Value::as_str);
        let Some(program) = program.filter(|program| !program.is_empty()) else {
            return Ok(None);
        };
        let argv = cmdline::argv_in(job, names.arguments)?;
        let environ = cmdline::environ_in(job, names.environment)?;
        let success = self.success(job);
        let at_any_end = self.is_at_any_end(job);
        Ok(Some(ScriptWanted { program, argv, environ, success, at_any_end }))
    }

    /// Whether a job says that it runs whatever ends the run.
    pub fn is_at_any_end(self, job: &ClassAd) -> bool {
        self == Self::Post && job.literal(AT_ANY_END).is_some_and(Value::is_true)
    }

    /// How a job says that it has to end. (HTCondor 25.14: it cannot fail where neither the code
    /// nor the signal is given.)
    pub fn success(self, job: &ClassAd) -> Option<ScriptSuccess> {
        let [by_signal, signal, code] = self.names().success;
        // Nobody writes a code that depends on the time.
        let env = Env::at(0);
        let number = |name| {
            let number = job.eval(name, None, &env).as_i64();
            number.and_then(|number| i32::try_from(number).ok())
        };
        let (signal, code) = (number(signal), number(code));
        if signal.is_none() && code.is_none() {
            return None;
        }
        Some(if job.eval(by_signal, None, &env).is_true() {
            ScriptSuccess::Signal(signal.unwrap_or(0))
        } else {
            ScriptSuccess::ExitCode(code.unwrap_or(0))
        })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pre => "Pre",
            Self::Post => "Post",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ad(lines: &str) -> ClassAd {
        ClassAd::parse_old(lines).unwrap()
    }

    #[test]
    fn a_script_is_what_the_newer_of_two_attributes_says() {
        let lines = "PreCmd = \"setup\"\nPreArgs = \"old\"\nPreArguments = \"'a b' c\"\n\
                     PreEnv = \"OLD=1\"\nPreEnvironment = \"NEW=2\"\nPostCmd = \"/bin/tidy\"\n\
                     PostArgs = \"x y\"\nPostEnv = \"A=1;B=2\"";
        let job = ad(lines);
        let pre = Script::Pre.of(&job).unwrap().unwrap();
        assert_eq!((pre.program, pre.argv), ("setup", vec!["a b".to_owned(), "c".to_owned()]));
        assert_eq!(pre.environ, BTreeMap::from([("NEW".to_owned(), "2".to_owned())]));
        let post = Script::Post.of(&job).unwrap().unwrap();
        assert!(!post.at_any_end);
        assert_eq!((post.program, post.argv.len(), post.environ.len()), ("/bin/tidy", 2, 2));
        assert_eq!(Script::Pre.of(&ad("PreArgs = \"x\"")).unwrap(), None);
        assert!(Script::Pre.of(&ad("PreCmd = \"a\"\nPreArguments = \"'\"")).is_err());
        let both = ad("PreCmd = \"a\"\nPostCmd = \"a\"\nPostCmdAtAnyEnd = true");
        let at_any_end = Script::ALL.map(|script| script.of(&both).unwrap().unwrap().at_any_end);
        assert_eq!(at_any_end, [false, true]);
    }

    #[test]
    fn a_script_cannot_fail_where_its_job_does_not_say_how() {
        for (lines, success) in [
            ("", None),
            ("SuccessPreExitBySignal = true", None),
            ("SuccessPreExitCode = 0", Some(ScriptSuccess::ExitCode(0))),
            ("SuccessPreExitCode = 7", Some(ScriptSuccess::ExitCode(7))),
            ("SuccessPreExitSignal = 9", Some(ScriptSuccess::ExitCode(0))),
            (
                "SuccessPreExitSignal = 9\nSuccessPreExitBySignal = true",
                Some(ScriptSuccess::Signal(9)),
            ),
            ("SuccessPostExitCode = 7", None),
        ] {
            assert_eq!(Script::Pre.success(&ad(lines)), success, "{lines}");
        }
    }
}
