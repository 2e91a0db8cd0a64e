//! What is found out about the machine, once (`detect`, `devices`, `speed`) and again (`measure`,
//! `disk`), and what an administrator wants otherwise (`settings`). It knows nothing of claims.

pub(crate) mod detect;
pub(crate) mod devices;
pub(crate) mod disk;
pub(crate) mod measure;
pub(crate) mod settings;
pub(crate) mod speed;
