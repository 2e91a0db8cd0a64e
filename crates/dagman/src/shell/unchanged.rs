//! Nodes that need not run again (SKIP_UNCHANGED): what each was made from when it was done last,
//! in a file beside the DAG, and whether that is as it was.
//!
//! Files are known by their length and the time of their last change, as `make` knows them: what is
//! large is not read. Where something cannot be known, the node runs. Knows nothing of when a
//! node's turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use classad::{ClassAd, Value};
use model::{ClusterId, ClusterSpec, ProcId, attr};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::facts::{GENERATION, NODE_RETRY};
use super::files;
use super::submit::{NotMade, PARENT_NAMES, Prepared};
use crate::core::Event;
use crate::workflow::{Node, NodeIndex, SkipUnchanged, Workflow};

/// More jobs of one node are not looked through.
const MAX_JOBS: u32 = 10_000;

/// More files of one folder are not looked at.
const MAX_ENTRIES: usize = 100_000;

/// What streams are that are not there.
const NOTHING: &str = "/dev/null";

/// What changes from run to run, and says nothing of what a job does.
const VOLATILE: [&str; 8] = [
    attr::DAGMAN_JOB_ID,
    attr::DAGMAN_NODES_LOG,
    attr::JOB_BATCH_NAME,
    attr::Q_DATE,
    attr::SUBMIT_EVENT_NOTES,
    NODE_RETRY,
    GENERATION,
    PARENT_NAMES,
];

/// What a node was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    node: String,
    /// Stands for its jobs, as they were described.
    description: String,
    /// The files that it read, and what stands for each.
    from: BTreeMap<String, String>,
    /// The files that it made.
    files: BTreeSet<String>,
}

/// A node that is run again: what it was made from before says nothing any more of what is there.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    begun: String,
}

/// Whether a node must run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It need not, because of this.
    Same(String),
    /// It must, because of this.
    Runs(String),
}

/// The nodes of a run that may be skipped.
#[derive(Debug, Default)]
pub(super) struct Unchanged {
    path: String,
    known: BTreeMap<String, Made>,
    /// Nodes that run, with what they are made from.
    under_way: BTreeMap<NodeIndex, Made>,
    seen: Seen,
}

/// What stands for the files that were looked at since [`Unchanged::look_anew`]: many nodes may
/// read the same large folder.
type Seen = BTreeMap<String, Result<String, String>>;

impl Unchanged {
    /// What is known from earlier runs. A line that makes no sense says nothing: its node runs.
    pub(super) fn read(path: String, workflow: &Workflow) -> Self {
        let mut known = BTreeMap::new();
        if workflow.may_skip_unchanged() {
            let text = client::site::read_plain_text(Path::new(&path)).unwrap_or_default();
            let lines = || text.lines().filter(|line| !line.is_empty());
            for line in lines() {
                if let Ok(made) = serde_json::from_str::<Made>(line) {
                    known.insert(made.node.clone(), made);
                } else if let Ok(again) = serde_json::from_str::<Begun>(line) {
                    known.remove(&again.begun);
                }
            }
            // one line a node again: it grows by each that runs
            if lines().count() > 2 * known.len() + 100 {
                let lines: String = known.values().filter_map(|made| line(made).ok()).collect();
                // what is not shortened now is shortened another time
                drop(files::replace(&path, &lines));
            }
        }
        Self { path, known, under_way: BTreeMap::new(), seen: Seen::new() }
    }

    /// Has files be looked at anew: time has passed, and the nodes that come now may read what
    /// others have written.
    pub(super) fn look_anew(&mut self) {
        self.seen.clear();
    }

    /// Whether a node that is about to be submitted must run; none if nobody asked for that. Of one
    /// that runs it is written down before that it does: if it fails half way, its files are not
    /// those of the time when it was done well.
    pub(super) fn look(&mut self, node: Node<'_>, one: &Prepared) -> Option<Verdict> {
        let verdict = self.compared(node, one)?;
        let Verdict::Runs(why) = verdict else { return Some(verdict) };
        Some(Verdict::Runs(match self.withdraw(node.name()) {
            Ok(()) => why,
            Err(error) => format!("{why}; {} cannot be written: {error}", self.path),
        }))
    }

    /// Forgets a node.
    ///
    /// # Errors
    /// If that cannot be written, and the file cannot be removed either, which would do as well.
    fn withdraw(&mut self, node: &str) -> io::Result<()> {
        if self.known.remove(node).is_none() {
            return Ok(());
        }
        let begun = line(&Begun { begun: node.to_owned() })?;
        let write = || {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(begun.as_bytes())?;
            file.sync_data()
        };
        write().or_else(|_| fs::remove_file(&self.path))
    }

    fn compared(&mut self, node: Node<'_>, one: &Prepared) -> Option<Verdict> {
        let said = node.skip_unchanged()?;
        self.under_way.remove(&node.index());
        // Of another try it is not known what it finds of the one before: it runs, and next time
        // too.
        if one.retry > 0 {
            return Some(Verdict::Runs("it was tried before".to_owned()));
        }
        let now = match made_from(node, &said, one, &mut self.seen) {
            Ok(now) => now,
            Err(why) => return Some(Verdict::Runs(why)),
        };
        let verdict = match self.known.get(node.name()) {
            Some(before) => compare(before, &now),
            None => Verdict::Runs("it was not done well here before".to_owned()),
        };
        if matches!(verdict, Verdict::Runs(_)) {
            self.under_way.insert(node.index(), now);
        }
        Some(verdict)
    }

    /// Notes which nodes are done.
    ///
    /// # Errors
    /// If that cannot be written: they run again next time.
    pub(super) fn note(&mut self, events: &[Event]) -> io::Result<()> {
        let mut text = String::new();
        for event in events {
            if let Event::Done { node } = event
                && let Some(made) = self.under_way.remove(node)
            {
                text += &line(&made)?;
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        let file = fs::OpenOptions::new().create(true).append(true).open(&self.path);
        file?.write_all(text.as_bytes())
    }
}

/// A line of the file. It begins on one of its own: what was torn before it says nothing.
fn line(said: &impl Serialize) -> io::Result<String> {
    Ok(format!("\n{}\n", serde_json::to_string(said)?))
}

fn compare(before: &Made, now: &Made) -> Verdict {
    if before.description != now.description {
        return Verdict::Runs("its description changed".to_owned());
    }
    for (file, stands) in &now.from {
        match before.from.get(file) {
            Some(stood) if stood == stands => {}
            Some(_) => return Verdict::Runs(format!("{file} changed")),
            None => return Verdict::Runs(format!("{file} was not among what it reads")),
        }
    }
    if let Some(file) = before.from.keys().find(|file| !now.from.contains_key(*file)) {
        return Verdict::Runs(format!("{file} is no longer among what it reads"));
    }
    if let Some(file) = now.files.iter().find(|file| !Path::new(file).exists()) {
        return Verdict::Runs(format!("{file}, which it makes, is not there"));
    }
    let read = match now.from.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    Verdict::Same(format!("its description and {read} that it reads are as when it was done"))
}

/// What a node would be made from now; the reason if that cannot be known.
fn made_from(
    node: Node<'_>,
    said: &SkipUnchanged<'_>,
    one: &Prepared,
    seen: &mut Seen,
) -> Result<Made, String> {
    let mut spec = one.make(ClusterId(0)).map_err(|why| match why {
        NotMade::NoItems => "its list has no items".to_owned(),
        NotMade::Wrong(why) => why,
    })?;
    if spec.count() > MAX_JOBS {
        return Err(format!("it has more than {MAX_JOBS} jobs"));
    }
    for name in VOLATILE {
        spec.ad.remove(name);
    }
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let folder = here.join(node.dir().unwrap_or("."));
    let (mut reads, mut files) = (BTreeSet::new(), BTreeSet::new());
    let path = |folder: &Path, name: &str| folder.join(name).to_string_lossy().into_owned();
    reads.extend(said.needs.iter().map(|name| path(&folder, name)));
    files.extend(said.makes.iter().map(|name| path(&folder, name)));
    for proc in 0..spec.count() {
        let own = spec.delta(ProcId(proc)).unwrap_or_default();
        let ad = |name: &str| text(&own, name).or_else(|| text(&spec.ad, name));
        let folder = ad(attr::IWD).map_or(folder.clone(), |iwd| here.join(iwd));
        for name in read_by(ad) {
            if let Some(scheme) = model::url_scheme(&name) {
                return Err(format!("whether {name} changed is not known ({scheme})"));
            }
            reads.insert(path(&folder, &name));
        }
        files.extend(made_by(ad).iter().map(|name| path(&folder, name)));
    }
    let mut from = BTreeMap::new();
    for file in reads {
        let stands = seen.entry(file.clone()).or_insert_with(|| stands_for(Path::new(&file)));
        from.insert(file, stands.clone()?);
    }
    Ok(Made { node: node.name().to_owned(), description: digest(&spec)?, from, files })
}

fn digest(spec: &ClusterSpec) -> Result<String, String> {
    let text = serde_json::to_vec(spec).map_err(|error| error.to_string())?;
    Ok(hex(&sha2::Sha256::digest(text)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text that an ad has, and that is not empty.
fn text<'a>(ad: &'a ClassAd, name: &str) -> Option<&'a str> {
    ad.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The names in a list of files.
fn listed(list: Option<&str>) -> Vec<String> {
    let names = list.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn read_by<'a>(ad: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let alone = [attr::CMD, attr::IN].into_iter().filter_map(&ad).filter(|name| *name != NOTHING);
    alone.map(str::to_owned).chain(listed(ad(attr::TRANSFER_INPUT))).collect()
}

/// What a job leaves under names that are known before it runs.
fn made_by<'a>(ad: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let streams = [attr::OUT, attr::ERR].into_iter().filter_map(&ad);
    let mut made: Vec<String> = streams.map(str::to_owned).collect();
    if ad(attr::TRANSFER_OUTPUT_REMAPS).is_none() {
        let base = |name: String| name.rsplit('/').next().unwrap_or_default().to_owned();
        made.extend(listed(ad(attr::TRANSFER_OUTPUT)).into_iter().map(base));
    }
    made.retain(|name| name != NOTHING && !name.is_empty());
    made
}

/// A text that is another one when a file, or one in a folder, changed.
fn stands_for(path: &Path) -> Result<String, String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("missing".to_owned()),
        Err(error) => return Err(told(error)),
    };
    if found.is_file() {
        return Ok(of_file(&found));
    }
    if !found.is_dir() {
        return Ok("no file".to_owned());
    }
    let (mut hash, mut folders, mut entries) = (sha2::Sha256::new(), vec![path.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let listed: io::Result<Vec<_>> = fs::read_dir(&folder).map_err(told)?.collect();
        let mut inside: Vec<_> = listed.map_err(told)?.iter().map(fs::DirEntry::path).collect();
        inside.sort();
        entries += inside.len();
        if entries > MAX_ENTRIES {
            return Err(format!("{} has more than {MAX_ENTRIES} files", path.display()));
        }
        for path in inside {
            let found = fs::symlink_metadata(&path).map_err(told)?;
            let stands = if found.is_dir() { "folder".to_owned() } else { of_file(&found) };
            hash.update(format!("{}\0{stands}\0", path.display()));
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

fn of_file(found: &Metadata) -> String {
    format!("{} {}.{:09}", found.len(), found.mtime(), found.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(description: &str, from: &[(&str, &str)], files: &[&str]) -> Made {
        let pair = |(file, stands): &(&str, &str)| ((*file).to_owned(), (*stands).to_owned());
        Made {
            node: "A".to_owned(),
            description: description.to_owned(),
            from: from.iter().map(pair).collect(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_that_is_not_as_it_was_is_the_reason() {
        let before = made("d", &[("a", "1"), ("b", "2")], &["/dev/null"]);
        for (now, expected) in [
            (made("e", &[("a", "9")], &[]), "its description changed"),
            (made("d", &[("a", "1"), ("b", "3")], &[]), "b changed"),
            (
                made("d", &[("a", "1"), ("b", "2"), ("c", "1")], &[]),
                "c was not among what it reads",
            ),
            (made("d", &[("a", "1")], &[]), "b is no longer among what it reads"),
            (
                made("d", &[("a", "1"), ("b", "2")], &["/nowhere/x"]),
                "/nowhere/x, which it makes, is not there",
            ),
        ] {
            assert_eq!(compare(&before, &now), Verdict::Runs(expected.to_owned()));
        }
        let same = "its description and 2 files that it reads are as when it was done";
        assert_eq!(compare(&before, &before), Verdict::Same(same.to_owned()));
    }

    #[test]
    fn a_file_and_what_is_deep_in_a_folder_stand_for_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let (file, deep) = (dir.path().join("a"), dir.path().join("d/e"));
        assert_eq!(stands_for(&file).unwrap(), "missing");
        fs::create_dir_all(&deep).unwrap();
        fs::write(&file, "1").unwrap();
        fs::write(deep.join("f"), "1").unwrap();
        let before = [stands_for(&file).unwrap(), stands_for(dir.path()).unwrap()];
        assert_eq!(before, [stands_for(&file).unwrap(), stands_for(dir.path()).unwrap()]);
        fs::write(deep.join("f"), "12").unwrap();
        assert_eq!(before[0], stands_for(&file).unwrap());
        assert_ne!(before[1], stands_for(dir.path()).unwrap());
    }

    #[test]
    fn what_was_noted_is_read_and_a_torn_line_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.unchanged").to_string_lossy().into_owned();
        let mut builder = crate::workflow::Builder::new(vec!["a.dag".to_owned()]);
        let new = crate::workflow::NewNode::job("A", "n.sub");
        let node = builder.add_node(&new).unwrap();
        let said = builder.share_unchanged(&SkipUnchanged { needs: vec!["x"], makes: vec![] });
        builder.set_unchanged(node, said);
        let workflow = builder.finish();
        fs::write(&path, "{\"node\":\"A\",\"descr").unwrap();
        let mut unchanged = Unchanged::read(path.clone(), &workflow);
        assert!(unchanged.known.is_empty());
        for description in ["d", "e"] {
            unchanged.under_way.insert(node, made(description, &[], &[]));
            unchanged.note(&[Event::Done { node }]).unwrap();
            unchanged.note(&[Event::Done { node }]).unwrap();
        }
        let mut again = Unchanged::read(path.clone(), &workflow);
        assert_eq!(again.known["A"], made("e", &[], &[]));
        again.withdraw("A").unwrap();
        assert!(Unchanged::read(path.clone(), &workflow).known.is_empty(), "it runs");
        again.under_way.insert(node, made("f", &[], &[]));
        again.note(&[Event::Done { node }]).unwrap();
        assert_eq!(Unchanged::read(path, &workflow).known["A"], made("f", &[], &[]));
    }
}
