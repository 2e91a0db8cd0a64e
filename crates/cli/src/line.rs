//! The command line and the two outputs: how options are spelt, which jobs and which pool are
//! meant, in which dialect a command answers, where it prints, how it ends. It knows no verb.

pub mod ad_file;
pub mod args;
pub mod call;
pub mod clashes;
pub mod connect;
pub mod exit;
pub mod links;
pub mod moments;
pub mod outcome;
pub mod output;
pub mod place;
pub mod release;
pub mod select;
pub mod shape;
pub mod spelling;
pub mod usage;
