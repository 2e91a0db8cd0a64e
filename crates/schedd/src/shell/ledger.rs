//! Which machines may have runs of the queue in this place, in a file beside it: so that a copy
//! that is put back in its place knows where runs may be that it has no record of. A machine is in
//! it before it is told to start its first run. Knows nothing of what the core makes of it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::MachineName;
use proto::claiming::ToStartd;
use proto::whole_file;

use crate::core::{Effect, RanOn};

/// The permissions of the file.
const MODE: u32 = 0o600;

/// The machines, one JSON object a line; of several lines about a machine the last counts.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    known: BTreeMap<MachineName, RanOn>,
    /// Where the machines listen: starts do not say it.
    addresses: BTreeMap<MachineName, String>,
}

/// The ledger's file, beside the queue's.
fn path_of(queue: &Path) -> PathBuf {
    queue.with_extension("machines")
}

impl Ledger {
    /// Reads it. There is no list where no schedd has worked, or none that kept one.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read. A last line that was not written whole belongs to a start
    /// that was never ordered.
    pub(crate) fn read(queue: &Path) -> io::Result<(Self, Option<Vec<RanOn>>)> {
        let path = path_of(queue);
        let mut ledger = Self { path, known: BTreeMap::new(), addresses: BTreeMap::new() };
        let text = match fs::read_to_string(&ledger.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((ledger, None)),
            Err(error) => return Err(error),
        };
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let length = text.rfind('\n').map_or(0, |at| at + 1);
        if length < text.len() {
            // The next line must not go on where this one was torn.
            let file = OpenOptions::new().write(true).open(&ledger.path)?;
            file.set_len(length as u64)?;
        }
        for line in whole.lines() {
            let ran: RanOn = serde_json::from_str(line)?;
            ledger.known.insert(ran.machine.clone(), ran);
        }
        let machines = ledger.known.values().cloned().collect();
        Ok((ledger, Some(machines)))
    }

    /// Writes it anew, with the machines that hold claims: there is nothing on the others.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn renew(&mut self, machines: Vec<RanOn>) -> io::Result<()> {
        self.known = machines.into_iter().map(|ran| (ran.machine.clone(), ran)).collect();
        let lines = self.known.values().map(line).collect::<io::Result<Vec<_>>>()?;
        whole_file::replace(&self.path, MODE, &lines.concat())
    }

    /// Notes the machines that are about to be told to start something that is news of them.
    ///
    /// # Errors
    ///
    /// If it cannot be written: then nothing may be started.
    pub(crate) fn note(&mut self, effects: &[Effect]) -> io::Result<()> {
        let mut lines = Vec::new();
        for effect in effects {
            match effect {
                Effect::Connect { machine, address } => {
                    self.addresses.insert(machine.clone(), address.clone());
                }
                Effect::ToStartd { machine, message: ToStartd::StartRun(start) } => {
                    lines.extend(self.news(machine, start.lease_s)?);
                }
                Effect::ToStartd { .. }
                | Effect::ToNegotiator(_)
                | Effect::Disconnect { .. }
                | Effect::MakeSpool { .. }
                | Effect::RemoveSpool { .. } => {}
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(MODE).open(&self.path)?;
        let before = file.metadata()?.len();
        file.write_all(&lines).and_then(|()| file.sync_data()).inspect_err(|_| {
            // Half a line would end the file for who reads it.
            let _ = file.set_len(before);
        })
    }

    /// The line that a start makes necessary, if it does.
    fn news(&mut self, machine: &MachineName, lease_s: u32) -> io::Result<Vec<u8>> {
        let known = self.known.get(machine);
        let address = self.addresses.get(machine).or(known.map(|ran| &ran.address));
        let address = address.cloned().unwrap_or_default();
        let lease_s = known.map_or(lease_s, |ran| ran.lease_s.max(lease_s));
        let ran = RanOn { machine: machine.clone(), address, lease_s };
        if known == Some(&ran) {
            return Ok(Vec::new());
        }
        let line = line(&ran)?;
        self.known.insert(machine.clone(), ran);
        Ok(line)
    }
}

/// Says that no machine has a run of a queue in this place.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn clear(queue: &Path) -> io::Result<()> {
    File::create(path_of(queue))?.sync_all()
}

fn line(ran: &RanOn) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(ran)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(machine: &str, lease_s: u32) -> RanOn {
        let machine = MachineName::new(machine);
        RanOn { address: format!("/run/{machine}"), machine, lease_s }
    }

    #[test]
    fn what_was_noted_is_read_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("queue.db");
        let (mut ledger, machines) = Ledger::read(&queue).unwrap();
        assert_eq!(machines, None);
        ledger.renew(vec![ran("a", 40)]).unwrap();
        for (machine, lease_s) in [("a", 30), ("b", 60), ("b", 60), ("a", 90)] {
            let machine = MachineName::new(machine);
            let address = format!("/run/{machine}");
            ledger.note(&[Effect::Connect { machine: machine.clone(), address }]).unwrap();
            let line = ledger.news(&machine, lease_s).unwrap();
            let mut file = OpenOptions::new().append(true).open(&ledger.path).unwrap();
            file.write_all(&line).unwrap();
        }
        let text = fs::read_to_string(&ledger.path).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        fs::write(&ledger.path, format!("{text}{{\"machine\":\"c")).unwrap();
        let (_, machines) = Ledger::read(&queue).unwrap();
        assert_eq!(machines, Some(vec![ran("a", 90), ran("b", 60)]));
        assert_eq!(fs::read_to_string(&ledger.path).unwrap(), text, "the torn line stayed");
        clear(&queue).unwrap();
        assert_eq!(Ledger::read(&queue).unwrap().1, Some(Vec::new()));
    }
}
