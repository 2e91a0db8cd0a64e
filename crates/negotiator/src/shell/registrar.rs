//! Who is in the pool: gives out invitations, lets machines in, renews what they have, and puts
//! them out. The only one that writes the pool's roll and has its authority's key. How a machine
//! shows who it is, is TLS's matter; what is decided here is told the time.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use glob::Pattern;
use proto::joining::NodeLine;
use proto::trust::authority::{Authorities, LIFE_S};
use proto::trust::certificate::{Dates, PublicKey};
use proto::trust::papers::Signed;
use proto::trust::roll::{Invitation, Shown};
use proto::trust::token::Secret;
use proto::trust::{Authority, Fingerprint, Node, NodeRole, Roll, Token, TrustError, is_node_name};

/// Invitations that are open at a time.
const INVITATIONS: usize = 10_000;

/// The longest time that an invitation is open: whoever finds the token later has nothing.
const INVITATION_MOST_S: i64 = 366 * 24 * 3600;

/// Machines of a pool.
const NODES: usize = 200_000;

/// Where a pool listens, and where its trust is.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The port, on this machine.
    pub at: std::net::SocketAddr,
    /// How others reach it: `HOST:PORT`.
    pub address: String,
    /// The folder of its trust.
    pub trust: PathBuf,
    /// What the pool is called, and its own machine, whose name nobody else can have.
    pub name: String,
    /// Whether its jobs are many users', each run as its owner.
    pub many_users: bool,
}

/// Why somebody is refused, as he is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the token is not known: it was used up, or is of another pool; ask for a new one")]
    UnknownToken,
    #[error("the token has ended, by the pool's clock {by_s} s ago; ask for a new one")]
    Ended { by_s: i64 },
    #[error(
        "it is a pool of many users, whose jobs run as their owners: root joins it, with \
         'updraft join --system TOKEN'"
    )]
    ManyUsers,
    #[error("it is a pool of one user: join it as that user, without --system")]
    OneUsers,
    #[error("the token is for the role {0}")]
    OtherRole(NodeRole),
    #[error("the token is for machines called '{names}', and not for '{name}'")]
    OtherName { name: String, names: String },
    #[error(
        "a machine called '{0}' is in the pool already: choose another name (--name), or put it out \
         with 'updraft pool revoke {0}'"
    )]
    Taken(String),
    #[error("'{0}' is the name of the pool's own machine: choose another one (--name)")]
    Own(String),
    #[error(
        "the key of '{0}' was put out, and stays out: join with a new folder (--dir), which has a \
         new key"
    )]
    OldKey(String),
    #[error("no machine called '{0}' is in the pool")]
    Nobody(String),
    #[error("the pattern '{0}' cannot be read")]
    Pattern(String),
    #[error("a token that is good for no machine is none: say how many may use it")]
    NoUse,
    #[error("a token is good for a time between a second and a year, and not for {0} s")]
    Life(i64),
    #[error("there are as many as there may be ({0})")]
    Full(usize),
    #[error("the machines {0} have not heard of the newest authority yet and would be out")]
    Behind(String),
    #[error("no newer authority was made: 'updraft pool rotate' makes one")]
    NothingToFinish,
    /// It was to be done with others, and the roll cannot be written.
    #[error("the pool cannot write down who is in it: {0}")]
    Unwritten(String),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Who is in the pool.
#[derive(Debug)]
pub(crate) struct Registrar {
    listening: Listening,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    authorities: Authorities,
    /// The one of them that signs.
    newest: Fingerprint,
    roll: Roll,
}

/// What somebody shows who wants to join.
#[derive(Debug)]
pub(crate) struct Applicant {
    pub(crate) key: PublicKey,
    pub(crate) secret: Secret,
    pub(crate) name: String,
    pub(crate) role: NodeRole,
    /// Whether it would run jobs as their owners.
    pub(crate) many_users: bool,
}

impl Registrar {
    /// The one of the pool that listens there.
    ///
    /// # Errors
    ///
    /// If its folder cannot be used.
    pub(crate) fn open(listening: Listening, now_s: i64) -> Result<Self, TrustError> {
        let authorities = Authorities::in_folder(&listening.trust, &listening.name, now_s)?;
        let mut roll = Roll::in_folder(&listening.trust)?;
        // A rotation that was cut off between its two files.
        if roll.authorities != authorities.certificates() {
            roll.authorities = authorities.certificates();
            roll.save(&listening.trust)?;
        }
        let newest = authorities.signing().fingerprint()?;
        Ok(Self { listening, state: Mutex::new(State { authorities, newest, roll }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As while the roll is being written.
    #[cfg(test)]
    pub(super) fn hold_still(&self, until: impl FnOnce()) {
        let _state = self.state();
        until();
    }

    /// Changes the roll, on the disk before in memory: a change that cannot be written is none.
    fn change<T>(
        &self,
        state: &mut State,
        change: impl FnOnce(&mut Roll) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut roll = state.roll.clone();
        let done = change(&mut roll)?;
        // Whom it says to be in has nothing that it does not know: also if a rotation was cut off.
        roll.authorities = state.authorities.certificates();
        roll.save(&self.listening.trust)?;
        state.roll = roll;
        Ok(done)
    }

    /// A token that lets machines join.
    ///
    /// # Errors
    ///
    /// If what it is for makes no sense, or it cannot be written down.
    pub(crate) fn invite(
        &self,
        invitation: Invitation,
        secret: Secret,
        now_s: i64,
    ) -> Result<Token, Refused> {
        let mut state = self.state();
        if invitation.uses == 0 {
            return Err(Refused::NoUse);
        }
        let most_s = now_s.saturating_add(INVITATION_MOST_S);
        if invitation.until_s <= now_s || invitation.until_s > most_s {
            return Err(Refused::Life(invitation.until_s - now_s));
        }
        Pattern::new(&invitation.names).map_err(|_| Refused::Pattern(invitation.names.clone()))?;
        let authority = state.authorities.oldest().fingerprint()?;
        let (role, until_s) = (invitation.role, invitation.until_s);
        self.change(&mut state, |roll| {
            roll.invitations.retain(|open| open.until_s > now_s);
            if roll.invitations.len() >= INVITATIONS {
                return Err(Refused::Full(INVITATIONS));
            }
            roll.invitations.push(invitation);
            Ok(())
        })?;
        Ok(Token { address: self.listening.address.clone(), role, until_s, authority, secret })
    }

    /// Has several things done with one writing of the roll, if that is to be written at all.
    ///
    /// # Errors
    ///
    /// If it cannot be: then none of them was done.
    pub(crate) fn together<T>(&self, work: impl FnOnce(&mut Book<'_>) -> T) -> Result<T, Refused> {
        let mut state = self.state();
        let state = &mut *state;
        let mut book = Book {
            own: &self.listening.name,
            many_users: self.listening.many_users,
            authorities: &state.authorities,
            newest: state.newest,
            roll: Cow::Borrowed(&state.roll),
        };
        let done = work(&mut book);
        if let Cow::Owned(mut roll) = book.roll {
            roll.authorities = state.authorities.certificates();
            roll.save(&self.listening.trust)?;
            state.roll = roll;
        }
        Ok(done)
    }

    /// Puts a machine out.
    ///
    /// # Errors
    ///
    /// If it is not in.
    pub(crate) fn revoke(&self, name: &str) -> Result<(), Refused> {
        let mut state = self.state();
        self.change(&mut state, |roll| {
            let node = roll.nodes.get_mut(name).ok_or_else(|| Refused::Nobody(name.to_owned()))?;
            node.is_revoked = true;
            Ok(())
        })
    }

    /// Makes a new authority; both are believed from now on. Or forgets all but the newest.
    ///
    /// # Errors
    ///
    /// If machines would be out that have not heard of it, unless that is wanted.
    pub(crate) fn rotate(&self, finish: bool, force: bool, now_s: i64) -> Result<(), Refused> {
        let mut state = self.state();
        let state = &mut *state;
        let (trust, pool) = (&self.listening.trust, &self.listening.name);
        if finish {
            if state.authorities.certificates().len() < 2 {
                return Err(Refused::NothingToFinish);
            }
            let nodes = state.roll.nodes.iter();
            let behind: Vec<&str> = nodes
                .filter(|(_, node)| !node.is_revoked && node.authority != state.newest)
                .map(|(name, _)| name.as_str())
                .collect();
            if !behind.is_empty() && !force {
                return Err(Refused::Behind(behind.join(", ")));
            }
            state.authorities.finish(trust)?;
        } else {
            state.authorities.rotate(trust, pool, now_s)?;
        }
        state.newest = state.authorities.signing().fingerprint()?;
        self.change(state, |_| Ok(()))
    }

    /// The machines, by name.
    pub(crate) fn nodes(&self, is_here: impl Fn(&str) -> bool) -> Vec<NodeLine> {
        let state = self.state();
        let line = |(name, node): (&String, &Node)| NodeLine {
            name: name.clone(),
            role: node.role,
            is_here: is_here(name),
            is_revoked: node.is_revoked,
            joined_s: node.joined_s,
            until_s: node.until_s,
            is_newest: node.authority == state.newest,
            drain: None,
        };
        state.roll.nodes.iter().map(line).collect()
    }
}

/// The roll, while several things are done with it that count when it is written.
#[derive(Debug)]
pub(crate) struct Book<'a> {
    /// The name of the pool's own machine.
    own: &'a str,
    many_users: bool,
    authorities: &'a Authorities,
    /// The one of them that signs.
    newest: Fingerprint,
    roll: Cow<'a, Roll>,
}

impl Book<'_> {
    /// Lets a machine in. One that asks again with the same key, because it did not hear the
    /// answer or does not know the pool's authority any more, gets it again.
    ///
    /// # Errors
    ///
    /// Why it is not let in.
    pub(crate) fn join(&mut self, who: &Applicant, now_s: i64) -> Result<Signed, Refused> {
        let (name, key) = (&*who.name, who.key.fingerprint());
        if self.roll.has(name, who.role, key).is_ok() {
            return self.signed(name, who.role, &who.key, now_s);
        }
        check_name(name, self.own)?;
        match (self.many_users, who.many_users) {
            (true, false) => return Err(Refused::ManyUsers),
            (false, true) => return Err(Refused::OneUsers),
            (true, true) | (false, false) => {}
        }
        let secret = who.secret.fingerprint();
        let open = self.roll.invitations.iter().find(|open| open.secret == secret);
        check_invitation(open.ok_or(Refused::UnknownToken)?, who, now_s)?;
        match self.roll.nodes.get(name) {
            Some(node) if !node.is_revoked => return Err(Refused::Taken(name.to_owned())),
            Some(node) if node.key == key => return Err(Refused::OldKey(name.to_owned())),
            Some(_) | None => {}
        }
        if self.roll.nodes.len() >= NODES {
            return Err(Refused::Full(NODES));
        }
        let signed = self.signed(name, who.role, &who.key, now_s)?;
        // Who is in has spent his invitation, and who has spent it is in: it is one file.
        let roll = self.roll.to_mut();
        for open in &mut roll.invitations {
            open.uses = open.uses.saturating_sub(u32::from(open.secret == secret));
        }
        roll.invitations.retain(|open| open.uses > 0);
        let node = Node {
            role: who.role,
            key,
            joined_s: now_s,
            until_s: Authority::dates(now_s).until_s,
            authority: self.newest,
            is_revoked: false,
        };
        roll.nodes.insert(name.to_owned(), node);
        Ok(signed)
    }

    /// Takes note of what a machine has shown: only that is known to be in its hands.
    pub(crate) fn has_shown(&mut self, name: &str, key: &PublicKey, shown: Shown) {
        let is_news = |node: &&Node| {
            let known = Shown { authority: node.authority, until_s: node.until_s };
            node.key == key.fingerprint() && known != shown
        };
        if self.roll.nodes.get(name).filter(is_news).is_some()
            && let Some(node) = self.roll.to_mut().nodes.get_mut(name)
        {
            (node.authority, node.until_s) = (shown.authority, shown.until_s);
        }
    }

    /// What a machine is to have instead of what it has shown, if that is due: half of its life is
    /// over, by this clock, or another authority signs now. It counts when it is shown.
    pub(crate) fn renewal(&self, name: &str, key: &PublicKey, now_s: i64) -> Option<Signed> {
        let node = self.roll.nodes.get(name)?;
        self.roll.has(name, node.role, key.fingerprint()).ok()?;
        let dates = Dates { from_s: node.until_s - LIFE_S, until_s: node.until_s };
        if !dates.is_due(now_s) && node.authority == self.newest {
            return None;
        }
        let signed = self.signed(name, node.role, key, now_s);
        let signed = signed.inspect_err(|error| {
            tracing::error!(name, %error, "cannot renew what a machine has");
        });
        signed.ok()
    }

    fn signed(
        &self,
        name: &str,
        role: NodeRole,
        key: &PublicKey,
        now_s: i64,
    ) -> Result<Signed, Refused> {
        let dates = Authority::dates(now_s);
        let certificate = self.authorities.signing().sign(name, role, key, dates)?.pem();
        Ok(Signed { certificate, authorities: self.authorities.certificates() })
    }
}

fn check_name(name: &str, own: &str) -> Result<(), Refused> {
    if !is_node_name(name) {
        return Err(TrustError::Name(name.to_owned()).into());
    }
    if name.eq_ignore_ascii_case(own) { Err(Refused::Own(name.to_owned())) } else { Ok(()) }
}

fn check_invitation(open: &Invitation, who: &Applicant, now_s: i64) -> Result<(), Refused> {
    if open.until_s <= now_s {
        return Err(Refused::Ended { by_s: now_s - open.until_s });
    }
    if open.role != who.role {
        return Err(Refused::OtherRole(open.role));
    }
    if !Pattern::new(&open.names).is_ok_and(|names| names.matches(&who.name)) {
        let (name, names) = (who.name.clone(), open.names.clone());
        return Err(Refused::OtherName { name, names });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::trust::Papers;
    use proto::trust::authority::der;
    use proto::trust::certificate::read as read_certificate;
    use proto::trust::found_pool;
    use tempfile::TempDir;

    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn pool() -> (TempDir, Registrar) {
        let folder = tempfile::tempdir().unwrap();
        found_pool(folder.path(), "head", "head", NOW_S).unwrap();
        let registrar = open(&folder);
        (folder, registrar)
    }

    fn open(folder: &TempDir) -> Registrar {
        let listening = Listening {
            at: ([127, 0, 0, 1], 9618).into(),
            address: "head:9618".to_owned(),
            trust: folder.path().to_owned(),
            name: "head".to_owned(),
            many_users: false,
        };
        Registrar::open(listening, NOW_S).unwrap()
    }

    fn key() -> PublicKey {
        Papers::of_newcomer().unwrap().public().unwrap()
    }

    fn renewal(registrar: &Registrar, name: &str, key: &PublicKey, now_s: i64) -> Option<Signed> {
        registrar.together(|book| book.renewal(name, key, now_s)).unwrap()
    }

    /// It has come into the machine's hands, which shows it.
    fn show(registrar: &Registrar, name: &str, key: &PublicKey, signed: &Signed) {
        let said = read_certificate(&der(&signed.certificate).unwrap()).unwrap();
        let authority = PublicKey::of(&der(signed.authorities.last().unwrap()).unwrap()).unwrap();
        let shown = Shown { authority: authority.fingerprint(), until_s: said.dates.until_s };
        registrar.together(|book| book.has_shown(name, key, shown)).unwrap();
    }

    fn joined(registrar: &Registrar, who: &Applicant, now_s: i64) -> Result<Signed, Refused> {
        registrar.together(|book| book.join(who, now_s)).unwrap()
    }

    /// For an hour from now on.
    fn invitation(secret: &Secret, uses: u32, names: &str, now_s: i64) -> Invitation {
        Invitation {
            secret: secret.fingerprint(),
            role: NodeRole::Execute,
            until_s: now_s + 3600,
            uses,
            names: names.to_owned(),
        }
    }

    fn invite(registrar: &Registrar, uses: u32, names: &str) -> Secret {
        let secret = Secret::new([u8::try_from(uses).unwrap(); 16]);
        let invitation = invitation(&secret, uses, names, NOW_S);
        registrar.invite(invitation, secret.clone(), NOW_S).unwrap().secret
    }

    fn join(registrar: &Registrar, key: &PublicKey, secret: &Secret, name: &str) -> String {
        let (key, secret, name) = (key.clone(), secret.clone(), name.to_owned());
        let who = Applicant { key, secret, name, role: NodeRole::Execute, many_users: false };
        joined(registrar, &who, NOW_S).map_or_else(|refused| refused.to_string(), |_| String::new())
    }

    #[test]
    fn a_token_is_good_for_its_uses_its_role_its_names_and_until_its_end() {
        let (folder, registrar) = pool();
        let secret = invite(&registrar, 2, "exec*");
        let (first, again) = (key(), key());
        for (key, name, expected) in [
            (&first, "other", "for machines called 'exec*'"),
            (&first, "exec1", ""),
            // The answer was lost.
            (&first, "exec1", ""),
            (&again, "exec1", "is in the pool already"),
            (&again, "exec_1", "call a machine"),
            (&again, "exec2", ""),
            (&key(), "exec3", "not known"),
        ] {
            let said = join(&registrar, key, &secret, name);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
        let secret = invite(&registrar, 1, "*");
        let late = Applicant {
            key: key(),
            secret,
            name: "m".to_owned(),
            role: NodeRole::Execute,
            many_users: false,
        };
        let said = joined(&registrar, &late, NOW_S + 3600).unwrap_err();
        assert!(matches!(said, Refused::Ended { by_s: 0 }), "{said}");
        let other = Applicant { role: NodeRole::Submit, ..late };
        assert!(matches!(joined(&registrar, &other, NOW_S), Err(Refused::OtherRole(_))));
        let own = Applicant { role: NodeRole::Execute, name: "HEAD".to_owned(), ..other };
        assert!(matches!(joined(&registrar, &own, NOW_S), Err(Refused::Own(_))));
        // All of that is as it was after a restart.
        let registrar = open(&folder);
        assert_eq!(registrar.nodes(|_| false).len(), 2);
        assert_eq!(join(&registrar, &first, &Secret::new([9; 16]), "exec1"), "");
    }

    #[test]
    fn an_invitation_of_no_use_or_without_end_is_none() {
        let (_folder, registrar) = pool();
        for (uses, ttl_s, expected) in [
            (0, 60, "no machine"),
            (1, 0, "not for 0 s"),
            (1, i64::from(u32::MAX), "a year"),
            (1, 60, ""),
        ] {
            let secret = Secret::new([1; 16]);
            let invitation = Invitation {
                secret: secret.fingerprint(),
                role: NodeRole::Execute,
                until_s: NOW_S + ttl_s,
                uses,
                names: "*".to_owned(),
            };
            let said = registrar.invite(invitation, secret, NOW_S);
            let said = said.map_or_else(|refused| refused.to_string(), |_| String::new());
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
    }

    #[test]
    fn all_that_come_at_once_are_let_in_with_one_writing_of_the_roll_or_nobody_is() {
        let (folder, registrar) = pool();
        let secret = invite(&registrar, 20, "*");
        let all: Vec<_> = (0..25).map(|n| (format!("m{n}"), key())).collect();
        let join_all = || {
            registrar.together(|book| {
                let joined = all.iter().map(|(name, key)| {
                    let (key, secret, name) = (key.clone(), secret.clone(), name.clone());
                    book.join(
                        &Applicant {
                            key,
                            secret,
                            name,
                            role: NodeRole::Execute,
                            many_users: false,
                        },
                        NOW_S,
                    )
                });
                joined.filter(Result::is_ok).count()
            })
        };
        let roll = folder.path().join("roll.json");
        let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&roll).unwrap());
        // What cannot be written was not done.
        let blocked = folder.path().join("roll.json.new");
        std::fs::create_dir(&blocked).unwrap();
        assert!(matches!(join_all(), Err(Refused::Trust(_))));
        assert!(registrar.nodes(|_| false).is_empty());
        std::fs::remove_dir(&blocked).unwrap();
        let before = inode();
        assert_eq!(join_all().unwrap(), 20, "as many as the token is good for");
        let after = inode();
        assert_ne!(before, after);
        // What is looked at only is not written.
        let due = registrar.together(|book| {
            let due = |(name, key): &&(String, PublicKey)| book.renewal(name, key, NOW_S).is_some();
            all.iter().filter(due).count()
        });
        assert_eq!((due.unwrap(), inode()), (0, after));
    }

    #[test]
    fn a_machine_that_was_put_out_comes_back_with_a_new_token_and_a_new_key_only() {
        let (_folder, registrar) = pool();
        let (old, new) = (key(), key());
        let secret = invite(&registrar, 3, "*");
        assert_eq!(join(&registrar, &old, &secret, "m"), "");
        registrar.revoke("m").unwrap();
        assert!(renewal(&registrar, "m", &old, NOW_S + LIFE_S).is_none());
        let said = join(&registrar, &old, &secret, "m");
        assert!(said.contains("the key of 'm' was put out"), "{said}");
        assert_eq!(join(&registrar, &new, &secret, "m"), "");
        assert!(renewal(&registrar, "m", &old, NOW_S + LIFE_S).is_none());
        assert!(renewal(&registrar, "m", &new, NOW_S + LIFE_S).is_some());
        assert!(matches!(registrar.revoke("n"), Err(Refused::Nobody(_))));
    }

    #[test]
    fn what_a_machine_has_is_renewed_from_half_of_its_life_also_years_after_it() {
        let (_folder, registrar) = pool();
        let key = key();
        let secret = invite(&registrar, 1, "*");
        assert_eq!(join(&registrar, &key, &secret, "m"), "");
        for (now_s, due) in [
            (NOW_S, false),
            (NOW_S + LIFE_S / 2 - 1, false),
            (NOW_S + LIFE_S / 2, true),
            (NOW_S + LIFE_S / 2 + 1, false),
            (NOW_S + 100 * LIFE_S, true),
            // The pool's clock has been put back by years, and forth again.
            (NOW_S, true),
            (NOW_S + 1, false),
        ] {
            let renewed = renewal(&registrar, "m", &key, now_s);
            assert_eq!(renewed.is_some(), due, "{now_s}");
            // What was only sent is not in anybody's hands.
            assert_eq!(renewal(&registrar, "m", &key, now_s).is_some(), due, "{now_s}");
            if let Some(renewed) = renewed {
                show(&registrar, "m", &key, &renewed);
            }
        }
    }

    #[test]
    fn a_token_that_was_given_before_a_rotation_lets_in_what_believes_the_older_authority() {
        let (folder, registrar) = pool();
        let (early, late) = (key(), key());
        let (one, two) = (Secret::new([1; 16]), Secret::new([2; 16]));
        let token = |secret: &Secret| {
            let invitation = invitation(secret, 1, "*", NOW_S);
            registrar.invite(invitation, secret.clone(), NOW_S).unwrap()
        };
        let before = token(&one);
        registrar.rotate(false, false, NOW_S + 1).unwrap();
        let after = token(&two);
        // What all show until the rotation is finished.
        assert_eq!(before.authority, after.authority);
        let registrar = open(&folder);
        assert_eq!(join(&registrar, &early, &one, "early"), "");
        assert_eq!(join(&registrar, &late, &two, "late"), "");
        // Both have the new one from the beginning: nobody has to be waited for.
        registrar.rotate(true, false, NOW_S + 2).unwrap();
    }

    #[test]
    fn a_machine_that_was_away_for_years_is_still_in() {
        let (folder, registrar) = pool();
        let away = key();
        let secret = invite(&registrar, 1, "*");
        assert_eq!(join(&registrar, &away, &secret, "away"), "");
        for year in 1..10_u8 {
            // Others are invited, come and go; the pool is started again.
            let registrar = open(&folder);
            let now_s = NOW_S + i64::from(year) * 366 * 86_400;
            let (secret, name) = (Secret::new([100 + year; 16]), format!("other{year}"));
            let invitation = invitation(&secret, 1, "*", now_s);
            registrar.invite(invitation, secret.clone(), now_s).unwrap();
            let who = Applicant {
                key: key(),
                secret,
                name: name.clone(),
                role: NodeRole::Execute,
                many_users: false,
            };
            joined(&registrar, &who, now_s).unwrap();
            registrar.revoke(&name).unwrap();
            assert!(registrar.nodes(|_| false).iter().any(|node| node.name == "away"), "{year}");
        }
        let now_s = NOW_S + 10 * 366 * 86_400;
        assert!(renewal(&open(&folder), "away", &away, now_s).is_some());
    }

    #[test]
    fn an_old_authority_is_forgotten_when_all_machines_have_the_new_one() {
        let (folder, registrar) = pool();
        let keys = [key(), key()];
        let secret = invite(&registrar, 2, "*");
        for (key, name) in keys.iter().zip(["a", "b"]) {
            assert_eq!(join(&registrar, key, &secret, name), "");
        }
        assert!(matches!(registrar.rotate(true, false, NOW_S), Err(Refused::NothingToFinish)));
        registrar.rotate(false, false, NOW_S + 1).unwrap();
        // Cut off there, and started again.
        let registrar = open(&folder);
        let renewed = renewal(&registrar, "a", &keys[0], NOW_S).unwrap();
        assert_eq!(renewed.authorities.len(), 2);
        let behind = |expected: &str| {
            let said = registrar.rotate(true, false, NOW_S).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        };
        behind("machines a, b have not");
        show(&registrar, "a", &keys[0], &renewed);
        behind("machines b have not");
        // Sent, and lost: the negotiator was killed, or the machine's disk is full.
        assert!(renewal(&registrar, "b", &keys[1], NOW_S).is_some());
        let registrar = open(&folder);
        let behind = registrar.rotate(true, false, NOW_S).unwrap_err().to_string();
        assert!(behind.contains("machines b have not"), "{behind}");
        let renewed = renewal(&registrar, "b", &keys[1], NOW_S).unwrap();
        show(&registrar, "b", &keys[1], &renewed);
        registrar.rotate(true, false, NOW_S).unwrap();
        assert!(registrar.nodes(|_| false).iter().all(|node| node.is_newest));
    }
}
