//! The one member that links every core: the simulator, the generators of ClassAds, DAGs and submit
//! descriptions, the fuzz targets, and the benchmarks' programs. End-to-end tests with real
//! processes are in `crates/cli/tests`.

pub mod classad_oracle;
pub mod command_oracle;
pub mod dag_oracle;
pub mod fuzz;
pub mod measure;
pub mod oracle_cases;
pub mod own_pool;
pub mod run_oracle;
pub mod side;
pub mod sim;
pub mod stage;
pub mod submit_oracle;
