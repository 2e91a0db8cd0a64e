//! The built-in functions, by the name under which an expression calls them.

mod registry;
mod types;

pub(crate) use registry::Function;
