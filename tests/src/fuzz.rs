//! Fuzzing without a nightly compiler: mutated texts from the corpus, thrown at every reader of
//! what others have written.
//!
//! `targets` (the ClassAd language) and `readers` (all others) are what must hold for any input;
//! the programs in `fuzz/`, which libFuzzer guides by coverage, include the same files. `mutate`
//! makes inputs from a seed.

pub mod mutate;
pub mod readers;
pub mod targets;

use self::mutate::Corpus;
use self::targets::Target;

/// A target, its name, and what makes the texts that it begins with.
pub type Named = (&'static str, Target, fn() -> Corpus);

/// Every target, by name, with the texts that its inputs are made from.
pub const TARGETS: &[Named] = &[
    ("classad_expression", targets::expression, Corpus::of_classads),
    ("classad_ad_text", targets::ad_text, Corpus::of_classads),
    ("classad_interchange", targets::interchange, Corpus::of_classads),
    ("classad_message", targets::message, Corpus::of_classads),
    ("classad_evaluate", targets::evaluate, Corpus::of_classads),
    ("classad_compiled", targets::compiled, Corpus::of_classads),
    ("classad_calculator", targets::calculator, Corpus::of_classads),
    ("classad_words", targets::command_words, Corpus::of_classads),
    ("submit_description", readers::submit_description, Corpus::of_descriptions),
    ("pbs_script", readers::pbs_script, Corpus::of_pbs_scripts),
    ("dag_file", readers::dag_file, Corpus::of_dags),
    ("configuration", readers::configuration, Corpus::of_configurations),
    ("event_log", readers::event_log, Corpus::of_event_logs),
    ("wire", readers::wire, Corpus::of_messages),
];
