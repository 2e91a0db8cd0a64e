//! A parameter sweep: one job for each value, and a table of what they said when all have ended.
//!
//!     cargo run -p client --example sweep -- 1 2 3

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::{env, fs};

use client::jobspec::htcondor::SubmitOptions;
use client::{AskError, End, Home, RealSite, Select, Selector};

fn main() -> Result<(), Box<dyn Error>> {
    let values: Vec<String> = env::args().skip(1).collect();
    if values.is_empty() {
        return Err("name the values, for example: sweep 1 2 3".into());
    }
    let folder = env::temp_dir().join(format!("sweep-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let text = format!(
        "executable = /bin/sh\n\
         arguments = \"-c 'echo $((value * value))'\"\n\
         environment = value=$(value)\n\
         initialdir = {}\n\
         output = $(Process).out\n\
         queue value in ({})\n",
        folder.display(),
        values.join(", "),
    );

    let pool = Home::from_environment();
    let description = client::parse(&text, "sweep")?;
    let submitted = pool.submit(&description, &RealSite::new()?, &SubmitOptions::default())?;
    let clusters = submitted.clusters.iter().map(|(cluster, _)| Selector::Cluster(*cluster));

    let mut ends = BTreeMap::new();
    pool.wait(&Select::Any(clusters.collect()), |job, end| {
        ends.insert(job, end.clone());
        Ok::<_, AskError>(ControlFlow::Continue(()))
    })?;
    for (job, end) in ends {
        let value = &values[job.proc.0 as usize];
        match end {
            End::Good => {
                let said = fs::read_to_string(folder.join(format!("{}.out", job.proc)))?;
                println!("{value}\t{}", said.trim());
            }
            End::Bad(_) | End::Held(_) => println!("{value}\tjob {job} {end}"),
        }
    }
    Ok(())
}
