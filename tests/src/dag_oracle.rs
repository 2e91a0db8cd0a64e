//! Differential testing of workflows against the real condor_dagman.
//!
//! [`generate`] makes small DAGs from a seed, with what is done to them; [`observe`] reads what a
//! dagman left in the folder of one; [`compare`] says where two such folders differ, and knows the
//! differences that are meant; [`own_ways`] those that are all over a run; [`written`] reads cases
//! that are not made from a seed. The program `oracle-dag` runs both.

pub mod compare;
pub mod generate;
pub mod observe;
pub mod own_ways;
pub mod written;
