//! Answers as text. Every function here takes plain data (ads, counts, a moment) and gives a
//! string, so that what users see is tested without a daemon. What is asked, and of whom, is the
//! business of `commands`.

pub mod acting;
pub mod dag;
pub mod dialect;
pub mod doctor;
pub mod events;
pub mod jobs;
pub mod nodes;
pub mod paint;
pub mod pbs;
pub mod pool;
pub mod pools;
pub mod reasons;
pub mod said;
pub mod time;
pub mod values;
pub mod visible;
pub mod width;
pub mod workflow;
