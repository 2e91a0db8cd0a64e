//! Two ends over TLS on the loopback: who gets in, as what, and for how long; and what strangers
//! and liars get.

use std::net::Ipv4Addr;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Address, Admission, Connection, Listener, Role, connect_far};
use super::*;
use crate::trust::authority::Authorities;
use crate::trust::certificate::Dates;
use crate::trust::{Authority, Node};

/// Long over, by any clock.
const OVER: Dates = Dates { from_s: 86_400, until_s: 2 * 86_400 };

/// A pool with an authority of its own, and machines on its roll.
struct Pool {
    folder: TempDir,
    authority: Authority,
}

impl Pool {
    fn found() -> Self {
        let authority = Authority::found("p", 1_700_000_000).unwrap();
        let pool = Self { folder: tempfile::tempdir().unwrap(), authority };
        pool.save(&Roll {
            authorities: vec![pool.authority.certificate().to_owned()],
            ..Roll::default()
        });
        pool.papers("head", NodeRole::Manager).save(pool.folder.path()).unwrap();
        pool
    }

    fn save(&self, roll: &Roll) {
        roll.save(self.folder.path()).unwrap();
    }

    /// A new key of which the authority has signed this; its dates are over.
    fn papers(&self, name: &str, role: NodeRole) -> Papers {
        let papers = Papers::of_newcomer().unwrap();
        let key = papers.public().unwrap();
        let certificate = self.authority.sign(name, role, &key, OVER).unwrap();
        let authorities = vec![self.authority.certificate().to_owned()];
        papers.with(Signed { certificate: certificate.pem(), authorities }).unwrap()
    }

    /// The papers of a machine that is in the pool.
    fn member(&self, name: &str, role: NodeRole) -> Papers {
        let papers = self.papers(name, role);
        let mut roll = Roll::in_folder(self.folder.path()).unwrap();
        let node = Node {
            role,
            key: papers.public().unwrap().fingerprint(),
            joined_s: 0,
            until_s: OVER.until_s,
            authority: self.authority.fingerprint().unwrap(),
            is_revoked: false,
        };
        roll.nodes.insert(name.to_owned(), node);
        self.save(&roll);
        papers
    }

    fn listen(&self, newcomers: bool) -> Listener {
        let gate = Gate::open(self.folder.path(), newcomers).unwrap();
        let at = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        Listener::bind(&at, Role::Negotiator, Admission::Nodes(gate)).unwrap()
    }
}

fn far(listener: &Listener, papers: Papers, believed: Believed) -> Far {
    let address = listener.address().unwrap().to_string();
    Far { address, membership: Membership::passing(papers), believed }
}

/// What both ends make of a connection.
async fn meet(
    listener: &Listener,
    papers: Papers,
    believed: Believed,
    role: Role,
) -> (Result<Connection, NetError>, Result<Connection, NetError>) {
    let far = far(listener, papers, believed);
    let accepted = async { listener.accept().await.greet().await };
    tokio::join!(connect_far(&far, role), accepted)
}

#[tokio::test]
async fn a_machine_of_the_pool_comes_in_under_its_own_name_whatever_its_certificate_s_dates_are() {
    let pool = Pool::found();
    let papers = pool.member("m", NodeRole::Execute);
    let listener = pool.listen(false);
    let startd = |name: &str| Role::Startd(name.to_owned());
    let (ours, theirs) = meet(&listener, papers.clone(), Believed::Authorities, startd("m")).await;
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    let key = papers.public().unwrap();
    let name = "m".to_owned();
    let authority = pool.authority.fingerprint().unwrap();
    let shown = Some(roll::Shown { authority, until_s: OVER.until_s });
    let role = NodeRole::Execute;
    assert_eq!(theirs.peer.identity, PeerIdentity::Node { name, role, key, shown });
    assert_eq!(ours.peer.role, Role::Negotiator);
    ours.sender.send(&"a word".to_owned()).await.unwrap();
    assert_eq!(theirs.receiver.recv::<String>().await.unwrap().as_deref(), Some("a word"));
    drop(ours);
    // A connection that breaks ends like one that is closed, or with an error; never with a word.
    assert!(!matches!(theirs.receiver.recv::<String>().await, Ok(Some(_))));
    for role in [
        startd("n"),
        Role::Negotiator,
        Role::Schedd("m".to_owned()),
        Role::Command,
        Role::Files("n".to_owned()),
    ] {
        let (_, refused) =
            meet(&listener, papers.clone(), Believed::Authorities, role.clone()).await;
        assert!(matches!(refused, Err(NetError::Impostor { .. })), "{role:?}: {refused:?}");
    }
}

#[tokio::test]
async fn who_is_not_on_the_roll_does_not_come_in() {
    let (pool, other) = (Pool::found(), Pool::found());
    pool.member("m", NodeRole::Execute);
    let revoked = pool.member("gone", NodeRole::Execute);
    let mut roll = Roll::in_folder(pool.folder.path()).unwrap();
    roll.nodes.get_mut("gone").unwrap().is_revoked = true;
    pool.save(&roll);
    let listener = pool.listen(false);
    for (what, papers) in [
        ("of another pool with the same names", other.member("m", NodeRole::Execute)),
        ("another key", pool.papers("m", NodeRole::Execute)),
        ("not on the roll", pool.papers("n", NodeRole::Execute)),
        ("revoked", revoked),
        ("nothing but a key", Papers::of_newcomer().unwrap()),
    ] {
        let role = papers.said().map_or(Role::Newcomer, |said| Role::Startd(said.name));
        let believed = Believed::OnlyAuthority(pool.authority.fingerprint().unwrap());
        let (_, refused) = meet(&listener, papers, believed, role).await;
        assert!(matches!(refused, Err(NetError::Handshake(_))), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn a_newcomer_may_come_where_newcomers_may_and_be_nothing_else() {
    let pool = Pool::found();
    let listener = pool.listen(true);
    let believed = Believed::OnlyAuthority(pool.authority.fingerprint().unwrap());
    for (role, may) in [
        (Role::Newcomer, true),
        (Role::Startd("m".to_owned()), false),
        (Role::Negotiator, false),
        (Role::Command, false),
    ] {
        let papers = Papers::of_newcomer().unwrap();
        let key = papers.public().unwrap();
        let (_, theirs) = meet(&listener, papers, believed, role.clone()).await;
        match theirs {
            Ok(theirs) => {
                let expected = (PeerIdentity::Newcomer { key }, true);
                assert_eq!((theirs.peer.identity, may), expected);
            }
            Err(error) => assert!(!may, "{role:?}: {error}"),
        }
    }
}

/// The one who calls says nothing before he knows: the server gets no greeting.
#[tokio::test]
async fn a_pool_with_another_authority_or_a_machine_that_only_runs_jobs_is_told_nothing() {
    let (pool, other) = (Pool::found(), Pool::found());
    let papers = pool.member("m", NodeRole::Execute);
    let hash = Believed::OnlyAuthority(pool.authority.fingerprint().unwrap());
    let impostor = other.listen(true);
    // A machine of the pool that listens with its own certificate.
    pool.papers("n", NodeRole::Execute).save(pool.folder.path()).unwrap();
    let node = pool.listen(true);
    for (listener, believed) in
        [(&impostor, Believed::Authorities), (&impostor, hash), (&node, Believed::Authorities)]
    {
        let (ours, theirs) = meet(listener, papers.clone(), believed, Role::Newcomer).await;
        assert!(matches!(ours, Err(NetError::Handshake(_))), "{ours:?}");
        assert!(theirs.is_err(), "{theirs:?}");
    }
}

#[tokio::test]
async fn a_machine_that_is_revoked_loses_the_connections_that_it_has() {
    let pool = Pool::found();
    let papers = pool.member("m", NodeRole::Execute);
    let listener = pool.listen(false);
    let role = Role::Startd("m".to_owned());
    let (ours, theirs) = meet(&listener, papers, Believed::Authorities, role).await;
    let (_ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    let mut roll = Roll::in_folder(pool.folder.path()).unwrap();
    roll.nodes.get_mut("m").unwrap().is_revoked = true;
    pool.save(&roll);
    let ended = theirs.receiver.recv::<String>().await;
    assert!(matches!(ended, Err(NetError::Stranger(roll::Stranger::Revoked))), "{ended:?}");
}

#[tokio::test]
async fn while_authorities_are_rotated_both_are_believed_at_both_ends() {
    let pool = Pool::found();
    let old = pool.member("m", NodeRole::Execute);
    let listener = pool.listen(false);
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = Authorities::in_folder(folder.path(), "p", 0).unwrap();
    authorities.rotate(folder.path(), "p", 1).unwrap();
    let new = authorities.signing();
    let mut roll = Roll::in_folder(pool.folder.path()).unwrap();
    roll.authorities.push(new.certificate().to_owned());
    pool.save(&roll);
    let key = old.public().unwrap();
    let certificate = new.sign("m", NodeRole::Execute, &key, OVER).unwrap().pem();
    let renewed = old.with(Signed { certificate, authorities: roll.authorities }).unwrap();
    for papers in [old, renewed] {
        let role = Role::Startd("m".to_owned());
        let (ours, theirs) = meet(&listener, papers, Believed::Authorities, role).await;
        assert!(ours.is_ok() && theirs.is_ok(), "{ours:?} {theirs:?}");
    }
}

#[test]
fn papers_about_another_key_or_that_nobody_has_signed_are_not_taken() {
    let (pool, other) = (Pool::found(), Pool::found());
    let membership = Membership::passing(pool.member("m", NodeRole::Execute));
    let before = membership.papers();
    let mut foreign = before.signed().clone();
    foreign.authorities = vec![other.authority.certificate().to_owned()];
    let another = pool.papers("m", NodeRole::Execute).signed().clone();
    // Somebody else's, who says that he is the pool, about this very machine.
    let key = before.public().unwrap();
    let usurped = other.authority.sign("m", NodeRole::Execute, &key, Authority::dates(0)).unwrap();
    let usurped = Signed {
        certificate: usurped.pem(),
        authorities: vec![other.authority.certificate().to_owned()],
    };
    for signed in [foreign, another, usurped] {
        assert!(membership.renew(signed).is_err());
        assert_eq!(membership.papers().signed(), before.signed());
    }
    membership.renew(before.signed().clone()).unwrap();
}

#[tokio::test]
async fn what_is_no_tls_is_an_error_and_delays_nobody() {
    let pool = Pool::found();
    let papers = pool.member("m", NodeRole::Execute);
    let listener = pool.listen(true);
    let address = listener.address().unwrap().to_string();
    // One that says nothing, for as long as this lasts.
    let _silent = TcpStream::connect(&address).await.unwrap();
    let waiting = tokio::spawn(listener.accept().await.greet());
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[0x16, 3, 1, 0xff, 0xff], &[0xff; 5]]
    {
        let mut hostile = TcpStream::connect(&address).await.unwrap();
        hostile.write_all(garbage).await.unwrap();
        hostile.shutdown().await.unwrap();
        let refused = listener.accept().await.greet().await;
        let refused = refused.map(|connection| connection.peer);
        assert!(
            matches!(refused, Err(NetError::Handshake(_) | NetError::Broken(_))),
            "{refused:?}"
        );
        // It is told no more than that.
        let mut heard = Vec::new();
        let _ = hostile.read_to_end(&mut heard).await;
        assert!(heard.len() < 32, "{heard:?}");
    }
    let role = Role::Startd("m".to_owned());
    let (ours, theirs) = meet(&listener, papers, Believed::Authorities, role).await;
    assert!(ours.is_ok() && theirs.is_ok());
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn one_address_cannot_take_all_handshakes() {
    let pool = Pool::found();
    let gate = Gate::open(pool.folder.path(), true).unwrap();
    let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    let mut held = Vec::new();
    for _ in 0..HANDSHAKES_FROM_ONE {
        held.push(gate.handshakes.room(here).unwrap());
    }
    assert!(gate.handshakes.room(here).is_none());
    assert!(gate.handshakes.room(there).is_some());
    held.pop();
    assert!(gate.handshakes.room(here).is_some());
}

#[tokio::test]
async fn newcomers_have_a_few_places_for_as_long_as_they_are_there_and_machines_the_others() {
    let pool = Pool::found();
    let listener = pool.listen(true);
    let newcomer = || Papers::of_newcomer().unwrap();
    let hash = Believed::OnlyAuthority(pool.authority.fingerprint().unwrap());
    let mut here = Vec::new();
    for _ in 0..NEWCOMERS_FROM_ONE {
        let met = meet(&listener, newcomer(), hash, Role::Newcomer).await;
        here.push(met.1.unwrap());
    }
    let (_, refused) = meet(&listener, newcomer(), hash, Role::Newcomer).await;
    assert!(matches!(refused, Err(NetError::Crowded { .. })), "{refused:?}");
    let (papers, role) = (pool.member("m", NodeRole::Execute), Role::Startd("m".to_owned()));
    let (_, machine) = meet(&listener, papers, Believed::Authorities, role).await;
    machine.unwrap();
    here.pop();
    let (_, next) = meet(&listener, newcomer(), hash, Role::Newcomer).await;
    next.unwrap();
}

#[test]
fn a_port_is_not_listened_at_without_a_gate() {
    let at = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let refused = Listener::bind(&at, Role::Negotiator, Admission::OnlyUid(0));
    assert!(matches!(refused, Err(NetError::Unauthenticated(_))), "{refused:?}");
}
