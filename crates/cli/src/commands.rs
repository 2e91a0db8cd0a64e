//! One file per verb: its options, what it asks of whom, and what came of it, as data. How that is
//! told is the business of `render`; how options are spelt, of `line::args`.

pub mod acting;
pub mod machines;
pub mod pbs;
pub mod pools;
pub mod running;
pub mod submit;
pub mod tools;
pub mod watching;
pub mod workflows;
