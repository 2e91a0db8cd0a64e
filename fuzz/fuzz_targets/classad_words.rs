//! `command_words` of the fuzz targets, guided by coverage.
#![no_main]

#[path = "../../tests/src/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::command_words(bytes));
