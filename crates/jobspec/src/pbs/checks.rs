//! Whether a value is one that `qsub` takes for its option: what can be said without a server
//! (OpenPBS 23.06).

use super::depend;
use super::moments::Moment;
use super::refusal::code;
use super::staging;
use super::submission::{Caller, is_server};
use super::text::{Rule, read};

/// The longest name of a job, in bytes.
pub(super) const LONGEST_NAME: usize = 230;

/// The least and the greatest priority.
const PRIORITIES: std::ops::RangeInclusive<i32> = -1024..=1023;

/// Whether the option takes the value.
pub(super) fn is_value(option: char, value: &str, caller: &dyn Caller) -> bool {
    match option {
        'a' => Moment::read(value).is_some(),
        'c' => is_checkpoint(value),
        'e' | 'o' => split_path(value, caller.server()).is_some(),
        'h' => is_hold_list(value),
        'j' => ["oe", "eo", "n"].contains(&value),
        'J' => read(Rule::array, value).is_some() && !is_backward(value),
        'k' => is_kept(value),
        'm' => value == "n" || is_made_of(value, "abej"),
        'M' => !value.is_empty(),
        'N' => is_name(value),
        'p' => value.parse().is_ok_and(|priority| PRIORITIES.contains(&priority)),
        'r' => ["y", "n"].contains(&value),
        'R' => is_made_of(value, "oe"),
        'S' => is_shell_list(value),
        'u' => value.split(',').all(|user| !user.is_empty() && !user.starts_with('@')),
        // The others take any text; the server says what it makes of it.
        _ => true,
    }
}

/// Whether `-W` takes the attribute with the value. Names that nobody knows are the server's
/// matter.
pub(super) fn is_attribute(name: &str, value: &str, caller: &dyn Caller) -> bool {
    let truth = ["true", "false", "1", "0", "t", "f", "y", "n", "yes", "no"];
    match name {
        "depend" => depend_is_read(value, caller),
        "block" => ["true", "false"].contains(&value.to_ascii_lowercase().as_str()),
        "release_nodes_on_stageout" | "create_resv_from_job" => {
            truth.contains(&value.to_ascii_lowercase().as_str())
        }
        "run_count" => value.parse::<u32>().is_ok(),
        "sandbox" => {
            ["HOME", "PRIVATE", "O_WORKDIR"].contains(&value.to_ascii_uppercase().as_str())
        }
        "tolerate_node_failures" => ["none", "job_start", "all"].contains(&value),
        "umask" => value.parse::<u32>().is_ok(),
        "stagein" | "stageout" => staging::words(value).iter().all(|file| is_staged(file)),
        "remove_files" => is_made_of(value, "oe"),
        _ => true,
    }
}

/// Whether the words of a dependency are any; what they may name is said later.
fn depend_is_read(value: &str, caller: &dyn Caller) -> bool {
    match depend::parse(value, &|server| is_server(server, caller)) {
        Ok(_) => true,
        Err(refusal) => refusal.exit != code::USAGE,
    }
}

/// `local@host:remote`.
fn is_staged(file: &str) -> bool {
    file.split_once('@').and_then(|(_, rest)| rest.split_once(':')).is_some()
}

/// Whether it says which holds of a job are meant (`-h`): `u` the user's, `o` operators', `s`
/// managers'; or `p`, the server's, or `n`, none.
pub fn is_hold_list(value: &str) -> bool {
    ["uos", "n", "p"].iter().any(|letters| is_made_of(value, letters))
}

fn is_made_of(value: &str, letters: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| letters.contains(c))
}

/// Whether it says when a job is checkpointed (`-c`): `n`, `s`, `c`, `c=5`, `w=5`.
pub fn is_checkpoint(value: &str) -> bool {
    let minutes = |rest: &str| rest.parse::<u32>().is_ok();
    let interval = value.strip_prefix("c=").or_else(|| value.strip_prefix("w="));
    ["n", "s", "c", "w"].contains(&value) || interval.is_some_and(minutes)
}

/// `n`, or which of the streams, and with `d` that they are written where they belong at once.
fn is_kept(value: &str) -> bool {
    value == "n" || (is_made_of(value, "oed") && value.contains(['o', 'e']))
}

fn is_backward(value: &str) -> bool {
    let parts = read(Rule::array, value).unwrap_or_default();
    parts.into_iter().filter(|part| part.as_rule() == Rule::range).any(|range| {
        let numbers: Vec<u64> =
            range.into_inner().filter_map(|n| n.as_str().parse().ok()).collect();
        match numbers[..] {
            [start, end] => start > end,
            [start, end, step] => start > end || step == 0,
            _ => false,
        }
    })
}

/// Whether a job may have the name: letters, digits, and `-_.+`, which a shell and a file name take
/// as they are. How long it may be is said in other words.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
}

/// `[host:]path` of this host.
pub(super) fn split_path<'a>(value: &'a str, server: &str) -> Option<&'a str> {
    let path = match value.split_once(':') {
        Some((host, path)) if !host.contains('/') => {
            let short = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
            (host == "localhost" || short(host) == short(server)).then_some(path)?
        }
        _ => value,
    };
    (!path.is_empty()).then_some(path)
}

/// Absolute paths, at most one for each host.
fn is_shell_list(value: &str) -> bool {
    let mut hosts = Vec::new();
    value.split(',').all(|shell| {
        let (path, host) = match shell.split_once('@') {
            Some((path, host)) => (path, Some(host)),
            None => (shell, None),
        };
        let is_new = !hosts.contains(&host);
        hosts.push(host);
        path.starts_with('/') && is_new && host != Some("")
    })
}
