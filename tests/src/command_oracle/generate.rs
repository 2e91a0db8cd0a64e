//! One command line and one file of ads from a seed. Nobody knows here what must come of them.

use super::words;
use crate::sim::Rng;

/// A command line, and the ads that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The command, by HTCondor's name.
    pub command: &'static str,
    /// What it is told; `ads` is the file.
    pub words: Vec<String>,
    /// The ads, a list of `Name = value` each.
    pub ads: Vec<Vec<String>>,
}

impl Case {
    /// The ads as a file that the command reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ad in &self.ads {
            for line in ad {
                text += &format!("{line}\n");
            }
            text += match self.command {
                "condor_history" => {
                    "*** Offset = 0 ClusterId = 1 ProcId = 0 Owner = \"a\" CompletionDate = 1\n"
                }
                _ => "\n",
            };
        }
        text
    }
}

/// The case of a seed.
pub fn case(seed: u64, index: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(0x0001_0001).wrapping_add(index));
    let (command, option, plain, table) = match rng.below(3) {
        0 => ("condor_q", "-jobads", words::Q, words::OF_JOBS),
        1 => ("condor_history", "-file", words::HISTORY, words::OF_JOBS),
        _ => ("condor_status", "-ads", words::STATUS, words::OF_MACHINES),
    };
    let ads = (0..rng.below(5)).map(|number| ad(&mut rng, number, table)).collect();
    let mut options = Vec::new();
    for _ in 0..rng.below(4) {
        options.push(option_words(&mut rng, plain));
    }
    let own = vec![option.to_owned(), "ads".to_owned()];
    let at = rng.index(options.len() + 1);
    // The file's option stands anywhere but behind what takes all that follows.
    options.insert(if rng.percent(70) { 0 } else { at }, own);
    Case { command, words: options.into_iter().flatten().collect(), ads }
}

fn option_words(rng: &mut Rng, plain: &[&str]) -> Vec<String> {
    let one = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    match rng.below(100) {
        0..30 => rng.pick(plain).split(' ').map(str::to_owned).collect(),
        30..50 => {
            let name = rng.pick(&["-af", "-autoformat"]);
            let mut words = vec![format!("{name}{}", rng.pick(words::LETTERS))];
            for _ in 0..rng.between(1, 3) {
                words.push(column(rng));
            }
            words
        }
        50..65 => vec!["-format".to_owned(), rng.pick(words::FORMATS).to_owned(), column(rng)],
        65..75 => one(&["-constraint", rng.pick(words::CONSTRAINTS)]),
        75..80 => one(&["-limit", rng.pick(&["0", "1", "2", "-1", "x", "99"])]),
        80..85 => one(&[
            "-attributes",
            rng.pick(&["Owner", "Owner,JobStatus", "Nope", "Owner JobStatus"]),
        ]),
        85..91 => one(&["-pr", rng.pick(words::PRINT_FORMATS).0]),
        91..93 => one(&["-sort", rng.pick(&["Memory", "Owner", "(", "-JobPrio"])]),
        _ => one(&[rng.pick(words::OBJECTS)]),
    }
}

fn column(rng: &mut Rng) -> String {
    let all: Vec<&str> = words::COLUMNS.lines().collect();
    rng.pick(&all).to_owned()
}

fn ad(rng: &mut Rng, number: u64, table: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let is_job = table == words::OF_JOBS;
    if is_job {
        let cluster = 1 + number / 2;
        lines.extend([format!("ClusterId = {cluster}"), format!("ProcId = {}", number % 2)]);
    } else {
        lines.push(format!("Name = \"slot{}@host{}\"", 1 + number % 2, 1 + number / 2));
    }
    for line in table.lines() {
        let Some((name, values)) = line.split_once(": ") else { continue };
        let values: Vec<&str> = values.split(" | ").collect();
        // A schedd's ads have what its tables show.
        match rng.below(100) {
            0..94 => lines.push(format!("{name} = {}", rng.pick(&values))),
            94..97 => lines.push(format!("{name} = {}", rng.pick(words::ANY))),
            _ => {}
        }
    }
    for name in ["Foo", "Bar", "Baz"] {
        if rng.percent(70) {
            lines.push(format!("{name} = {}", rng.pick(words::ANY)));
        }
    }
    lines
}

/// The files of print formats, which cases name.
pub fn print_formats() -> &'static [(&'static str, &'static str)] {
    words::PRINT_FORMATS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_question_and_others_give_others() {
        assert_eq!(case(3, 4), case(3, 4));
        assert_ne!(case(3, 4), case(3, 5));
    }

    #[test]
    fn many_questions_have_every_option_of_every_command() {
        let all: Vec<String> = (0..6_000)
            .map(|n| case(1, n))
            .map(|c| format!("{} {} ", c.command, c.words.join(" ")))
            .collect();
        for (command, options) in [
            ("condor_q", words::Q),
            ("condor_history", words::HISTORY),
            ("condor_status", words::STATUS),
        ] {
            for option in options {
                let has = |line: &&String| {
                    line.starts_with(command) && line.contains(&format!(" {option} "))
                };
                assert!(all.iter().any(|line| has(&line)), "{command} {option}");
            }
        }
    }
}
