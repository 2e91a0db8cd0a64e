//! Differential testing of workflows against the real condor_dagman.
//!
//! [`generate`] makes small DAGs from a seed, with what is done to them; [`observe`] reads what a
//! dagman left in the folder of one; [`compare`] says where two such folders differ, and knows the
//! differences that are meant. The program `oracle-dag` runs both.

pub mod compare;
pub mod generate;
pub mod observe;
