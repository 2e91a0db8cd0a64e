//! Where two answers to a command line differ, and which of the differences are meant.

use crate::stage::{Said, Who};

/// A difference that is meant; docs/user/from-htcondor.md tells users of it.
#[derive(Debug)]
pub struct Meant {
    /// Whose answer it is seen in.
    pub of: Who,
    /// What that has, on either output.
    pub has: &'static str,
    /// Why ours is better.
    pub why: &'static str,
}

/// The differences that are meant: nothing else of such an answer is compared.
pub const MEANT: &[Meant] = &[
    ours(" is not supported yet", "what is not built is refused by its name"),
    ours("not supported yet", "the same"),
    ours("Error: read '", "a column that is no expression is told of, with its place"),
    ours("error: invalid value '", "a number that is none is told of"),
    ours(" is none of j l h v V r T Y , t n g", "a letter that means nothing is told of"),
    ours("print format, line ", "a line that is not in the language is told of, with its place"),
    ours("Error: invalid constraint", "what is no expression is an error, not an empty answer"),
    ours("Invalid constraint: ", "the same; condor_q shows all jobs"),
    ours("takes nothing after a colon", "what would be passed over is told of"),
    ours(
        "Error: connect to ",
        "nobody is asked here: an option has taken the file's for its value",
    ),
    real("unknown host", "a machine is known by its ads, whatever the name service says"),
    real("WHERE expression is not valid", "condor_history takes WHERE too"),
    real("Assertion ERROR", "the real one ends in the middle of its work"),
];

const fn ours(has: &'static str, why: &'static str) -> Meant {
    Meant { of: Who::Ours, has, why }
}

const fn real(has: &'static str, why: &'static str) -> Meant {
    Meant { of: Who::Real, has, why }
}

impl Meant {
    fn is_seen(&self, real: &Said, ours: &Said) -> bool {
        let said = match self.of {
            Who::Real => real,
            Who::Ours => ours,
        };
        said.err.contains(self.has) || said.out.contains(self.has)
    }
}

/// Where the two differ: lines with `-` are only the real one's, lines with `+` only ours.
pub fn findings(real: &Said, ours: &Said) -> Vec<String> {
    let (mut real, mut ours) = (plain(real), plain(ours));
    if real.out.contains("\"EventTypeNumber\": ") || real.out.contains("<a n=\"EventTypeNumber\">")
    {
        // Of events nobody orders the attributes there.
        (real.out, ours.out) = (sorted(&real.out), sorted(&ours.out));
    }
    if real == ours || MEANT.iter().any(|meant| meant.is_seen(&real, &ours)) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if real.code != ours.code {
        lines.push(format!("- exit code: {}", real.code));
        lines.push(format!("+ exit code: {}", ours.code));
    }
    for (name, real, ours) in [("out", &real.out, &ours.out), ("err", &real.err, &ours.err)] {
        let (real, ours): (Vec<&str>, Vec<&str>) =
            (real.split('\n').collect(), ours.split('\n').collect());
        for at in 0..real.len().max(ours.len()) {
            let (one, other) = (real.get(at), ours.get(at));
            if one != other {
                lines.extend(one.map(|line| format!("- {name} {at}: {line}")));
                lines.extend(other.map(|line| format!("+ {name} {at}: {line}")));
            }
        }
    }
    lines
}

/// What the real one makes of 12345678901 in formats without an `l`, by their letters: it takes the
/// last 32 bits. Ours shows the number.
const CUT: [(&str, &str); 3] =
    [("-539222987", "12345678901"), ("3755744309", "12345678901"), ("dfdc1c35", "2dfdc1c35")];

/// Without the moment at which it was asked, and the program's version.
fn plain(said: &Said) -> Said {
    // It is the command's name as it was called.
    let plain = |text: &str| {
        let text = text.replace("/usr/bin/", "").replace("2dfdc1c35", "dfdc1c35");
        CUT.iter().fold(text, |text, (cut, whole)| text.replace(cut, whole))
    };
    let said = Said { out: plain(&said.out), err: plain(&said.err), ..said.clone() };
    let out: Vec<&str> = said
        .out
        .split('\n')
        .map(|line| match line.split_once(" @ ") {
            Some((head, _)) if head.starts_with("-- ") => head,
            _ if line.starts_with("$Condor") => "$Condor",
            _ => line,
        })
        .collect();
    Said { out: out.join("\n"), ..said.clone() }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(out: &str, err: &str) -> Said {
        Said { code: 0, out: out.to_owned(), err: err.to_owned() }
    }

    #[test]
    fn lines_are_compared_in_their_places_but_for_the_moment() {
        let check = |real: &str, ours: &str, expected: &[&str]| {
            assert_eq!(findings(&said(real, ""), &said(ours, "")), expected);
        };
        check("-- Jobads: ads @ 1\na", "-- Jobads: ads @ 2\na", &[]);
        check("a\nb", "a\nc", &["- out 1: b", "+ out 1: c"]);
        check("a", "a\n", &["+ out 1: "]);
    }

    #[test]
    fn what_is_not_built_is_meant() {
        assert_eq!(findings(&said("x", ""), &said("", "-grid is not supported yet")), [""; 0]);
    }
}
