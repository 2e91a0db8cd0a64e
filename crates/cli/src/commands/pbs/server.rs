//! The server as PBS's commands name it, and the connection to it. The server is the pool's schedd;
//! its name is this machine's.

use client::{Home, Schedd};
use jiff::tz::TimeZone;
use jobspec::pbs::code;

use crate::line::call::Call;
use crate::line::output::complain;
use crate::render::pbs::Here;

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

    /// A connection to the schedd; what is printed and the exit code if there is none.
    pub(super) fn connect(&self) -> Result<Schedd, u8> {
        Home::from_environment().schedd().map_err(|error| self.cannot_connect(&error))
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
