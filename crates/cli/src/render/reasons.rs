//! Why jobs wait, and what would help.

pub mod advice;
pub mod analysis;
