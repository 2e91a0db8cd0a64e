//! Fuzzing without a nightly compiler: mutated texts from the corpus, thrown at every entry point of the ClassAd language.
//!
//! `targets` is what must hold for any input (the programs in `fuzz/`, which libFuzzer guides by coverage, include the same
//! file); `mutate` makes inputs from a seed.

pub mod mutate;
pub mod targets;
