//! Looks at what a pool, or a machine of one, needs: name, route, port, clock, authority, role,
//! disk, cgroups, /tmp. It changes nothing. How it is told is not known here.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::Duration;

use client::home::Home;
use nix::sys::statvfs::statvfs;
use proto::net::chain;

use crate::pool::many_users;
use crate::pool::membership::{self, Examined, Standing};
use crate::pool::{self, answering};
use crate::render::doctor::{Check, Diagnosis, Finding};

/// How long somebody may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far two clocks may differ, seconds: what users see in their logs.
const CLOCKS_S: i64 = 60;

/// With less than this a pool's journals and jobs' folders soon fail.
const LEAST_FREE_KIB: u64 = 1024 * 1024;

/// Looks at all of it.
pub fn examine(home: &Home) -> Diagnosis {
    let dir = home.dir().display().to_string();
    let here = [disk(home.dir()), cgroups(), tmp(home)];
    let (what, found) = match pool::settings(home).map(|settings| settings.standing) {
        Err(error) => {
            let said = format!("what the pool keeps of its settings: {error}");
            let remedy = "look at that file; without it, 'updraft pool start' begins anew";
            ("a folder that cannot be read", vec![Finding::wrong(Check::Role, said, remedy)])
        }
        Ok(Standing::Joined { address, name }) => {
            ("a machine of a pool elsewhere", joined(home, &address, &name))
        }
        Ok(Standing::Listens { address }) => {
            ("a pool that other machines may join", listening(home, &address))
        }
        Ok(Standing::Alone) if !home.settings().exists() => ("no pool", none(home)),
        Ok(Standing::Alone) => ("a pool of one machine", alone(home)),
    };
    Diagnosis::of(dir, what, found.into_iter().chain(here).collect())
}

/// Takes what was found as far as something is wrong.
struct Found(Vec<Finding>);

impl Found {
    fn take<T>(&mut self, found: Result<(Finding, T), Finding>) -> Option<T> {
        match found {
            Ok((finding, more)) => {
                self.0.push(finding);
                Some(more)
            }
            Err(finding) => {
                self.0.push(finding);
                None
            }
        }
    }
}

/// A machine that has joined: what it needs of the pool elsewhere.
fn joined(home: &Home, address: &str, name: &str) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    let Some(at) = found.take(named(address)) else { return found.0 };
    if found.take(routed(at)).is_none() || found.take(open(&ports_of(at))).is_none() {
        return found.0;
    }
    let authorities = authorities(home);
    let remedy = "a machine joins anew with a new token ('updraft pool invite' on the pool's own \
                  machine) and a new folder ('updraft join TOKEN --dir DIR')";
    match membership::examine(home, address) {
        Ok(Examined::Other(why)) => {
            let said = format!("who listens there is not the pool of {authorities}: {why}");
            found.0.push(Finding::wrong(Check::Hash, said, remedy));
        }
        Ok(Examined::Refused(why)) => {
            found.0.push(Finding::ok(Check::Hash, authorities));
            let said = format!("the pool refuses '{name}': {why}; it was revoked, or forgotten");
            found.0.push(Finding::wrong(Check::Role, said, remedy));
        }
        Ok(Examined::Said { is_there, ahead_s }) => {
            found.0.push(clock(ahead_s));
            found.0.push(Finding::ok(Check::Hash, authorities));
            found.0.push(role_of_machine(home, name, is_there));
        }
        Err(error) => {
            let said = format!("what this machine keeps of its membership: {}", chain(&error));
            found.0.push(Finding::wrong(Check::Hash, said, remedy));
        }
    }
    found.0
}

fn role_of_machine(home: &Home, name: &str, is_there: bool) -> Finding {
    let down = match down(home) {
        Ok(down) => down,
        Err(finding) => return finding,
    };
    match (down, is_there) {
        (None, true) => {
            Finding::ok(Check::Role, format!("'{name}' runs jobs, and the pool has it"))
        }
        (Some(down), _) => not_running(home, &down),
        (None, false) => Finding::wrong(
            Check::Role,
            format!("the pool knows '{name}', whose startd has not advertised itself"),
            format!("see {}", home.log("startd").display()),
        ),
    }
}

/// The pool's own machine, as others reach it.
fn listening(home: &Home, address: &str) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    let Some(at) = found.take(named(address)) else { return found.0 };
    if found.take(is_ours(at.ip())).is_none() {
        return found.0;
    }
    found.0.push(Finding::ok(Check::Clock, "it is the pool's own"));
    found.0.push(trust_of_pool(home));
    match down(home) {
        Err(finding) => found.0.push(finding),
        // Nobody listens there: that is what is wrong, and not the port.
        Ok(Some(down)) => {
            let said = "nobody listens: the pool does not run";
            found.0.push(Finding::advice(Check::Port, said, "see the role"));
            found.0.push(not_running(home, &down));
        }
        Ok(None) => {
            found.take(open(&ports_of(at)));
            found.0.push(Finding::ok(Check::Role, "the pool's own machine; all of it runs"));
        }
    }
    found.0
}

fn trust_of_pool(home: &Home) -> Finding {
    let remedy = "the folder trust/ must be as the pool left it: put it back from a copy of it";
    let kept = membership::kept(home).map_err(|error| chain(&error));
    match kept.and_then(|kept| Ok((kept.machines?, kept.authorities))) {
        Ok((of, authorities)) => {
            Finding::ok(Check::Hash, format!("{}; {of} machines are in", called(&authorities)))
        }
        Err(error) => Finding::wrong(Check::Hash, error, remedy),
    }
}

/// A pool of one machine talks over sockets in its folder.
fn alone(home: &Home) -> Vec<Finding> {
    let mut found = nothing_needed("a pool of one machine");
    found.push(match down(home) {
        Ok(None) => Finding::ok(Check::Role, "a pool of one machine; all of it runs"),
        Ok(Some(down)) => not_running(home, &down),
        Err(finding) => finding,
    });
    found
}

fn none(home: &Home) -> Vec<Finding> {
    let mut found = nothing_needed("what is none");
    found.push(Finding::wrong(
        Check::Role,
        format!("there is no pool in {}{}", home.dir().display(), whose(home)),
        "a pool of your own:  updraft pool start; a machine of another:  updraft join TOKEN",
    ));
    found
}

fn whose(home: &Home) -> String {
    answering::whose(home).unwrap_or_default()
}

fn nothing_needed(of: &str) -> Vec<Finding> {
    let name = membership::host().map_or_else(
        |error| {
            Finding::wrong(Check::Name, chain(&error), "give the machine a name: hostname NAME")
        },
        |host| Finding::ok(Check::Name, format!("this machine is {host}")),
    );
    let none = |check| Finding::ok(check, format!("{of} needs none"));
    let rest = [Check::Route, Check::Port, Check::Clock, Check::Hash].map(none);
    [name].into_iter().chain(rest).collect()
}

/// The first process of the pool that does not run. What cannot be looked at is what is wrong.
fn down(home: &Home) -> Result<Option<String>, Finding> {
    let all = pool::status(home).map_err(|error| {
        let said = format!("whether it runs cannot be seen: {}", chain(&error));
        Finding::wrong(Check::Role, said, "look at the pool's folder as its owner")
    })?;
    let down = all.into_iter().find(|process| process.pid.is_none());
    Ok(down.map(|process| process.name.to_owned()))
}

fn not_running(home: &Home, what: &str) -> Finding {
    let said = format!("its {what} does not run{}", whose(home));
    let remedy = format!("updraft pool start; see {}", home.log(what).display());
    Finding::wrong(Check::Role, said, remedy)
}

fn authorities(home: &Home) -> String {
    called(&membership::kept(home).map(|kept| kept.authorities).unwrap_or_default())
}

fn called(authorities: &[String]) -> String {
    match authorities {
        [] => "no authority".to_owned(),
        [one] => format!("the authority {one}"),
        many => format!("the authorities {}", many.join(" and ")),
    }
}

fn named(address: &str) -> Result<(Finding, SocketAddr), Finding> {
    let found = address
        .to_socket_addrs()
        .and_then(|mut all| all.next().ok_or_else(|| io::Error::other("the name has no address")));
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match found {
        Ok(at) => Ok((Finding::ok(Check::Name, format!("{host} is {}", at.ip())), at)),
        Err(error) => Err(Finding::wrong(
            Check::Name,
            format!("'{host}', where the pool listens, leads nowhere: {error}"),
            format!("let the name service or /etc/hosts of this machine know {host}"),
        )),
    }
}

/// Whether the kernel knows a way there. Nothing is sent.
fn routed(at: SocketAddr) -> Result<(Finding, ()), Finding> {
    let any: SocketAddr = match at.ip() {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let from = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(at)?;
        socket.local_addr()
    });
    match from {
        Ok(from) => Ok((Finding::ok(Check::Route, format!("from {}", from.ip())), ())),
        Err(error) => Err(Finding::wrong(
            Check::Route,
            format!("there is no way to {}: {error}", at.ip()),
            "look at this machine's interfaces and routes ('ip address', 'ip route')",
        )),
    }
}

/// Whether this machine has the address at which others are to reach it.
fn is_ours(ip: IpAddr) -> Result<(Finding, ()), Finding> {
    match UdpSocket::bind((ip, 0)) {
        Ok(_) => Ok((Finding::ok(Check::Route, format!("{ip} is this machine's")), ())),
        Err(error) => Err(Finding::wrong(
            Check::Route,
            format!("{ip}, where others are to reach the pool, is not this machine's: {error}"),
            "updraft pool stop; updraft pool start --listen ADDRESS, with an address of this machine",
        )),
    }
}

/// The negotiator's port and the schedd's.
fn ports_of(at: SocketAddr) -> [SocketAddr; 2] {
    [at, SocketAddr::new(at.ip(), at.port().saturating_add(1))]
}

fn open(ports: &[SocketAddr; 2]) -> Result<(Finding, ()), Finding> {
    for at in ports {
        if let Err(error) = TcpStream::connect_timeout(at, PATIENCE) {
            let remedy = match error.kind() {
                ErrorKind::ConnectionRefused => {
                    "the pool does not run there, or listens elsewhere: 'updraft doctor' there"
                        .to_owned()
                }
                _ => format!(
                    "something between drops it: let TCP to the ports {} and {} of {} pass",
                    ports[0].port(),
                    ports[1].port(),
                    at.ip()
                ),
            };
            return Err(Finding::wrong(Check::Port, format!("{at} is closed: {error}"), remedy));
        }
    }
    let said = format!("{} and {} are open", ports[0], ports[1].port());
    Ok((Finding::ok(Check::Port, said), ()))
}

/// Nothing of the pool depends on it; jobs and their logs see it.
fn clock(ahead_s: Option<i64>) -> Finding {
    match ahead_s {
        None => Finding::ok(Check::Clock, "the pool does not say its time"),
        Some(ahead_s) if ahead_s.abs() <= CLOCKS_S => Finding::ok(Check::Clock, "as the pool's"),
        Some(ahead_s) => {
            let which = if ahead_s > 0 { "ahead" } else { "behind" };
            let said = format!("{} s {which} of the pool's", ahead_s.abs());
            let remedy =
                "set it: jobs here see wrong times, though nothing of the pool depends on it";
            Finding::advice(Check::Clock, said, remedy)
        }
    }
}

/// Room for journals and for jobs, where the folder is or will be.
fn disk(dir: &Path) -> Finding {
    let there = dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let found = match statvfs(there) {
        Ok(found) => found,
        Err(error) => {
            let said = format!("{} cannot be looked at: {error}", there.display());
            return Finding::wrong(Check::Disk, said, "choose another folder (UPDRAFT_HOME)");
        }
    };
    let free_kib = found.blocks_available().saturating_mul(found.fragment_size()) / 1024;
    let said = format!("{} MiB are free in {}", free_kib / 1024, there.display());
    let remedy =
        format!("make room there (the pool keeps going with {} MiB)", LEAST_FREE_KIB / 1024);
    let has_files = found.files() == 0 || found.files_available() > 1000;
    // Of many users' pool the folder itself is root's, and nobody else writes into it.
    let writes = !Home::at(dir).is_of_many_users();
    match tempfile::tempfile_in(there) {
        Err(error) if dir.exists() && writes => {
            let said = format!("{} cannot be written to: {error}", there.display());
            Finding::wrong(Check::Disk, said, remedy)
        }
        _ if free_kib < LEAST_FREE_KIB => Finding::wrong(Check::Disk, said, remedy),
        _ if !has_files => {
            Finding::wrong(Check::Disk, format!("{said}, and no more files"), remedy)
        }
        _ => Finding::ok(Check::Disk, said),
    }
}

fn cgroups() -> Finding {
    match launcher::containment_here() {
        Ok(parent) => {
            Finding::ok(Check::Cgroups, format!("one for each run, in {}", parent.display()))
        }
        Err(why) => Finding::advice(
            Check::Cgroups,
            format!("{why}: memory is measured and not limited by the kernel"),
            "systemd-run --user --scope -p Delegate=yes updraft pool start, on a machine with cgroup v2",
        ),
    }
}

/// Whether jobs of many users can have folders of their own in the place of those that are
/// everybody's. Only root can find that out, as only root's launcher can do it.
fn tmp(home: &Home) -> Finding {
    if !home.is_of_many_users() {
        return Finding::ok(Check::Tmp, "jobs share it with their user, whose all are");
    }
    match launcher::private_here() {
        Ok(()) => Finding::ok(Check::Tmp, "each run has its own (MOUNT_UNDER_SCRATCH)"),
        Err(_) if !many_users::are_root() => {
            Finding::ok(Check::Tmp, "whether each run has its own, root can find out")
        }
        Err(why) => Finding::advice(
            Check::Tmp,
            format!("{why}: jobs of all users share it"),
            "let root have CAP_SYS_ADMIN here (a container: --cap-add SYS_ADMIN)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket,
    };

    use super::*;
    use crate::render::doctor::State;

    #[test]
    fn a_folder_without_a_pool_says_how_to_begin_and_looks_at_what_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let found = examine(&Home::at(&dir.path().join("none")));
        assert_eq!((found.what, found.failing), ("no pool", Some(Check::Role)));
        assert_eq!(found.findings.len(), Check::ALL.len());
        let role = found.findings.iter().find(|finding| finding.check == Check::Role).unwrap();
        assert!(role.remedy.as_ref().unwrap().contains("updraft pool start"), "{role:?}");
    }

    #[test]
    fn a_name_that_leads_nowhere_an_address_of_others_and_a_closed_port_are_each_told_apart() {
        let nowhere = named("no-such-host.invalid:9618").unwrap_err();
        assert!(nowhere.said.contains("no-such-host.invalid"), "{nowhere:?}");
        // A documentation address (RFC 5737) is no interface's.
        let theirs = is_ours([192, 0, 2, 1].into()).unwrap_err();
        assert_eq!((theirs.check, theirs.state), (Check::Route, State::Wrong));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert!(open(&[at, at]).is_ok());
        // Bound, and so nobody else's, and not listened at.
        let (family, kind) = (AddressFamily::Inet, SockType::Stream);
        let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let at = getsockname::<SockaddrIn>(socket.as_raw_fd()).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], at.port()));
        let closed = open(&[at, at]).unwrap_err();
        assert!(closed.remedy.unwrap().contains("does not run there"));
    }

    #[test]
    fn a_wrong_clock_is_said_and_stops_nothing() {
        for (ahead_s, state) in
            [(None, State::Ok), (Some(-60), State::Ok), (Some(3600), State::Advice)]
        {
            assert_eq!(clock(ahead_s).state, state, "{ahead_s:?}");
        }
        assert!(clock(Some(-86_400)).said.contains("86400 s behind"));
    }
}
