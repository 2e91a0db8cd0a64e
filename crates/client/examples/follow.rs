//! Writes what happens in the pool, one line an event, and goes on where it ended when it is
//! started again: the number of the last event is kept in a file.
//!
//!     cargo run -p client --example follow -- /tmp/place

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::{env, fs, io};

use client::{Home, Select, Seq};

fn main() -> Result<(), Box<dyn Error>> {
    let place: PathBuf = env::args().nth(1).ok_or("name a file to keep the place in")?.into();
    let since = match fs::read_to_string(&place) {
        Ok(text) => Seq(text.trim().parse()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Seq(0),
        Err(error) => return Err(error.into()),
    };
    Home::from_environment().follow::<Box<dyn Error>>(since, Select::All, |events| {
        for event in events {
            println!("{} {} {:?}", event.seq, event.at.as_secs(), event.what);
        }
        // What was printed is not printed again: the number comes after it.
        if let Some(last) = events.last() {
            fs::write(&place, last.seq.next().to_string())?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}
