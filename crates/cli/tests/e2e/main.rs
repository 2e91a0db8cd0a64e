//! End to end: the real binary, real processes, a pool of its own for each test. Few and broad;
//! rules are tested on the cores.

mod acting;
mod beside;
mod chaos;
mod chaos_jobs;
mod chirp;
mod commands;
mod configuration;
mod dag;
mod devices;
mod faults;
mod goldens;
mod guide;
mod harness;
mod hostile;
mod interactive;
mod joined;
mod limits;
mod mail;
mod one_command;
mod pbs;
mod pbs_lines;
mod policies;
mod reliability;
mod scripts;
mod spool;
mod transfer;
