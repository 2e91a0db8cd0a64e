//! Where two answers to a description differ, and which of the differences are meant.

use std::collections::BTreeSet;

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
        begins: "+ err: ERROR: manifest_dir = ",
        has: " names no folder below",
        is_all: true,
        why: "a folder of a manifest that leads out of the job's own is refused",
    },
    Meant {
        begins: "+ ad ",
        has: ": TransformBody_RequestMemory=",
        is_all: false,
        why: "retry_request_memory of each job is its own; HTCondor takes the first job's for all",
    },
    Meant {
        begins: "+ err: ERROR at Queue statement",
        has: " macro: ",
        is_all: false,
        why: "so what a macro function says of it, and of getenv, is said of each job",
    },
    Meant { begins: "+ err: \t at Step ", has: "", is_all: false, why: "the same" },
    Meant {
        begins: "- err: WARNING: the line 'retry_request_memory",
        has: " was unused",
        is_all: true,
        why: "retry_request_memory counts where request_memory is an expression too",
    },
    Meant {
        begins: "- ad ",
        has: ": JobLeaseDuration=",
        is_all: false,
        why: "a lease that is too short is made longer in each job, not only in the first",
    },
    Meant {
        begins: "- err: \tRequirements = ",
        has: " TARGET.HasTDP",
        is_all: true,
        why: "every machine can run a tool_daemon_cmd",
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
        begins: "- err: Submit:-1:",
        has: " is invalid, must eval to ",
        is_all: true,
        why: "the same",
    },
    Meant {
        begins: "- err: ERROR: on Line ",
        has: " of @/job.sub:",
        is_all: false,
        why: "the same",
    },
    Meant {
        begins: "- err: ERROR: Failed to parse command file",
        has: "",
        is_all: false,
        why: "the same",
    },
    Meant {
        begins: "- err: \tRequirements = (",
        has: "> ) && (TARGET.",
        is_all: false,
        why: "a blank at the end of what a macro stands for is not repeated in a message",
    },
    Meant {
        begins: "+ err: \tRequirements = (",
        has: ">) && (TARGET.",
        is_all: false,
        why: "the same",
    },
    Meant {
        begins: "- err: ERROR: ",
        has: ">  is invalid, must eval to ",
        is_all: false,
        why: "nor is a blank at the end of a macro's value repeated here",
    },
    Meant {
        begins: "+ err: ERROR: ",
        has: "> is invalid, must eval to ",
        is_all: false,
        why: "the same",
    },
    Meant { begins: "- err: Submit:-1:ERROR: Missing '='", has: "", is_all: true, why: "the same" },
    Meant {
        begins: "- err: Submit:-1:Error \"@/job.sub\", Line ",
        has: ":",
        is_all: false,
        why: "what is open at the end is told in one line",
    },
    Meant {
        begins: "+ ad ",
        has: ": Environment=",
        is_all: false,
        why: "getenv of each job is its own; HTCondor takes the first job's for all",
    },
    Meant {
        begins: "+ ad 0: TransferExecutable=false",
        has: "",
        is_all: true,
        why: "transfer_executable = 0, or no, is false; HTCondor looks for an f",
    },
    Meant {
        begins: "- err: Submit:-1:Unterminated double-quote",
        has: "",
        is_all: true,
        why: "the same",
    },
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
        // What is warned of before a mistake is found, and what macro functions say of values that
        // are read before, hangs on where mistakes are looked for first.
        true => answer
            .err
            .lines()
            .filter(|l| !l.starts_with("WARNING: ") && !is_complaint(l))
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
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
            let is_there = |line: &&String| other.iter().any(|there| is_alike(line, there));
            one.difference(other).filter(|line| !is_there(line)).cloned().collect()
        };
        lines.extend(only(real, ours).iter().map(|line| format!("- ad {at}: {line}")));
        lines.extend(only(ours, real).iter().map(|line| format!("+ ad {at}: {line}")));
    }
    lines
}

/// Whether two lines of ads say the same: names of attributes have no case.
fn is_alike(one: &str, other: &str) -> bool {
    match (one.split_once('='), other.split_once('=')) {
        (Some((one, value)), Some((other, same))) => {
            one.eq_ignore_ascii_case(other) && value == same
        }
        _ => one == other,
    }
}

/// Whether a line is what a macro function says of its arguments.
fn is_complaint(line: &str) -> bool {
    let is_of_macro = line.contains(" macro: ") && line.starts_with("ERROR at Queue statement");
    is_of_macro || line.starts_with("\t at Step ")
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
    // Keywords are told of as they are written.
    let is_meant = |line: &String, meant: &Meant| {
        let (line, begins) = (line.to_ascii_lowercase(), meant.begins.to_ascii_lowercase());
        let rest = line.strip_prefix(begins.as_str());
        rest.is_some_and(|rest| rest.contains(&meant.has.to_ascii_lowercase()))
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
        check("WARNING: the line 'SUSPEND_JOB_AT_EXEC = 1' was unused by\n", "", &[]);
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
        let (real, ours) = (answer(&[&["RequestMemory=1"]]), answer(&[&["REQUESTMEMORY=1"]]));
        assert!(difference(&real, &ours).is_empty(), "names have no case");
    }

    #[test]
    fn what_macro_functions_say_counts_unless_both_refuse() {
        let answer = |code, err: &str| Answer { code, err: err.to_owned(), ..Answer::default() };
        let said = "ERROR at Queue statement on Line 6: $INT() macro: n does not evaluate to an integer!\n\t at Step 0, ItemIndex 0\n";
        let compared = |code| difference(&answer(code, said), &answer(code, "")).len();
        assert_eq!((compared(0), compared(1)), (2, 0));
    }
}
