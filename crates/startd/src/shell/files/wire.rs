//! A disk behind a connection: [`Wire`] is the end that copies, [`serve`] the end that has the
//! disk. Both speak in frames; what a file holds goes in pieces ([`proto::files::Piece`]), each
//! asked for by the end that writes, so that one piece is in memory and either end may give a file
//! up without losing its place in the conversation. Who is at the other end is not known here.
//!
//! Neither end believes the other. The one that has the disk touches nothing but what it was given
//! (`reach`), whatever names and links it is shown. The one that copies takes a
//! path from its own question, never from an answer, and a file only with its length and its sum.
//!
//! Whoever shuts the connection down ends the work on both ends, at whatever step it is: each step
//! reads or writes there. What was half written goes.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model::Granted;
use nix::errno::Errno;
use nix::unistd::{Uid, User};
use proto::files::{Blob, Content, PIECE_BYTES, Piece, Sum, Summing};
use proto::frame::{self, MAX_FRAME_BYTES};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::shell::files::copying::{TransferError, failed};
use crate::shell::files::disk::{self, Disk, EntryKind, Links, Look, Outlives, SameDisk, Source};
use crate::shell::files::reach::{Reach, Target};
use crate::shell::files::{leash, leftovers};

/// The most bytes of names in one answer: far below the limit of a frame, in which each byte may
/// take two.
const NAMES_BYTES: usize = 1 << 20;

/// The most names of one folder: what a peer that lies could fill the memory with.
const MOST_NAMES: usize = 1_000_000;

/// What of a mode is heard from a peer: no program becomes another user's that way.
const PEERS_MODE: u32 = 0o777;

/// What is asked of the end that has the disk.
#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Look {
        path: OsString,
        links: Links,
    },
    List {
        folder: OsString,
    },
    LeadsTo {
        link: OsString,
    },
    MakeLink {
        link: OsString,
        leads_to: OsString,
    },
    MakeFolder {
        folder: OsString,
    },
    SetMode {
        path: OsString,
        mode: u32,
    },
    /// Opens a file, in place of the one that was open.
    Read {
        path: OsString,
    },
    /// Writes a file: its pieces are asked for.
    Write {
        path: OsString,
        mode: u32,
        bytes: u64,
    },
    /// The next piece of the open file, or the next names of a folder.
    More,
    Piece(Piece),
    /// What was to be written cannot be read.
    GiveUp,
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Looked(Look),
    Names {
        names: Vec<OsString>,
        more: bool,
    },
    LeadsTo(OsString),
    Made {
        is_new: bool,
    },
    Done,
    Opened {
        mode: u32,
        bytes: u64,
    },
    Piece(Piece),
    /// It wants the next piece.
    More,
    Written(Sum),
    /// The kernel's number.
    Failed(i32),
}

/// Something that bytes go through both ways.
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn send(stream: &mut dyn Stream, message: &impl Serialize) -> io::Result<()> {
    let payload = frame::encode(message).map_err(io::Error::other)?;
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&payload)?;
    stream.flush()
}

/// The next message; what is none is an error, and so is the end of the stream.
fn receive<T: DeserializeOwned>(stream: &mut dyn Stream) -> io::Result<T> {
    frame::decode(&next_frame(stream)?).map_err(|_| Errno::EPROTO.into())
}

/// The answer to a question. Whoever passes it on says now and then, with a frame in which nothing
/// is, that it is still waited for.
fn hear(stream: &mut dyn Stream) -> io::Result<Said> {
    loop {
        let frame = next_frame(stream)?;
        if !frame.is_empty() {
            return frame::decode(&frame).map_err(|_| Errno::EPROTO.into());
        }
        leash::pulled()?;
    }
}

fn next_frame(stream: &mut dyn Stream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(Errno::EPROTO.into());
    }
    // What is announced is not there yet: memory grows with what comes.
    let mut payload = Vec::new();
    let read = Read::take(&mut *stream, length as u64).read_to_end(&mut payload)?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(payload)
}

/// The next piece of what is read, and the last with the sum of all.
fn next_piece(content: &mut dyn Read, mode: u32, sum: &mut Summing) -> io::Result<Piece> {
    let mut bytes = Vec::new();
    Read::take(content, PIECE_BYTES as u64).read_to_end(&mut bytes)?;
    let offset = sum.bytes();
    sum.add(&bytes);
    let end = (bytes.len() < PIECE_BYTES).then(|| sum.clone().finish());
    let content = Content::Part { mode, offset, bytes: Blob(bytes), end };
    Ok(Piece { name: OsString::new(), content })
}

/// A file whose pieces are asked for one after the other, each looked at before it is believed.
struct Arriving<F> {
    ask: F,
    announced: u64,
    sum: Summing,
    piece: io::Cursor<Vec<u8>>,
    is_over: bool,
}

impl<F: FnMut() -> io::Result<Piece>> Arriving<F> {
    fn new(announced: u64, ask: F) -> Self {
        let (sum, piece) = (Summing::default(), io::Cursor::default());
        Self { ask, announced, sum, piece, is_over: false }
    }

    fn take(&mut self, piece: Piece) -> io::Result<()> {
        let Content::Part { offset, bytes: Blob(bytes), end, .. } = piece.content else {
            return Err(Errno::EPROTO.into());
        };
        let fits = offset == self.sum.bytes() && bytes.len() <= PIECE_BYTES;
        if !fits || (bytes.is_empty() && end.is_none()) {
            return Err(Errno::EPROTO.into());
        }
        self.sum.add(&bytes);
        if let Some(end) = end {
            if self.sum.clone().finish() != end || end.bytes < self.announced {
                return Err(Errno::EIO.into());
            }
            self.is_over = true;
        }
        self.piece = io::Cursor::new(bytes);
        Ok(())
    }
}

impl<F: FnMut() -> io::Result<Piece>> Read for Arriving<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.piece.read(into)?;
            if n > 0 || self.is_over || into.is_empty() {
                return Ok(n);
            }
            let piece = (self.ask)()?;
            self.take(piece)?;
        }
    }
}

/// A disk that is reached over a stream.
pub(crate) struct Wire {
    stream: RefCell<Box<dyn Stream>>,
    /// Whether the connection broke: then nothing that failed is the files' fault.
    broke: Cell<bool>,
}

impl Wire {
    /// Over this stream, at whose other end somebody [`serve`]s. Its time-outs are the caller's.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: RefCell::new(Box::new(stream)), broke: Cell::new(false) }
    }

    /// Whether the connection broke, or the peer was too slow.
    pub(crate) fn has_broken(&self) -> bool {
        self.broke.get()
    }

    fn ask(&self, ask: &Ask) -> io::Result<Said> {
        let mut stream = self.stream.borrow_mut();
        let said = send(&mut **stream, ask).and_then(|()| hear(&mut **stream));
        match said {
            Ok(Said::Failed(errno)) => Err(io::Error::from_raw_os_error(errno.max(1))),
            Ok(said) => Ok(said),
            Err(error) => {
                // What is no message does not become one by asking again.
                self.broke.set(error.raw_os_error() != Some(Errno::EPROTO as i32));
                // A peer that is gone is one, whichever step notices it.
                Err(match error.kind() {
                    io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                        Errno::ECONNRESET.into()
                    }
                    _ => error,
                })
            }
        }
    }

    /// Asks, and takes of the answer what is wanted; another answer is none.
    fn want<T>(
        &self,
        path: &Path,
        ask: &Ask,
        pick: impl FnOnce(Said) -> Option<T>,
    ) -> Result<T, TransferError> {
        let said = self.ask(ask).and_then(|said| pick(said).ok_or_else(|| Errno::EPROTO.into()));
        said.map_err(|error| failed(path, &error))
    }

    fn next_piece(&self) -> io::Result<Piece> {
        match self.ask(&Ask::More)? {
            Said::Piece(piece) => Ok(piece),
            _ => Err(Errno::EPROTO.into()),
        }
    }

    fn push(&self, path: &Path, source: &mut Source<'_>) -> io::Result<Sum> {
        let (mode, bytes) = (source.mode, source.bytes);
        let mut sum = Summing::default();
        let mut unreadable = None;
        let mut said = self.ask(&Ask::Write { path: path.into(), mode, bytes });
        loop {
            match said {
                Ok(Said::More) if unreadable.is_some() => return Err(Errno::EPROTO.into()),
                Ok(Said::More) => {}
                Ok(Said::Written(there))
                    if unreadable.is_none() && there == sum.clone().finish() =>
                {
                    return Ok(there);
                }
                Ok(_) => return Err(unreadable.unwrap_or_else(|| Errno::EIO.into())),
                Err(error) => return Err(unreadable.unwrap_or(error)),
            }
            let next = next_piece(&mut *source.content, mode, &mut sum);
            said = self.ask(&next.map_or_else(
                |error| {
                    unreadable = Some(error);
                    Ask::GiveUp
                },
                Ask::Piece,
            ));
        }
    }
}

impl Disk for Wire {
    fn look(&self, path: &Path, links: Links) -> Result<Look, TransferError> {
        self.want(path, &Ask::Look { path: path.into(), links }, |said| match said {
            Said::Looked(look) => Some(Look { mode: look.mode & PEERS_MODE, ..look }),
            _ => None,
        })
    }

    fn list(&self, folder: &Path) -> Result<Vec<OsString>, TransferError> {
        let mut all = Vec::new();
        let mut ask = Ask::List { folder: folder.into() };
        loop {
            let (names, more) = self.want(folder, &ask, |said| match said {
                Said::Names { names, more } => Some((names, more)),
                _ => None,
            })?;
            let is_stuck = more && names.is_empty();
            all.extend(names);
            if is_stuck || all.len() > MOST_NAMES {
                return Err(failed(folder, &Errno::EPROTO.into()));
            }
            if !more {
                return Ok(all);
            }
            ask = Ask::More;
        }
    }

    fn leads_to(&self, link: &Path) -> Result<PathBuf, TransferError> {
        self.want(link, &Ask::LeadsTo { link: link.into() }, |said| match said {
            Said::LeadsTo(path) => Some(path.into()),
            _ => None,
        })
    }

    fn make_link(&self, link: &Path, leads_to: &Path) -> Result<(), TransferError> {
        let ask = Ask::MakeLink { link: link.into(), leads_to: leads_to.into() };
        self.want(link, &ask, |said| matches!(said, Said::Done).then_some(()))
    }

    fn make_folder(&self, folder: &Path) -> Result<bool, TransferError> {
        self.want(folder, &Ask::MakeFolder { folder: folder.into() }, |said| match said {
            Said::Made { is_new } => Some(is_new),
            _ => None,
        })
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), TransferError> {
        let ask = Ask::SetMode { path: path.into(), mode };
        self.want(path, &ask, |said| matches!(said, Said::Done).then_some(()))
    }

    fn read(&self, path: &Path) -> Result<Source<'_>, TransferError> {
        let opened = self.want(path, &Ask::Read { path: path.into() }, |said| match said {
            Said::Opened { mode, bytes } => Some((mode & PEERS_MODE, bytes)),
            _ => None,
        });
        let (mode, bytes) = opened?;
        let content = Box::new(Arriving::new(bytes, || self.next_piece()));
        Ok(Source { mode, bytes, content })
    }

    fn write(&self, path: &Path, source: &mut Source<'_>) -> Result<Sum, TransferError> {
        self.push(path, source).map_err(|error| failed(path, &error))
    }
}

/// What an end that has a disk is about to say more of.
enum Open {
    Nothing,
    File { source: Source<'static>, sum: Summing },
    Names(Vec<OsString>),
}

/// Answers what comes over a connection to standard input, until it ends: what is granted first,
/// from who started this, and then what their peer asks. Whoever started this says whether it is to
/// look for what is left of files where it writes.
///
/// # Errors
///
/// If the connection breaks, or what comes is no question.
pub fn serve_stdin(sweeps: bool) -> io::Result<()> {
    if !sweeps {
        leftovers::leave_to_others();
    }
    serve_granted(&mut UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Answers what comes over a stream, until it ends: what is granted first, and then what is asked.
///
/// # Errors
///
/// As [`serve`].
pub(crate) fn serve_granted(stream: &mut dyn Stream) -> io::Result<()> {
    let granted: Granted = receive(stream)?;
    // Where the system does not say it, the launcher has: what begins with a dot there is not
    // written for that.
    let home = User::from_uid(Uid::effective()).ok().flatten().map(|user| user.dir);
    let home = home.or_else(|| std::env::var_os("HOME").map(PathBuf::from));
    serve(stream, &Reach::of(&granted, home.as_deref()))
}

/// Answers what a peer asks of this machine's disk, as far as it reaches there, until the peer
/// closes the stream.
///
/// # Errors
///
/// If the stream breaks, or what comes is no question.
pub(crate) fn serve(stream: &mut dyn Stream, reach: &Reach) -> io::Result<()> {
    let mut open = Open::Nothing;
    loop {
        let ask = match receive(stream) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            ask => ask?,
        };
        let said = match ask {
            Ask::Write { path, mode, bytes } => match reach.target(Path::new(&path)) {
                Ok(target) => pull(stream, &target, mode & PEERS_MODE, bytes)?,
                Err(error) => Said::Failed(number_of(&error)),
            },
            Ask::More => more(&mut open),
            ask => answer(ask, reach, &mut open)
                .unwrap_or_else(|error| Said::Failed(number_of(&error))),
        };
        send(stream, &said)?;
    }
}

/// What is asked but pieces.
fn answer(ask: Ask, reach: &Reach, open: &mut Open) -> io::Result<Said> {
    let disk = SameDisk;
    let word = |error: TransferError| io::Error::from_raw_os_error(error.errno);
    Ok(match ask {
        Ask::Look { path, links: Links::Followed } => {
            let held = reach.readable(Path::new(&path))?;
            Said::Looked(disk.look(&held.way(), Links::Followed).map_err(word)?)
        }
        Ask::Look { path, links: Links::Seen } => {
            let entry = reach.visible(Path::new(&path))?;
            Said::Looked(disk.look(&entry.way(), Links::Seen).map_err(word)?)
        }
        Ask::List { folder } => {
            let held = reach.readable(Path::new(&folder))?;
            *open = Open::Names(disk.list(&held.way()).map_err(word)?);
            more(open)
        }
        Ask::LeadsTo { link } => {
            Said::LeadsTo(fs::read_link(reach.visible(Path::new(&link))?.way())?.into())
        }
        Ask::MakeLink { link, leads_to } => {
            let leads_to = Path::new(&leads_to);
            let entry = reach.linkable(Path::new(&link), leads_to)?;
            disk.make_link(&entry.way(), leads_to).map_err(word)?;
            Said::Done
        }
        Ask::MakeFolder { folder } => Said::Made { is_new: reach.make_folder(Path::new(&folder))? },
        Ask::SetMode { path, mode } => {
            let held = reach.changeable(Path::new(&path))?;
            disk.set_mode(&held.way(), mode & PEERS_MODE).map_err(word)?;
            Said::Done
        }
        Ask::Read { path } => {
            let held = reach.readable(Path::new(&path))?;
            // A pipe would hold up who opens it.
            if disk.look(&held.way(), Links::Followed).map_err(word)?.kind == EntryKind::Other {
                return Err(Errno::EINVAL.into());
            }
            let source = open_here(&held.way()).map_err(word)?;
            let said = Said::Opened { mode: source.mode, bytes: source.bytes };
            *open = Open::File { source, sum: Summing::default() };
            said
        }
        Ask::Write { .. } | Ask::More | Ask::Piece(_) | Ask::GiveUp => {
            Said::Failed(Errno::EPROTO as i32)
        }
    })
}

fn open_here(path: &Path) -> Result<Source<'static>, TransferError> {
    const DISK: &SameDisk = &SameDisk;
    DISK.read(path)
}

/// The next piece, or the next names, of what is open.
fn more(open: &mut Open) -> Said {
    match std::mem::replace(open, Open::Nothing) {
        Open::Nothing => Said::Failed(Errno::EPROTO as i32),
        Open::Names(mut names) => {
            let mut bytes = 0;
            let fits = |name: &&OsString| {
                bytes += name.len() + 16;
                bytes <= NAMES_BYTES
            };
            let count = names.iter().take_while(fits).count();
            let rest = names.split_off(count);
            let more = !rest.is_empty();
            if more {
                *open = Open::Names(rest);
            }
            Said::Names { names, more }
        }
        Open::File { mut source, mut sum } => {
            match next_piece(&mut *source.content, source.mode, &mut sum) {
                Ok(piece) => {
                    *open = Open::File { source, sum };
                    Said::Piece(piece)
                }
                Err(error) => Said::Failed(number_of(&error)),
            }
        }
    }
}

/// The kernel's number, where it is its word.
fn number_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::EIO as i32)
}

/// Writes a file whose pieces the peer has. A stream that breaks meanwhile is an error here; a file
/// that cannot be written is an answer.
fn pull(stream: &mut dyn Stream, target: &Target, mode: u32, bytes: u64) -> io::Result<Said> {
    let mut broken = None;
    let ask = || {
        let piece = send(stream, &Said::More).and_then(|()| receive(stream));
        match piece {
            Ok(Ask::Piece(piece)) => Ok(piece),
            Ok(_) => Err(Errno::ECANCELED.into()),
            Err(error) => {
                let kind = error.kind();
                broken = Some(error);
                Err(kind.into())
            }
        }
    };
    let mut source = Source { mode, bytes, content: Box::new(Arriving::new(bytes, ask)) };
    let written = match target {
        Target::Replaced(entry) => disk::replace(&entry.way(), &mut source, Outlives::Us),
        Target::AsItStands(held) => disk::write_as_it_stands(&held.way(), &mut source),
    };
    drop(source);
    match broken {
        Some(error) => Err(error),
        None => Ok(written.map_or_else(|error| Said::Failed(error.errno), Said::Written)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
