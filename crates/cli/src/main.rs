//! The one binary. It dispatches on its first argument or on the name it was called by.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::verbs::main(std::env::args_os().collect())
}
