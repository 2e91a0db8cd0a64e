//! Expressions into values.

mod env;
mod evaluator;
mod functions;
mod operators;
mod scope;

pub use env::{DebugReport, Env, UserDirectory};
pub(crate) use evaluator::{Evaluator, Val};
pub(crate) use functions::Function;
pub use functions::function_names;
pub(crate) use operators::{Truth, combine, compare_in_place, holds, logical, unary};
pub(crate) use scope::Scope;
