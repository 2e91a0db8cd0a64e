//! The decisions in `docs/adr`: each has a number of its own and a line in the index, and each
//! number that is missing is explained there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const DIR: &str = "docs/adr";
const INDEX: &str = "README.md";

/// Checks the folder.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(DIR)).with_context(|| format!("list {DIR}"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let index = fs::read_to_string(root.join(DIR).join(INDEX))
        .with_context(|| format!("read the index {DIR}/{INDEX}"))?;
    Ok(compare(&names, &index))
}

fn compare(names: &[String], index: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let mut numbers: BTreeMap<u32, &str> = BTreeMap::new();
    for name in names.iter().filter(|name| *name != INDEX) {
        let Some(number) = number(name) else {
            violations.push(format!("{DIR}/{name}: a decision is a file NNNN-what-it-says.md"));
            continue;
        };
        if let Some(other) = numbers.insert(number, name) {
            violations.push(format!("{DIR}/{name} has the number of {other}"));
        }
        if !index.contains(&format!("({name})")) {
            violations.push(format!("{DIR}/{name} is not in the index, {DIR}/{INDEX}"));
        }
    }
    let last = numbers.keys().next_back().copied().unwrap_or(0);
    for missing in (1..last).filter(|number| !numbers.contains_key(number)) {
        if !index.contains(&format!("{missing:04}")) {
            violations.push(format!("{DIR}/{INDEX} does not say why there is no {missing:04}"));
        }
    }
    violations
}

fn number(name: &str) -> Option<u32> {
    let (number, rest) = name.split_once('-')?;
    let whole = number.len() == 4 && rest.len() > 3 && Path::new(rest).extension()? == "md";
    whole.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_has_a_number_of_its_own_and_a_line_in_the_index() {
        let check = |names: &[&str], index: &str| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            compare(&names, index).len()
        };
        let index = "- [One](0001-one.md)\n- 0002 was withdrawn\n- [Three](0003-three.md)\n";
        assert_eq!(check(&["0001-one.md", "0003-three.md", "README.md"], index), 0);
        assert_eq!(check(&["0001-one.md", "0003-three.md"], "[](0001-one.md)(0003-three.md)"), 1);
        assert_eq!(check(&["0001-one.md", "0001-two.md"], "(0001-one.md) (0001-two.md)"), 1);
        assert_eq!(check(&["0001-one.md"], ""), 1);
        assert_eq!(check(&["one.md"], "(one.md)"), 1);
    }
}
