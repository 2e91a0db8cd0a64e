//! One Requirements against very many ads, at once or one after the other.
//!
//! A [`CompiledExpr`] is any expression of an ad, evaluated against one other ad after the other:
//! names of the other ad are looked up once per shape of ad. The rest is for asking all machines at
//! once.
//!
//! The ads of the machines are kept in a [`MachineTable`], whose columns hold the literal values of
//! the attributes that Requirements ask for. A [`CompiledRequirements`] is made once per job class:
//! the job's side is folded away and the rest becomes a tree of predicates over columns, whose
//! answers are bitmaps. What is no simple predicate is evaluated once per different value of the
//! one attribute it depends on, and only what depends on several attributes once per machine.
//!
//! ```
//! use std::sync::Arc;
//! use classad::{ClassAd, Env};
//! use classad::compiled::{CompiledRequirements, MachineTable};
//!
//! let mut table = MachineTable::new();
//! let small = table.insert(Arc::new(ClassAd::parse_old("Memory = 64\nOpSys = \"LINUX\"\n").unwrap()));
//! let large = table.insert(Arc::new(ClassAd::parse_old("Memory = 512\nOpSys = \"linux\"\n").unwrap()));
//! let job = ClassAd::parse_old("RequestMemory = 100\nRequirements = Memory >= RequestMemory && OpSys == \"Linux\"\n").unwrap();
//! let requirements = CompiledRequirements::new(Arc::new(job), &Env::at(0));
//! table.prepare(&requirements);
//! let rows = requirements.eval_all(&table);
//! assert!(rows.contains(large) && !rows.contains(small));
//! ```

mod layout;
mod predicate;
mod program;
mod requirements;
mod rows;
mod table;

pub use program::CompiledExpr;
pub use requirements::CompiledRequirements;
pub use rows::RowSet;
pub use table::MachineTable;
