//! Attribute names: compared without regard to case, printed as they were first written.
//!
//! Knows how to share one copy of a name between the many ads that use it, and the order in which
//! an ad keeps its attributes. Knows nothing of values.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Slots of the per-thread cache of names. A pool uses a few hundred different names; a name that
/// collides with another is simply stored again, so the cache is bounded whatever a hostile client
/// sends.
const CACHE_SLOTS: usize = 4096;

/// Longer names are not worth sharing (and are what a hostile client would send).
const CACHED_NAME_BYTES: usize = 64;

/// The name of an attribute or a function. Two names are equal when they differ only in ASCII case.
///
/// ```
/// use classad::AttrName;
/// assert_eq!(AttrName::from("RequestMemory"), AttrName::from("requestmemory"));
/// assert_eq!(AttrName::from("RequestMemory").as_str(), "RequestMemory");
/// ```
#[derive(Clone)]
pub struct AttrName(Arc<Spelling>);

struct Spelling {
    text: Box<str>,
    key: u64,
}

impl AttrName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The key by which an ad sorts its attributes; see [`sort_key`].
    pub(crate) fn key(&self) -> u64 {
        self.0.key
    }

    /// Whether the two are the same spelling stored once: a cheap test that answers most
    /// comparisons.
    pub(crate) fn is_same_copy(&self, other: &AttrName) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn new(text: &str) -> AttrName {
        AttrName(Arc::new(Spelling { text: text.into(), key: sort_key(text) }))
    }
}

/// The length, then the first seven letters in lower case: ads are kept in this order (shorter
/// names first, then alphabetical), which is the order the reference prints, and a look-up compares
/// one integer per step.
pub(crate) fn sort_key(text: &str) -> u64 {
    let length = u64::try_from(text.len().min(255)).unwrap_or(255);
    let mut key = length << 56;
    for (index, byte) in text.bytes().take(7).enumerate() {
        key |= u64::from(byte.to_ascii_lowercase()) << (48 - 8 * index);
    }
    key
}

/// Alphabetical order without regard to ASCII case.
pub(crate) fn compare_ignoring_case(left: &str, right: &str) -> Ordering {
    let lower = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
    if left.len() < 32 && right.len() < 32 {
        let mut pairs = left.bytes().zip(right.bytes());
        let different = pairs.find(|(a, b)| !a.eq_ignore_ascii_case(b));
        return match different {
            Some((a, b)) => a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()),
            None => left.len().cmp(&right.len()),
        };
    }
    lower(left).cmp(&lower(right))
}

thread_local! {
    static CACHE: RefCell<Vec<Option<AttrName>>> = RefCell::new(vec![None; CACHE_SLOTS]);
}

impl From<&str> for AttrName {
    fn from(text: &str) -> AttrName {
        if text.len() > CACHED_NAME_BYTES {
            return AttrName::new(text);
        }
        let slot = cache_slot(text);
        CACHE.with_borrow_mut(|cache| {
            if let Some(name) = &cache[slot]
                && name.as_str() == text
            {
                return name.clone();
            }
            let name = AttrName::new(text);
            cache[slot] = Some(name.clone());
            name
        })
    }
}

/// FNV-1a over the exact spelling: only its spread over the slots matters.
fn cache_slot(text: &str) -> usize {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    usize::try_from((hash ^ (hash >> 32)) % CACHE_SLOTS as u64).unwrap_or(0)
}

impl From<String> for AttrName {
    fn from(text: String) -> AttrName {
        AttrName::from(text.as_str())
    }
}

impl From<&String> for AttrName {
    fn from(text: &String) -> AttrName {
        AttrName::from(text.as_str())
    }
}

impl From<&AttrName> for AttrName {
    fn from(name: &AttrName) -> AttrName {
        name.clone()
    }
}

impl PartialEq for AttrName {
    fn eq(&self, other: &AttrName) -> bool {
        self.is_same_copy(other)
            || (self.0.key == other.0.key && self.0.text.eq_ignore_ascii_case(&other.0.text))
    }
}

impl Eq for AttrName {}

impl PartialEq<str> for AttrName {
    fn eq(&self, other: &str) -> bool {
        self.0.text.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for AttrName {
    fn eq(&self, other: &&str) -> bool {
        self.0.text.eq_ignore_ascii_case(other)
    }
}

impl PartialOrd for AttrName {
    fn partial_cmp(&self, other: &AttrName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Alphabetical, without regard to case.
impl Ord for AttrName {
    fn cmp(&self, other: &AttrName) -> Ordering {
        if self.is_same_copy(other) {
            return Ordering::Equal;
        }
        compare_ignoring_case(&self.0.text, &other.0.text)
    }
}

impl Hash for AttrName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.text.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for AttrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AttrName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for AttrName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AttrName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AttrName, D::Error> {
        struct NameVisitor;
        impl serde::de::Visitor<'_> for NameVisitor {
            type Value = AttrName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute name")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AttrName, E> {
                Ok(AttrName::from(text))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differing_in_case_are_equal_and_keep_their_spelling() {
        let (upper, lower) = (AttrName::from("MEMORY"), AttrName::from("memory"));
        assert_eq!(upper, lower);
        assert_eq!(upper.cmp(&lower), Ordering::Equal);
        assert_eq!((upper.as_str(), lower.as_str()), ("MEMORY", "memory"));
    }

    #[test]
    fn ads_order_names_by_length_and_then_by_letter() {
        let mut names = ["Owner", "b", "A", "Arch", "arcX", "longer_name_b", "longer_name_A"];
        names.sort_by(|left, right| {
            (sort_key(left).cmp(&sort_key(right))).then_with(|| compare_ignoring_case(left, right))
        });
        assert_eq!(names, ["A", "b", "Arch", "arcX", "Owner", "longer_name_A", "longer_name_b"]);
    }
}
