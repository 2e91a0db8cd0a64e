//! What time alone brings: leases, the end of graces, measurements.

pub(crate) mod tick;
