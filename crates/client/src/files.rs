//! Files of jobs between a client and the daemons: those of spooled jobs, to the schedd and back,
//! and what running jobs write. Which files these are, and where they lie at the client's, is the
//! caller's matter.

use model::{ClusterId, JobId, RunId};
use proto::chirp::{ChirpAnswer, ChirpAsk};
use proto::client::{Answer, AskSchedd, AskStartd, FilesAsk, ReadFrom, RunFile};
use proto::command::AskError;
use proto::files::Piece;

use crate::connect::{Schedd, Startd};

impl Schedd {
    /// Begins to send the input files of a job that was submitted to wait for them (`-spool`), or
    /// says that they are there already. [`Self::send_piece`] and [`Self::end_files`] follow on
    /// this connection; what came before of a job that is not whole is forgotten.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses.
    pub fn begin_files(&mut self, job: JobId) -> Result<bool, AskError> {
        match self.ask(AskSchedd::Files(FilesAsk::Begin(job)))? {
            Answer::Wanted(wanted) => Ok(wanted),
            other => Err(AskError::unexpected("the beginning of a job's files", &other)),
        }
    }

    /// Sends a part of a file of the job that was begun.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or cannot write it.
    pub fn send_piece(&mut self, piece: Piece) -> Result<(), AskError> {
        self.about_files(FilesAsk::Piece(piece))
    }

    /// All files of the job that was begun are sent: returns when they are on the schedd's disk.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or they are not whole.
    pub fn end_files(&mut self) -> Result<(), AskError> {
        self.about_files(FilesAsk::End)
    }

    /// The files of all jobs of a cluster are there: its jobs may run.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or some are not there.
    pub fn release_files(&mut self, cluster: ClusterId) -> Result<(), AskError> {
        self.about_files(FilesAsk::Release(cluster))
    }

    /// Fetches what a spooled job has made so far, piece by piece. When all is on your disk, say so
    /// with [`Self::have_fetched`].
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked, or refuses; or what `each` says.
    pub fn fetch_files<E: From<AskError>>(
        &mut self,
        job: JobId,
        mut each: impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        self.ask_each(AskSchedd::Files(FilesAsk::Fetch(job)), |answer| match answer {
            Answer::Piece(piece) => each(piece),
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a job's files", &other).into()),
        })
    }

    /// What a job has made is on your disk.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn have_fetched(&mut self, job: JobId) -> Result<(), AskError> {
        self.about_files(FilesAsk::Fetched(job))
    }

    fn about_files(&mut self, ask: FilesAsk) -> Result<(), AskError> {
        match self.ask(AskSchedd::Files(ask))? {
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a job's files", &other)),
        }
    }

    /// Speaks for a job that runs, as one of its own processes. A refusal is one of the answers.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn chirp(&mut self, run: RunId, ask: ChirpAsk) -> Result<ChirpAnswer, AskError> {
        match self.ask(AskSchedd::Chirp { run, ask })? {
            Answer::Chirped(answer) => Ok(answer),
            other => Err(AskError::unexpected("a job's call", &other)),
        }
    }
}

impl Startd {
    /// A part of a file of a job that runs on this machine: the bytes, and where they begin.
    ///
    /// # Errors
    ///
    /// If the startd cannot be asked, the job does not run there, or is somebody else's.
    pub fn read_run(
        &mut self,
        job: JobId,
        file: RunFile,
        from: ReadFrom,
        max_bytes: u32,
    ) -> Result<(u64, Vec<u8>), AskError> {
        match self.ask(AskStartd::ReadRun { job, file, from, max_bytes })? {
            Answer::FilePart { offset, bytes } => Ok((offset, bytes)),
            other => Err(AskError::unexpected("a file of a job", &other)),
        }
    }
}
