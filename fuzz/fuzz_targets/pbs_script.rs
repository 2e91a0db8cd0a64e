//! `pbs_script` of the fuzz targets, guided by coverage.
#![no_main]

#[path = "../../tests/src/fuzz/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::pbs_script(bytes));
