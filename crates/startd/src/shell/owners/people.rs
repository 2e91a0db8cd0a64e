//! Who the owners of runs are on this machine. Their names are looked up beside the engine, which
//! waits for nobody: where names are kept may be another machine that does not answer. What is
//! known holds for a minute; what waits for it is kept here. What is done for them is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use model::{StartFailure, StartStage, UserName, attr};
use nix::errno::Errno;
use nix::unistd::{Gid, User, getgrouplist};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use crate::core::Input;

/// How long it is believed who somebody is, milliseconds: groups change, and users go.
const HOLDS_MS: u64 = 60_000;

/// How long it is believed that somebody is nobody here, or that the system does not say.
const MISSES_MS: u64 = 5_000;

/// How long the system may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many names are looked up at a time: each may keep a thread that waits in the system.
const AT_A_TIME: usize = 16;

/// How many messages wait until it is known who somebody is; more are not kept, and are said again
/// when their schedd connects anew.
const WAITING_MAX: usize = 1024;

/// How many people are remembered.
const PEOPLE_MAX: usize = 16_384;

/// A user of this machine, with what a process of that user is started with.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) groups: Vec<Gid>,
}

impl Person {
    pub(crate) fn uid(&self) -> u32 {
        self.user.uid.as_raw()
    }
}

/// What the system says of a name.
pub(crate) type Found = Result<Arc<Person>, StartFailure>;

/// What is known of people.
#[derive(Debug)]
pub(crate) struct People {
    known: BTreeMap<UserName, (Found, u64)>,
    waiting: BTreeMap<UserName, Vec<Input>>,
    turns: Arc<Semaphore>,
    /// Where it is said what was found.
    news: mpsc::Sender<(UserName, Found)>,
    /// The smallest number of a user whose jobs are run.
    uid_min: u32,
}

impl People {
    /// Nobody is known yet. What is found out beside the engine is said there.
    pub(crate) fn new(news: mpsc::Sender<(UserName, Found)>, uid_min: u32) -> Self {
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        Self { known: BTreeMap::new(), waiting: BTreeMap::new(), turns, news, uid_min }
    }

    /// Gives back what concerns a run of somebody who is known; what concerns others is kept until
    /// they are.
    pub(super) fn pass(&mut self, owner: &UserName, input: Input, now_ms: u64) -> Option<Input> {
        let is_fresh = |(found, at_ms): &(Found, u64)| {
            now_ms < at_ms + if found.is_ok() { HOLDS_MS } else { MISSES_MS }
        };
        if self.known.get(owner).is_some_and(is_fresh) {
            return Some(input);
        }
        if let Some(waiting) = self.waiting.get_mut(owner) {
            if waiting.len() < WAITING_MAX {
                waiting.push(input);
            }
            return None;
        }
        self.waiting.insert(owner.clone(), vec![input]);
        let (name, turns, news) = (owner.clone(), Arc::clone(&self.turns), self.news.clone());
        let uid_min = self.uid_min;
        tokio::spawn(async move {
            let found = look_up(&name, uid_min, turns).await;
            // An engine that has ended does not want to know.
            let _ = news.send((name, found)).await;
        });
        None
    }

    /// Takes note of what was found, and gives back what has waited for it.
    pub(super) fn heard(&mut self, name: UserName, found: Found, now_ms: u64) -> Vec<Input> {
        let waited = self.waiting.remove(&name).unwrap_or_default();
        self.learn(name, found, now_ms);
        waited
    }

    fn learn(&mut self, name: UserName, found: Found, now_ms: u64) {
        if self.known.len() >= PEOPLE_MAX {
            self.known.retain(|_, (_, at_ms)| now_ms < *at_ms + HOLDS_MS);
        }
        // Where the system does not say, what it said last holds: it is no other person for that.
        match self.known.get_mut(&name) {
            Some((Ok(_), at_ms)) if is_silence(&found) => *at_ms = now_ms,
            Some(_) | None => drop(self.known.insert(name, (found, now_ms))),
        }
    }

    /// Looks up some, all at once, before anything else is done; who is not found soon is looked up
    /// when he is needed.
    pub(super) async fn meet(&mut self, names: BTreeSet<UserName>, now_ms: u64) {
        let mut looks: JoinSet<(UserName, Found)> = JoinSet::new();
        for name in names {
            let (uid_min, turns) = (self.uid_min, Arc::clone(&self.turns));
            looks.spawn(async move {
                let found = look_up(&name, uid_min, turns).await;
                (name, found)
            });
        }
        let all = async {
            while let Some(Ok((name, found))) = looks.join_next().await {
                self.learn(name, found, now_ms);
            }
        };
        if timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("the system does not say who all the owners of jobs here are");
        }
    }

    /// Who somebody is, as far as that is known.
    pub(super) fn get(&self, owner: &UserName) -> Found {
        match self.known.get(owner) {
            Some((found, _)) => found.clone(),
            None => Err(failed(owner, Errno::EAGAIN, "it is not known yet".to_owned())),
        }
    }
}

/// Whether the system did not say who somebody is: that he is nobody is an answer.
fn is_silence(found: &Found) -> bool {
    let answers = [Errno::ENOENT as i32, Errno::EPERM as i32];
    matches!(found, Err(failure) if !answers.contains(&failure.errno))
}

/// Whether the owner of a job is the same here as where it was submitted: who has the same name and
/// another number may be somebody else.
pub(super) fn check_same(person: &Person, job: &ClassAd) -> Result<(), StartFailure> {
    let (name, ours) = (UserName::new(&person.user.name), i64::from(person.uid()));
    match job.literal(attr::OWNER_UID).and_then(classad::Value::as_i64) {
        Some(theirs) if theirs != ours => Err(failed(
            &name,
            Errno::EPERM,
            format!(
                "user {name} has number {ours} on this machine, and had {theirs} where the job was submitted: it may be \
                 somebody else; give {name} the same number on both (usermod -u)"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

fn failed(name: &UserName, errno: Errno, said: String) -> StartFailure {
    let failure = StartFailure::at(StartStage::Prepare, name.as_str(), errno as i32);
    StartFailure { said: Some(said), ..failure }
}

async fn look_up(name: &UserName, uid_min: u32, turns: Arc<Semaphore>) -> Found {
    let silent = |errno| failed(name, errno, format!("the system does not say who {name} is"));
    let Ok(turn) = timeout(PATIENCE, turns.acquire_owned()).await else {
        return Err(silent(Errno::ETIMEDOUT));
    };
    let wanted = name.clone();
    let looked = spawn_blocking(move || {
        let found = person(&wanted, uid_min);
        drop(turn);
        found
    });
    match timeout(PATIENCE, looked).await {
        Ok(Ok(found)) => found.map(Arc::new),
        Ok(Err(_)) => Err(silent(Errno::EIO)),
        Err(_) => Err(silent(Errno::ETIMEDOUT)),
    }
}

/// The user of that name on this machine.
fn person(name: &UserName, uid_min: u32) -> Result<Person, StartFailure> {
    let unknown = |errno| {
        let said = format!("it is not known who {name} is: {errno}");
        // Where a directory cannot be reached, the kernel's word for that is no answer of its own.
        let is_like_an_answer = matches!(errno, Errno::ENOENT | Errno::EPERM);
        failed(name, if is_like_an_answer { Errno::EIO } else { errno }, said)
    };
    match User::from_name(name.as_str()) {
        Ok(Some(user)) if user.uid.is_root() => {
            let said = "root's jobs are not run in a pool of many users".to_owned();
            Err(failed(name, Errno::EPERM, said))
        }
        Ok(Some(user)) if launcher::is_of_system(user.uid.as_raw(), uid_min) => {
            let said = format!("{name} is a user of the system's on this machine");
            Err(failed(name, Errno::EPERM, said))
        }
        Ok(Some(user)) => {
            let called = CString::new(user.name.as_bytes()).map_err(|_| unknown(Errno::EINVAL))?;
            let groups = getgrouplist(&called, user.gid).map_err(unknown)?;
            Ok(Person { user, groups })
        }
        Ok(None) => {
            let said = format!("there is no user {name} on this machine");
            Err(failed(name, Errno::ENOENT, said))
        }
        Err(errno) => Err(unknown(errno)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use nix::unistd::{Uid, getgid};

    use super::*;

    /// Somebody who is what this process is, but for name and number.
    pub(in crate::shell::owners) fn somebody(name: &str, uid: u32) -> Found {
        let user = User::from_uid(Uid::current()).unwrap().unwrap();
        let user = User { name: name.to_owned(), uid: Uid::from_raw(uid), ..user };
        Ok(Arc::new(Person { user, groups: vec![getgid()] }))
    }

    #[test]
    fn nobody_runs_as_root_or_as_a_user_that_the_machine_does_not_know() {
        for (name, expected) in [
            ("root", "root's jobs"),
            ("nobody-of-that-name", "no user"),
            ("nobody", "the system's"),
        ] {
            let failure = person(&UserName::new(name), 1000).unwrap_err();
            assert!(failure.said.as_ref().unwrap().contains(expected), "{failure:?}");
        }
    }

    #[test]
    fn who_has_another_number_where_the_job_was_submitted_is_somebody_else() {
        let ann = somebody("ann", 1001).unwrap();
        for (theirs, expected) in [(Some(1001), None), (None, None), (Some(1002), Some("1002"))] {
            let mut job = ClassAd::new();
            if let Some(theirs) = theirs {
                job.set(attr::OWNER_UID, theirs);
            }
            let said = check_same(&ann, &job).err().and_then(|failure| failure.said);
            assert_eq!(said.is_some(), expected.is_some(), "{theirs:?}");
            assert!(expected.is_none_or(|word| said.unwrap().contains(word)));
        }
    }

    #[tokio::test]
    async fn what_waits_for_a_name_is_given_back_in_order_and_what_is_known_holds_for_a_minute() {
        let (news, mut heard) = mpsc::channel(8);
        let mut people = People::new(news, 1000);
        let nobody = UserName::new("nobody-of-that-name");
        assert_eq!(people.pass(&nobody, Input::Tick, 5), None);
        assert_eq!(people.pass(&nobody, Input::LauncherDown, 6), None);
        let (name, found) = heard.recv().await.unwrap();
        assert_eq!(people.heard(name, found, 7), [Input::Tick, Input::LauncherDown]);
        assert_eq!(people.pass(&nobody, Input::Tick, 6 + MISSES_MS), Some(Input::Tick));
        assert!(people.get(&nobody).is_err());
        assert_eq!(people.pass(&nobody, Input::Tick, 7 + MISSES_MS), None, "it is looked up again");
        people.learn(nobody.clone(), somebody("nobody-of-that-name", 1001), 7);
        assert_eq!(people.pass(&nobody, Input::Tick, 6 + HOLDS_MS), Some(Input::Tick));
    }

    #[test]
    fn who_is_known_stays_so_while_the_system_does_not_answer_and_goes_when_it_says_so() {
        let (news, _heard) = mpsc::channel(8);
        let mut people = People::new(news, 1000);
        let ann = UserName::new("ann");
        people.learn(ann.clone(), somebody("ann", 1001), 1);
        let said = |errno| Err(failed(&ann, errno, "said".to_owned()));
        people.learn(ann.clone(), said(Errno::ETIMEDOUT), 2);
        assert_eq!(people.get(&ann).unwrap().uid(), 1001);
        people.learn(ann.clone(), said(Errno::ENOENT), 3);
        assert!(people.get(&ann).is_err());
    }
}
