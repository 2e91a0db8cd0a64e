//! What others are told of the machine: its ads.

pub(crate) mod ads;
