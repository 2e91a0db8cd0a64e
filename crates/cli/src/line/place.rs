//! `-name` and `-pool`: which schedd or pool a command means. There is one of each today, the
//! user's own: its names are accepted, and any other is an error instead of being taken for it.

use clap::Args;
use nix::unistd::gethostname;

use client::home::Home;

/// Where a command goes.
#[derive(Clone, Debug, Default, Args)]
pub struct Where {
    /// The schedd (only this pool's own).
    #[arg(long, short = 'n', value_name = "SCHEDD", hide = true)]
    name: Option<String>,
    /// The pool (only one's own).
    #[arg(long, value_name = "POOL", hide = true)]
    pool: Option<String>,
}

/// A name that is not this pool's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Elsewhere {
    /// Of a schedd. HTCondor 25.14's words for a name that it cannot look up.
    #[error(
        "unknown host {0}\n\
         Extra Info: The name given with the -name should be the name of a \n\
         condor_schedd process. Normally it is either a hostname, or \"name@hostname\". \n\
         In either case, the hostname should be the Internet host name, but it appears \n\
         that it wasn't. "
    )]
    Schedd(String),
    /// Of a pool.
    #[error(
        "Couldn't contact the condor_collector on {0}: other pools than one's own are not supported yet"
    )]
    Pool(String),
}

impl Where {
    /// A schedd and a pool by other options.
    pub fn of(schedd: Option<&str>, pool: Option<&str>) -> Self {
        Self { name: schedd.map(str::to_owned), pool: pool.map(str::to_owned) }
    }

    /// The same, of a daemon of this host (`-direct`).
    #[must_use]
    pub fn also(&self, host: Option<&str>) -> Self {
        Self { name: host.map(str::to_owned), pool: self.pool.clone() }
    }

    /// Whether that is here.
    ///
    /// # Errors
    ///
    /// If it names another schedd or pool.
    pub fn check(&self) -> Result<(), Elsewhere> {
        let host = gethostname().map(|name| name.to_string_lossy().into_owned());
        self.check_for(&host.unwrap_or_default(), &Home::from_environment())
    }

    fn check_for(&self, host: &str, home: &Home) -> Result<(), Elsewhere> {
        if let Some(name) = self.name.as_ref().filter(|name| !is_host(name, host)) {
            return Err(Elsewhere::Schedd(name.clone()));
        }
        let is_ours = |pool: &str| is_host(pool, host) || home.dir().to_str() == Some(pool);
        match self.pool.as_ref().filter(|pool| !is_ours(pool)) {
            Some(pool) => Err(Elsewhere::Pool(pool.clone())),
            None => Ok(()),
        }
    }
}

/// This host's name, whole or short, `localhost` or its address; with a port, or a name before an
/// `@`.
fn is_host(name: &str, host: &str) -> bool {
    let name = name.rsplit('@').next().unwrap_or(name).trim_matches(['<', '>']);
    let name = name.split(['?', ':']).next().unwrap_or(name);
    let short = host.split('.').next().unwrap_or(host);
    let ours = [host, short, "localhost", "127.0.0.1"];
    ours.iter().any(|ours| !ours.is_empty() && ours.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn our_own_names_are_accepted_and_others_are_not() {
        for (name, pool, here) in [
            (None, None, true),
            (Some("login7.site.org"), None, true),
            (Some("LOGIN7"), None, true),
            (Some("alice@login7"), None, true),
            (Some("localhost"), Some("127.0.0.1:9618"), true),
            (Some("<127.0.0.1:9618?addrs=x>"), None, true),
            (None, Some("/pool"), true),
            (Some("nosuch"), None, false),
            (None, Some("cm.site.org"), false),
            (Some("login77"), None, false),
        ] {
            let place = Where { name: name.map(str::to_owned), pool: pool.map(str::to_owned) };
            let found = place.check_for("login7.site.org", &Home::at(Path::new("/pool")));
            assert_eq!(found.is_ok(), here, "{name:?} {pool:?}");
        }
    }
}
