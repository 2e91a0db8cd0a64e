//! Resources that a pool's managers name: `create resource foo type=long,flag=nh`. What values they
//! take, and who has them: each machine, or the pool as a whole.

/// What values a resource takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomKind {
    Boolean,
    Long,
    Float,
    Size,
    Text,
    /// `string_array`: any of some words.
    Words,
}

/// The names of kinds, as OpenPBS has them.
const KINDS: [(&str, CustomKind); 6] = [
    ("boolean", CustomKind::Boolean),
    ("long", CustomKind::Long),
    ("float", CustomKind::Float),
    ("size", CustomKind::Size),
    ("string", CustomKind::Text),
    ("string_array", CustomKind::Words),
];

impl CustomKind {
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// A resource that managers have named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Custom {
    pub kind: CustomKind,
    /// `h`: each machine has its own, and chunks ask for it. Otherwise jobs do.
    pub of_machines: bool,
    /// `n` or `f`, and `q`: what a job has the others have not.
    pub is_consumed: bool,
}

/// The flags that mean something, as they are kept.
const FLAGS: &str = "fhnq";

/// Flags as they are kept: each once, in order. `None` if one is none. Who may see a resource
/// (`i`, `r`) and whether machines are told (`m`) is nothing here.
pub(super) fn flags(text: &str) -> Option<String> {
    let known = |c: char| FLAGS.contains(c);
    let is_clear = !(text.contains('n') && text.contains('f'));
    (is_clear && text.chars().all(known))
        .then(|| FLAGS.chars().filter(|flag| text.contains(*flag)).collect())
}

impl Custom {
    /// By its type and its flags, which may be missing.
    pub(super) fn read(kind: Option<&str>, flags: Option<&str>) -> Option<Self> {
        let flags = flags.unwrap_or_default();
        let kind = CustomKind::named(kind.unwrap_or("string"))?;
        Some(Self {
            kind,
            of_machines: flags.contains('h'),
            is_consumed: flags.contains(['n', 'f', 'q']),
        })
    }

    /// Whether there can be such a resource: only what is counted can be used up.
    pub(super) const fn is_possible(&self) -> bool {
        let is_counted =
            matches!(self.kind, CustomKind::Long | CustomKind::Float | CustomKind::Size);
        is_counted || !self.is_consumed
    }
}
