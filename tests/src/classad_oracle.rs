//! Differential testing of ClassAds against the reference implementation.
//!
//! `generate` makes expressions and pairs of ads from a seed, `compare` evaluates them with ours
//! and says where it differs from what the reference answered. Recorded answers are in
//! `grammar/corpus/classad/`.

pub mod compare;
pub mod generate;
