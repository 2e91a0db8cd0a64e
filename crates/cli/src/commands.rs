//! One file per verb: its options, what it asks of whom, and in which view the answer is shown. How answers look is the business
//! of `render`; how options are spelt, of `args`.

pub mod chirp;
pub mod classad;
pub mod config_val;
pub mod continue_job;
pub mod curl_plugin;
pub mod daemon;
pub mod events;
pub mod help;
pub mod history;
pub mod hold;
pub mod links;
pub mod pool;
pub mod prio;
pub mod q;
pub mod qedit;
pub mod reconfig;
pub mod release;
pub mod rm;
pub mod run;
pub mod status;
pub mod submit;
pub mod suspend;
pub mod tail;
pub mod terminal;
pub mod transfer_data;
pub mod userprio;
pub mod vacate_job;
pub mod version;
pub mod wait;
pub mod watch_q;
