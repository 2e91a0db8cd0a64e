//! Names of ClassAd attributes that more than one file reads or writes, spelt as HTCondor spells
//! them, by family.
//!
//! A family is a file and not a path: all are `attr::NAME`, and the compiler refuses a name that
//! two families have. `cargo xtask tidy` refuses a name that is spelt again elsewhere. What an
//! attribute means is not known here.

macro_rules! attrs {
    ($($const_name:ident = $text:literal;)*) => {
        $(#[doc = concat!("`", $text, "`.")] pub const $const_name: &str = $text;)*
    };
}

mod asking;
mod daemon;
mod dag;
mod factory;
mod job;
mod machine;
mod policy;
mod program;
mod run;
mod schedule;
mod told;
mod transfer;

pub use asking::*;
pub use daemon::*;
pub use dag::*;
pub use factory::*;
pub use job::*;
pub use machine::*;
pub use policy::*;
pub use program::*;
pub use run::*;
pub use schedule::*;
pub use told::*;
pub use transfer::*;
