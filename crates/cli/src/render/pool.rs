//! Tables of machines, daemons and accounts.

pub mod accounts;
pub mod daemons;
pub mod machines;
