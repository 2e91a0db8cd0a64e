//! By what the work of the carrier for one run is ended from outside, wherever in it it is: at each
//! piece of a file, while a plug-in works, while it waits for its turn. A leash belongs to the
//! thread that does the work, not to its arguments: what asks for it lies deep, and copies that are
//! made for nobody's run have none. Who cuts it, and why, is not known here.

use std::cell::RefCell;
use std::future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::watch;
use tokio::time::timeout;

thread_local! {
    static HELD: RefCell<Option<Leash>> = const { RefCell::new(None) };
}

/// What holds one run's work; its clones are the same leash.
#[derive(Clone, Debug)]
pub(crate) struct Leash {
    cut: Arc<watch::Sender<bool>>,
    /// How often the work has said that it goes on ([`step`]).
    steps: Arc<AtomicU64>,
    /// Whether it is to be cut when the work stands still.
    is_loose: Arc<AtomicBool>,
}

impl Leash {
    pub(crate) fn new() -> Self {
        Self {
            cut: Arc::new(watch::Sender::new(false)),
            steps: Arc::default(),
            is_loose: Arc::default(),
        }
    }

    /// Ends the work, for good.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// From now on the work is to be ended if it stands still.
    pub(crate) fn loosen(&self) {
        self.is_loose.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_loose(&self) -> bool {
        self.is_loose.load(Ordering::Relaxed)
    }

    /// Comes back when it is cut.
    pub(crate) async fn is_cut(&self) {
        // It fails if nobody can cut it any more, and we can.
        let _ = self.cut.subscribe().wait_for(|cut| *cut).await;
    }

    /// How many steps the work has made: the same number again means that it stands still.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Does work on this thread that ends when the leash is cut.
    pub(crate) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Lets go of the thread, which others use after us, even if the work panics.
        struct LetGo;
        impl Drop for LetGo {
            fn drop(&mut self) {
                HELD.set(None);
            }
        }
        HELD.set(Some(self.clone()));
        let _let_go = LetGo;
        work()
    }
}

/// Whether the work of this thread may go on.
///
/// # Errors
///
/// `ECANCELED` if its leash is cut.
pub(crate) fn pulled() -> io::Result<()> {
    let cut = HELD.with_borrow(|held| held.as_ref().is_some_and(|leash| *leash.cut.borrow()));
    if cut { Err(Errno::ECANCELED.into()) } else { Ok(()) }
}

/// The work of this thread has made a step: it does not stand still.
///
/// # Errors
///
/// As [`pulled`].
pub(crate) fn step() -> io::Result<()> {
    HELD.with_borrow(|held| held.as_ref().map(|leash| leash.steps.fetch_add(1, Ordering::Relaxed)));
    pulled()
}

/// How often who waits for another program makes a step.
const STEP: Duration = Duration::from_secs(1);

/// Comes back when the leash of the thread on which this was called is cut. Who waits for it does
/// not stand still: the program that is waited for meanwhile has a limit of its own.
pub(crate) fn cut_of_this_thread() -> impl Future<Output = ()> {
    let held = HELD.with_borrow(Clone::clone);
    async move {
        match held {
            Some(leash) => {
                while timeout(STEP, leash.is_cut()).await.is_err() {
                    leash.steps.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_pulled_back_from_when_its_leash_is_cut_and_other_work_is_not() {
        let (ours, other) = (Leash::new(), Leash::new());
        assert!(pulled().is_ok());
        ours.hold(|| {
            assert!(pulled().is_ok());
            other.cut();
            assert!(step().is_ok());
            assert_eq!((ours.steps(), other.steps()), (1, 0));
            ours.clone().cut();
            assert_eq!(pulled().unwrap_err().raw_os_error(), Some(Errno::ECANCELED as i32));
        });
        assert!(pulled().is_ok(), "the thread is free");
    }
}
