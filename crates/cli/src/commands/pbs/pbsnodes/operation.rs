//! What the options of `pbsnodes` ask for together: one thing, and the first that is named, for
//! most others are mistakes behind it (OpenPBS 23.06).

use crate::commands::pbs::words::Line;
use crate::render::pbs::listed::Format;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Those that are named are shown.
    Named,
    /// `-H`: the same, by their hosts.
    Hosts,
    /// `-a`: all are shown, whatever is named.
    All,
    /// `-l`: those that take no jobs are listed.
    Away,
    /// `-d`.
    Down,
    /// `-o`: they get no new jobs.
    Offline,
    /// `-r`, and `-c`: they get jobs again.
    Reset,
    /// `-C` alone: something is said of them.
    Comment,
}

/// What a line asks for; nothing, if that makes no sense.
pub(super) fn operation(line: &Line) -> Option<Operation> {
    use Operation::{All, Away, Comment, Down, Hosts, Named, Offline, Reset};
    let mut operation = Named;
    let mut is_of_vnodes = false;
    for (option, value) in line.options() {
        let shows = matches!(operation, Named | All | Hosts);
        let is_first = operation == Named;
        let may_change = is_first || is_of_vnodes;
        operation = match option {
            'a' if is_first => All,
            'H' if is_first => Hosts,
            'l' if may_change => Away,
            'd' if may_change => Down,
            'c' if may_change => Reset,
            'o' if may_change || operation == Comment => Offline,
            'r' if may_change || operation == Comment => Reset,
            'C' if is_first => Comment,
            'C' if matches!(operation, Offline | Reset) => operation,
            'v' if matches!(operation, Named | All) => {
                is_of_vnodes = true;
                operation
            }
            'D' | 'j' | 'L' | 'S' if shows => operation,
            'F' => Format::named(value?).map(|_| operation)?,
            'q' | 's' => operation,
            _ => return None,
        };
    }
    let shows = matches!(operation, Named | All | Hosts);
    let may_be_named = match operation {
        All | Down => true,
        Away => line.operands.is_empty(),
        Named | Hosts | Offline | Reset | Comment => !line.operands.is_empty(),
    };
    (may_be_named && (shows || !line.has('S'))).then_some(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::pbs::pbsnodes::OPTIONS;

    fn check(words: &str, expected: Option<Operation>) {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let line = Line::read(&words, OPTIONS).unwrap();
        assert_eq!(operation(&line), expected, "pbsnodes {words:?}");
    }

    #[test]
    fn the_first_option_says_what_is_done_and_others_may_not_change_it() {
        use Operation::{All, Away, Comment, Hosts, Named, Offline, Reset};
        for (words, expected) in [
            ("vm", Named),
            ("-v vm", Named),
            ("-S vm", Named),
            ("-H vm", Hosts),
            ("-HSj vm", Hosts),
            ("-a", All),
            ("-a nosuch", All),
            ("-av -F JSON", All),
            ("-aSjL", All),
            ("-l", Away),
            ("-vl", Away),
            ("-o vm", Offline),
            ("-oC why vm", Offline),
            ("-C why -o vm", Offline),
            ("-avo vm", Offline),
            ("-r vm", Reset),
            ("-c vm", Reset),
            ("-C why vm", Comment),
            ("-oq nosuch", Offline),
        ] {
            check(words, Some(expected));
        }
        for words in [
            "",
            "-S",
            "-H",
            "-l vm",
            "-al",
            "-la",
            "-o -r vm",
            "-ao vm",
            "-aH vm",
            "-S -l",
            "-l -S",
            "-o",
            "-c",
            "-r",
            "-C why",
            "-C a -C b vm",
            "-oS vm",
            "-lv",
            "-F bogus vm",
            "-D , -l vm",
        ] {
            check(words, None);
        }
    }
}
