//! Room on the stack, whoever's thread it is.
//!
//! Nesting is bounded (`limits`), but how much stack a level takes depends on the build, and how
//! much is left on the caller. Everything that walks a tree asks for room here; more is mapped in
//! the rare case that it is short.

/// With less than this left, the walk goes on in a new piece of stack. One level of the deepest
/// walk takes a tenth of it.
const NEEDED_BYTES: usize = 128 << 10;

/// The size of such a piece.
const PIECE_BYTES: usize = 1 << 20;

/// Runs one level of a walk, with room for it.
pub(crate) fn with_room<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(NEEDED_BYTES, PIECE_BYTES, level)
}
