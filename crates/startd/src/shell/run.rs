//! A run on this machine, but for the files that travel: what it needs before it starts
//! (`sandbox`), its folder (`scratch`, short names for deep ones in `short_scratches`) and what its
//! process is started with (`process`, `environment`, `tool`) and
//! held to (`bounds`); and what its owner looks at (`tail`,
//! `shown`) or runs beside it (`beside`), if he is let in (`entry`).

pub(crate) mod beside;
pub(crate) mod bounds;
pub(crate) mod entry;
pub(crate) mod environment;
pub(crate) mod process;
pub(crate) mod sandbox;
pub(crate) mod scratch;
pub(crate) mod short_scratches;
pub(crate) mod shown;
pub(crate) mod tail;
pub(crate) mod tool;
