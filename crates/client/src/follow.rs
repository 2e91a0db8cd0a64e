//! Following the schedd's record, by number: an event is told once, also when the schedd is started
//! again meanwhile. What an event means is the caller's matter.

use std::ops::ControlFlow;
use std::thread;

use model::Seq;
use proto::client::{Answer, AskSchedd, Recorded, Select};
use proto::command::AskError;

use crate::home::Home;
use crate::patience::Patience;

/// Where somebody stands in the record.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    next: Seq,
    select: Select,
}

impl Cursor {
    pub(crate) fn new(since: Seq, select: Select) -> Self {
        Self { next: since, select }
    }

    /// What to ask, to go on from here.
    pub(crate) fn ask(&self, follow: bool) -> AskSchedd {
        AskSchedd::Events { since: self.next, follow, select: self.select.clone() }
    }

    /// What is new in a part of the answer.
    pub(crate) fn take(&mut self, answer: Answer) -> Result<Vec<Recorded>, AskError> {
        match answer {
            Answer::Events(mut events) => {
                events.retain(|event| event.seq >= self.next);
                if let Some(last) = events.last() {
                    self.next = last.seq.next();
                }
                Ok(events)
            }
            Answer::Done => Ok(Vec::new()),
            other => Err(AskError::unexpected("the record", &other)),
        }
    }
}

/// Why a part of the record was the last that was read.
#[derive(Debug)]
enum Ended<E> {
    Ask(AskError),
    Enough,
    Reader(E),
}

impl<E> From<AskError> for Ended<E> {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl Home {
    /// The events of the record so far, from number `since` on, in parts.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked; or what `each` says.
    pub fn events<E: From<AskError>>(
        &self,
        since: Seq,
        select: Select,
        each: impl FnMut(&[Recorded]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        self.read_record(Cursor::new(since, select), false, each)
    }

    /// The same, and every later event as it happens, until `each` breaks off. When the schedd is
    /// started again, it goes on after the last number.
    ///
    /// # Errors
    ///
    /// If no schedd answers for too long; or what `each` says.
    pub fn follow<E: From<AskError>>(
        &self,
        since: Seq,
        select: Select,
        each: impl FnMut(&[Recorded]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        self.read_record(Cursor::new(since, select), true, each)
    }

    fn read_record<E: From<AskError>>(
        &self,
        mut cursor: Cursor,
        follow: bool,
        mut each: impl FnMut(&[Recorded]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut patience = Patience::with(self);
        loop {
            let read = self.schedd().map_err(Ended::Ask).and_then(|mut schedd| {
                schedd.ask_each(cursor.ask(follow), |answer| {
                    let events = cursor.take(answer)?;
                    patience.renew();
                    if events.is_empty() {
                        return Ok(());
                    }
                    match each(&events) {
                        Ok(ControlFlow::Continue(())) => Ok(()),
                        Ok(ControlFlow::Break(())) => Err(Ended::Enough),
                        Err(error) => Err(Ended::Reader(error)),
                    }
                })
            });
            match read {
                Ok(()) | Err(Ended::Enough) => return Ok(()),
                Err(Ended::Reader(error)) => return Err(error),
                Err(Ended::Ask(error)) => match patience.pause_after(&error, false) {
                    Some(pause) => thread::sleep(pause),
                    None => return Err(error.into()),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, Timestamp, UserName};
    use proto::client::Happening;

    use super::*;

    fn events(numbers: &[u64]) -> Answer {
        let event = |number: &u64| Recorded {
            seq: Seq(*number),
            at: Timestamp::from_secs(1),
            what: Happening::ClusterSubmitted {
                cluster: ClusterId(1),
                owner: UserName::new("alice"),
                procs: 1,
            },
        };
        Answer::Events(numbers.iter().map(event).collect())
    }

    #[test]
    fn an_event_that_comes_again_after_a_restart_is_told_once() {
        let mut cursor = Cursor::new(Seq(3), Select::All);
        let told = |events: Vec<Recorded>| events.iter().map(|e| e.seq.0).collect::<Vec<_>>();
        assert_eq!(told(cursor.take(events(&[3, 7])).unwrap()), [3, 7]);
        let ask = AskSchedd::Events { since: Seq(8), follow: true, select: Select::All };
        assert_eq!(cursor.ask(true), ask);
        assert_eq!(told(cursor.take(events(&[7, 8])).unwrap()), [8]);
        assert!(cursor.take(Answer::Wanted(true)).is_err());
    }
}
