//! Where a daemon is, and how that is written in ads: in the form that HTCondor gives addresses, so
//! that logs and ads look alike.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A socket of this machine, which has a path.
    Unix(PathBuf),
    /// A port, which is for other machines, over TLS.
    Tcp(SocketAddr),
}

/// How a daemon is reached, by the address in its ad.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It listens there.
    At(Address),
    /// It listens nowhere that others can reach, and calls who wants it.
    Calls,
}

/// How such an address ends.
const CALLS: &str = "&calls>";

/// The address of a daemon on `host` that calls who wants it: it has none to be called at.
pub fn of_caller(host: &str) -> String {
    format!("<0.0.0.0:0?alias={host}&noUDP{CALLS}")
}

/// How the daemon is reached whose ad has this address.
pub fn reach(text: &str) -> Option<Reach> {
    if text.starts_with('<') && text.ends_with(CALLS) && !text.contains("sock=") {
        return Some(Reach::Calls);
    }
    Address::of_ads(text).map(Reach::At)
}

impl Address {
    /// A socket of this machine.
    pub fn unix(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }

    /// How the address of a daemon on `host` is written: `<ADDRESS:PORT?alias=HOST&noUDP>`. A Unix
    /// socket has no port; what follows `sock=` is its path.
    pub fn in_ads(&self, host: &str) -> String {
        match self {
            Self::Unix(path) => {
                format!("<127.0.0.1:0?alias={host}&noUDP&sock={}>", path.display())
            }
            Self::Tcp(at) => format!("<{at}?alias={host}&noUDP>"),
        }
    }

    /// The address in a text that [`Address::in_ads`] made.
    pub fn of_ads(text: &str) -> Option<Self> {
        let inside = text.strip_prefix('<')?.strip_suffix('>')?;
        if let Some((_, socket)) = inside.split_once("sock=") {
            return Some(Self::Unix(PathBuf::from(socket)));
        }
        let at: SocketAddr = inside.split('?').next()?.parse().ok()?;
        (at.port() != 0).then_some(Self::Tcp(at))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(at) => at.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_an_ad_leads_back_to_its_daemon() {
        for address in [
            Address::Unix("/home/a b/pool>&sock=x/run/startd.sock".into()),
            Address::Tcp("10.0.0.1:9618".parse().unwrap()),
            Address::Tcp("[::1]:9618".parse().unwrap()),
        ] {
            assert_eq!(Address::of_ads(&address.in_ads("host")), Some(address));
        }
        assert_eq!(reach(&of_caller("host")), Some(Reach::Calls));
        let tricky = Address::Unix("/pool&calls".into());
        assert_eq!(reach(&tricky.in_ads("host")), Some(Reach::At(tricky)));
        for text in ["<127.0.0.1:0?alias=host>", "10.0.0.1:9618", "<nowhere>", ""] {
            assert_eq!(Address::of_ads(text), None, "{text}");
        }
    }
}
