//! Inputs for the fuzz targets: texts of the corpus, changed at random, from a seed.

use std::fs;
use std::path::Path;

use classad::ClassAd;

use crate::classad_oracle::generate::{Chance, question};

/// How often a text is changed at most.
const MAX_CHANGES: usize = 8;

/// The longest input; longer ones only cost time.
const MAX_BYTES: usize = 4 << 10;

/// What the languages are made of.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "=",
    "==",
    "=?=",
    "=!=",
    "?:",
    "?",
    ":",
    ";",
    ",",
    ".",
    "..",
    "||",
    "&&",
    "!",
    "-",
    "~",
    ">>>",
    "<<",
    "1",
    "-1",
    "0",
    "1e400",
    "1e-400",
    "9223372036854775808",
    "-9223372036854775808",
    "real(\"NaN\")",
    "real(\"-INF\")",
    "undefined",
    "error",
    "true",
    " is ",
    " isnt ",
    "TARGET.",
    "MY.",
    "parent",
    ".a",
    "a",
    "absTime(\"2020-01-01\")",
    "relTime(\"1+00:00:00\")",
    "\\\"",
    "\\n",
    "\\377",
    "\n",
    " ",
    "é",
    "\u{1f600}",
    "//",
    "/*",
    "*/",
    "<c>",
    "</c>",
    "<a n=\"x\">",
    "</a>",
    "<l>",
    "<s>",
    "<e>",
    "&lt;",
    "null",
    "\"\\/Expr(",
    ")\\/\"",
    "strcat(",
    "eval(\"",
    "regexp(\"(a+)+$\",",
    "split(",
    "size(",
    "substr(\"é\",1)",
    "unresolved(a)",
    "evalInEachContext(a,",
    "'odd name'",
    "\0",
    "\u{b}",
];

/// Settings of every form.
const CONFIGURATIONS: &[&str] = &[
    "A = 1\nB = $(A) $(C:2)\nSCHEDD.A = $INT(A)\nif defined A\n  C = $ENV(HOME)\nelse\nendif\n",
    "use ROLE : Personal\ninclude : /etc/more\nLIST @=end\n a\n b\n@end\n",
    "NEGOTIATOR_INTERVAL = 60\n# a comment\nSTART = TARGET.Owner == \"a\" \\\n  && TRUE\n",
];

/// The texts that inputs are made from.
pub struct Corpus(Vec<Vec<u8>>);

impl Corpus {
    /// Of this folder, every file.
    fn of_folder(folder: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).filter(|p| p.is_file()).collect();
        paths.sort();
        paths.iter().filter_map(|path| fs::read(path).ok()).collect()
    }

    /// Submit descriptions, right and wrong ones.
    pub fn of_descriptions() -> Corpus {
        let mut texts = Self::of_folder("../grammar/corpus/submit/ok");
        texts.extend(Self::of_folder("../grammar/corpus/submit/err"));
        Corpus(texts)
    }

    /// DAG files, right and wrong ones.
    pub fn of_dags() -> Corpus {
        let mut texts = Self::of_folder("../grammar/corpus/dag/ok");
        texts.extend(Self::of_folder("../grammar/corpus/dag/err"));
        Corpus(texts)
    }

    /// PBS scripts: those of the corpus, which stands line by line behind this mark.
    pub fn of_pbs_scripts() -> Corpus {
        const SCRIPT: &str = "| ";
        let script = |case: &str| {
            let lines = case.lines().filter_map(|line| line.strip_prefix(SCRIPT));
            let lines: String = lines.map(|line| format!("{line}\n")).collect();
            (!lines.is_empty()).then(|| lines.into_bytes())
        };
        let files = Self::of_folder("../grammar/corpus/pbs");
        let texts = files.iter().map(|text| String::from_utf8_lossy(text));
        Corpus(
            texts
                .flat_map(|text| text.split("\n\n").filter_map(script).collect::<Vec<_>>())
                .collect(),
        )
    }

    /// Configurations; descriptions are written in the same language.
    pub fn of_configurations() -> Corpus {
        let Corpus(mut texts) = Self::of_descriptions();
        texts.extend(CONFIGURATIONS.iter().map(|text| text.as_bytes().to_vec()));
        Corpus(texts)
    }

    /// Event logs as HTCondor and we write them.
    pub fn of_event_logs() -> Corpus {
        Corpus(Self::of_folder("../crates/model/tests/userlog"))
    }

    /// Messages of the wire.
    pub fn of_messages() -> Corpus {
        Corpus(super::readers::some_messages())
    }

    /// The corpus of the grammar, and generated expressions with their ads in every format.
    pub fn of_classads() -> Corpus {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for lines in [
            include_str!("../../../grammar/corpus/classad/ok.txt"),
            include_str!("../../../grammar/corpus/classad/err.txt"),
            include_str!("../../../grammar/corpus/classad/formats.jsonl"),
        ] {
            texts.extend(lines.lines().map(|line| line.as_bytes().to_vec()));
        }
        for index in 0..2_000 {
            let case = question(0, index);
            let ads = [case.my.unwrap_or_default(), case.target.unwrap_or_default()];
            texts.push(format!("{}\n{}\n{}", case.expr, ads[0], ads[1]).into_bytes());
            if let (0, Ok(ad)) = (index % 16, ClassAd::parse_new(&ads[0])) {
                let printed =
                    [ads[0].clone(), ad.to_old(), ad.to_json(), ad.to_jsonl(), ad.to_xml()];
                texts.extend(printed.map(String::into_bytes));
                texts.extend(rmp_serde::to_vec_named(&ad));
            }
        }
        Corpus(texts)
    }

    /// The `index`th input of a seed. Inputs do not depend on each other.
    pub fn input(&self, seed: u64, index: u64) -> Vec<u8> {
        let mut chance =
            Chance::new(seed.rotate_left(32) ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut input = self.pick(&mut chance).to_vec();
        for _ in 0..chance.below(MAX_CHANGES + 1) {
            self.change(&mut input, &mut chance);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn pick(&self, chance: &mut Chance) -> &[u8] {
        &self.0[chance.below(self.0.len())]
    }

    fn change(&self, input: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.below(input.len() + 1);
        let end = at + chance.below((input.len() - at).min(64) + 1);
        match chance.below(6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let copied = input[at..end].to_vec();
                let to = chance.below(input.len() + 1);
                input.splice(to..to, copied);
            }
            2 => {
                let other = self.pick(chance);
                let from = chance.below(other.len() + 1);
                let until = from + chance.below((other.len() - from).min(128) + 1);
                input.splice(at..end, other[from..until].iter().copied());
            }
            3 if at < input.len() => {
                input[at] = u8::try_from(chance.below(256)).unwrap_or(0);
            }
            _ => {
                let piece = chance.pick(PIECES);
                input.splice(at..at, piece.bytes());
            }
        }
    }
}
