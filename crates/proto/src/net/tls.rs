//! TLS between the machines of a pool: version 1.3 only, and both ends show a certificate. Who may
//! connect is asked of the pool's roll ([`Gate`]), whom a machine believes of its papers
//! ([`Membership`]); no clock has a say in either. What is said afterwards is not known here.

pub(super) mod rooms;

use std::fs::{self, Metadata};
use std::io;
use std::net::{IpAddr, TcpStream as BlockingTcp, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName,
    Error as TlsError, ServerConfig, SignatureScheme, StreamOwned, version,
};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use self::rooms::{Room, Rooms};
use super::error::{GREETING, NetError, in_time};
use super::peer::PeerIdentity;
use super::stream::set_up;
use crate::trust::certificate::{PublicKey, is_signed, read as read_certificate};
use crate::trust::papers::Signed;
use crate::trust::{Fingerprint, NodeRole, Papers, Roll, TrustError, roll};

/// The protocol's name in the handshake: whoever speaks another one ends there.
const ALPN: &[u8] = b"updraft/1";

/// How often the roll is looked at: so soon a machine that was revoked is out.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Handshakes at a time from one address: what one that floods can take of them.
const HANDSHAKES_FROM_ONE: usize = 128;

/// Handshakes at a time in all. More are refused, and come again.
const HANDSHAKES: usize = 2048;

/// Newcomers at a time: whoever makes a key is one. They have what they want in a moment.
const NEWCOMERS: usize = 256;

/// Of them from one address.
const NEWCOMERS_FROM_ONE: usize = 8;

/// What is drawn on for all of TLS.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

fn schemes() -> Vec<SignatureScheme> {
    vec![SignatureScheme::ECDSA_NISTP256_SHA256]
}

/// Why a handshake failed, of which TLS says one error and the socket another.
pub(crate) fn broken(error: io::Error) -> NetError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(tls) => NetError::Handshake(tls.clone()),
        None => NetError::Broken(error),
    }
}

fn papers_in(folder: &Path) -> Result<Papers, NetError> {
    let papers = Papers::in_folder(folder)?;
    Ok(papers.ok_or(TrustError::Certificate("there is none here"))?)
}

/// The certificate of who is at the other end.
fn first<'a, 'b>(
    shown: Option<&'a [CertificateDer<'b>]>,
) -> Result<&'a CertificateDer<'b>, NetError> {
    let shown = shown.and_then(<[_]>::first);
    shown.ok_or(NetError::Handshake(TlsError::NoCertificatesPresented))
}

fn only_tls13() -> Result<HandshakeSignatureValid, TlsError> {
    Err(TlsError::General("only TLS 1.3 is spoken".to_owned()))
}

fn is_signed_by(
    message: &[u8],
    shown: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, TlsError> {
    verify_tls13_signature(message, shown, signed, &provider().signature_verification_algorithms)
}

/// What a listener asks about who comes: the pool's roll, as it is now.
#[derive(Debug)]
pub struct Gate {
    folder: PathBuf,
    /// Whether somebody who is not in the pool may come to join it.
    newcomers: bool,
    server: Arc<ServerConfig>,
    seen: Arc<Seen>,
    handshakes: Rooms,
    guests: Rooms,
}

/// The roll as it was read last.
#[derive(Debug)]
struct Seen {
    roll: watch::Sender<Arc<Known>>,
    stamp: Mutex<Option<Stamp>>,
}

/// A roll, with what its authorities' signatures are checked with: each handshake needs it.
#[derive(Debug)]
struct Known {
    roll: Roll,
    anchors: Vec<roll::Anchor>,
}

impl Known {
    fn of(roll: Roll) -> Self {
        Self { anchors: roll.anchors(), roll }
    }

    fn who(&self, shown: &CertificateDer<'_>) -> Result<roll::Member<'_>, roll::Stranger> {
        self.roll.who(&self.anchors, shown)
    }
}

/// What tells a file from the one that it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified_ns: i128,
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let modified_ns =
            i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        Self { inode: found.ino(), bytes: found.len(), modified_ns }
    }
}

impl Gate {
    /// For the pool whose trust is in this folder; this end shows the papers that are there.
    ///
    /// # Errors
    ///
    /// If there are none, or they cannot be used.
    pub fn open(folder: &Path, newcomers: bool) -> Result<Arc<Self>, NetError> {
        let papers = papers_in(folder)?;
        let roll = Roll::in_folder(folder)?;
        let seen =
            Seen { roll: watch::channel(Arc::new(Known::of(roll))).0, stamp: Mutex::new(None) };
        let seen = Arc::new(seen);
        let asks = Arc::new(AsksRoll { seen: Arc::clone(&seen), newcomers });
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(NetError::Handshake)?
            .with_client_cert_verifier(asks)
            .with_single_cert(papers.chain()?, papers.private()?)
            .map_err(NetError::Handshake)?;
        // Each connection is asked for anew: nothing that was known once lets somebody in.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(Self {
            folder: folder.to_owned(),
            newcomers,
            server: Arc::new(server),
            seen,
            handshakes: Rooms::new(HANDSHAKES, HANDSHAKES_FROM_ONE),
            guests: Rooms::new(NEWCOMERS, NEWCOMERS_FROM_ONE),
        }))
    }

    /// Reads the roll if it is another one. One that cannot be read changes nothing: who was in
    /// the pool is.
    fn look(&self) {
        let path = self.folder.join(roll::FILE);
        let Ok(stamp) = fs::metadata(path).map(|found| Stamp::of(&found)) else { return };
        let mut last = self.seen.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != Some(stamp)
            && let Ok(roll) = Roll::in_folder(&self.folder)
        {
            *last = Some(stamp);
            self.seen.roll.send_replace(Arc::new(Known::of(roll)));
        }
    }

    /// Looks at the roll again and again, until this is dropped.
    pub(super) fn keep_looking(self: &Arc<Self>) -> Looking {
        let gate = Arc::clone(self);
        Looking(tokio::spawn(async move {
            loop {
                gate.look();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }))
    }

    /// Shakes hands with who has come, if there is room for one more.
    pub(super) async fn accept(
        self: &Arc<Self>,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, PeerIdentity, Guest), NetError> {
        let from = stream.peer_addr()?.ip();
        let handshake_room = self.handshakes.room(from).ok_or(NetError::Crowded { from })?;
        self.look();
        let handshake = TlsAcceptor::from(Arc::clone(&self.server)).accept(stream);
        let stream = in_time(GREETING, "shake hands", async { handshake.await.map_err(broken) });
        let stream = stream.await?;
        let identity = self.identity(first(stream.get_ref().1.peer_certificates())?)?;
        let is_newcomer = matches!(identity, PeerIdentity::Newcomer { .. });
        let newcomer = match is_newcomer {
            true => Some(self.guests.room(from).ok_or(NetError::Crowded { from })?),
            false => None,
        };
        Ok((stream.into(), identity, Guest { _handshake: handshake_room, newcomer }))
    }

    fn identity(&self, shown: &CertificateDer<'_>) -> Result<PeerIdentity, NetError> {
        match self.seen.roll.borrow().who(shown) {
            Ok(member) => Ok(PeerIdentity::Node {
                name: member.name.to_owned(),
                role: member.node.role,
                key: PublicKey::of(shown)?,
                shown: Some(member.shown),
            }),
            Err(roll::Stranger::Unsigned) if self.newcomers => {
                Ok(PeerIdentity::Newcomer { key: PublicKey::of(shown)? })
            }
            Err(stranger) => Err(NetError::Stranger(stranger)),
        }
    }

    /// Whether a machine is in the pool, now and as long as this is asked.
    pub(super) fn watch(&self, identity: &PeerIdentity) -> Option<Membered> {
        let PeerIdentity::Node { name, role, key, .. } = identity else { return None };
        let roll = self.seen.roll.subscribe();
        Some(Membered { name: name.clone(), role: *role, key: key.fingerprint(), roll })
    }
}

/// The room that somebody takes who has shaken hands.
#[derive(Debug)]
pub(super) struct Guest {
    /// Until it has said what it is.
    pub(super) _handshake: Room,
    /// Of somebody who is not in the pool, as long as he is here: the places are for machines.
    pub(super) newcomer: Option<Room>,
}

/// The task that looks at the roll.
#[derive(Debug)]
pub(super) struct Looking(JoinHandle<()>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A machine that is in the pool, as long as it is.
#[derive(Debug)]
pub(super) struct Membered {
    name: String,
    role: NodeRole,
    key: Fingerprint,
    roll: watch::Receiver<Arc<Known>>,
}

impl Membered {
    /// Ready when it is not any more. Safe to cancel.
    pub(super) async fn is_over(&mut self) -> roll::Stranger {
        loop {
            let now = self.roll.borrow_and_update().roll.has(&self.name, self.role, self.key);
            if let Err(stranger) = now {
                return stranger;
            }
            if self.roll.changed().await.is_err() {
                // Nobody listens any more; this connection goes on.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Asks the roll about each certificate.
#[derive(Debug)]
struct AsksRoll {
    seen: Arc<Seen>,
    newcomers: bool,
}

impl ClientCertVerifier for AsksRoll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        match self.seen.roll.borrow().who(shown) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            // It has nothing but a key, and may say nothing but that it wants to join.
            Err(roll::Stranger::Unsigned) if self.newcomers && PublicKey::of(shown).is_ok() => {
                Ok(ClientCertVerified::assertion())
            }
            Err(roll::Stranger::Revoked) => Err(CertificateError::Revoked.into()),
            Err(_) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        is_signed_by(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

/// A machine's membership, as its connections need it: its papers, which the pool renews while they
/// are in use.
#[derive(Debug)]
pub struct Membership {
    /// Where the papers are, if they are kept.
    folder: Option<PathBuf>,
    papers: RwLock<Papers>,
}

impl Membership {
    /// With the papers in this folder.
    ///
    /// # Errors
    ///
    /// If there are none, or they cannot be used.
    pub fn in_folder(folder: &Path) -> Result<Arc<Self>, NetError> {
        let papers = papers_in(folder)?;
        Ok(Arc::new(Self { folder: Some(folder.to_owned()), papers: RwLock::new(papers) }))
    }

    /// Somebody who has only these papers, and keeps them himself.
    pub fn passing(papers: Papers) -> Arc<Self> {
        Arc::new(Self { folder: None, papers: RwLock::new(papers) })
    }

    /// The papers as they are now.
    pub fn papers(&self) -> Papers {
        self.papers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what the pool has signed now; connections from now on show it.
    ///
    /// # Errors
    ///
    /// If it is not about this machine's key, or cannot be written down.
    pub fn renew(&self, signed: Signed) -> Result<(), TrustError> {
        let mut papers = self.papers.write().unwrap_or_else(PoisonError::into_inner);
        let new = papers.with(signed)?;
        if let Some(folder) = &self.folder {
            new.save(folder)?;
        }
        *papers = new;
        Ok(())
    }
}

/// A daemon of the pool on another machine, and how it is known.
#[derive(Clone, Debug)]
pub struct Far {
    /// `HOST:PORT`, looked up at each attempt.
    pub address: String,
    pub membership: Arc<Membership>,
    pub believed: Believed,
}

/// Whom one end believes to be the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Believed {
    /// Whom an authority in the papers has signed to have a part in the pool's management.
    Authorities,
    /// The pool whose authority has this key, whatever it is called: what a token says.
    OnlyAuthority(Fingerprint),
}

impl Far {
    fn client(&self) -> Result<Arc<ClientConfig>, NetError> {
        let papers = self.membership.papers();
        let believes = Arc::new(Believes { anchors: papers.anchors()?, believed: self.believed });
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(NetError::Handshake)?
            .dangerous()
            .with_custom_certificate_verifier(believes)
            .with_client_auth_cert(papers.chain()?, papers.private()?)
            .map_err(NetError::Handshake)?;
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        client.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(client))
    }

    fn cannot(&self, source: io::Error) -> NetError {
        NetError::ConnectFar { address: self.address.clone(), source }
    }

    /// Connects and shakes hands.
    pub(super) async fn connect(&self) -> Result<(TlsStream<TcpStream>, PeerIdentity), NetError> {
        let connector = TlsConnector::from(self.client()?);
        let connected = async {
            let stream =
                TcpStream::connect(&self.address).await.map_err(|error| self.cannot(error))?;
            set_up(&stream)?;
            Ok(stream)
        };
        let stream = in_time(GREETING, "connect", connected).await?;
        let handshake = connector.connect(server_name(), stream);
        let stream =
            in_time(GREETING, "shake hands", async { handshake.await.map_err(broken) }).await?;
        let identity = identity_of_server(stream.get_ref().1.peer_certificates())?;
        Ok((stream.into(), identity))
    }

    /// Connects and shakes hands, blocking; each step after that may take so long.
    pub(crate) fn connect_blocking(
        &self,
        patience: Duration,
    ) -> Result<(Blocking, PeerIdentity), NetError> {
        let client = self.client()?;
        let mut last = io::Error::other("the name has no address");
        for to in self.address.to_socket_addrs().map_err(|error| self.cannot(error))? {
            let mut stream = match BlockingTcp::connect_timeout(&to, GREETING) {
                Ok(stream) => stream,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(GREETING))?;
            stream.set_write_timeout(Some(GREETING))?;
            let mut tls =
                ClientConnection::new(client, server_name()).map_err(NetError::Handshake)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut stream).map_err(broken)?;
            }
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            let identity = identity_of_server(tls.peer_certificates())?;
            return Ok((StreamOwned::new(tls, stream), identity));
        }
        Err(self.cannot(last))
    }
}

/// A connection whose every step blocks.
pub(crate) type Blocking = StreamOwned<ClientConnection, BlockingTcp>;

/// A name that nobody looks at: who a server is, its certificate says by itself.
fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::from([127, 0, 0, 1]).into())
}

fn identity_of_server(shown: Option<&[CertificateDer<'_>]>) -> Result<PeerIdentity, NetError> {
    let shown = first(shown)?;
    let said = read_certificate(shown)?;
    let key = PublicKey::of(shown)?;
    Ok(PeerIdentity::Node { name: said.name, role: said.role, key, shown: None })
}

/// Asks whether a server is of the pool.
#[derive(Debug)]
struct Believes {
    anchors: Vec<TrustAnchor<'static>>,
    believed: Believed,
}

impl Believes {
    fn is_ours(&self, shown: &CertificateDer<'_>, behind: &[CertificateDer<'_>]) -> bool {
        match self.believed {
            Believed::Authorities => is_signed(shown, &self.anchors),
            Believed::OnlyAuthority(key) => {
                let ours = behind
                    .iter()
                    .find(|one| PublicKey::of(one).is_ok_and(|found| found.fingerprint() == key));
                let anchor = ours.and_then(|one| webpki::anchor_from_trusted_cert(one).ok());
                anchor.is_some_and(|anchor| is_signed(shown, &[anchor]))
            }
        }
    }
}

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        behind: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if !self.is_ours(shown, behind) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        match read_certificate(shown) {
            // A machine that runs jobs has a certificate too, and nobody calls it.
            Ok(said) if said.role != NodeRole::Execute => Ok(ServerCertVerified::assertion()),
            Ok(_) | Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        is_signed_by(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

#[cfg(test)]
mod tests;
