//! `dag_file` of the fuzz targets, guided by coverage.
#![no_main]

#[path = "../../tests/src/fuzz/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::dag_file(bytes));
