//! Which failures pass by themselves, and how long they are waited for. It does not wait: the
//! blocking and the asynchronous form each have their own way to.

use std::time::Duration;

use proto::client::Refusal;
use proto::command::AskError;
use proto::net::NetError;

use crate::home::Home;

/// How long a daemon may take to come back, milliseconds. A pool starts a daemon that died within
/// one second; a schedd with a queue of a million jobs reads it in less.
pub const LIMIT_MS: u64 = 60_000;

/// The first pause between two attempts, and the longest.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(500);

/// Waits for failures to pass, until they have lasted too long.
#[derive(Debug)]
pub struct Patience {
    home: Home,
    until_ms: Option<u64>,
    pause: Duration,
}

/// How a failure is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    /// Nobody listens: it is being started again, if somebody does that.
    Silent,
    /// It was there a moment ago, or says itself that it will be.
    Passing,
    /// Trying again changes nothing.
    Lasting,
}

impl Patience {
    /// With the daemons of this pool.
    pub fn with(home: &Home) -> Self {
        Self { home: home.clone(), until_ms: None, pause: SHORTEST }
    }

    /// Something has succeeded: the next failure is a new one.
    pub fn renew(&mut self) {
        (self.until_ms, self.pause) = (None, SHORTEST);
    }

    /// How long to wait before trying again; `None` if that is of no use or has gone on for too
    /// long. With `is_unsure`, whether something was done is not known yet, so a pool is waited for
    /// even if nobody seems to start it again.
    pub fn pause_after(&mut self, error: &AskError, is_unsure: bool) -> Option<Duration> {
        let is_supervised = || is_unsure || self.home.is_supervised();
        let passes = match kind(error) {
            FailureKind::Silent => is_supervised(),
            FailureKind::Passing => true,
            FailureKind::Lasting => false,
        };
        passes.then(|| self.at(proto::clock::now().boot_ms)).flatten()
    }

    fn at(&mut self, now_ms: u64) -> Option<Duration> {
        if now_ms >= *self.until_ms.get_or_insert(now_ms + LIMIT_MS) {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        Some(pause)
    }
}

/// Whether a refusal passes by itself.
pub(crate) fn passes(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::NotReserved(_) | Refusal::Busy(_) => true,
        Refusal::Limit { .. }
        | Refusal::Invalid(_)
        | Refusal::NotRunning(_)
        | Refusal::HasLeft(_)
        | Refusal::Failed(_)
        | Refusal::Denied(_)
        | Refusal::Gone { .. } => false,
    }
}

fn kind(error: &AskError) -> FailureKind {
    match error {
        AskError::Net(NetError::Connect { .. } | NetError::ConnectFar { .. }) => {
            FailureKind::Silent
        }
        AskError::Net(
            NetError::Broken(_)
            | NetError::NoHello
            | NetError::TooSlow { .. }
            | NetError::Crowded { .. },
        ) => FailureKind::Passing,
        AskError::Refused(refusal) if passes(refusal) => FailureKind::Passing,
        AskError::Net(
            NetError::Listen { .. }
            | NetError::Unauthenticated(_)
            | NetError::Impostor { .. }
            | NetError::SomebodyElse { .. }
            | NetError::Unregistered { .. }
            | NetError::Handshake(_)
            | NetError::Trust(_)
            | NetError::Stranger(_)
            | NetError::Frame(_)
            | NetError::Protocol { .. }
            | NetError::NotAdmitted { .. },
        )
        | AskError::Refused(_)
        | AskError::Unexpected { .. } => FailureKind::Lasting,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use proto::net::Address;

    use super::*;

    fn silent() -> AskError {
        let source = io::ErrorKind::ConnectionRefused.into();
        NetError::Connect { address: Address::Unix("/pool/run/schedd.sock".into()), source }.into()
    }

    #[test]
    fn a_pool_that_does_not_run_is_waited_for_only_if_something_may_have_been_done() {
        let broken = || AskError::from(NetError::from(io::Error::from(io::ErrorKind::BrokenPipe)));
        let invalid = || AskError::from(Refusal::Invalid("no".to_owned()));
        let busy = || AskError::from(Refusal::Busy("soon".to_owned()));
        for (error, is_unsure, waits) in [
            (silent(), false, false),
            (silent(), true, true),
            (broken(), false, true),
            (busy(), false, true),
            (invalid(), false, false),
            (invalid(), true, false),
        ] {
            let mut patience = Patience::with(&Home::at(Path::new("/nowhere")));
            assert_eq!(patience.pause_after(&error, is_unsure).is_some(), waits, "{error}");
        }
    }

    #[test]
    fn pauses_grow_and_end_with_the_limit_and_begin_anew_after_a_success() {
        let mut patience = Patience::with(&Home::at(Path::new("/nowhere")));
        assert_eq!(patience.at(1_000), Some(SHORTEST));
        assert_eq!(patience.at(1_020), Some(SHORTEST * 2));
        for _ in 0..9 {
            assert!(patience.at(2_000).is_some_and(|pause| pause <= LONGEST));
        }
        assert_eq!(patience.at(2_000), Some(LONGEST));
        assert_eq!(patience.at(1_000 + LIMIT_MS), None);
        patience.renew();
        assert_eq!(patience.at(1_000 + LIMIT_MS), Some(SHORTEST));
    }
}
