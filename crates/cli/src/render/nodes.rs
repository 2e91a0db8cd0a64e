//! The machines of a pool, and what came of joining one. Knows nothing of keys.

use jiff::tz::TimeZone;
use proto::joining::NodeLine;
use serde::Serialize;

use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};
use crate::render::time;

/// How far two clocks may differ before somebody is told, seconds.
const CLOCKS_S: i64 = 60;

/// A machine that has joined a pool.
#[derive(Debug, Serialize)]
pub struct Joined {
    pub name: String,
    pub address: String,
    pub dir: String,
    /// How far its clock is ahead of the pool's.
    pub clock_ahead_s: i64,
}

impl Tell for Joined {
    fn tell(&self, _: Dialect) -> Said {
        let Self { name, address, dir, clock_ahead_s } = self;
        let mut said = Said::out(format!(
            "{name} is in the pool at {address} and runs its jobs. What it keeps is in {dir}\n"
        ));
        if clock_ahead_s.abs() > CLOCKS_S {
            let (by, which) =
                (clock_ahead_s.abs(), if *clock_ahead_s > 0 { "ahead" } else { "behind" });
            said.err = format!(
                "This machine's clock is {by} s {which} of the pool's: jobs will see wrong times, \
                 though nothing of the pool depends on it. Set it.\n"
            );
        }
        said
    }
}

/// A token. It is alone on standard output.
#[derive(Debug, Serialize)]
pub struct Invited {
    pub token: String,
    pub uses: u32,
    pub ttl_s: u32,
    /// Whether the pool is many users'.
    #[serde(skip)]
    pub many_users: bool,
}

impl Tell for Invited {
    fn tell(&self, _: Dialect) -> Said {
        let mut said = Said::out(format!("{}\n", self.token));
        let machines = match self.uses {
            1 => "one machine".to_owned(),
            uses => format!("{uses} machines"),
        };
        let join = if self.many_users { "join --system" } else { "join" };
        said.err = format!("For {machines}, within {} s:  updraft {join} TOKEN\n", self.ttl_s);
        said
    }
}

/// The machines of a pool.
#[derive(Debug, Serialize)]
pub struct Nodes {
    pub nodes: Vec<NodeLine>,
}

impl Tell for Nodes {
    fn tell(&self, _: Dialect) -> Said {
        if self.nodes.is_empty() {
            return Said::out(
                "No other machine is in the pool. Let one in:  updraft pool invite\n",
            );
        }
        let width = self.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0).max(4);
        let mut out = format!("{:<width$} ROLE    STATE    JOINED           CERTIFICATE\n", "NAME");
        let zone = TimeZone::system();
        for node in &self.nodes {
            let state = match (node.is_revoked, node.is_here) {
                (true, _) => "revoked",
                (false, true) => "here",
                (false, false) => "away",
            };
            let drained = node.drain.as_ref().map(|drain| match drain.reason.as_str() {
                "" => ", drained".to_owned(),
                why => format!(", drained ({why})"),
            });
            let drained = drained.unwrap_or_default();
            let authority = if node.is_newest { "" } else { ", of an older authority" };
            let (joined, until) =
                (time::date(node.joined_s, &zone), time::date(node.until_s, &zone));
            let NodeLine { name, role, .. } = node;
            let role = role.name();
            out += &format!(
                "{name:<width$} {role:<7} {state:<8} {joined} until {until}{authority}{drained}\n"
            );
        }
        Said::out(out)
    }
}

/// A change of who is in the pool.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// What was done, as a sentence.
    pub done: String,
}

impl Tell for Changed {
    fn tell(&self, _: Dialect) -> Said {
        Said::out(format!("{}\n", self.done))
    }
}
