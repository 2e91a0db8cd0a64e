//! The texts in which files that travel are named: lists, URLs, new names.

use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The protocol of a URL, in lower case: what speaks it moves the file (HTCondor: a transfer
/// plug-in). `None` if the text is no URL.
pub fn url_scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// The items of a list of files in a job's ad.
pub(crate) fn file_items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// New names for outputs, from `TransferOutputRemaps`: `"a = b; c = d/e"`, where `\` takes the
/// meaning from the character after it.
pub fn output_remaps(text: &str) -> BTreeMap<String, String> {
    let mut remaps = BTreeMap::new();
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    let mut take = |parts: &mut Vec<String>| {
        if let [name, new] = &parts[..] {
            remaps.insert(name.trim().to_owned(), new.trim().to_owned());
        }
        *parts = vec![String::new()];
    };
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '\\' => parts[last].extend(chars.next()),
            '=' if parts.len() == 1 => parts.push(String::new()),
            ';' => take(&mut parts),
            c => parts[last].push(c),
        }
    }
    take(&mut parts);
    remaps
}

/// Whether a path names something below the folder that it starts from, and neither that folder nor
/// anything outside.
pub fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    parts.clone().next().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_protocol_is_a_url() {
        for (text, expected) in [
            ("HTTP://x/y", Some("http")),
            ("cred+https://x", Some("cred+https")),
            ("a/b", None),
            ("://x", None),
            ("a b://x", None),
        ] {
            assert_eq!(url_scheme(text).as_deref(), expected, "{text}");
        }
    }
}
