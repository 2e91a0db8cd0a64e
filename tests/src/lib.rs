//! The one member that links every core: the simulator, the generator of ClassAd cases, the fuzz
//! targets, and the benchmarks' programs. End-to-end tests with real processes are in
//! `crates/cli/tests`.

pub mod classad_oracle;
pub mod fuzz;
pub mod measure;
pub mod own_pool;
pub mod sim;
