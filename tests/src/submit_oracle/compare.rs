//! Where two answers to a description differ, and which of the differences are meant.

use super::answer::Answer;

/// A difference that is meant; docs/user/from-htcondor.md tells users of it.
#[derive(Debug)]
pub struct Meant {
    /// A line of the difference begins so ...
    pub begins: &'static str,
    /// ... and has this.
    pub has: &'static str,
    /// Whether nothing else that differs in such a case counts.
    pub is_all: bool,
    /// Why ours is better.
    pub why: &'static str,
}

/// The differences that are meant.
pub const MEANT: &[Meant] = &[
    Meant {
        begins: "+ err: ",
        has: " is not supported yet",
        is_all: true,
        why: "what is not built is refused by its name",
    },
    Meant {
        begins: "+ err: ERROR: suspend_job_at_exec=",
        has: " is invalid",
        is_all: true,
        why: "it is read without tool_daemon_cmd too, because it has a meaning there",
    },
    Meant {
        begins: "+ err: ERROR: No such directory: ",
        has: "",
        is_all: true,
        why: "an initial directory that is a file is refused; HTCondor holds the job at the machine",
    },
    Meant {
        begins: "- err: WARNING: output_destination must be a URL",
        has: "",
        is_all: false,
        why: "a warning that all jobs would give is said once",
    },
    Meant {
        begins: "- ad 0: JobMaterializeMaxIdle=",
        has: "",
        is_all: true,
        why: "a dry run of a factory shows the jobs that it would make",
    },
    Meant { begins: "- out: Dry-Run job(s)", has: "", is_all: false, why: "the same" },
    Meant { begins: "+ out: Dry-Run job(s)", has: "", is_all: false, why: "the same" },
    Meant {
        begins: "+ err: Submit:-1:Error",
        has: ": Illegal Identifier: <-",
        is_all: true,
        why: "a name that begins with a minus is an error; HTCondor passes over its line",
    },
    Meant {
        begins: "+ err: ERROR: ERROR: Missing '=' after environment variable '#",
        has: "",
        is_all: true,
        why: "the first character of an environment is part of the first name",
    },
    Meant {
        begins: "+ err: ERROR: starter_debug = ",
        has: " stands in no name of a level",
        is_all: true,
        why: "a level that cannot be one is refused, instead of being passed over by the machine",
    },
    Meant {
        begins: "- ad 0: Requirements=",
        has: "TARGET.HasTDP",
        is_all: true,
        why: "every machine can run a tool_daemon_cmd, which travels with the input; HTCondor leaves it behind",
    },
    Meant {
        begins: "- ad 0: CUDAVersion=",
        has: "",
        is_all: false,
        why: "cuda_version = 12.1 is 12010, as machines count it, and not 12001",
    },
    Meant { begins: "+ ad 0: CUDAVersion=", has: "", is_all: false, why: "the same" },
    Meant {
        begins: "+ err: ERROR: cuda_version must be",
        has: "",
        is_all: true,
        why: "cuda_version = -1 is refused; HTCondor makes 4294967295 of it",
    },
    Meant {
        begins: "- ad 0: KillSigTimeout=-",
        has: "",
        is_all: false,
        why: "a time of more than 2147483647 seconds stays as it is, and does not become negative",
    },
    Meant { begins: "+ ad 0: KillSigTimeout=", has: "12345678901", is_all: false, why: "the same" },
    Meant {
        begins: "- ad ",
        has: ": StreamIn=false",
        is_all: false,
        why: "transfer_input = true makes /dev/null travel in all jobs of a cluster but the first",
    },
    Meant { begins: "- ad ", has: ": TransferIn=true", is_all: false, why: "the same" },
    Meant { begins: "- ad ", has: ": StreamOut=false", is_all: false, why: "the same" },
    Meant { begins: "- ad ", has: ": TransferOut=true", is_all: false, why: "the same" },
    Meant { begins: "- ad ", has: ": StreamErr=false", is_all: false, why: "the same" },
    Meant { begins: "- ad ", has: ": TransferErr=true", is_all: false, why: "the same" },
    Meant {
        begins: "+ err: Submit:-1:Error",
        has: ": Illegal Identifier: <$(",
        is_all: true,
        why: "a macro in the place of a name is told of as it is written, not as what it stands for",
    },
    Meant {
        begins: "- err: WARNING: nice_user conflicts with accounting_group",
        has: "will be ignoredWARNING",
        is_all: true,
        why: "each warning has a line of its own",
    },
    Meant {
        begins: "- err: ERROR with -a argument #0: ",
        has: "",
        is_all: true,
        why: "a description without queue has no -append that a mistake could be in",
    },
    Meant {
        begins: "- ad 0: JobPrio=",
        has: "",
        is_all: false,
        why: "a priority that is a constant expression becomes its value at submission",
    },
    Meant { begins: "+ ad 0: JobPrio=", has: "", is_all: false, why: "the same" },
    Meant {
        begins: "+ err: ERROR: ERROR: Missing '=' after environment variable '$",
        has: "",
        is_all: true,
        why: "a dollar at the beginning of a variable's name is told of; HTCondor drops it",
    },
    Meant {
        begins: "- err: Submit:-1:No 'executable' parameter",
        has: "",
        is_all: true,
        why: "a mistake in the jobs of a factory (max_materialize, max_idle) is told as in any other job",
    },
    Meant {
        begins: "- err: Submit:-1:Parse error in expression",
        has: "",
        is_all: true,
        why: "the same",
    },
    Meant { begins: "- err: Submit:-1:invalid signal", has: "", is_all: true, why: "the same" },
    Meant { begins: "- err: Submit:-1:SUBMIT_CMD_", has: "", is_all: true, why: "the same" },
    Meant {
        begins: "- err: Submit:-1:I don't know",
        has: " universe",
        is_all: true,
        why: "the same",
    },
    Meant {
        begins: "+ err: ERROR: JobPrio = ",
        has: " cannot order jobs",
        is_all: true,
        why: "a priority that is no number is refused; HTCondor sorts it anywhere",
    },
    Meant {
        begins: "+ ad 0: SuspendJobAtExec=",
        has: "",
        is_all: false,
        why: "suspend_job_at_exec does what it says without tool_daemon_cmd too",
    },
    Meant {
        begins: "- err: WARNING: the line 'suspend_job_at_exec",
        has: " was unused",
        is_all: false,
        why: "the same",
    },
];

/// Where the two differ: lines with `-` are only the real one's, lines with `+` only ours.
pub fn difference(real: &Answer, ours: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if real.code != ours.code {
        lines.push(format!("- exit code: {}", real.code));
        lines.push(format!("+ exit code: {}", ours.code));
    }
    texts("out", &real.out, &ours.out, &mut lines);
    let are_refused = real.code != 0 && ours.code != 0;
    let err = |answer: &Answer| match are_refused {
        // What is warned of before a mistake is found hangs on where mistakes are looked for first.
        true => answer
            .err
            .lines()
            .filter(|l| !l.starts_with("WARNING: "))
            .map(|l| l.to_owned() + "\n")
            .collect(),
        false => answer.err.clone(),
    };
    texts("err", &err(real), &err(ours), &mut lines);
    if real.code != 0 || ours.code != 0 {
        return lines;
    }
    for at in 0..real.ads.len().max(ours.ads.len()) {
        let none = Default::default();
        let (real, ours) = (real.ads.get(at).unwrap_or(&none), ours.ads.get(at).unwrap_or(&none));
        lines.extend(real.difference(ours).map(|line| format!("- ad {at}: {line}")));
        lines.extend(ours.difference(real).map(|line| format!("+ ad {at}: {line}")));
    }
    lines
}

/// What only one of two texts has, or that they have it in another order.
fn texts(name: &str, real: &str, ours: &str, lines: &mut Vec<String>) {
    let full = |text: &str| -> Vec<String> {
        text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(str::to_owned).collect()
    };
    let (real, ours) = (full(real), full(ours));
    let mut left = ours.clone();
    let before = lines.len();
    for line in &real {
        match left.iter().position(|other| other == line) {
            Some(at) => drop(left.remove(at)),
            None => lines.push(format!("- {name}: {line}")),
        }
    }
    lines.extend(left.iter().map(|line| format!("+ {name}: {line}")));
    if lines.len() == before && real != ours {
        lines.push(format!("- {name}: in this order: {}", real.join(" | ")));
        lines.push(format!("+ {name}: in this order: {}", ours.join(" | ")));
    }
}

/// Of a difference what is not meant.
pub fn unmeant(difference: Vec<String>) -> Vec<String> {
    let is_meant = |line: &String, meant: &Meant| {
        line.starts_with(meant.begins) && line[meant.begins.len()..].contains(meant.has)
    };
    let all = MEANT.iter().filter(|meant| meant.is_all);
    for meant in all {
        if difference.iter().any(|line| is_meant(line, meant)) {
            return Vec::new();
        }
    }
    let mut rest = difference;
    rest.retain(|line| !MEANT.iter().any(|meant| is_meant(line, meant)));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not meant where the real one and ours said this on standard error.
    fn check(real: &str, ours: &str, expected: &[&str]) {
        let answer = |err: &str| Answer { err: err.to_owned(), ..Answer::default() };
        assert_eq!(unmeant(difference(&answer(real), &answer(ours))), expected);
    }

    #[test]
    fn what_only_one_said_is_told_with_its_sign_and_order_counts() {
        check("a\nb\n", "a\n\nb", &[]);
        check("a\nb\n", "a\nc\n", &["- err: b", "+ err: c"]);
        check("a\na\n", "a\n", &["- err: a"]);
        check("a\nb\n", "b\na\n", &["- err: in this order: a | b", "+ err: in this order: b | a"]);
    }

    #[test]
    fn what_is_meant_is_left_out_and_nothing_else_is() {
        check("x\n", "ERROR: universe = grid is not supported yet\n", &[]);
        check("WARNING: the line 'suspend_job_at_exec = 1' was unused by\n", "", &[]);
        check(
            "",
            "WARNING: the line 'suspend_job_at_exec = 1' was unused by\n",
            &["+ err: WARNING: the line 'suspend_job_at_exec = 1' was unused by"],
        );
    }

    #[test]
    fn attributes_and_jobs_that_only_one_has_are_told() {
        let answer = |ads: &[&[&str]]| Answer {
            ads: ads.iter().map(|ad| ad.iter().map(|l| (*l).to_owned()).collect()).collect(),
            ..Answer::default()
        };
        let (real, ours) = (answer(&[&["A=1"], &["ProcId=1"]]), answer(&[&["A=2"]]));
        let expected = ["- ad 0: A=1", "+ ad 0: A=2", "- ad 1: ProcId=1"];
        assert_eq!(difference(&real, &ours), expected);
    }
}
