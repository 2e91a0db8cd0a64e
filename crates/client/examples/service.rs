//! Many tasks of a program with tokio that submit at once and wait for their own job: over a few
//! connections, with one reader of the record. Each submission carries a token that the program
//! makes, so that it can be asked about again after a crash of the program, too.
//!
//!     cargo run -p client --example service

use std::collections::BTreeSet;
use std::error::Error;

use client::asynchronous::Schedd;
use client::jobspec::htcondor::SubmitOptions;
use client::model::{ClusterId, Seq};
use client::{Home, RealSite, Select, cluster_of, new_token, wait};
use tokio::task::JoinSet;

/// How many requests come in.
const REQUESTS: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let schedd = Schedd::of(&Home::from_environment());
    // From before the first submission: no end can be missed.
    let since: Seq = schedd.totals().await?.seq.next();
    let mut submissions = JoinSet::new();
    for _ in 0..REQUESTS {
        let schedd = schedd.clone();
        submissions.spawn(async move { submit(&schedd).await.map_err(|error| error.to_string()) });
    }
    let mut waiting = BTreeSet::new();
    while let Some(submitted) = submissions.join_next().await {
        waiting.insert(submitted??);
    }
    let mut record = schedd.follow(since, Select::All);
    while !waiting.is_empty() {
        for (job, end) in record.next().await?.iter().filter_map(wait::end) {
            if waiting.remove(&job.cluster) {
                println!("{job} {end}");
            }
        }
    }
    Ok(())
}

async fn submit(schedd: &Schedd) -> Result<ClusterId, Box<dyn Error>> {
    let description = client::parse("executable = /bin/true\nqueue\n", "request")?;
    let (site, options) = (RealSite::new()?, SubmitOptions::default());
    // It does not say $(Cluster), and so it is the same under any number.
    let spec = cluster_of(&description, &site, &options, ClusterId(1))?;
    Ok(schedd.submit(new_token()?, |_| spec.clone()).await?)
}
