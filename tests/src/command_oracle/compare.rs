//! Where two answers to a command line differ, and which of the differences are meant.

use crate::stage::Said;

/// A difference that is meant; docs/user/from-htcondor.md tells users of it.
#[derive(Debug)]
pub struct Meant {
    /// A line of ours has this.
    pub has: &'static str,
    /// Why ours is better.
    pub why: &'static str,
}

/// The differences that are meant: nothing else of such an answer is compared.
pub const MEANT: &[Meant] = &[
    Meant { has: " is not supported yet", why: "what is not built is refused by its name" },
    Meant { has: "not supported yet", why: "the same" },
    Meant {
        has: "Error: read '",
        why: "a column that is no expression is told of, with its place",
    },
    Meant { has: "error: invalid value '", why: "a number that is none is told of" },
    Meant {
        has: " is none of j l h v V r T Y , t n g",
        why: "a letter that means nothing is told of",
    },
];

/// Where the two differ: lines with `-` are only the real one's, lines with `+` only ours.
pub fn findings(real: &Said, ours: &Said) -> Vec<String> {
    let (real, ours) = (plain(real), plain(ours));
    if real == ours || MEANT.iter().any(|meant| ours.err.contains(meant.has)) {
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

/// Without the moment at which it was asked, and the program's version.
fn plain(said: &Said) -> Said {
    // It is the command's name as it was called.
    let plain = |text: &str| text.replace("/usr/bin/", "");
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
