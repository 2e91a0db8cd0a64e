//! What the machine tells of a run (`starter_debug`, `starter_log`), and what it runs beside it,
//! for example a debugger (`tool_daemon_cmd`).

use model::attr;
use model::cmdline::{self, CmdlineError, Written};

use super::{Job, unquoted, without_double_slashes};
use model::diagnostic::Diagnostic;

/// Keyword and attribute of the tool and its files.
const TOOL: (&str, &str) = ("tool_daemon_cmd", attr::TOOL_DAEMON_CMD);
const TOOL_INPUT: (&str, &str) = ("tool_daemon_input", attr::TOOL_DAEMON_INPUT);
const TOOL_OUTPUTS: [(&str, &str); 2] = [
    ("tool_daemon_output", attr::TOOL_DAEMON_OUTPUT),
    ("tool_daemon_error", attr::TOOL_DAEMON_ERROR),
];

const TOOL_ARGUMENTS: &str = "tool_daemon_args";

const DEBUG: &str = "starter_debug";

impl Job<'_> {
    /// The program beside the job's own. Its files and arguments mean nothing without it.
    pub(super) fn set_tool(&mut self) -> Result<(), Diagnostic> {
        let files = [TOOL, TOOL_INPUT].into_iter().chain(TOOL_OUTPUTS);
        if self.text(TOOL.0)?.is_none() {
            // The others are told of as lines that nobody reads.
            return Ok(());
        }
        for (keyword, attr) in files {
            if let Some(path) = self.text(keyword)? {
                self.ad.set(attr, path);
            }
        }
        let Some(text) = self.text(TOOL_ARGUMENTS)? else { return Ok(()) };
        let wrong = |error: CmdlineError| {
            let message = format!("{error}\nThe full arguments you specified were: {text}");
            Diagnostic::error(message).at(self.place(TOOL_ARGUMENTS))
        };
        match cmdline::read_arguments(&text).map_err(wrong)? {
            Written::V1(plain) => {
                let words = cmdline::parse_v1(&plain);
                self.ad.set(attr::TOOL_DAEMON_ARGS, words.join(" "));
            }
            Written::V2(inner) => {
                let words = cmdline::parse_v2(&inner).map_err(wrong)?;
                self.ad.set(attr::TOOL_DAEMON_ARGUMENTS, cmdline::print_v2(words));
            }
        }
        Ok(())
    }

    /// What has to travel with the tool.
    pub(super) fn tool_inputs(&self) -> Result<Vec<String>, Diagnostic> {
        let Some(tool) = self.text(TOOL.0)? else { return Ok(Vec::new()) };
        Ok([tool].into_iter().chain(self.text(TOOL_INPUT.0)?).collect())
    }

    /// Who says where the account of a run goes wants one (HTCondor 25.14).
    pub(super) fn set_debugging(&mut self) -> Result<(), Diagnostic> {
        if let Some(path) = self.text("starter_log")? {
            let path = match unquoted(&path) {
                // Nothing stays nothing (HTCondor 25.14).
                "" => String::new(),
                path => without_double_slashes(self.absolute(path)),
            };
            self.ad.set(attr::JOB_STARTER_LOG, path);
            self.ad.set(attr::JOB_STARTER_DEBUG, true);
        }
        let Some(levels) = self.word(DEBUG)? else { return Ok(()) };
        let levels = unquoted(&levels);
        let fits = |c: char| c.is_ascii_alphanumeric() || "_:+-~|, \t".contains(c);
        if let Some(odd) = levels.chars().find(|c| !fits(*c)) {
            let message = format!("{DEBUG} = {levels}: {odd:?} stands in no name of a level");
            let hint = "true, or levels as in D_FULLDEBUG, which tells more";
            return Err(Diagnostic::error(message).at(self.place(DEBUG)).hint(hint));
        }
        self.ad.set(attr::JOB_STARTER_DEBUG, levels);
        Ok(())
    }
}
