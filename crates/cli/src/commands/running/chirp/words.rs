//! The command lines of `condor_chirp`. They have a form of their own: a command, its options with
//! one dash, and its words.

use std::path::PathBuf;

use classad::{AttrName, Expr};
use nix::fcntl::OFlag;
use nix::unistd::AccessFlags;

use crate::commands::running::chirp::files::{Access, OnFiles, Put};

/// The commands, for help.
pub(crate) const COMMANDS: &str = "\
Commands:
  get_job_attr NAME                Print an attribute of the job
  set_job_attr NAME VALUE          Set one: VALUE is an expression
  get_job_attr_delayed NAME        The same for names that begin with Chirp
  set_job_attr_delayed NAME VALUE
  ulog TEXT                        Write a line to the job's log (event 008)
  fetch REMOTE LOCAL               Copy a file from the submit side
  put [-mode MODE] [-perm PERM] LOCAL REMOTE
                                   Copy one there
  remove REMOTE                    Remove a file
  rmdir [-r] REMOTE                Remove a folder; -r: with all that is in it
  getdir REMOTE                    List a folder
  link [-s] OLD NEW                Make a hard link; -s: a symbolic one
  access REMOTE MODE               Whether a file is there (f) and may be used (rwx)
  chmod REMOTE PERM                Change its permissions
  truncate REMOTE LENGTH           Cut it, or make it longer

REMOTE leads from the folder that the job was submitted from, LOCAL from the present
one; a LOCAL of - is standard input or output. The MODE of put has letters: w write,
a append, t truncate, c create, x only if it is new (default: wtc). PERM is in octal
(default: 777), less the mask. A VALUE that is a text needs quotes of its own.";

/// Commands of HTCondor's that are not built.
const NOT_YET: [&str; 12] = [
    "phase",
    "read",
    "write",
    "whoami",
    "whoareyou",
    "readlink",
    "stat",
    "lstat",
    "statfs",
    "chown",
    "lchown",
    "utime",
];

/// Permissions of a file that is put and new, before the mask (HTCondor 25.14).
const PUT_PERM: u32 = 0o777;

/// What a job wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// The value of an attribute.
    Get { name: AttrName, is_delayed: bool },
    /// Another value for one.
    Set { name: AttrName, value: Expr, is_delayed: bool },
    /// A line in the log.
    Log(String),
    /// Something with files.
    OnFiles(OnFiles),
}

/// Why a command line cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("{0}: not supported yet")]
    NotYet(String),
    #[error("there is no command {0}; see updraft chirp --help")]
    Unknown(String),
    #[error("{command} takes {takes}")]
    Takes { command: String, takes: &'static str },
    #[error("{0:?} is no attribute's name")]
    Name(String),
    #[error("{name} cannot be {text}, which is no expression (a text needs quotes of its own)")]
    Value { name: String, text: String },
    #[error("-mode {mode}: {why}")]
    Mode { mode: String, why: &'static str },
    #[error("{0:?} are no permissions: they are in octal, as in 660")]
    Perm(String),
    #[error("access takes a mode of r, w, x and f, and not {0:?}")]
    Access(String),
    #[error("{0:?} is no length in bytes")]
    Length(String),
}

/// What the words say.
pub(crate) fn read(words: &[String]) -> Result<Request, Mistake> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (command, rest) = words.split_first().map_or(("", &[][..]), |(c, rest)| (*c, rest));
    let takes = |takes| Err(Mistake::Takes { command: command.to_owned(), takes });
    let on = |what| Ok(Request::OnFiles(what));
    match (command, rest) {
        ("get_job_attr" | "get_job_attr_delayed", [name]) => {
            Ok(Request::Get { name: attribute(name)?, is_delayed: is_delayed(command) })
        }
        ("get_job_attr" | "get_job_attr_delayed", _) => takes("the name of an attribute"),
        ("set_job_attr" | "set_job_attr_delayed", [name, text]) => {
            let value = text.parse().map_err(|_| Mistake::Value {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
            })?;
            Ok(Request::Set { name: attribute(name)?, value, is_delayed: is_delayed(command) })
        }
        ("set_job_attr" | "set_job_attr_delayed", _) => takes("an attribute's name and its value"),
        ("ulog", [text]) => Ok(Request::Log((*text).to_owned())),
        ("ulog", _) => takes("one text; put quotes around it"),
        ("fetch", [remote, local]) => {
            on(OnFiles::Fetch { remote: remote.into(), local: local.into() })
        }
        ("fetch", _) => takes("a remote file and a local one"),
        ("put", rest) => on(OnFiles::Put(put(rest)?)),
        ("remove", [remote]) => on(OnFiles::Remove(remote.into())),
        ("remove", _) => takes("a remote file"),
        ("rmdir", ["-r", remote]) => {
            on(OnFiles::RemoveFolder { remote: remote.into(), whole: true })
        }
        ("rmdir", [remote]) => on(OnFiles::RemoveFolder { remote: remote.into(), whole: false }),
        ("rmdir", _) => takes("[-r] and a remote folder"),
        ("getdir", ["-l", ..]) => Err(Mistake::NotYet("getdir -l".to_owned())),
        ("getdir", [remote]) => on(OnFiles::List(remote.into())),
        ("getdir", _) => takes("a remote folder"),
        ("link", ["-s", old, new]) => {
            on(OnFiles::Link { old: old.into(), new: new.into(), is_symbolic: true })
        }
        ("link", [old, new]) => {
            on(OnFiles::Link { old: old.into(), new: new.into(), is_symbolic: false })
        }
        ("link", _) => takes("[-s] and two remote paths"),
        ("access", [remote, mode]) => {
            on(OnFiles::Access(Access { remote: remote.into(), flags: access(mode)? }))
        }
        ("access", _) => takes("a remote path and a mode"),
        ("chmod", [remote, perm]) => {
            on(OnFiles::Permit { remote: remote.into(), perm: permissions(perm)? })
        }
        ("chmod", _) => takes("a remote path and permissions"),
        ("truncate", [remote, length]) => {
            let bytes = length.parse().map_err(|_| Mistake::Length((*length).to_owned()))?;
            on(OnFiles::Truncate { remote: remote.into(), bytes })
        }
        ("truncate", _) => takes("a remote file and a length"),
        (other, _) if NOT_YET.contains(&other) => Err(Mistake::NotYet(other.to_owned())),
        (other, _) => Err(Mistake::Unknown(other.to_owned())),
    }
}

fn is_delayed(command: &str) -> bool {
    command.ends_with("_delayed")
}

fn attribute(name: &str) -> Result<AttrName, Mistake> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Mistake::Name(name.to_owned()));
    }
    Ok(AttrName::from(name))
}

fn put(words: &[&str]) -> Result<Put, Mistake> {
    let mut put = Put {
        local: PathBuf::new(),
        remote: PathBuf::new(),
        flags: OFlag::O_TRUNC | OFlag::O_CREAT,
        perm: PUT_PERM,
    };
    let mut rest = words;
    loop {
        match rest {
            ["-mode", mode, tail @ ..] => {
                put.flags = put_mode(mode)?;
                rest = tail;
            }
            ["-perm", perm, tail @ ..] => {
                put.perm = permissions(perm)?;
                rest = tail;
            }
            [local, remote] => {
                (put.local, put.remote) = (local.into(), remote.into());
                return Ok(put);
            }
            _ => {
                let takes = "[-mode MODE] [-perm PERM], a local file and a remote one";
                return Err(Mistake::Takes { command: "put".to_owned(), takes });
            }
        }
    }
}

/// How a file is opened that is put.
fn put_mode(mode: &str) -> Result<OFlag, Mistake> {
    let wrong = |why| Mistake::Mode { mode: mode.to_owned(), why };
    let mut flags = OFlag::empty();
    for letter in mode.chars() {
        flags |= match letter {
            'w' => OFlag::empty(),
            'a' => OFlag::O_APPEND,
            't' => OFlag::O_TRUNC,
            'c' => OFlag::O_CREAT,
            'x' => OFlag::O_EXCL,
            _ => return Err(wrong("the letters are w, a, t, c and x")),
        };
    }
    if !mode.contains('w') {
        return Err(wrong("without w nothing could be written"));
    }
    if flags.contains(OFlag::O_EXCL) && !flags.contains(OFlag::O_CREAT) {
        return Err(wrong("x says nothing without c"));
    }
    Ok(flags)
}

fn permissions(text: &str) -> Result<u32, Mistake> {
    let perm = u32::from_str_radix(text, 8).ok().filter(|perm| *perm <= 0o7777);
    perm.ok_or_else(|| Mistake::Perm(text.to_owned()))
}

fn access(mode: &str) -> Result<AccessFlags, Mistake> {
    let mut flags = AccessFlags::F_OK;
    for letter in mode.chars() {
        flags |= match letter {
            'r' => AccessFlags::R_OK,
            'w' => AccessFlags::W_OK,
            'x' => AccessFlags::X_OK,
            'f' => AccessFlags::F_OK,
            _ => return Err(Mistake::Access(mode.to_owned())),
        };
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(lines: &[&str], expected: &Expect) {
        let mut text = String::new();
        for line in lines {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            match read(&words) {
                Ok(request) => writeln!(text, "{line}: {request:?}").unwrap(),
                Err(mistake) => writeln!(text, "{line}: {mistake}").unwrap(),
            }
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn each_command_says_what_it_is_to_do() {
        check(
            &[
                "get_job_attr Requirements",
                "get_job_attr_delayed ChirpFoo",
                "ulog -hello",
                "fetch a -",
                "put - b",
                "put -mode wa -perm 660 a b",
                "put -perm 600 -mode wcx a b",
                "remove a",
                "rmdir -r a",
                "rmdir a",
                "getdir .",
                "link -s a b",
                "link a b",
                "access a rw",
                "chmod a 4755",
                "truncate a 12",
            ],
            &expect![[r#"
                get_job_attr Requirements: Get { name: "Requirements", is_delayed: false }
                get_job_attr_delayed ChirpFoo: Get { name: "ChirpFoo", is_delayed: true }
                ulog -hello: Log("-hello")
                fetch a -: OnFiles(Fetch { remote: "a", local: "-" })
                put - b: OnFiles(Put(Put { local: "-", remote: "b", flags: OFlag(O_CREAT | O_TRUNC), perm: 511 }))
                put -mode wa -perm 660 a b: OnFiles(Put(Put { local: "a", remote: "b", flags: OFlag(O_APPEND), perm: 432 }))
                put -perm 600 -mode wcx a b: OnFiles(Put(Put { local: "a", remote: "b", flags: OFlag(O_CREAT | O_EXCL), perm: 384 }))
                remove a: OnFiles(Remove("a"))
                rmdir -r a: OnFiles(RemoveFolder { remote: "a", whole: true })
                rmdir a: OnFiles(RemoveFolder { remote: "a", whole: false })
                getdir .: OnFiles(List("."))
                link -s a b: OnFiles(Link { old: "a", new: "b", is_symbolic: true })
                link a b: OnFiles(Link { old: "a", new: "b", is_symbolic: false })
                access a rw: OnFiles(Access(Access { remote: "a", flags: AccessFlags(R_OK | W_OK) }))
                chmod a 4755: OnFiles(Permit { remote: "a", perm: 2541 })
                truncate a 12: OnFiles(Truncate { remote: "a", bytes: 12 })
            "#]],
        );
        let words = ["set_job_attr_delayed", "ChirpFoo", "\"a b\""].map(str::to_owned);
        let value = "\"a b\"".parse().unwrap();
        let set = Request::Set { name: "ChirpFoo".into(), value, is_delayed: true };
        assert_eq!(read(&words), Ok(set));
    }

    #[test]
    fn what_is_wrong_is_said() {
        check(
            &[
                "get_job_attr",
                "get_job_attr 1a",
                "set_job_attr Foo",
                "set_job_attr Foo (",
                "set_job_attr Foo=1 2",
                "ulog two words",
                "fetch a",
                "put a",
                "put -mode a b c",
                "put -mode wx b c",
                "put -mode wb b c",
                "put -perm 9 b c",
                "access a q",
                "chmod a 77777",
                "truncate a -1",
                "getdir -l a",
                "stat a",
                "phase x",
                "fly",
            ],
            &expect![[r#"
                get_job_attr: get_job_attr takes the name of an attribute
                get_job_attr 1a: "1a" is no attribute's name
                set_job_attr Foo: set_job_attr takes an attribute's name and its value
                set_job_attr Foo (: Foo cannot be (, which is no expression (a text needs quotes of its own)
                set_job_attr Foo=1 2: "Foo=1" is no attribute's name
                ulog two words: ulog takes one text; put quotes around it
                fetch a: fetch takes a remote file and a local one
                put a: put takes [-mode MODE] [-perm PERM], a local file and a remote one
                put -mode a b c: -mode a: without w nothing could be written
                put -mode wx b c: -mode wx: x says nothing without c
                put -mode wb b c: -mode wb: the letters are w, a, t, c and x
                put -perm 9 b c: "9" are no permissions: they are in octal, as in 660
                access a q: access takes a mode of r, w, x and f, and not "q"
                chmod a 77777: "77777" are no permissions: they are in octal, as in 660
                truncate a -1: "-1" is no length in bytes
                getdir -l a: getdir -l: not supported yet
                stat a: stat: not supported yet
                phase x: phase: not supported yet
                fly: there is no command fly; see updraft chirp --help
            "#]],
        );
    }
}
