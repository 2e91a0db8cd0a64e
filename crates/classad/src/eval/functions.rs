//! The built-in functions, by the name under which an expression calls them.

mod contexts;
mod convert;
mod environments;
mod lists;
mod math;
mod regexes;
mod registry;
mod strftime;
mod string_lists;
mod strings;
mod times;
mod types;
mod versions;

pub(crate) use registry::Function;
pub use registry::function_names;
