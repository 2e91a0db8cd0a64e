//! Answers as text. Every function here takes plain data (ads, counts, a moment) and gives a string, so that what users see is
//! tested without a daemon. What is asked, and of whom, is the business of `commands`.

pub mod accounts;
pub mod ads;
pub mod advice;
pub mod analysis;
mod autocluster;
pub mod autoformat;
mod batch;
mod command_line;
pub mod daemons;
pub mod finished;
pub mod gathered;
pub mod history;
pub mod machines;
pub mod paint;
pub mod print_format;
pub mod printf;
pub mod queue;
pub mod time;
pub mod totals;
pub mod view;
