//! The server as PBS's commands name it, and the connection to it. The server is the pool's schedd;
//! its name is this machine's.

use std::io;

use client::{Home, Schedd};
use jiff::tz::TimeZone;
use jobspec::pbs::code;
use model::queues::LONGEST_NAME;

use crate::line::call::Call;
use crate::line::output::{self, complain};
use crate::render::pbs::Here;

/// Why a word is no destination of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDestination {
    IllFormed,
    OtherServer,
}

impl Here {
    /// This machine, now, and the command that was called.
    pub fn new(call: &Call) -> Self {
        Self {
            command: call.name.clone(),
            server: server_name(),
            zone: TimeZone::system(),
            now: proto::clock::now().wall.as_secs(),
        }
    }

    /// Says something on standard error.
    pub(super) fn say(&self, message: impl std::fmt::Display) {
        complain(&format!("{}: {message}\n", self.command));
    }

    /// Prints on standard output; the exit code if that cannot be.
    pub(super) fn print(&self, text: &str) -> Result<(), u8> {
        match output::put(text) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                let why = client::site::plain(&error);
                self.say(format_args!("cannot write to standard output: {why}"));
                Err(code::FAILED)
            }
            Ok(()) => Ok(()),
        }
    }

    /// The queue of a destination (`queue`, `queue@server`, `@server`) of this server; empty where
    /// only the server is named.
    ///
    /// # Errors
    /// If it is no destination, or of another server.
    pub(super) fn destination<'w>(&self, word: &'w str) -> Result<&'w str, NoDestination> {
        let word = word.trim_start();
        let (queue, server) = match word.split_once('@') {
            Some((queue, server)) => (queue, Some(server)),
            None => (word, None),
        };
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_graphic() && !"#@".contains(c));
        if queue.len() > LONGEST_NAME || !is_name(queue) {
            return Err(NoDestination::IllFormed);
        }
        match server {
            None => Ok(queue),
            Some(server) if server.is_empty() || !is_name(server) => Err(NoDestination::IllFormed),
            Some(server) if self.is_server(server) => Ok(queue),
            Some(_) => Err(NoDestination::OtherServer),
        }
    }

    /// Says that the server is not the one that was named, and gives the exit code.
    pub(super) fn no_host(&self) -> u8 {
        self.no_server(&self.server)
    }

    fn no_server(&self, name: &str) -> u8 {
        complain("Unknown Host.\n");
        self.say(format_args!("cannot connect to server {name} (errno=15008)"));
        if self.command == "qstat" { code::NO_CONNECTION } else { code::BAD_HOST }
    }

    /// Since when finished jobs are shown that nobody named: for as long as OpenPBS remembers them.
    pub(super) fn remembered_since(&self) -> i64 {
        const TWO_WEEKS: i64 = 14 * 24 * 3600;
        self.now - TWO_WEEKS
    }

    /// A connection to the schedd; what is printed and the exit code if there is none.
    pub(super) fn connect(&self) -> Result<Schedd, u8> {
        self.check_server()?;
        Home::from_environment().schedd().map_err(|error| self.cannot_connect(&error))
    }

    /// There is one server; whoever names another does not want this one.
    fn check_server(&self) -> Result<(), u8> {
        let named = std::env::var("PBS_SERVER").unwrap_or_default();
        if named.is_empty() || self.is_server(&named) {
            return Ok(());
        }
        Err(self.no_server(&named))
    }

    /// Says why the schedd cannot be asked.
    pub(super) fn cannot_connect(&self, error: &client::AskError) -> u8 {
        if client::is_not_running(error) {
            self.say(format_args!("cannot connect to server {} (errno=15034)", self.server));
            return code::NO_CONNECTION;
        }
        self.say(error);
        code::NO_CONNECTION
    }

    /// Whether this is a name of the server.
    pub(super) fn is_server(&self, name: &str) -> bool {
        name == self.server
            || name == "localhost"
            || name.split('.').next() == Some(self.server.as_str())
    }
}

/// The machine's name, without its domain.
pub(super) fn server_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or("localhost").to_owned()
}
