//! The ClassAd language: parse, print, evaluate, match. Knows nothing of jobs; does no IO.
//!
//! An [`Expr`] is read from text, a [`ClassAd`] is a set of named ones, and evaluating one gives a
//! [`Value`]. Two ads are evaluated against each other: `MY` is the one, `TARGET` the other, and a
//! name that the one does not have is looked for in the other. Whatever an evaluation may know of
//! the world (the time, chance, the users) is in its [`Env`].
//!
//! ```
//! use classad::{ClassAd, Env, Expr, Value, analyze::analyze, matches, rank};
//!
//! let job = ClassAd::parse_old("RequestMemory = 512\nRequirements = Memory >= RequestMemory && OpSys == \"LINUX\"\nRank = Mips\n")?;
//! let machine = ClassAd::parse_new("[ Memory = 1024; OpSys = \"linux\"; Mips = 7; Requirements = true ]")?;
//! let env = Env::at(1_795_371_002);
//! assert!(matches(&job, &machine, &env));
//! assert_eq!(rank(&job, &machine, &env), 7.0);
//!
//! let expr = Expr::parse("TARGET.Memory - RequestMemory * 2 == 0 ? \"full\" : \"room\"")?;
//! assert_eq!(job.eval_expr(&expr, Some(&machine), &env), Value::from("full"));
//! assert_eq!(expr.flatten(&job, &env).to_string(), "TARGET.Memory - 1024 == 0 ? \"full\" : \"room\"");
//!
//! let small = ClassAd::parse_old("Memory = 100\nOpSys = \"LINUX\"\n")?;
//! let analysis = analyze(&job, [&small].into_iter(), &env);
//! assert_eq!((analysis.clauses[0].text.as_str(), analysis.clauses[0].failed), ("Memory >= 512", 1));
//! # Ok::<(), classad::ParseError>(())
//! ```
//!
//! - [`compiled`] asks one Requirements of very many ads at once, by columns and bitmaps.
//! - [`calculator`] shows what an expression evaluates to, part by part.
//! - [`words`] are command lines and environments as ads carry them.
//! - [`limits`] bounds everything that a hostile text, message or ad could do.
//!
//! The language is defined by `grammar/classad.pest`; its behaviour is that of HTCondor 25.14, case
//! by case (`grammar/corpus/classad/reference.jsonl`), and `docs/user/classads.md` lists where it
//! differs on purpose.

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
pub mod words;

pub use ad::ClassAd;
pub use eval::{DebugReport, Env, UserDirectory, function_names};
pub use expr::{Expr, RefScope};
pub use matching::{matches, rank, requirements_hold};
pub use name::AttrName;
pub use parse::{ParseError, Syntax};
pub use structure::Comparison;
pub use text::{AttributeOrder, json_document, xml_document};
pub use value::{AbsTime, Value};
