//! The files of runs in a pool of many users, where each run is its owner's: what is to be done
//! with them is said to a helper, a process of that owner ([`proto::user_helper`]), and the startd
//! itself touches none. It knows which run is whose and what was ordered and is not answered; what
//! a helper does is `helper`'s matter.
//!
//! A helper is its user's: what it says of a run counts only if the run is that user's. Who users
//! are, `people` finds out.

pub(crate) mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use classad::ClassAd;
use launcher::wire::Start;
use model::{StartFailure, StartStage, UserName};
use nix::errno::Errno;
use proto::clock;
use proto::net::Connection;
use proto::user_helper::{HelperNews, Helpers};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::core::{
    BringBack, ClosedLog, DiskUsed, Fetched, FromCarrier, Input, RunKey, StartProcess,
    StoreFailure, Stored,
};
use crate::shell::owners::people::{Found, People, Person, check_same};
use crate::shell::run::sandbox::Sandboxes;
use crate::shell::run::scratch::folder_of;
use crate::shell::run::shown::{Shown, Wanted};

/// What a helper of the startd is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Errand {
    /// Remove what earlier runs have left, but for that of these.
    Keep(BTreeSet<RunKey>),
    /// Make a run's folder and bring its files.
    BringIn(Box<StartProcess>),
    /// Bring back what came of a run.
    BringBack(Box<BringBack>),
    CutOff(RunKey),
    LetGo(RunKey),
    /// A run's account is complete.
    CloseLog(Box<ClosedLog>),
    /// Remove what is kept of these runs.
    Remove(Vec<RunKey>),
    /// Say what the folders of these take.
    Measure(Vec<RunKey>),
    /// Say what stands in a file of a run. The number is for the answer.
    Read {
        number: u64,
        key: RunKey,
        wanted: Wanted,
    },
}

/// What a helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HelperSays {
    Carried(FromCarrier),
    Measured { used: Vec<(RunKey, DiskUsed)>, took_ms: u64 },
    Read { number: u64, shown: Shown },
}

/// What is heard of helpers.
pub(crate) type News = HelperNews<HelperSays>;

/// How often a run's files are brought by helpers that go, or cannot be started, before they have
/// done it. What came of a run is brought back until its lease is over: its program is not run
/// again because of a helper.
const ATTEMPTS: u32 = 3;

/// How long a helper may take to let go of work that was cut off, or that is to end when it stands
/// still, milliseconds. After that it counts as not done, and the helper is left: it may be
/// stopped, or wait in the kernel, or be none of ours.
const LETS_GO_MS: u64 = 10_000;
const STANDS_STILL_MS: u64 = 600_000;

/// How often a helper may say what it was not asked.
const STRAYS_MAX: u32 = 64;

/// The most that is believed of what a helper counts: beyond any file, and far from where sums of
/// such numbers end.
const COUNTED_MAX: u64 = 1 << 50;

/// The longest that a measuring is believed to have taken, milliseconds.
const TOOK_MAX_MS: u64 = 60_000;

/// How work is to end before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At its next step.
    Off,
    /// As soon as it stands still.
    WhenStill,
}

/// Work that was ordered and is not answered.
#[derive(Debug)]
struct InHand {
    errand: Errand,
    attempt: u32,
    /// By when it must be answered, milliseconds of the boot clock, once it was cut.
    until_ms: Option<u64>,
}

impl InHand {
    /// Whether a report is about this work.
    fn is_answered_by(&self, report: &FromCarrier) -> bool {
        matches!(
            (&self.errand, report),
            (Errand::BringIn(_), FromCarrier::BroughtIn { .. })
                | (Errand::BringBack(_), FromCarrier::BroughtBack { .. })
        )
    }
}

/// The runs of many users.
#[derive(Debug)]
pub(crate) struct Owners {
    helpers: Helpers<Errand, HelperSays>,
    people: People,
    /// Below which each user has a folder.
    folder: PathBuf,
    runs: BTreeMap<RunKey, u32>,
    in_hand: BTreeMap<RunKey, InHand>,
    /// Those whose helper knows what is to be kept.
    told: BTreeSet<u32>,
    /// Whether all runs of earlier lives are known by their users: otherwise nobody is told what to
    /// keep, and with it what to remove.
    knows_all: bool,
    /// Of whom a measuring was asked and has not come.
    measuring: BTreeSet<u32>,
    /// How often each helper said what it was not asked.
    strays: BTreeMap<u32, u32>,
    /// Who waits for what a helper reads, by number, and whose helper that is.
    readers: BTreeMap<u64, (u32, oneshot::Sender<Shown>)>,
    last_reader: u64,
}

impl Owners {
    /// With scratch folders below the users' own in this one.
    pub(crate) fn new(helpers: Helpers<Errand, HelperSays>, folder: &Path, people: People) -> Self {
        Self {
            helpers,
            people,
            folder: folder.to_owned(),
            runs: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            told: BTreeSet::new(),
            knows_all: true,
            measuring: BTreeSet::new(),
            strays: BTreeMap::new(),
            readers: BTreeMap::new(),
            last_reader: 0,
        }
    }

    /// Talks to a helper that has come, for as long as it stays.
    pub(crate) fn serve(&self, connection: Connection) {
        let helpers = self.helpers.clone();
        tokio::spawn(async move { helpers.serve(connection).await });
    }

    /// Takes note of the runs of earlier lives, and of whose the claims are, before anything is
    /// said of any. Whose a run is stands in the journal: no job ends for a name that is not had
    /// just now.
    pub(crate) async fn begin(
        &mut self,
        runs: &[(RunKey, UserName, Option<u32>)],
        claims: BTreeSet<UserName>,
    ) {
        self.people.meet(claims, clock::now().boot_ms).await;
        for (key, owner, uid) in runs {
            if let Some(uid) = uid {
                self.runs.insert(*key, *uid);
                continue;
            }
            if let Err(failure) = self.note(*key, owner) {
                tracing::error!(%key, ?failure, "nothing is removed of what earlier runs have left");
                self.knows_all = false;
            }
        }
    }

    /// Takes note of whose a run is.
    ///
    /// # Errors
    ///
    /// Why it cannot run here.
    pub(crate) fn note(&mut self, key: RunKey, owner: &UserName) -> Found {
        let person = self.people.get(owner)?;
        self.runs.insert(key, person.uid());
        Ok(person)
    }

    /// The same for one that is to begin: its owner is who submitted it.
    fn note_new(&mut self, run: &StartProcess) -> Result<Arc<Person>, StartFailure> {
        let person = self.note(run.key, &run.owner)?;
        check_same(&person, &run.job)?;
        Ok(person)
    }

    /// What concerns a user's runs, once it is known who that is: until then it waits.
    pub(crate) fn pass(&mut self, owner: &UserName, input: Input, now_ms: u64) -> Option<Input> {
        self.people.pass(owner, input, now_ms)
    }

    /// What has waited for what is known now.
    pub(crate) fn known(&mut self, name: UserName, found: Found, now_ms: u64) -> Vec<Input> {
        self.people.heard(name, found, now_ms)
    }

    /// Whether a user's jobs can run here.
    ///
    /// # Errors
    ///
    /// Why they cannot, as a sentence.
    pub(crate) fn may_claim(&self, owner: &UserName, job: &ClassAd) -> Result<(), String> {
        let checked = self.people.get(owner).and_then(|person| check_same(&person, job));
        checked.map_err(|failure| failure.said.unwrap_or_default())
    }

    /// The number of the user whose a run is.
    pub(crate) fn uid_of(&self, key: RunKey) -> Option<u32> {
        self.runs.get(&key).copied()
    }

    /// The folder of a user.
    pub(crate) fn folder(&self, uid: u32) -> PathBuf {
        self.folder.join(uid.to_string())
    }

    /// The scratch folder of a run; a place that there is not, if it is nobody's.
    pub(crate) fn path(&self, key: RunKey) -> PathBuf {
        let whose =
            self.runs.get(&key).map_or_else(|| self.folder.clone(), |uid| self.folder(*uid));
        folder_of(&whose, key)
    }

    /// Has a run's folder made, and its files brought; says what comes of it at once, if anything.
    pub(crate) fn bring_in(&mut self, run: Box<StartProcess>) -> Option<Input> {
        let key = run.key;
        match self.note_new(&run) {
            Ok(_) => self.order(key, Errand::BringIn(run)),
            Err(failure) => Some(carried(not_fetched(key, failure))),
        }
    }

    /// How the process of a run is started, whose folder its helper has made.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn prepare(
        &mut self,
        run: &StartProcess,
        sandboxes: &Sandboxes,
    ) -> Result<Start, StartFailure> {
        let person = self.note_new(run)?;
        sandboxes.of_owner(&person, self.folder(person.uid())).process_of(run)
    }

    /// Has brought back what came of a run.
    pub(crate) fn bring_back(&mut self, over: Box<BringBack>) -> Option<Input> {
        self.order(over.key, Errand::BringBack(over))
    }

    /// Ends the work for a run, if there is any; by when, is seen to here.
    pub(crate) fn cut(&mut self, key: RunKey, cut: Cut, now_ms: u64) {
        let (errand, within_ms) = match cut {
            Cut::Off => (Errand::CutOff(key), LETS_GO_MS),
            Cut::WhenStill => (Errand::LetGo(key), STANDS_STILL_MS),
        };
        let Some(work) = self.in_hand.get_mut(&key) else { return };
        let until_ms = now_ms.saturating_add(within_ms);
        work.until_ms = Some(work.until_ms.map_or(until_ms, |before| before.min(until_ms)));
        self.tell(key, errand);
    }

    /// When work that was cut must be answered.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.in_hand.values().filter_map(|work| work.until_ms).min()
    }

    /// Gives up work that was cut and is not answered, and leaves the helper that has it.
    pub(crate) fn overdue(&mut self, now_ms: u64) -> Vec<Input> {
        let is_due = |work: &InHand| work.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        let due: Vec<RunKey> =
            self.in_hand.iter().filter(|(_, work)| is_due(work)).map(|(key, _)| *key).collect();
        let mut said = Vec::new();
        for key in due {
            let Some(work) = self.in_hand.remove(&key) else { continue };
            said.extend(given_up(key, &work.errand, "it did not let go of them"));
            if let Some(uid) = self.runs.get(&key) {
                // The next one ends it, if it is still there.
                self.helpers.leave(*uid);
            }
        }
        said
    }

    /// Says something about a run's work.
    pub(crate) fn tell(&mut self, key: RunKey, errand: Errand) {
        let Some(uid) = self.runs.get(&key).copied() else { return };
        if let Err(why) = self.say(uid, errand) {
            tracing::warn!(%key, why, "a helper is not told something of a run");
        }
    }

    /// Has removed what is kept of these runs; what of it is left goes when their users run
    /// something again.
    pub(crate) fn remove(&mut self, keys: &[RunKey]) {
        let mut of_users: BTreeMap<u32, Vec<RunKey>> = BTreeMap::new();
        for key in keys {
            self.in_hand.remove(key);
            if let Some(uid) = self.runs.remove(key) {
                of_users.entry(uid).or_default().push(*key);
            }
        }
        for (uid, keys) in of_users {
            if let Err(why) = self.say(uid, Errand::Remove(keys)) {
                tracing::warn!(uid, why, "a user's scratch folders are left");
            }
        }
    }

    /// Has the folders of these runs measured.
    pub(crate) fn measure(&mut self, keys: &[RunKey]) -> Option<Input> {
        let mut of_users: BTreeMap<u32, Vec<RunKey>> = BTreeMap::new();
        for key in keys {
            if let Some(uid) = self.runs.get(key) {
                of_users.entry(*uid).or_default().push(*key);
            }
        }
        for (uid, keys) in of_users {
            if self.say(uid, Errand::Measure(keys)).is_ok() {
                self.measuring.insert(uid);
            }
        }
        self.measuring.is_empty().then(nothing_measured)
    }

    /// Has a part of a file of a run read. Who waits is told at once if nobody reads it.
    pub(crate) fn read(&mut self, key: RunKey, wanted: Wanted, answer: oneshot::Sender<Shown>) {
        let Some(uid) = self.runs.get(&key).copied() else { return };
        self.last_reader += 1;
        let number = self.last_reader;
        match self.say(uid, Errand::Read { number, key, wanted }) {
            Ok(()) => drop(self.readers.insert(number, (uid, answer))),
            Err(why) => drop(answer.send(Err(why))),
        }
    }

    /// What a helper's news come to.
    pub(crate) fn heard(&mut self, uid: u32, news: News) -> Vec<Input> {
        match news {
            HelperNews::Said(HelperSays::Carried(report)) => self.carried(uid, report),
            HelperNews::Said(HelperSays::Measured { mut used, took_ms }) => {
                if !self.measuring.remove(&uid) {
                    return self.stray(uid);
                }
                used.retain(|(key, _)| self.runs.get(key) == Some(&uid));
                used.iter_mut().for_each(|(_, used)| *used = believed(*used));
                vec![Input::DiskMeasured { used, took_ms: took_ms.min(TOOK_MAX_MS) }]
            }
            HelperNews::Said(HelperSays::Read { number, shown }) => {
                if self.readers.get(&number).is_some_and(|(whose, _)| *whose == uid)
                    && let Some((_, answer)) = self.readers.remove(&number)
                {
                    // Who asked may have gone.
                    let _ = answer.send(shown);
                    return Vec::new();
                }
                self.stray(uid)
            }
            HelperNews::NotStarted(why) => self.not_started(uid, &why),
            HelperNews::Lost(why) => self.lost(uid, &why),
        }
    }

    /// What a helper says of work: of its own user's, which it was told to do.
    fn carried(&mut self, uid: u32, report: FromCarrier) -> Vec<Input> {
        let key = *report.key();
        let is_its = self.runs.get(&key) == Some(&uid)
            && self.in_hand.get(&key).is_some_and(|work| work.is_answered_by(&report));
        if !is_its {
            tracing::debug!(uid, %key, "a helper speaks of what it was not told");
            return self.stray(uid);
        }
        self.in_hand.remove(&key);
        vec![carried(in_brief(report))]
    }

    /// A helper has said what it was not asked: work may be ordered twice, and be answered twice.
    /// One that goes on with it is left, and the next is waited for longer and longer: what users
    /// say here waits in one line with what others say.
    fn stray(&mut self, uid: u32) -> Vec<Input> {
        let strays = self.strays.entry(uid).or_default();
        *strays += 1;
        if *strays > STRAYS_MAX {
            self.strays.remove(&uid);
            self.helpers.leave(uid);
            tracing::warn!(uid, "a helper says what it was not asked: it is left");
        }
        Vec::new()
    }

    /// What is in hand for a user.
    fn works_of(&self, uid: u32) -> Vec<RunKey> {
        let is_of = |key: &&RunKey| self.runs.get(key) == Some(&uid);
        self.in_hand.keys().filter(is_of).copied().collect()
    }

    /// A user's helper cannot be started, which is tried again and again: a run that has not begun
    /// does not wait for that for ever.
    fn not_started(&mut self, uid: u32, why: &str) -> Vec<Input> {
        tracing::warn!(uid, why, "a helper cannot be started");
        let mut said = self.nothing_of(uid);
        for key in self.works_of(uid) {
            let Some(work) = self.in_hand.get_mut(&key) else { continue };
            work.attempt += 1;
            if matches!(work.errand, Errand::BringIn(_)) && work.attempt > ATTEMPTS {
                let work = self.in_hand.remove(&key);
                said.extend(work.and_then(|work| given_up(key, &work.errand, why)));
            }
        }
        said
    }

    /// What a helper had in hand is ordered again, unless it was cut: doing it twice does no harm.
    fn lost(&mut self, uid: u32, why: &str) -> Vec<Input> {
        let again = self.works_of(uid);
        tracing::info!(uid, why, works = again.len(), "a helper is gone");
        // The next one has to be told anew, and what this one was told to remove may be there.
        self.told.remove(&uid);
        self.strays.remove(&uid);
        self.readers.retain(|_, (whose, _)| *whose != uid);
        let mut said = self.nothing_of(uid);
        for key in again {
            let Some(InHand { errand, attempt, until_ms }) = self.in_hand.remove(&key) else {
                continue;
            };
            let is_brought = matches!(errand, Errand::BringIn(_));
            if until_ms.is_some() || is_brought && attempt >= ATTEMPTS {
                said.extend(given_up(key, &errand, why));
            } else {
                said.extend(self.order_again(key, errand, attempt + 1));
            }
        }
        said
    }

    /// The measuring that a user's helper will not do.
    fn nothing_of(&mut self, uid: u32) -> Vec<Input> {
        let was_asked = self.measuring.remove(&uid) && self.measuring.is_empty();
        was_asked.then(nothing_measured).into_iter().collect()
    }

    fn order(&mut self, key: RunKey, errand: Errand) -> Option<Input> {
        self.order_again(key, errand, 1)
    }

    fn order_again(&mut self, key: RunKey, errand: Errand, attempt: u32) -> Option<Input> {
        let uid = self.runs.get(&key).copied();
        let told = uid.ok_or_else(|| "whose it is is not known".to_owned());
        match told.and_then(|uid| self.say(uid, errand.clone())) {
            Ok(()) => {
                self.in_hand.insert(key, InHand { errand, attempt, until_ms: None });
                None
            }
            Err(why) => given_up(key, &errand, &why),
        }
    }

    /// Says something to a user's helper; to the first in this life, what is to be kept.
    fn say(&mut self, uid: u32, errand: Errand) -> Result<(), String> {
        if self.knows_all && self.told.insert(uid) {
            let kept = self.runs.iter().filter(|(_, of)| **of == uid).map(|(key, _)| *key);
            self.helpers.tell(uid, Errand::Keep(kept.collect()))?;
        }
        self.helpers.tell(uid, errand)
    }
}

fn carried(report: FromCarrier) -> Input {
    Input::FromCarrier(report)
}

/// What is said of a failure is kept with the job and shown: a helper, whoever it is, does not say
/// more than a line.
fn in_brief(mut report: FromCarrier) -> FromCarrier {
    match &mut report {
        FromCarrier::BroughtIn { result, .. } => match &mut **result {
            Fetched::Failed(StartFailure { path, said, .. }) => {
                cut(path);
                said.iter_mut().for_each(cut);
            }
            Fetched::There | Fetched::UpToDate => {}
        },
        FromCarrier::BroughtBack { stored, .. } => {
            stored.sent_bytes = stored.sent_bytes.min(COUNTED_MAX);
            stored.received_bytes = stored.received_bytes.min(COUNTED_MAX);
            stored.disk = believed(stored.disk);
            match &mut stored.result {
                Err(StoreFailure::File { path, said, .. }) => {
                    cut(path);
                    said.iter_mut().for_each(cut);
                }
                Err(StoreFailure::Lost { reason }) => cut(reason),
                Ok(()) => {}
            }
        }
    }
    report
}

/// What a folder takes, as far as a helper is believed.
fn believed(DiskUsed { kib, files }: DiskUsed) -> DiskUsed {
    DiskUsed { kib: kib.min(COUNTED_MAX), files: files.min(COUNTED_MAX) }
}

/// The longest that is said of one thing, bytes: the longest path.
const SAID_BYTES: usize = 4096;

fn cut(text: &mut String) {
    let end = (0..=SAID_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

fn not_fetched(key: RunKey, failure: StartFailure) -> FromCarrier {
    FromCarrier::BroughtIn { key, result: Box::new(Fetched::Failed(failure)) }
}

fn nothing_measured() -> Input {
    Input::DiskMeasured { used: Vec::new(), took_ms: 0 }
}

/// What came of work that no helper does.
fn given_up(key: RunKey, errand: &Errand, why: &str) -> Option<Input> {
    let why = format!("no process of its user does what is to be done with its files: {why}");
    match errand {
        Errand::BringIn(_) => {
            let failure = StartFailure::at(StartStage::Prepare, "", Errno::EIO as i32);
            Some(carried(not_fetched(key, StartFailure { said: Some(why), ..failure })))
        }
        Errand::BringBack(_) => {
            let result = Err(StoreFailure::Lost { reason: why });
            let disk = DiskUsed::default();
            let stored = Box::new(Stored { received_bytes: 0, sent_bytes: 0, disk, result });
            Some(carried(FromCarrier::BroughtBack { key, stored }))
        }
        Errand::Keep(_)
        | Errand::CutOff(_)
        | Errand::LetGo(_)
        | Errand::CloseLog(_)
        | Errand::Remove(_)
        | Errand::Measure(_)
        | Errand::Read { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn key(number: u32) -> RunKey {
        format!("00000000000000ff-{number}-1").parse().unwrap()
    }

    /// Owners whose helpers never come.
    fn owners() -> (Owners, mpsc::Receiver<(u32, News)>) {
        let ((sender, news), (engine, _)) = (mpsc::channel(8), mpsc::channel(8));
        let helpers = Helpers::new(|_| Ok(()), sender);
        let owners = Owners::new(helpers, Path::new("/execute"), People::new(engine, 1000));
        (owners, news)
    }

    fn back(key: RunKey) -> Box<BringBack> {
        let (end, cause) = (model::RunEnd::exited(0), crate::core::Cause::ByItself);
        Box::new(BringBack { key, store: crate::core::Store::Files, end, cause, log: None })
    }

    fn stored(key: RunKey) -> News {
        let result = Ok(());
        let disk = DiskUsed::default();
        let stored = Box::new(Stored { received_bytes: 0, sent_bytes: 0, disk, result });
        HelperNews::Said(HelperSays::Carried(FromCarrier::BroughtBack { key, stored }))
    }

    #[test]
    fn a_helper_speaks_for_its_own_user_s_runs_and_of_what_it_was_told() {
        let (mut owners, _news) = owners();
        owners.runs.extend([(key(1), 1001), (key(2), 1002)]);
        assert_eq!(owners.path(key(1)), Path::new("/execute/1001/dir_00000000000000ff-1-1"));
        assert_eq!(owners.bring_back(back(key(1))), None);
        assert_eq!(owners.heard(1002, stored(key(1))).len(), 0, "it is somebody else's");
        assert_eq!(owners.heard(1001, stored(key(2))).len(), 0, "it was not told");
        assert_eq!(owners.heard(1001, stored(key(1))).len(), 1);
        assert_eq!(owners.heard(1001, stored(key(1))).len(), 0, "twice");
        let used = |kib| [key(1), key(2)].map(|key| (key, DiskUsed { kib, files: 1 })).to_vec();
        let said =
            |kib| HelperNews::Said(HelperSays::Measured { used: used(kib), took_ms: u64::MAX });
        assert_eq!(owners.heard(1001, said(7)), [], "it was not asked");
        assert_eq!(owners.measure(&[key(1)]), None);
        let used = vec![(key(1), DiskUsed { kib: COUNTED_MAX, files: 1 })];
        let measured = Input::DiskMeasured { used, took_ms: TOOK_MAX_MS };
        assert_eq!(owners.heard(1001, said(u64::MAX)), [measured]);
    }

    #[test]
    fn a_helper_that_goes_on_saying_what_it_was_not_asked_is_left_for_another() {
        let (started, starts) = std::sync::mpsc::sync_channel(8);
        let (sender, _news) = mpsc::channel(8);
        let helpers = Helpers::new(move |uid| started.send(uid).map_err(|e| e.to_string()), sender);
        let people = People::new(mpsc::channel(8).0, 1000);
        let mut owners = Owners::new(helpers, Path::new("/execute"), people);
        owners.runs.insert(key(1), 1001);
        owners.bring_back(back(key(1)));
        assert_eq!(starts.recv(), Ok(1001));
        for _ in 0..=STRAYS_MAX {
            assert_eq!(owners.heard(1001, stored(key(2))), []);
        }
        owners.bring_back(back(key(1)));
        assert_eq!(starts.recv(), Ok(1001), "what it is told is said to the next");
        assert_eq!(owners.heard(1001, stored(key(1))).len(), 1, "and what was asked is heard");
    }

    #[test]
    fn a_helper_does_not_fill_the_queue_with_what_it_says() {
        let (mut owners, _news) = owners();
        owners.runs.insert(key(1), 1001);
        owners.bring_back(back(key(1)));
        let result = Err(StoreFailure::Lost { reason: "ü".repeat(1 << 20) });
        let disk = DiskUsed::default();
        let stored = Box::new(Stored { received_bytes: 0, sent_bytes: 0, disk, result });
        let report = FromCarrier::BroughtBack { key: key(1), stored };
        let said = owners.heard(1001, HelperNews::Said(HelperSays::Carried(report)));
        let [Input::FromCarrier(FromCarrier::BroughtBack { stored, .. })] = &said[..] else {
            panic!("{said:?}")
        };
        let Err(StoreFailure::Lost { reason }) = &stored.result else { panic!("{stored:?}") };
        assert_eq!(*reason, "ü".repeat(SAID_BYTES / 2));
    }

    fn gone() -> News {
        HelperNews::Lost("it was killed".to_owned())
    }

    #[test]
    fn what_came_of_a_run_is_brought_back_however_many_helpers_go_until_it_is_cut() {
        let (mut owners, _news) = owners();
        owners.runs.insert(key(1), 1001);
        owners.bring_back(back(key(1)));
        for _ in 0..10 * ATTEMPTS {
            assert_eq!(owners.heard(1001, gone()), []);
            let cannot = HelperNews::NotStarted("too many runs".to_owned());
            assert_eq!(owners.heard(1001, cannot), []);
        }
        let wrong = not_fetched(key(1), StartFailure::at(StartStage::Prepare, "", 1));
        assert_eq!(owners.heard(1001, HelperNews::Said(HelperSays::Carried(wrong))), []);
        assert_eq!(owners.overdue(u64::MAX), [], "nobody has cut it");

        owners.cut(key(1), Cut::WhenStill, 5);
        owners.cut(key(1), Cut::Off, 7);
        assert_eq!(owners.due_ms(), Some(7 + LETS_GO_MS));
        assert_eq!(owners.overdue(6 + LETS_GO_MS), []);
        let given_up = owners.overdue(7 + LETS_GO_MS);
        let [Input::FromCarrier(FromCarrier::BroughtBack { stored: last, .. })] = &given_up[..]
        else {
            panic!("{given_up:?}")
        };
        let Err(StoreFailure::Lost { reason }) = &last.result else { panic!("{last:?}") };
        assert!(reason.ends_with("it did not let go of them"), "{reason}");
        assert_eq!(owners.heard(1001, stored(key(1))), [], "it is too late");

        owners.bring_back(back(key(1)));
        owners.cut(key(1), Cut::Off, 7);
        assert_eq!(owners.heard(1001, gone()).len(), 1, "what was cut is not begun again");
        assert_eq!(owners.due_ms(), None);
    }

    #[tokio::test]
    async fn a_startd_that_does_not_know_all_runs_has_nothing_removed() {
        let (mut owners, _news) = owners();
        let root = UserName::new("root");
        owners.begin(&[], BTreeSet::new()).await;
        assert!(owners.knows_all);
        owners.begin(&[(key(3), root.clone(), Some(1003))], BTreeSet::new()).await;
        assert!(owners.knows_all, "the journal says whose it is");
        assert_eq!(owners.uid_of(key(3)), Some(1003));
        owners.begin(&[(key(1), root.clone(), None)], BTreeSet::from([root])).await;
        assert!(!owners.knows_all, "root's run is nobody's here");
        owners.runs.insert(key(2), 1001);
        owners.bring_back(back(key(2)));
        assert!(owners.told.is_empty(), "so nobody is told what to keep");
    }
}
