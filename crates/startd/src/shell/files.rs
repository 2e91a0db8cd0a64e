//! Files that travel between the submitting side and a run's scratch folder: when and how many at a
//! time (`carrier`), which (`transfer`), that each arrives whole (`copying`) on a disk (`disk`)
//! that may be another machine's (`wire`, `reach`, `side`, `lender`), with nothing left of what did
//! not arrive (`leftovers`), by URL (`plugins`), how their work is ended (`leash`), what an evicted
//! job keeps (`spool`), and whether any need travel (`dataflow`); what is told of them (`manifest`,
//! `starter_log`).

pub(crate) mod carrier;
pub(crate) mod copying;
pub(crate) mod dataflow;
pub(crate) mod disk;
pub(crate) mod leash;
pub(crate) mod leftovers;
pub(crate) mod lender;
pub(crate) mod manifest;
pub(crate) mod plugins;
pub(crate) mod reach;
pub(crate) mod side;
pub(crate) mod spool;
pub(crate) mod starter_log;
pub(crate) mod transfer;
pub(crate) mod wire;
