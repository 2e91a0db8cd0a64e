//! Where commands print: standard output in one piece, what kind of place that is, and whether
//! colour is wanted there.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use anstream::AutoStream;
use clap::{Args, ColorChoice};

use crate::line::call::Call;
use crate::render::dialect::Dialect;
use crate::render::paint::Paint;
use crate::render::visible::harmless;

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

/// Writes `text` to standard output; on a terminal, so that it only can be read there.
///
/// # Errors
///
/// If nobody reads it any more.
pub fn put(text: &str) -> io::Result<()> {
    if is_terminal() { put_as_it_is(&harmless(text)) } else { put_as_it_is(text) }
}

/// Writes `text` to standard output, with what moves a terminal's cursor.
///
/// # Errors
///
/// If nobody reads it any more.
pub fn put_as_it_is(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes to standard error, as [`put`] to standard output. If that cannot be (a full disk, a
/// reader that has gone), there is nobody to be told.
pub fn complain(text: &str) {
    let mut err = io::stderr().lock();
    let text = if err.is_terminal() { &*harmless(text) } else { text };
    let _ = err.write_all(text.as_bytes());
}

/// How many places a line of the terminal has that standard output goes to; nothing if it goes to
/// none. A terminal that does not say is believed to be what `COLUMNS` says.
pub fn terminal_width() -> Option<usize> {
    if !is_terminal() {
        return None;
    }
    match launcher::window_size(io::stdout().as_fd()) {
        Ok((_, columns @ 1..)) => Some(usize::from(columns)),
        Ok((_, 0)) | Err(_) => std::env::var("COLUMNS").ok()?.parse().ok(),
    }
}

/// Whether a person reads standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
