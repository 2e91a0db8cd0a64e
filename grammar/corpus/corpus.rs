//! How the tests of a language go through its corpus: `grammar/corpus/LANGUAGE/{ok,err}/NAME.EXT`,
//! each with what comes of it beside it in `NAME.expected`. `UPDATE_EXPECT=1` writes the
//! expectations anew; read the diff. What comes of a text is the language's matter.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Fewer cases than these are no corpus: somebody has lost some.
const LEAST: usize = 150;

/// Checks each text with this extension. `outcome` says whether it is refused, and all that there
/// is to say of it.
pub(crate) fn check(language: &str, extension: &str, outcome: impl Fn(&Path) -> (bool, String)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/corpus").join(language);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (folder, should_fail) in [("ok", false), ("err", true)] {
        for file in files(&corpus.join(folder), extension) {
            count += 1;
            let (fails, actual) = outcome(&file);
            wrong.extend(difference(&file, should_fail, fails, &actual));
        }
    }
    assert!(count >= LEAST, "only {count} cases in the corpus {language}");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn difference(file: &Path, should_fail: bool, fails: bool, actual: &str) -> Option<String> {
    let name = file.display();
    if fails != should_fail {
        return Some(format!("{name}: {}\n{actual}", if fails { "refused" } else { "accepted" }));
    }
    let expected_file = file.with_extension("expected");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expected_file, actual).unwrap();
    }
    let expected = fs::read_to_string(&expected_file).unwrap_or_default();
    (actual != expected).then(|| format!("{name}: expected\n{expected}\nbut it is\n{actual}"))
}
