//! Keeping a connection: how long to wait between attempts, in one place for all daemons. What is
//! said over it, and what its end means, is the caller's matter.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock;

use super::{Connection, Hello, NetError, Role, Way, hello};

/// The waits before the first, second, ... attempt to connect in a row. The last goes on.
const BACK_OFF: [Duration; 5] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// Waits that grow with each failure in a row.
#[derive(Clone, Debug, Default)]
pub struct BackOff {
    failures: usize,
}

impl BackOff {
    /// Waits, longer each time.
    pub async fn wait(&mut self) {
        sleep(BACK_OFF[self.failures.min(BACK_OFF.len() - 1)]).await;
        self.failures += 1;
    }

    /// It has succeeded: the next wait is short again.
    pub fn renew(&mut self) {
        self.failures = 0;
    }

    /// A connection has ended that was there since this moment of the boot clock. One that ended
    /// too soon is one that did not come about: its peer may close it each time.
    pub fn ended(&mut self, since_ms: u64) {
        if clock::now().boot_ms.saturating_sub(since_ms) >= SETTLED_MS {
            self.renew();
        }
    }
}

/// A connection that is opened again whenever it has closed.
#[derive(Clone, Debug)]
pub struct Reconnecting {
    way: Way,
    hello: Hello,
    /// What is to be met there, if that is asked.
    whom: Option<Role>,
    back_off: BackOff,
    is_first: bool,
    /// Why the last attempt failed.
    said: String,
    /// Since when the last connection is there, on the boot clock.
    since_ms: u64,
}

/// What a connection lasts at least, milliseconds.
const SETTLED_MS: u64 = 1000;

impl Reconnecting {
    /// To the daemon that is reached this way, as `role`.
    pub fn to(way: Way, role: Role) -> Self {
        Self {
            way,
            hello: hello(role),
            whom: None,
            back_off: BackOff::default(),
            is_first: true,
            said: String::new(),
            since_ms: 0,
        }
    }

    /// Has nothing to do with a peer that is something else, whatever it may be.
    #[must_use]
    pub fn that_is(self, whom: Role) -> Self {
        Self { whom: Some(whom), ..self }
    }

    /// Says which of a schedd's queues is behind it ([`Hello::generation`]).
    #[must_use]
    pub fn of_generation(mut self, generation: u64) -> Self {
        self.hello.generation = generation;
        self
    }

    /// Says why there is no connection, once for each cause in a row.
    fn complain(&mut self, error: &NetError) {
        let said = crate::net::chain(error);
        if matches!(self.way, Way::Far(_)) && self.said != said {
            tracing::warn!(to = %self.way, error = %said, "cannot connect; trying again");
            self.said = said;
        }
    }

    /// The next connection, after as many attempts as it takes.
    pub async fn next(&mut self) -> Connection {
        self.back_off.ended(self.since_ms);
        loop {
            if !self.is_first {
                self.back_off.wait().await;
            }
            self.is_first = false;
            let met = self.way.greet(&self.hello).await.and_then(|connection| {
                match self.whom.as_ref().is_none_or(|whom| *whom == connection.peer.role) {
                    true => Ok(connection),
                    false => Err(NetError::SomebodyElse { role: connection.peer.role }),
                }
            });
            match met {
                Ok(connection) => {
                    self.said.clear();
                    self.since_ms = clock::now().boot_ms;
                    return connection;
                }
                // Why a machine elsewhere cannot be reached is not seen from here otherwise.
                Err(error) => self.complain(&error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Uid;

    use super::super::{Address, Admission, Listener};
    use super::*;

    #[tokio::test]
    async fn who_is_something_else_than_is_looked_for_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let way = Way::Here(folder.path().join("s.sock"));
        let mut link =
            Reconnecting::to(way, Role::Startd("m".to_owned())).that_is(Role::Negotiator);
        let listen = |role| {
            let admission = Admission::OnlyUid(Uid::effective().as_raw());
            Listener::bind(&address, role, admission).unwrap()
        };
        let listening = async {
            let other = listen(Role::Schedd("s".to_owned()));
            let mut left = other.accept().await.greet().await.unwrap();
            assert!(left.receiver.recv::<String>().await.is_ok_and(|word| word.is_none()));
            drop(other);
            listen(Role::Negotiator).accept().await.greet().await.unwrap()
        };
        let (met, _theirs) = tokio::join!(link.next(), listening);
        assert_eq!(met.peer.role, Role::Negotiator);
    }

    #[tokio::test]
    async fn a_connection_comes_about_once_somebody_listens_and_again_after_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let mut link = Reconnecting::to(Way::Here(folder.path().join("s.sock")), Role::Negotiator);
        let listening = async {
            // The first attempt has found nobody.
            let admission = Admission::OnlyUid(Uid::effective().as_raw());
            let listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
            for _ in 0..2 {
                drop(listener.accept().await.greet().await.unwrap());
            }
        };
        let connecting = async {
            for _ in 0..2 {
                let mut connection = link.next().await;
                assert!(
                    connection.receiver.recv::<String>().await.is_ok_and(|word| word.is_none())
                );
            }
        };
        tokio::join!(connecting, listening);
    }
}
