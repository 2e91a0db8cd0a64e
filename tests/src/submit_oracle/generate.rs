//! One description from a seed: some commands, of which one in a few is wrong, and a `queue`
//! statement. Nobody knows here what must come of it.

use super::words;
use crate::sim::Rng;

/// A description, in parts that can be taken away one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whole statements, of one line or of several; the last is the `queue` statement.
    pub parts: Vec<String>,
}

impl Case {
    /// As it stands in a file.
    pub fn text(&self) -> String {
        // A mistake in a last line without its end is one line too early in HTCondor 25.14.
        self.parts.join("\n") + "\n"
    }

    /// Without a part: comments stand in its place, so that the others keep their lines. The last
    /// part becomes a plain `queue`, an executable a plain file. `None` if nothing can be taken.
    pub fn without(&self, at: usize) -> Option<Self> {
        let part = self.parts.get(at)?;
        let is_last = at + 1 == self.parts.len();
        let blank = match part {
            _ if is_last => "queue".to_owned(),
            // Without one nothing else would be looked at.
            part if part.starts_with("executable =") => "executable = f1".to_owned(),
            part => blank(part),
        };
        if *part == blank {
            return None;
        }
        let mut rest = self.clone();
        rest.parts[at] = blank;
        Some(rest)
    }
}

fn blank(part: &str) -> String {
    part.split('\n').map(|_| "#").collect::<Vec<_>>().join("\n")
}

/// The case of a seed.
pub fn case(seed: u64, index: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(0x0001_0001).wrapping_add(index));
    make(&mut rng)
}

fn make(rng: &mut Rng) -> Case {
    let mut parts = Vec::new();
    // Nothing else is wrong where this is: nobody could say which mistake is to be told.
    let has_executable = rng.percent(98);
    if has_executable {
        let usual = if rng.percent(60) { "f1" } else { rng.pick(words::EXECUTABLES) };
        parts.push(format!("executable = {usual}"));
    }
    for (name, value) in [("fn", "dir/f.tar.gz"), ("s", "hello"), ("e", "1+2*3"), ("v", "dv")] {
        if rng.percent(50) {
            parts.push(format!("{name} = {value}"));
        }
    }
    if rng.percent(80) {
        parts.push(format!("n = {}", rng.pick(&["2", "3", "abc", "1+1", ""])));
    }
    for _ in 0..if has_executable { rng.between(1, 5) } else { 0 } {
        parts.push(command(rng));
    }
    match rng.below(100) {
        _ if !has_executable => {}
        0..17 => parts.push(rng.pick(words::BLOCKS).to_owned()),
        17..21 => parts.push(rng.pick(words::ODD_LINES).to_owned()),
        _ => {}
    }
    for at in (1..parts.len()).rev() {
        let other = rng.index(at + 1);
        parts.swap(at, other);
    }
    let queue = if rng.percent(70) { rng.pick(words::QUEUES) } else { "queue" };
    parts.push(queue.to_owned());
    Case { parts }
}

/// `name = value`, the name in one of its spellings.
fn command(rng: &mut Rng) -> String {
    let name = if rng.percent(45) {
        rng.pick(words::COMMON)
    } else {
        let tables = [words::TEXTS, words::NUMBERS, words::TRUTHS, words::EXPRESSIONS];
        let many = tables.iter().map(|table| table.len()).sum::<usize>() + words::CHOICES.len();
        let mut at = rng.index(many);
        let mut names = tables.into_iter();
        loop {
            match names.next() {
                Some(table) if at < table.len() => break table[at],
                Some(table) => at -= table.len(),
                None => break words::CHOICES[at].0,
            }
        }
    };
    let value = value(rng, name);
    let name = if rng.percent(90) { name.to_owned() } else { name.to_uppercase() };
    let sign = rng.pick(&[" = ", "=", " =", "= "]);
    format!("{name}{sign}{value}")
}

fn value(rng: &mut Rng, name: &str) -> &'static str {
    if let Some((_, values)) = words::CHOICES.iter().find(|(choice, _)| *choice == name) {
        return rng.pick(values);
    }
    if words::NUMBERS.contains(&name) {
        let values = if rng.percent(85) { words::NUMBER_VALUES } else { words::EXPRESSION_VALUES };
        return rng.pick(values);
    }
    if words::TRUTHS.contains(&name) {
        return rng.pick(words::TRUTH_VALUES);
    }
    if words::EXPRESSIONS.contains(&name) {
        return rng.pick(words::EXPRESSION_VALUES);
    }
    rng.pick(words::TEXT_VALUES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_description_and_others_give_others() {
        assert_eq!(case(3, 4), case(3, 4));
        assert_ne!(case(3, 4), case(3, 5));
    }

    #[test]
    fn many_descriptions_say_every_command_and_every_queue_statement() {
        let all: String = (0..8_000).map(|n| case(1, n).text().to_lowercase() + "\n").collect();
        let tables = [words::TEXTS, words::NUMBERS, words::TRUTHS, words::EXPRESSIONS];
        let choices = words::CHOICES.iter().map(|(name, _)| *name);
        for name in tables.into_iter().flatten().copied().chain(choices) {
            let name = name.to_lowercase();
            let is_said = all.lines().any(|line| {
                line.strip_prefix(&name).is_some_and(|rest| rest.trim_start().starts_with('='))
            });
            assert!(is_said, "{name}");
        }
        for queue in words::QUEUES {
            assert!(all.contains(&queue.to_lowercase()), "{queue}");
        }
    }

    #[test]
    fn a_part_that_is_taken_leaves_the_others_on_their_lines() {
        let parts = ["a = 1", "foo @=end\nabc\n@end", "queue 2"].map(str::to_owned).to_vec();
        let case = Case { parts };
        assert_eq!(case.without(1).unwrap().text(), "a = 1\n#\n#\n#\nqueue 2\n");
        assert_eq!(case.without(2).unwrap().text(), "a = 1\nfoo @=end\nabc\n@end\nqueue\n");
        assert_eq!(case.without(1).unwrap().without(1), None);
        assert_eq!(case.without(3), None);
    }
}
