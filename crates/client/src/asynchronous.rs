//! A schedd without blocking, for programs with tokio. It does what the blocking form does, in the
//! same steps; only waiting is different.

mod many;

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use classad::{AttrName, ClassAd, Expr};
use model::{ClusterId, ClusterSpec, Seq, SubmitToken};
use proto::client::{
    Acted, Action, Answer, AskSchedd, Edited, FrontEnd, Query, Question, Recorded, Request,
    Response, Select, Totals,
};
use proto::command::AskError;
use proto::net::{self, Address, Connection, NetError, Role};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::follow::Cursor;
use crate::home::{DaemonRole, Home};
use crate::patience::Patience;
use crate::submit::{self, SubmitError};

pub use many::NotTaken;

/// How many questions are under way at once; more wait for their turn. A schedd answers those of
/// one connection one after the other. Many clusters travel over one ([`Schedd::submit_all`]), and
/// a schedd has a place for so many connections of a user, of whom many may run workflows.
const CONNECTIONS: usize = 4;

/// A schedd. Clones share their connections; none is made before the first question.
#[derive(Clone, Debug)]
pub struct Schedd {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: Home,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Schedd {
    /// The schedd of this pool.
    pub fn of(home: &Home) -> Self {
        let (home, idle) = (home.clone(), Mutex::default());
        Self { shared: Arc::new(Shared { home, idle, places: Semaphore::new(CONNECTIONS) }) }
    }

    /// Submits one cluster, which `make` describes once its number is known; more than once, if the
    /// number is lost with a schedd that is started again. The same token again is the same
    /// submission: it gives the same number and makes no new jobs.
    ///
    /// # Errors
    ///
    /// If no schedd answers or it refuses; then nothing is in the queue. [`SubmitError::Unknown`]
    /// if that is not certain.
    pub async fn submit(
        &self,
        token: SubmitToken,
        mut make: impl FnMut(ClusterId) -> ClusterSpec,
    ) -> Result<ClusterId, SubmitError> {
        let mut patience = Patience::with(&self.shared.home);
        let mut is_sent = false;
        loop {
            let reservation = self.ask(AskSchedd::ReserveCluster { token }).await;
            let tried = match reservation.and_then(submit::reserved) {
                Ok(cluster) => {
                    is_sent = true;
                    self.converse(submit::asks(token, cluster, make(cluster))).await
                }
                Err(error) => Err(error),
            };
            let answer =
                tried.map(|answers| answers.into_iter().next_back().unwrap_or(Answer::Done));
            let error = match answer.and_then(submit::submitted) {
                Ok(cluster) => return Ok(cluster),
                Err(error) => error,
            };
            match patience.pause_after(&error, is_sent) {
                Some(pause) => sleep(pause).await,
                None => return Err(SubmitError::after(error, is_sent)),
            }
        }
    }

    /// Does something to jobs, and says what came of it for each. If the schedd is started again
    /// meanwhile it is asked again, where doing it twice is as good as once
    /// ([`Action::is_repeatable`]): what was done the first time is then
    /// [`proto::client::ActResult::AlreadyDone`], or of a job that is gone `NotFound`.
    ///
    /// # Errors
    ///
    /// If no schedd answers, or it refuses. An act that was begun before the answer was lost goes
    /// on to its end all the same.
    pub async fn act(
        &self,
        through: FrontEnd,
        action: Action,
        select: Select,
    ) -> Result<Vec<Acted>, AskError> {
        let mut all = Vec::new();
        let is_repeatable = action.is_repeatable();
        let ask = AskSchedd::Act { action, select, through };
        let answers = match is_repeatable {
            true => self.persist(&ask).await?,
            false => self.converse(vec![ask]).await?,
        };
        for answer in answers {
            match answer {
                Answer::Acted(acted) => all.extend(acted),
                Answer::Done => {}
                other => return Err(AskError::unexpected("an action", &other)),
            }
        }
        Ok(all)
    }

    /// Sets attributes of jobs: in all of them or in none. It is tried once.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub async fn edit(
        &self,
        select: Select,
        changes: Vec<(AttrName, Expr)>,
    ) -> Result<Edited, AskError> {
        match self.ask(AskSchedd::Edit { select, changes, dry_run: false }).await? {
            Answer::Edited(edited) => Ok(edited),
            other => Err(AskError::unexpected("an edit", &other)),
        }
    }

    /// The job ads that answer a query.
    ///
    /// # Errors
    ///
    /// If no schedd answers, or it refuses.
    pub async fn jobs(&self, query: Query) -> Result<Vec<ClassAd>, AskError> {
        let mut all = Vec::new();
        for answer in self.persist(&AskSchedd::QueryJobs(query)).await? {
            match answer {
                Answer::Ads(ads) => all.extend(ads),
                Answer::Done => {}
                other => return Err(AskError::unexpected("a query", &other)),
            }
        }
        Ok(all)
    }

    /// How many jobs there are, and the last number of the record when they were counted: follow
    /// from the next to see what changes.
    ///
    /// # Errors
    ///
    /// If no schedd answers.
    pub async fn totals(&self) -> Result<Totals, AskError> {
        match self.persist(&AskSchedd::Totals).await?.pop() {
            Some(Answer::Totals(totals)) => Ok(totals),
            Some(other) => Err(AskError::unexpected("counts", &other)),
            None => Err(AskError::unexpected("counts", &Answer::Done)),
        }
    }

    /// Which of the queues that were put in its place the schedd has, from 1: it rises with each
    /// one that is restored from a copy. Numbers of the record never come again; those of jobs may.
    ///
    /// # Errors
    ///
    /// If no schedd answers.
    pub async fn generation(&self) -> Result<u64, AskError> {
        let mut patience = Patience::with(&self.shared.home);
        loop {
            let error = match self.connect().await {
                Ok(connection) => return Ok(connection.peer.generation),
                Err(error) => error.into(),
            };
            match patience.pause_after(&error, false) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// The record from number `since` on, and every later event as it happens.
    pub fn follow(&self, since: Seq, select: Select) -> Following {
        Following {
            schedd: self.clone(),
            cursor: Cursor::new(since, select),
            connection: None,
            patience: Patience::with(&self.shared.home),
        }
    }

    /// Asks what may be asked again, until an answer comes.
    async fn persist(&self, ask: &AskSchedd) -> Result<Vec<Answer>, AskError> {
        let mut patience = Patience::with(&self.shared.home);
        loop {
            let error = match self.converse(vec![ask.clone()]).await {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            match patience.pause_after(&error, false) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn ask(&self, ask: AskSchedd) -> Result<Answer, AskError> {
        Ok(self.converse(vec![ask]).await?.pop().unwrap_or(Answer::Done))
    }

    /// Asks over one connection, one after the other, and gives all answers. A connection on which
    /// something goes wrong is not used again, nor is one whose question was given up.
    async fn converse(&self, asks: Vec<AskSchedd>) -> Result<Vec<Answer>, AskError> {
        let _place = self.shared.places.acquire().await;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut answers = Vec::new();
        for (id, ask) in (1..).zip(asks) {
            if let Err(error) = exchange(&mut connection, id, ask, &mut answers).await {
                // The others are as old, or older.
                if matches!(error, AskError::Net(_)) {
                    drop(mem::take(&mut *self.idle()));
                }
                return Err(error);
            }
        }
        self.idle().push(connection);
        Ok(answers)
    }

    async fn connect(&self) -> Result<Connection, NetError> {
        let schedd = Address::Unix(self.shared.home.socket(DaemonRole::Schedd));
        net::connect(&schedd, Role::Command).await
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question and all parts of its answer.
async fn exchange<A: Question>(
    connection: &mut Connection,
    id: u64,
    body: A,
    answers: &mut Vec<Answer>,
) -> Result<(), AskError> {
    connection.sender.send(&Request { id, body }).await?;
    loop {
        let response: Response = connection.receiver.recv().await?.ok_or_else(closed)?;
        match response.body {
            Answer::Refused(refusal) => return Err(refusal.into()),
            answer => answers.push(answer),
        }
        if response.last {
            return Ok(());
        }
    }
}

fn closed() -> NetError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

/// The record, as it grows.
#[derive(Debug)]
pub struct Following {
    schedd: Schedd,
    cursor: Cursor,
    connection: Option<Connection>,
    patience: Patience,
}

impl Following {
    /// The next events: at least one. When the schedd is started again, it goes on after the last
    /// number. May be cancelled; nothing is lost.
    ///
    /// # Errors
    ///
    /// If no schedd answers for too long, or it refuses.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, AskError> {
        loop {
            match self.part().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    self.patience.renew();
                    return Ok(events);
                }
                Err(error) => {
                    self.connection = None;
                    match self.patience.pause_after(&error, false) {
                        Some(pause) => sleep(pause).await,
                        None => return Err(error),
                    }
                }
            }
        }
    }

    async fn part(&mut self) -> Result<Vec<Recorded>, AskError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let mut connection = self.schedd.connect().await?;
                let ask = self.cursor.ask(true);
                connection.sender.send(&Request { id: 1, body: ask }).await?;
                none.insert(connection)
            }
        };
        let response: Response = connection.receiver.recv().await?.ok_or_else(closed)?;
        match response.body {
            Answer::Refused(refusal) => Err(refusal.into()),
            answer => self.cursor.take(answer),
        }
    }
}
