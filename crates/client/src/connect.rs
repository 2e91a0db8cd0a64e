//! Blocking connections to the daemons of a pool, one type for each kind of daemon, with what can
//! be asked of it. What the answers mean is the caller's matter.

use std::path::Path;
use std::thread;
use std::time::Duration;

use classad::{AttrName, ClassAd, Expr};
use model::queues::QueueSettings;
use model::{IdleReason, JobId};
use proto::client::{
    AccountEdit, AccountLine, Acted, Action, Answer, Arrange, AskNegotiator, AskSchedd, AskStartd,
    DaemonIdentity, Edited, FrontEnd, Query, Question, Select, Totals,
};
use proto::command::{AskError, Client};
use proto::net::{Address, NetError};
use proto::terminal::Line;

use crate::home::{DaemonRole, Home};
use crate::patience::Patience;

/// How often, and how many times, a daemon that is being started again is looked for before the
/// first word: twenty seconds. It is there within one, but on a laden machine.
const RESTART_WAIT: Duration = Duration::from_millis(20);
const RESTART_WAITS: u32 = 1000;

/// A connection to a schedd: jobs.
pub type Schedd = Daemon<AskSchedd>;
/// A connection to a negotiator: machines and accounts.
pub type Negotiator = Daemon<AskNegotiator>;
/// A connection to a startd: files of jobs that run there.
pub type Startd = Daemon<AskStartd>;

/// A connection to a daemon that answers questions of the kind `A`.
#[derive(Debug)]
pub struct Daemon<A> {
    client: Client<A>,
}

/// Whether nobody answers because no pool runs (or it has stopped).
pub fn is_not_running(error: &AskError) -> bool {
    matches!(error, AskError::Net(NetError::Connect { .. }))
}

impl Home {
    /// A connection to the pool's schedd. If the pool runs and the schedd does not answer, it is
    /// being started again: that is waited for.
    ///
    /// # Errors
    ///
    /// If no schedd answers.
    pub fn schedd(&self) -> Result<Schedd, AskError> {
        self.daemon(DaemonRole::Schedd)
    }

    /// A connection to the pool's negotiator, as [`Home::schedd`].
    ///
    /// # Errors
    ///
    /// If no negotiator answers.
    pub fn negotiator(&self) -> Result<Negotiator, AskError> {
        self.daemon(DaemonRole::Negotiator)
    }

    /// A connection to the startd of this machine, as [`Home::schedd`].
    ///
    /// # Errors
    ///
    /// If no startd answers.
    pub fn startd(&self) -> Result<Startd, AskError> {
        self.daemon(DaemonRole::Startd)
    }

    /// A connection to the startd of the machine on which a job runs: this one's, or through the
    /// schedd one that has joined the pool.
    ///
    /// # Errors
    ///
    /// If no schedd answers, the job does not run or is somebody else's, or its machine is cut off.
    pub fn startd_of(&self, job: JobId) -> Result<Startd, AskError> {
        let schedd = self.socket(DaemonRole::Schedd);
        match Client::visit(&Address::unix(&schedd), job)? {
            Some(client) => Ok(Daemon { client }),
            None => self.startd(),
        }
    }

    fn daemon<A: Question>(&self, role: DaemonRole) -> Result<Daemon<A>, AskError> {
        let socket = self.socket(role);
        connect_while(&socket, || self.is_supervised())
    }

    /// Does something that may be done again with the schedd, until it is done or fails for another
    /// reason than that the schedd is not there for a while. `ask_in` finds the failure of a
    /// question in an error of `work`.
    ///
    /// # Errors
    ///
    /// The first that does not pass, or the last.
    pub fn persist<T, E: From<AskError>>(
        &self,
        ask_in: impl Fn(&E) -> Option<&AskError>,
        mut work: impl FnMut(&mut Schedd) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut patience = Patience::with(self);
        loop {
            let done = self.schedd().map_err(E::from).and_then(|mut schedd| work(&mut schedd));
            let Err(error) = done else { return done };
            match ask_in(&error).and_then(|ask| patience.pause_after(ask, false)) {
                Some(pause) => thread::sleep(pause),
                None => return Err(error),
            }
        }
    }
}

impl<A: Question> Daemon<A> {
    /// A connection to the daemon whose socket this is, at once or not at all.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn at(socket: &Path) -> Result<Self, AskError> {
        Ok(Self { client: Client::connect(&Address::unix(socket))? })
    }

    /// The same, for a process that lives by this daemon: if it does not answer, it is being
    /// started again, which is waited for.
    ///
    /// # Errors
    ///
    /// If it does not answer for a while.
    pub fn at_restarting(socket: &Path) -> Result<Self, AskError> {
        connect_while(socket, || true)
    }

    /// Asks for what has one answer.
    ///
    /// # Errors
    ///
    /// If the connection fails or the daemon refuses.
    pub(crate) fn ask(&mut self, ask: A) -> Result<Answer, AskError> {
        self.client.ask(ask)
    }

    /// Asks, and gives each part of the answer to `each` as it comes.
    ///
    /// # Errors
    ///
    /// If the connection fails or the daemon refuses; or what `each` says.
    pub(crate) fn ask_each<E: From<AskError>>(
        &mut self,
        ask: A,
        each: impl FnMut(Answer) -> Result<(), E>,
    ) -> Result<(), E> {
        self.client.ask_each(ask, each)
    }

    /// Who the daemon is.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn identity(&mut self) -> Result<DaemonIdentity, AskError> {
        match self.ask(A::IDENTIFY)? {
            Answer::Identity(identity) => Ok(identity),
            other => Err(AskError::unexpected("who it is", &other)),
        }
    }

    fn ads(&mut self, ask: A) -> Result<Vec<ClassAd>, AskError> {
        let mut all = Vec::new();
        self.ask_each(ask, |answer| {
            match answer {
                Answer::Ads(ads) => all.extend(ads),
                Answer::Done => {}
                other => return Err(AskError::unexpected("a query", &other)),
            }
            Ok::<(), AskError>(())
        })?;
        Ok(all)
    }

    fn one_ad(&mut self, ask: A) -> Result<ClassAd, AskError> {
        Ok(self.ads(ask)?.pop().unwrap_or_default())
    }
}

impl Startd {
    /// A program beside a job that runs there, the shell of its user if none is named: what is said
    /// to its end, and which processes the job has.
    ///
    /// # Errors
    ///
    /// If the startd cannot be asked, the job does not run there, or the program cannot be started.
    pub fn shell(
        mut self,
        job: JobId,
        program: Vec<String>,
        is_plain: bool,
    ) -> Result<(Line, Vec<u32>), AskError> {
        match self.ask(AskStartd::Shell { job, program, is_plain })? {
            Answer::Shell { pids } => Ok((Line::beside(self.client), pids)),
            other => Err(AskError::unexpected("a program beside a job", &other)),
        }
    }
}

impl Schedd {
    /// The job ads that answer a query.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn jobs(&mut self, query: Query) -> Result<Vec<ClassAd>, AskError> {
        self.ads(AskSchedd::QueryJobs(query))
    }

    /// Gives each job ad that answers a query to `each`, as they come: the queue's by number, those
    /// that are over last first. What `each` fails with ends it, and then this connection is of no
    /// more use: the rest of the answer is on its way.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked; or what `each` says.
    pub fn each_job<E: From<AskError>>(
        &mut self,
        query: Query,
        mut each: impl FnMut(ClassAd) -> Result<(), E>,
    ) -> Result<(), E> {
        self.ask_each(AskSchedd::QueryJobs(query), |answer| match answer {
            Answer::Ads(ads) => ads.into_iter().try_for_each(&mut each),
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a query", &other).into()),
        })
    }

    /// How many jobs there are, by status and user.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn totals(&mut self) -> Result<Totals, AskError> {
        match self.ask(AskSchedd::Totals)? {
            Answer::Totals(totals) => Ok(totals),
            other => Err(AskError::unexpected("counts", &other)),
        }
    }

    /// What is said of server, queues and nodes.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn queues(&mut self) -> Result<QueueSettings, AskError> {
        match self.ask(AskSchedd::Queues)? {
            Answer::Queues(settings) => Ok(*settings),
            other => Err(AskError::unexpected("queues", &other)),
        }
    }

    /// Changes queues, or jobs' places in them.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub fn arrange(&mut self, what: Arrange) -> Result<(), AskError> {
        match self.ask(AskSchedd::Arrange(what))? {
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a change of queues", &other)),
        }
    }

    /// What the schedd counts of itself.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn statistics(&mut self) -> Result<ClassAd, AskError> {
        self.one_ad(AskSchedd::Statistics)
    }

    /// Does something to jobs, and says what came of it for each.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub fn act(&mut self, action: Action, select: Select) -> Result<Vec<Acted>, AskError> {
        self.act_through(FrontEnd::Updraft, action, select)
    }

    /// As [`Self::act`], with reasons in the words of a front end.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub fn act_through(
        &mut self,
        through: FrontEnd,
        action: Action,
        select: Select,
    ) -> Result<Vec<Acted>, AskError> {
        let mut all = Vec::new();
        self.ask_each(AskSchedd::Act { action, select, through }, |answer| {
            match answer {
                Answer::Acted(acted) => all.extend(acted),
                Answer::Done => {}
                other => return Err(AskError::unexpected("an action", &other)),
            }
            Ok::<(), AskError>(())
        })?;
        Ok(all)
    }

    /// Sets attributes of jobs: in all of them or in none. With `dry_run`, only says what would
    /// come of it.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub fn edit(
        &mut self,
        select: Select,
        changes: Vec<(AttrName, Expr)>,
        dry_run: bool,
    ) -> Result<Edited, AskError> {
        match self.ask(AskSchedd::Edit { select, changes, dry_run })? {
            Answer::Edited(edited) => Ok(edited),
            other => Err(AskError::unexpected("an edit", &other)),
        }
    }
}

impl Negotiator {
    /// The machine ads that answer a query.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked.
    pub fn machines(&mut self, query: Query) -> Result<Vec<ClassAd>, AskError> {
        self.ads(AskNegotiator::QueryMachines(query))
    }

    /// Why jobs with these ads could never run on the machines that there are; of each `None` if
    /// they could, or nobody knows. At most sixteen are answered.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked.
    pub fn never(&mut self, ads: Vec<ClassAd>) -> Result<Vec<Option<IdleReason>>, AskError> {
        match self.ask(AskNegotiator::Never(ads))? {
            Answer::Never(reasons) => Ok(reasons),
            other => Err(AskError::unexpected("whether jobs could run", &other)),
        }
    }

    /// Everybody's account.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked.
    pub fn accounts(&mut self) -> Result<Vec<AccountLine>, AskError> {
        match self.ask(AskNegotiator::Accounts)? {
            Answer::Accounts(lines) => Ok(lines),
            other => Err(AskError::unexpected("accounts", &other)),
        }
    }

    /// Changes the account of a user, or everybody's.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or you may not.
    pub fn edit_accounts(
        &mut self,
        user: Option<model::UserName>,
        edit: AccountEdit,
    ) -> Result<(), AskError> {
        match self.ask(AskNegotiator::EditAccounts { user, edit })? {
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a change of accounts", &other)),
        }
    }

    /// What the negotiator counts of itself.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn statistics(&mut self) -> Result<ClassAd, AskError> {
        self.one_ad(AskNegotiator::Statistics)
    }
}

fn connect_while<A: Question>(
    socket: &Path,
    is_coming: impl Fn() -> bool,
) -> Result<Daemon<A>, AskError> {
    for _ in 0..RESTART_WAITS {
        match Daemon::at(socket) {
            Err(error) if is_not_running(&error) && is_coming() => thread::sleep(RESTART_WAIT),
            connected => return connected,
        }
    }
    Daemon::at(socket)
}
