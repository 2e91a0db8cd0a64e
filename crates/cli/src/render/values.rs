//! Single values and whole ads as text.

pub mod ads;
pub mod autoformat;
pub(crate) mod command_line;
pub mod mask;
pub mod print_format;
pub mod printf;
pub mod view;
