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
    /// What the file has, one after the other.
    pub ads: Vec<Ad>,
}

/// An ad: lines of `Name = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ad {
    /// What every ad of its kind has. Without it the real ones print what they find in memory, and
    /// nobody has such ads.
    pub core: Vec<String>,
    /// What it has beside.
    pub more: Vec<String>,
}

impl Case {
    /// The ads as a file that the command reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ad in &self.ads {
            for line in ad.core.iter().chain(&ad.more) {
                text += &format!("{line}\n");
            }
            text += match self.command {
                "condor_history" => {
                    "*** Offset = 0 ClusterId = 1 ProcId = 0 Owner = \"a\" CompletionDate = 1\n"
                }
                "condor_wait" => "...\n",
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
    let is_job = table == words::OF_JOBS;
    let mut ads: Vec<Ad> = Vec::new();
    for number in 0..rng.below(5) {
        // Two jobs each are of one cluster.
        let sibling = ads.last().filter(|_| is_job && number % 2 == 1).cloned();
        ads.push(ad(&mut rng, number, table, sibling.as_ref()));
    }
    let mut options: Vec<Vec<String>> = Vec::new();
    for _ in 0..rng.below(4) {
        options.push(option_words(&mut rng, plain));
    }
    // The real condor_history finds nobody in a file by name.
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    // The real condor_q takes all jobs of a file, whatever -limit says.
    options.retain(|words: &Vec<String>| match (command, words.as_slice()) {
        ("condor_history", [word]) => !is_name(word),
        ("condor_q", [limit, number]) => limit != "-limit" || ["0", "-1", "x"].contains(&&**number),
        _ => true,
    });
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
        91..93 => one(&["-sort", rng.pick(&["Memory", "(", "-Memory"])]),
        _ => one(&[rng.pick(words::OBJECTS)]),
    }
}

fn column(rng: &mut Rng) -> String {
    let all: Vec<&str> = words::COLUMNS.lines().collect();
    rng.pick(&all).to_owned()
}

fn ad(rng: &mut Rng, number: u64, table: &str, sibling: Option<&Ad>) -> Ad {
    let is_job = table == words::OF_JOBS;
    let mut core = if is_job {
        vec![format!("ClusterId = {}", 1 + number / 2), format!("ProcId = {}", number % 2)]
    } else {
        let (slot, host) = (1 + number % 2, 1 + number / 2);
        vec![format!("Name = \"slot{slot}@host{host}\""), format!("Machine = \"host{host}\"")]
    };
    let mut more = Vec::new();
    for line in table.lines() {
        let Some((name, values)) = line.split_once(": ") else { continue };
        let values: Vec<&str> = values.split(" | ").collect();
        if let Some(name) = name.strip_prefix("= ") {
            let begins = format!("{name} = ");
            let same = sibling.and_then(|ad| ad.core.iter().find(|line| line.starts_with(&begins)));
            core.push(match same {
                Some(line) => line.clone(),
                None => format!("{begins}{}", rng.pick(&values)),
            });
            continue;
        }
        if let Some(name) = name.strip_prefix("* ") {
            core.push(format!("{name} = {}", rng.pick(&values)));
            continue;
        }
        match rng.below(100) {
            0..80 => more.push(format!("{name} = {}", rng.pick(&values))),
            80..83 => more.push(format!("{name} = {}", rng.pick(words::ANY))),
            _ => {}
        }
    }
    for name in ["Foo", "Bar", "Baz"] {
        if rng.percent(70) {
            more.push(format!("{name} = {}", rng.pick(words::ANY)));
        }
    }
    Ad { core, more }
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
