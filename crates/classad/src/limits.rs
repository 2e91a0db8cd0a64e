//! Every limit of the language in one place, with its reason.
//!
//! An ad comes from strangers. Reading, printing, evaluating, copying and dropping one takes
//! bounded time, memory and stack, whatever it holds.

/// How deep brackets, unary operators, `?:` branches and selections may nest in a text or a
/// message. HTCondor 25.14 refuses 166 nested parentheses. Long flat chains (`a || b || ...`) do
/// not count: they are one node.
pub const MAX_NESTING: usize = 200;

/// How deep evaluation may go, counting expressions within expressions and attributes that refer to
/// attributes. HTCondor 25.14 gives up at 400.
pub const MAX_EVAL_DEPTH: u32 = 400;

/// Steps one evaluation may take before its value becomes `error`: about 50 ms. An ordinary
/// Requirements takes 30.
pub const MAX_EVAL_STEPS: u64 = 2_000_000;

/// Bytes of strings and lists that one evaluation may create.
pub const MAX_EVAL_BYTES: u64 = 64 << 20;

/// The longest text that the parser reads: a submitted ad is a few kilobytes, and a frame on the
/// wire is smaller too.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// The longest pattern handed to the regular-expression compiler.
pub const MAX_PATTERN_BYTES: usize = 16 << 10;

/// Steps that one match of a pattern with back-references or look-around may take; other patterns
/// are linear.
pub const MAX_BACKTRACK_STEPS: usize = 100_000;

/// The longest text that such a pattern is matched with: each place in it may cost a walk over the
/// rest.
pub const MAX_BACKTRACK_TEXT_BYTES: usize = 4 << 10;
