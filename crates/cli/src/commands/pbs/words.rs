//! How the command lines of PBS's commands read, but that of `qsub`, which also reads directives
//! (`jobspec::pbs`).

/// What a command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    options: Vec<(char, Option<String>)>,
    /// What is no option.
    pub(super) operands: Vec<String>,
}

impl Line {
    /// Reads words; `known` lists the options, with a colon behind each that takes a value.
    ///
    /// # Errors
    /// With a message for each option that is none.
    pub(super) fn read(words: &[String], known: &str) -> Result<Self, Vec<String>> {
        let mut line = Self::default();
        let mut wrong = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                line.operands.extend(words.by_ref().cloned());
                break;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                line.operands.push(word.clone());
                continue;
            };
            let mut rest = letters.chars();
            while let Some(option) = rest.next() {
                let place = known.find(option).filter(|_| option != ':');
                let Some(place) = place else {
                    wrong.push(format!("invalid option -- '{option}'"));
                    continue;
                };
                if known[place..].chars().nth(1).is_none_or(|next| next != ':') {
                    line.options.push((option, None));
                    continue;
                }
                let attached = std::mem::replace(&mut rest, "".chars()).as_str();
                let value = match attached {
                    "" => words.next().cloned(),
                    attached => Some(attached.to_owned()),
                };
                if value.is_none() {
                    wrong.push(format!("option requires an argument -- '{option}'"));
                }
                line.options.push((option, value));
            }
        }
        if wrong.is_empty() { Ok(line) } else { Err(wrong) }
    }

    /// Each option, with its value.
    pub(super) fn options(&self) -> impl Iterator<Item = (char, Option<&str>)> {
        self.options.iter().map(|(option, value)| (*option, value.as_deref()))
    }

    /// The line with what each option means, which may be several.
    pub(super) fn map_options(
        self,
        means: impl Fn(char, Option<String>) -> Vec<(char, Option<String>)>,
    ) -> Self {
        let options = self.options.into_iter().flat_map(|(option, value)| means(option, value));
        Self { options: options.collect(), ..self }
    }

    pub(super) fn has(&self, option: char) -> bool {
        self.options.iter().any(|(given, _)| *given == option)
    }

    /// The last value of the option.
    pub(super) fn value(&self, option: char) -> Option<&str> {
        let given = self.options.iter().rev().find(|(given, _)| *given == option);
        given.and_then(|(_, value)| value.as_deref())
    }

    /// Of these options, those that were given.
    pub(super) fn any(&self, options: &str) -> bool {
        options.chars().any(|option| self.has(option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Line, Vec<String>> {
        Line::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), "fxF:D:")
    }

    #[test]
    fn options_are_bundled_and_values_attached_or_next() {
        let line = read(&["-xfFjson", "12", "-D", "^", "--", "-f"]).unwrap();
        assert!(line.has('x') && line.has('f') && !line.has('w'));
        assert_eq!((line.value('F'), line.value('D')), (Some("json"), Some("^")));
        assert_eq!(line.operands, ["12", "-f"]);
    }

    #[test]
    fn what_is_no_option_is_said() {
        assert_eq!(read(&["-Z:"]).unwrap_err(), ["invalid option -- 'Z'", "invalid option -- ':'"]);
        assert_eq!(read(&["-F"]).unwrap_err(), ["option requires an argument -- 'F'"]);
    }
}
