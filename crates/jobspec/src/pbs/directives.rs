//! Which lines of a script are directives: those that begin with the prefix, up to the first line
//! that a shell would run. A directive that ends in a backslash goes on in the next line, whatever
//! that is.

use super::refusal::{Refusal, code};

/// What begins a directive if nobody says otherwise, and what did on other systems.
const PREFIXES: [&str; 2] = ["#PBS", "REM PBS"];

/// The longest script: what travels in one message, with room for the rest of the job.
const LONGEST_BYTES: usize = 4 << 20;

/// What stands behind the prefix in each directive, in order. An empty prefix is none.
///
/// # Errors
/// If the script is too long, or its lines end as no shell reads them.
pub(super) fn find(script: &[u8], prefix: Option<&str>) -> Result<Vec<String>, Refusal> {
    if script.len() > LONGEST_BYTES {
        let message = "jobscript size exceeded the jobscript_max_size";
        return Err(Refusal::new(code::SCRIPT_SIZE, message));
    }
    if script.windows(2).any(|pair| pair == b"\r\n") {
        return Err(Refusal::new(code::FAILED, "script contains cr, lf"));
    }
    let prefixes: Vec<&str> = prefix.map_or_else(|| PREFIXES.to_vec(), |prefix| vec![prefix]);
    let mut found = Vec::new();
    let mut lines = script.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    while let Some(line) = lines.next() {
        let line = line.trim_ascii_start();
        // Nothing need stand between the prefix and the first option (OpenPBS 23.06).
        let known = prefixes.iter().filter(|prefix| !prefix.is_empty());
        let behind = known.filter_map(|prefix| line.strip_prefix(prefix)).next();
        if let Some(first) = behind {
            let mut text = first.to_owned();
            while let Some(whole) = text.strip_suffix('\\') {
                let next = lines.next().unwrap_or_default();
                text = format!("{whole} {next}");
            }
            found.push(text);
        } else if is_run(line) {
            break;
        }
    }
    Ok(found)
}

/// Whether a shell would do something with the line.
fn is_run(line: &str) -> bool {
    let is_comment = line.starts_with(['#', ':']) || line == "REM" || line.starts_with("REM ");
    !line.is_empty() && !is_comment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, prefix: Option<&str>, expected: &[&str]) {
        assert_eq!(find(script.as_bytes(), prefix).unwrap(), expected, "{script:?}");
    }

    #[test]
    fn directives_end_where_something_is_run() {
        check("#!/bin/bash\n\n:\n  #PBS -N a\n#PBS\t-h\necho\n#PBS -z\n", None, &[" -N a", "\t-h"]);
        check("# PBS -N no\n#PBS-N a\n#PBSX -N b\n#PBS\n", None, &["-N a", "X -N b", ""]);
        check("REM a batch file\nREM PBS -N a\n", None, &[" -N a"]);
    }

    #[test]
    fn the_prefix_is_the_users_choice() {
        check("#XYZ -N a\n#PBS -N b\n", Some("#XYZ"), &[" -N a"]);
        check("#PBS -N b\n", Some(""), &[]);
    }

    #[test]
    fn a_backslash_goes_on_in_the_next_line() {
        check("#PBS -l ncpus=1 \\\n -N a\n", None, &[" -l ncpus=1   -N a"]);
        check("#PBS -N a \\", None, &[" -N a  "]);
    }

    #[test]
    fn lines_that_end_like_those_of_windows_are_refused() {
        assert_eq!(find(b"#!/bin/sh\r\n", None).unwrap_err().exit, code::FAILED);
        assert!(find(b"echo a\rb\n", None).is_ok());
    }
}
