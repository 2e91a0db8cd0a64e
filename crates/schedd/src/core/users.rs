//! What users ask for: submissions, acts, edits, changes of queues, questions, spooled files, and
//! what a running job asks for itself.

pub(crate) mod act;
pub(crate) mod alter;
pub(crate) mod arrange;
pub(crate) mod booking;
pub(crate) mod chirp;
pub(crate) mod edit;
pub(crate) mod factory;
pub(crate) mod groups;
pub(crate) mod long_act;
pub(crate) mod named;
pub(crate) mod query;
pub(crate) mod slice;
pub(crate) mod spool;
pub(crate) mod submit;
pub(crate) mod visit;
