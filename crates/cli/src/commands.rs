//! One file per verb: its options, what it asks of whom, and in which view the answer is shown. How
//! answers look is the business of `render`; how options are spelt, of `args`.

pub mod acting;
pub mod machines;
pub mod pbs;
pub mod pools;
pub mod running;
pub mod submit;
pub mod tools;
pub mod watching;
pub mod workflows;
