//! The ClassAd language: parse, print, evaluate, match. Knows nothing of jobs; does no IO.

mod ad;
pub mod analyze;
pub mod calculator;
pub mod compiled;
mod eval;
mod expr;
mod flatten;
pub mod limits;
mod matching;
mod name;
mod parse;
mod print;
mod stack;
mod structure;
mod text;
mod time_text;
mod value;
mod wire;

pub use ad::ClassAd;
pub use eval::{DebugReport, Env, UserDirectory, function_names};
pub use expr::{Expr, RefScope};
pub use matching::{matches, rank, requirements_hold};
pub use name::AttrName;
pub use parse::{ParseError, Syntax};
pub use structure::Comparison;
pub use text::{Order, json_document, xml_document};
pub use value::{AbsTime, Value};
