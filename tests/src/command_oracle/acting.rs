//! What is done to jobs in two pools that live, from a seed: a few jobs that never run, and
//! commands that remove, hold and release them.

use crate::sim::Rng;

/// Stands for the number of the cluster, which each pool gives for itself.
pub const CLUSTER: &str = "CLUSTER";

/// Jobs, and what is done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// The description of the jobs.
    pub description: String,
    /// Command lines, the command first.
    pub lines: Vec<Vec<String>>,
}

/// Stays in both queues, so that none is ever empty: the real one says less of that.
pub const STAYS: &str = "executable = /bin/true\nrequirements = false\nqueue\n";

const COMMANDS: &[&str] = &["condor_rm", "condor_hold", "condor_release"];

/// Which jobs. Nothing here means another case's.
const TARGETS: &[&str] = &[
    "CLUSTER",
    "CLUSTER",
    "CLUSTER.0",
    "CLUSTER.1",
    "CLUSTER.2",
    "CLUSTER.9",
    "999999",
    "999999.0",
    "nobody9",
    "0",
    "0.0",
    "x.y",
    "1.2.3",
    "-constraint|ClusterId==CLUSTER",
    "-constraint|ClusterId==CLUSTER&&ProcId>0",
    "-constraint|ClusterId==CLUSTER&&JobStatus==5",
    "-constraint|false",
    "-constraint|ClusterId==CLUSTER&&",
    "-constraint|undefined",
    "-constraint|",
    "-constraint",
    "-cons|ClusterId==CLUSTER",
    "CLUSTER|-held",
    "-constraint|ProcId==1|CLUSTER",
    "-constraint|false|-constraint|true|CLUSTER",
    "CLUSTER|nobody9",
];

const OPTIONS: &[&str] = &[
    "-reason|because",
    "-reason|",
    "-reason|it's \"so\"",
    "-reason",
    "-subcode|7",
    "-subcode|x",
    "-subcode",
    "-totals",
    "-tot",
    "-forcex",
    "-forcex",
    "-bogus",
    "-help",
    "-version",
    "-fast",
    "-1",
];

/// The play of a seed.
pub fn play(seed: u64, index: u64) -> Play {
    let mut rng = Rng::new(seed.wrapping_mul(0x0001_0001).wrapping_add(index));
    let jobs = rng.between(1, 3);
    let description =
        format!("executable = /bin/true\nrequirements = false\nlog = log\nqueue {jobs}\n");
    let mut lines: Vec<Vec<String>> = (0..rng.between(1, 3)).map(|_| line(&mut rng)).collect();
    if rng.percent(40) {
        lines.insert(0, vec!["condor_hold".to_owned(), CLUSTER.to_owned()]);
    }
    Play { description, lines }
}

fn line(rng: &mut Rng) -> Vec<String> {
    let mut words = vec![rng.pick(COMMANDS).to_owned()];
    let mut more: Vec<&str> = Vec::new();
    for _ in 0..rng.pick(&[0, 1, 1, 1, 1, 1, 2]) {
        more.push(rng.pick(TARGETS));
    }
    for _ in 0..rng.pick(&[0, 0, 1, 1, 2]) {
        let at = rng.index(more.len() + 1);
        more.insert(at, rng.pick(OPTIONS));
    }
    words.extend(more.into_iter().flat_map(|option| option.split('|')).map(str::to_owned));
    words
}

/// What a pool said or did, with what is its own left out: the numbers of its clusters, who asked,
/// and where it is.
pub fn plain(text: &str, cluster: &str, user: &str) -> String {
    let text = text.replace("/usr/bin/", "").replace(&format!("user {user}"), "user ME");
    let mut out = String::new();
    let mut digits = String::new();
    let put = |digits: &mut String, out: &mut String| {
        *out += if digits == cluster { CLUSTER } else { digits.as_str() };
        digits.clear();
    };
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            put(&mut digits, &mut out);
            out.push(c);
        }
    }
    put(&mut digits, &mut out);
    let line = |line: &str| {
        if line.starts_with("$Condor") { "$Condor".to_owned() } else { line.to_owned() }
    };
    out.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_is_the_same_again_and_only_its_own_number_is_left_out() {
        assert_eq!(play(1, 2), play(1, 2));
        assert_eq!(plain("7.1 of 71 by user me", "7", "me"), "CLUSTER.1 of 71 by user ME");
    }
}
