//! Lists of words as one text, in the two forms in which ads carry command lines and environments.
//!
//! Form 1 ("V1") splits at blanks and quotes nothing. Form 2 ("V2") splits at blanks; single quotes
//! keep blanks, and two of them inside quotes are one. `argsToList`, `listToArgs`,
//! `mergeEnvironment` and `envV1ToV2` speak them, and so does whoever writes or reads the
//! attributes. Knows nothing of `NAME=value`.

/// A text of form 2 in which a quote is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quote at byte {offset} is not closed; expected another `'` after it")]
pub struct UnbalancedQuote {
    /// Where the quote is, in bytes.
    pub offset: usize,
}

/// What separates words: HTCondor 25.14 takes neither the vertical tab nor the form feed for a
/// blank here.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The words of a text of form 1.
pub fn split_v1(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// The words of a text of form 2.
///
/// ```
/// assert_eq!(classad::words::split_v2("a 'b c' it''''s ''").unwrap(), ["a", "b c", "it's", ""]);
/// assert_eq!(classad::words::split_v2("a 'b c").unwrap_err().offset, 2);
/// ```
///
/// # Errors
/// If a quote is not closed.
pub fn split_v2(text: &str) -> Result<Vec<String>, UnbalancedQuote> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((offset, character)) = chars.next() {
        if is_blank(character) {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        if character != '\'' {
            word.push(character);
            continue;
        }
        loop {
            match chars.next() {
                Some((_, '\'')) if chars.next_if(|(_, next)| *next == '\'').is_some() => {
                    word.push('\'');
                }
                Some((_, '\'')) => break,
                Some((_, inside)) => word.push(inside),
                None => return Err(UnbalancedQuote { offset }),
            }
        }
    }
    words.extend(word);
    Ok(words)
}

/// The words as a text of form 1; `None` where one of them holds a blank, which that form cannot
/// say.
pub fn print_v1<W: AsRef<str>>(words: &[W]) -> Option<String> {
    let sayable = words.iter().all(|word| !word.as_ref().contains(is_blank));
    sayable.then(|| words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" "))
}

/// The words as a text of form 2, written as HTCondor 25.14 writes it: only the characters that
/// need it stand in quotes.
///
/// ```
/// assert_eq!(classad::words::print_v2(["a b", "", "it's"]), "a' 'b '' it''''s");
/// ```
pub fn print_v2<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let mut text = String::new();
    for (index, word) in words.into_iter().enumerate() {
        text.push_str(if index > 0 { " " } else { "" });
        push_v2(&mut text, word.as_ref());
    }
    text
}

fn push_v2(text: &mut String, word: &str) {
    if word.is_empty() {
        text.push_str("''");
    }
    let mut quoted = false;
    for character in word.chars() {
        let special = is_blank(character) || character == '\'';
        if special != quoted {
            text.push('\'');
            quoted = special;
        }
        if character == '\'' {
            text.push('\'');
        }
        text.push(character);
    }
    if quoted {
        text.push('\'');
    }
}
