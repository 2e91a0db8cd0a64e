//! Releases, once, every job of yours that is held because a file could not be brought: for servers
//! that fail for a while.
//!
//!     cargo run -p client --example janitor

use std::error::Error;

use client::classad::Value;
use client::model::{HoldCode, JobId, UserName, attr};
use client::{Action, Home, Query, Select, Selector, site};

fn main() -> Result<(), Box<dyn Error>> {
    let mut schedd = Home::from_environment().schedd()?;
    let mine = Select::Any(vec![Selector::Owner(UserName::new(&site::me()))]);
    let passing = format!(
        "{} == {} || {} == {}",
        attr::HOLD_REASON_CODE,
        HoldCode::TransferInputError.number(),
        attr::HOLD_REASON_CODE,
        HoldCode::TransferOutputError.number(),
    );
    let names = [attr::CLUSTER_ID, attr::PROC_ID, attr::HOLD_REASON];
    let held = schedd.jobs(Query {
        constraint: Some(passing.parse()?),
        projection: names.into_iter().map(Into::into).collect(),
        ..Query::of(mine)
    })?;
    let mut jobs = Vec::new();
    for ad in &held {
        let number = |name| ad.literal(name).and_then(Value::as_i64).unwrap_or(0);
        let (cluster, proc) = (number(attr::CLUSTER_ID), number(attr::PROC_ID));
        let job = JobId::new(u32::try_from(cluster)?, u32::try_from(proc)?);
        let why = ad.literal(attr::HOLD_REASON).and_then(Value::as_str).unwrap_or_default();
        println!("{job}: {why}");
        jobs.push(Selector::Job(job));
    }
    if jobs.is_empty() {
        println!("nothing of yours is held for that");
        return Ok(());
    }
    let action = Action::Release { reason: Some("the server may be back".to_owned()) };
    for done in schedd.act(action, Select::Any(jobs))? {
        println!("{done:?}");
    }
    Ok(())
}
