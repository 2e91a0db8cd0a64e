//! `ad_text` of the fuzz targets, guided by coverage.
#![no_main]

#[path = "../../tests/src/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::ad_text(bytes));
