//! Where commands print: standard output in one piece, what kind of place that is, and whether
//! colour is wanted there.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use clap::{Args, ColorChoice};

use crate::line::call::Call;
use crate::render::dialect::Dialect;
use crate::render::paint::Paint;

/// Whether a command paints what it prints.
#[derive(Clone, Copy, Debug, Args)]
pub struct Colour {
    /// Colour: on a terminal (auto; NO_COLOR turns it off), always, or never.
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    color: ColorChoice,
}

impl Colour {
    /// The decision. HTCondor's commands print to the letter, so there is none under their names.
    pub fn paint(self, call: &Call) -> Paint {
        match (call.dialect, self.color) {
            (Dialect::HtCondor | Dialect::Pbs, _) | (Dialect::Updraft, ColorChoice::Never) => {
                Paint::Off
            }
            (Dialect::Updraft, ColorChoice::Always) => Paint::On,
            (Dialect::Updraft, ColorChoice::Auto) => automatic(),
        }
    }
}

/// Colour where a person reads and wants it: a terminal, `NO_COLOR` and the like.
pub fn automatic() -> Paint {
    match AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => Paint::Off,
        anstream::ColorChoice::Auto
        | anstream::ColorChoice::Always
        | anstream::ColorChoice::AlwaysAnsi => Paint::On,
    }
}

/// Writes `text` to standard output.
///
/// # Errors
///
/// If nobody reads it any more.
pub fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether a person reads standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
