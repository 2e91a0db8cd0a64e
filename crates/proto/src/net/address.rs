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
    /// A port. Without TLS nobody is known there, so no daemon listens at one yet.
    Tcp(SocketAddr),
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
        for text in ["<127.0.0.1:0?alias=host>", "10.0.0.1:9618", "<nowhere>", ""] {
            assert_eq!(Address::of_ads(text), None, "{text}");
        }
    }
}
