//! Copying over a connection: what holds on one disk holds there, whatever is cut, and whoever
//! lies.

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::{TempDir, tempdir};

use super::*;
use crate::shell::files::copying::{DEEPEST, Route};

/// The disk of this machine, behind a connection, as far as it is granted.
pub(crate) fn served(granted: &Granted) -> Wire {
    let (near, mut far) = UnixStream::pair().unwrap();
    let reach = Reach::of(granted, None);
    thread::spawn(move || serve(&mut far, &reach));
    Wire::over(near)
}

/// All below a folder.
fn all_below(folder: &Path) -> Granted {
    let all = vec![folder.to_owned(), "/dev/full".into()];
    Granted { read: all.clone(), write: all, into: vec![] }
}

/// All below a folder: name, kind, permissions, content.
fn tree(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for name in SameDisk.list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        let look = SameDisk.look(&path, Links::Seen).unwrap();
        let content = match look.kind {
            EntryKind::Link => format!("{:?}", fs::read_link(&path).unwrap()),
            EntryKind::File if look.bytes > 100 => {
                let mut sum = Summing::default();
                sum.add(&fs::read(&path).unwrap());
                format!("{} bytes, {:?}", look.bytes, &sum.finish().sha256[..4])
            }
            EntryKind::File => format!("{:?}", fs::read(&path).unwrap()),
            EntryKind::Folder | EntryKind::Other => String::new(),
        };
        let mode = if look.kind == EntryKind::Link { 0 } else { look.mode };
        all.push(format!("{name:?} {:?} {mode:o} {content}", look.kind));
        if look.kind == EntryKind::Folder {
            all.extend(tree(&path).into_iter().map(|line| format!("{name:?}/{line}")));
        }
    }
    all.sort();
    all
}

/// Whatever makes the tree, it arrives as it was on one disk, by each way.
fn check_copy(make: impl Fn(&Path), item: &str) {
    let folder = tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    make(&from);
    let mut expected = None;
    for (way, (far_from, far_to)) in
        [(false, false), (true, false), (false, true), (true, true)].into_iter().enumerate()
    {
        let disk = |is_far| -> Box<dyn Disk> {
            if is_far { Box::new(served(&all_below(folder.path()))) } else { Box::new(SameDisk) }
        };
        let (source, target) = (disk(far_from), disk(far_to));
        let to = folder.path().join(format!("to{way}"));
        fs::create_dir(&to).unwrap();
        let route = Route { from: &*source, to: &*target };
        let copied = route.item(&from, item, &to, false);
        let copied = copied.map_err(|error| {
            (error.path.strip_prefix(folder.path()).unwrap().to_owned(), error.errno)
        });
        let found = (copied, tree(&to));
        assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "way {way}");
    }
}

#[test]
fn what_is_copied_is_the_same_by_each_way() {
    let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
    check_copy(|from| write(&from.join("plain"), b"text"), "plain");
    check_copy(|from| write(&from.join("nothing"), b""), "nothing");
    check_copy(|from| write(&from.join("exact"), &vec![7; PIECE_BYTES]), "exact");
    check_copy(|from| write(&from.join("long"), &vec![7; PIECE_BYTES * 2 + 5]), "long");
    check_copy(|_| {}, "missing");
    let sparse = |from: &Path| {
        fs::File::create(from.join("sparse")).unwrap().set_len((3 << 20) + 1).unwrap();
    };
    check_copy(sparse, "sparse");
    let folder = |from: &Path| {
        let dir = from.join("dir");
        fs::create_dir_all(dir.join("deep/empty")).unwrap();
        for name in [&b"odd \xff\n\x1b name"[..], b"-rf", b"...", &[b'n'; 255]] {
            write(&dir.join(OsStr::from_bytes(name)), name);
        }
        write(&dir.join("deep/program"), b"#!/bin/sh");
        for (name, mode) in [("deep/program", 0o751), ("deep/empty", 0o500), ("deep", 0o710)] {
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("deep/program", dir.join("to a file")).unwrap();
        symlink("../dir", dir.join("to itself")).unwrap();
    };
    check_copy(folder, "dir");
    check_copy(folder, "dir/");
    let dangling = |from: &Path| {
        fs::create_dir(from.join("dir")).unwrap();
        symlink("nowhere", from.join("dir/link")).unwrap();
    };
    check_copy(dangling, "dir/link");
}

#[test]
fn a_full_disk_and_a_source_that_breaks_are_told_and_the_next_file_travels() {
    let folder = tempdir().unwrap();
    let (wire, path) = (served(&all_below(folder.path())), |name: &str| folder.path().join(name));
    let text = |bytes| Source { mode: 0o644, bytes, content: Box::new(&b"new"[..]) };
    let error = wire.write(Path::new("/dev/full"), &mut text(3)).unwrap_err();
    assert_eq!(error, failed(Path::new("/dev/full"), &Errno::ENOSPC.into()));
    fs::write(path("file"), "old").unwrap();
    struct Bad;
    impl Read for Bad {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Errno::EISDIR.into())
        }
    }
    let bad = || Box::new(io::repeat(7).take(PIECE_BYTES as u64 + 1).chain(Bad));
    let mut source = Source { mode: 0o644, bytes: 0, content: bad() };
    let error = wire.write(&path("file"), &mut source).unwrap_err();
    assert_eq!(error.errno, Errno::EISDIR as i32);
    assert_eq!(wire.write(&path("file"), &mut text(4)).unwrap_err().errno, Errno::EIO as i32);
    assert_eq!(tree(folder.path()), [format!("\"file\" File 644 {:?}", b"old")]);
    wire.write(&path("file"), &mut text(3)).unwrap();
    // A file that is given up in the middle leaves the conversation where it was.
    fs::write(path("long"), vec![7; PIECE_BYTES * 3]).unwrap();
    let mut long = wire.read(&path("long")).unwrap();
    long.content.read_exact(&mut [0; 10]).unwrap();
    drop(long);
    let mut text = String::new();
    wire.read(&path("file")).unwrap().content.read_to_string(&mut text).unwrap();
    assert_eq!(text, "new");
}

/// A stream that breaks when so many bytes have gone through it, either way.
struct Cut {
    stream: UnixStream,
    left: usize,
}

impl Cut {
    fn room(&mut self, wanted: usize) -> io::Result<usize> {
        let room = wanted.min(self.left);
        self.left -= room;
        if room == 0 && wanted > 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(room) }
    }
}

impl Read for Cut {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = self.room(into.len())?;
        let n = self.stream.read(&mut into[..room])?;
        self.left += room - n;
        Ok(n)
    }
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len())?;
        self.stream.write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn cut_after(left: usize, below: &Path) -> (Wire, JoinHandle<io::Result<()>>) {
    let (stream, mut far) = UnixStream::pair().unwrap();
    let reach = Reach::of(&all_below(below), None);
    (Wire::over(Cut { stream, left }), thread::spawn(move || serve(&mut far, &reach)))
}

/// Copies over a connection that breaks after each number of bytes, until one suffices.
fn check_cut(is_far_to: bool) {
    let folder = tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    for side in [&from, &to] {
        fs::create_dir(side).unwrap();
    }
    fs::write(from.join("file"), "new").unwrap();
    let (old, new) = (format!("\"file\" File 600 {:?}", b"old"), "\"file\" File 644 ");
    fs::set_permissions(from.join("file"), fs::Permissions::from_mode(0o644)).unwrap();
    for left in 0..10_000 {
        fs::write(to.join("file"), "old").unwrap();
        fs::set_permissions(to.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
        let (wire, other) = cut_after(left, folder.path());
        let route = match is_far_to {
            true => Route { from: &SameDisk, to: &wire },
            false => Route { from: &wire, to: &SameDisk },
        };
        let copied = route.file(&from.join("file"), &to.join("file"));
        drop(wire);
        let _ = other.join().unwrap();
        let found = tree(&to);
        let is_new = found == [format!("{new}{:?}", b"new")];
        assert!(is_new || found == [&*old], "after {left} bytes: {found:?}");
        assert!(is_new || copied.is_err(), "after {left} bytes it is said to be there");
        if copied.is_ok() {
            assert!(left > 100, "the connection was never cut");
            return;
        }
    }
    panic!("no number of bytes suffices");
}

#[test]
fn a_connection_may_break_at_any_byte_and_each_file_is_whole_or_as_it_was() {
    check_cut(true);
    check_cut(false);
}

/// Somebody who says this, whatever is asked.
fn lying(answers: Vec<Said>) -> Wire {
    let (near, mut far) = UnixStream::pair().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let Ok(_) = receive::<Ask>(&mut far) else { return };
            send(&mut far, &answer).unwrap();
        }
    });
    Wire::over(near)
}

fn part(offset: u64, text: &str, whole: Option<&str>) -> Said {
    let mut sum = Summing::default();
    sum.add(whole.unwrap_or_default().as_bytes());
    let end = whole.map(|_| sum.finish());
    let bytes = Blob(text.as_bytes().to_vec());
    let content = Content::Part { mode: 0o777, offset, bytes, end };
    Said::Piece(Piece { name: "/etc/passwd".into(), content })
}

#[test]
fn a_disk_that_lies_gets_no_file_into_place() {
    let opened = |bytes| Said::Opened { mode: 0o4755, bytes };
    let link = Content::Link { to: "/etc".into() };
    let big = "x".repeat(PIECE_BYTES + 1);
    for (lie, errno) in [
        (vec![opened(3), part(1, "abc", Some("abc"))], Errno::EPROTO),
        (vec![opened(3), part(0, "abc", Some("abd"))], Errno::EIO),
        (vec![opened(4), part(0, "abc", Some("abc"))], Errno::EIO),
        (vec![opened(3), part(0, "", None)], Errno::EPROTO),
        (vec![opened(3), part(0, &big, None)], Errno::EPROTO),
        (vec![opened(3), Said::Piece(Piece { name: "x".into(), content: link })], Errno::EPROTO),
        (vec![opened(3), Said::Done], Errno::EPROTO),
        (vec![opened(3), part(0, "ab", None)], Errno::ECONNRESET),
        (vec![Said::Made { is_new: true }], Errno::EPROTO),
        (vec![Said::Failed(-5)], Errno::EPERM),
        (vec![], Errno::ECONNRESET),
    ] {
        let to = tempdir().unwrap();
        let what = format!("{lie:?}");
        let wire = lying(lie);
        let route = Route { from: &wire, to: &SameDisk };
        let error = route.file(Path::new("/x/file"), &to.path().join("file")).unwrap_err();
        assert_eq!(error.errno, errno as i32, "{what}");
        assert_eq!(tree(to.path()), [""; 0], "{what}");
    }
    let to = tempdir().unwrap();
    let wire = lying(vec![opened(3), part(0, "abc", Some("abc"))]);
    let route = Route { from: &wire, to: &SameDisk };
    route.file(Path::new("/x/file"), &to.path().join("file")).unwrap();
    assert_eq!(tree(to.path()), [format!("\"file\" File 755 {:?}", b"abc")], "no set-uid");
}

#[test]
fn a_name_in_a_folder_that_leads_elsewhere_is_refused() {
    let folder = Look { kind: EntryKind::Folder, mode: 0o755, bytes: 0, changed: (0, 0) };
    for name in ["", ".", "..", "../x", "/etc/x", "a/b", "a/"] {
        let to = tempdir().unwrap();
        let names = Said::Names { names: vec![name.into()], more: false };
        let wire = lying(vec![names]);
        let route = Route { from: &wire, to: &SameDisk };
        let error = route.folder(Path::new("/x"), &to.path().join("in")).unwrap_err();
        assert_eq!(error.errno, Errno::EPROTO as i32, "{name:?}");
        assert_eq!(tree(to.path()).len(), 1, "{name:?}");
    }
    // Folders without end, and names without end.
    let deep = (0..3 * DEEPEST + 3).map(|step| match step % 3 {
        0 => Said::Names { names: vec!["x".into()], more: false },
        _ => Said::Looked(folder),
    });
    let wire = lying(deep.collect());
    let to = tempdir().unwrap();
    let route = Route { from: &wire, to: &SameDisk };
    let error = route.folder(Path::new("/x"), &to.path().join("in")).unwrap_err();
    assert_eq!(error.errno, Errno::ELOOP as i32);
    let wire = lying(vec![Said::Names { names: vec![], more: true }]);
    assert_eq!(wire.list(Path::new("/x")).unwrap_err().errno, Errno::EPROTO as i32);
}

/// A folder for a peer, beside one that is not.
fn guarded() -> TempDir {
    let folder = tempdir().unwrap();
    for name in ["in", "out"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    fs::write(path("out/secret"), "secret").unwrap();
    symlink(path("out"), path("in/way")).unwrap();
    symlink(path("out/secret"), path("in/file")).unwrap();
    symlink(path("out/new"), path("in/dangling")).unwrap();
    folder
}

#[test]
fn a_peer_touches_nothing_outside_of_the_folders_that_are_served() {
    let folder = guarded();
    let before = tree(folder.path());
    let wire = served(&all_below(&folder.path().join("in")));
    for name in [
        "/etc/hostname",
        "out/secret",
        "in/../out/secret",
        "in/way/secret",
        "in/way/new",
        "in/file",
        "in/dangling",
        "in/x/../../out/new",
    ] {
        let path = folder.path().join(name);
        let mut text = Source { mode: 0o644, bytes: 1, content: Box::new(&b"x"[..]) };
        // A link that leads nowhere has nothing to show.
        let nothing = if name == "in/dangling" { Errno::ENOENT } else { Errno::EACCES };
        for (result, errno) in [
            (wire.write(&path, &mut text).map(|_| ()), Errno::EACCES),
            (wire.make_folder(&path).map(|_| ()), Errno::EACCES),
            (wire.read(&path).map(|_| ()), nothing),
            (wire.look(&path, Links::Followed).map(|_| ()), nothing),
            (wire.list(&path).map(|_| ()), nothing),
            (wire.set_mode(&path, 0o777), nothing),
        ] {
            assert_eq!(result.unwrap_err().errno, errno as i32, "{name}");
        }
    }
    for name in ["relative", "in/way/link", "out/link", "in/../link"] {
        let path = if name == "relative" { name.into() } else { folder.path().join(name) };
        let error = wire.make_link(&path, Path::new("/etc")).unwrap_err();
        assert_eq!(error.errno, Errno::EACCES as i32, "{name}");
    }
    // A link that leads out is not made.
    for leads_to in [folder.path().join("out"), "../out".into(), "x/../../out".into()] {
        let made = wire.make_link(&folder.path().join("in/mine"), &leads_to);
        assert_eq!(made.unwrap_err().errno, Errno::EACCES as i32, "{}", leads_to.display());
    }
    assert_eq!(tree(folder.path()), before);
    nix::unistd::mkfifo(&folder.path().join("in/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = wire.read(&folder.path().join("in/pipe")).map(|_| ()).unwrap_err();
    assert_eq!(error.errno, Errno::EINVAL as i32);
}

#[test]
fn what_is_no_message_ends_the_service() {
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\x00\x00\x00\x02hi", b"\x00\x00\x00\x00"] {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let serving = thread::spawn(move || serve(&mut far, &Reach::of(&Granted::default(), None)));
        near.write_all(bytes).unwrap();
        let error = serving.join().unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EPROTO as i32), "{bytes:?}");
    }
}

#[test]
fn who_shuts_the_connection_down_ends_the_work() {
    let folder = tempdir().unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    let (handle, reach) = (near.try_clone().unwrap(), Reach::of(&all_below(folder.path()), None));
    let serving = thread::spawn(move || serve(&mut far, &reach));
    let wire = Wire::over(near);
    // It would never end by itself.
    let mut endless = Source { mode: 0o644, bytes: 0, content: Box::new(io::repeat(7)) };
    let ending = thread::spawn({
        let folder = folder.path().to_owned();
        move || {
            while tree(&folder).is_empty() {
                thread::yield_now();
            }
            handle.shutdown(std::net::Shutdown::Both).unwrap();
        }
    });
    wire.write(&folder.path().join("file"), &mut endless).unwrap_err();
    ending.join().unwrap();
    let _ = serving.join().unwrap();
    assert_eq!(tree(folder.path()), [""; 0]);
}

/// Where the other process of a test listens for its peer, and what it serves.
const OTHER: &str = "UPDRAFT_TEST_SERVES";

/// The other process of the test below.
#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn other_process() {
    let folder = std::env::var_os(OTHER).expect("a folder to serve");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    let (mut stream, _) = listener.accept().unwrap();
    serve(&mut stream, &Reach::of(&all_below(Path::new(&folder)), None)).unwrap();
}

#[test]
fn two_processes_copy_over_tcp_both_ways() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["far/dir", "near"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    fs::write(path("far/dir/long"), vec![7; PIECE_BYTES + 5]).unwrap();
    fs::write(path("far/dir/short"), "text").unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "shell::files::wire::tests::other_process"])
        .env(OTHER, path("far"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = io::BufRead::lines(io::BufReader::new(other.stdout.take().unwrap()));
    let port = said.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("port ")?;
        port.trim().parse::<u16>().ok()
    });
    let wire = Wire::over(TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap());
    let (here, near) = (SameDisk, path("near"));
    Route { from: &wire, to: &here }.item(&path("far"), "dir", &near, false).unwrap();
    Route { from: &here, to: &wire }.folder(&path("near/dir"), &path("far/again")).unwrap();
    assert_eq!(tree(&path("far/again")), tree(&path("far/dir")));
    assert_eq!(tree(&path("near/dir")), tree(&path("far/dir")));
    drop(wire);
    // It is listened to until it ends.
    assert!(said.all(|line| line.is_ok()));
    assert!(other.wait().unwrap().success());
}
