//! Frames: a length, then one message as MessagePack with named fields. Unknown fields are ignored
//! on reading, so a release can add one (see docs/adr/0004). What a frame means is the reader's
//! matter.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::LengthDelimitedCodec;

/// The longest frame that is read or written, bytes. A submission of more is staged in parts
/// ([`crate::client::AskSchedd::StageProcs`]); a hostile length cannot make a daemon allocate more.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// A message that cannot travel.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It cannot be written as MessagePack.
    #[error("encode a message")]
    Encode(#[from] rmp_serde::encode::Error),
    /// What came is not such a message.
    #[error("decode a message of {bytes} bytes as {wanted}")]
    Decode {
        /// The frame's length.
        bytes: usize,
        /// The type that was expected.
        wanted: &'static str,
        /// What was wrong.
        #[source]
        source: rmp_serde::decode::Error,
    },
    /// It is too long.
    #[error("send a message of {0} bytes: {MAX_FRAME_BYTES} is the limit")]
    TooLong(usize),
}

/// The codec that cuts a stream into frames.
pub fn codec() -> LengthDelimitedCodec {
    codec_up_to(MAX_FRAME_BYTES)
}

/// The same, for frames of at most so many bytes.
pub fn codec_up_to(most_bytes: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(most_bytes).new_codec()
}

/// A message as the payload of a frame.
///
/// # Errors
///
/// If it cannot be encoded or is too long.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, FrameError> {
    let payload = rmp_serde::to_vec_named(message)?;
    if payload.len() > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong(payload.len()));
    }
    Ok(payload.into())
}

/// How many bytes a value takes of a frame.
///
/// # Errors
///
/// If it cannot be encoded.
pub fn size<T: Serialize>(value: &T) -> Result<usize, FrameError> {
    let mut counted = Counted(0);
    rmp_serde::encode::write_named(&mut counted, value)?;
    Ok(counted.0)
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message that two can say, one after the other: a list, however long it has become.
pub trait Divide: Serialize + Sized {
    /// The two, in the order in which they are to be sent. None if it is about one thing.
    fn divide(self) -> Option<(Self, Self)>;
}

/// A list in two halves, if there are two.
pub fn halves<T>(mut list: Vec<T>) -> Option<(Vec<T>, Vec<T>)> {
    let rest = (list.len() > 1).then(|| list.split_off(list.len() / 2))?;
    Some((list, rest))
}

/// A message as the payloads of as many frames as it takes.
///
/// # Errors
///
/// Of a payload, if it cannot be encoded, or is one thing that is too long by itself. Those before
/// and after it are as good as ever.
pub fn encode_in_parts<T: Divide>(message: T) -> impl Iterator<Item = Result<Bytes, FrameError>> {
    let mut rest = vec![message];
    std::iter::from_fn(move || {
        loop {
            let message = rest.pop()?;
            match encode(&message) {
                Err(FrameError::TooLong(length)) => match message.divide() {
                    Some((first, second)) => rest.extend([second, first]),
                    None => return Some(Err(FrameError::TooLong(length))),
                },
                encoded => return Some(encoded),
            }
        }
    })
}

/// The message in the payload of a frame.
///
/// # Errors
///
/// If it is not a `T`.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    rmp_serde::from_slice(payload).map_err(|source| FrameError::Decode {
        bytes: payload.len(),
        wanted: std::any::type_name::<T>(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Older {
        a: u32,
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Newer {
        a: u32,
        #[serde(default)]
        b: Option<String>,
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Texts(Vec<String>);

    impl Divide for Texts {
        fn divide(self) -> Option<(Self, Self)> {
            halves(self.0).map(|(first, second)| (Self(first), Self(second)))
        }
    }

    #[test]
    fn a_list_of_any_length_travels_in_order_and_one_thing_that_is_too_long_is_an_error() {
        let check = |lengths: &[usize], refused: usize| {
            let texts: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let (sent, failed): (Vec<_>, Vec<_>) =
                encode_in_parts(Texts(texts)).partition(Result::is_ok);
            assert_eq!(failed.len(), refused, "{lengths:?}");
            let came =
                sent.into_iter().flat_map(|frame| decode::<Texts>(&frame.unwrap()).unwrap().0);
            let fitting = lengths.iter().copied().filter(|length| *length < MAX_FRAME_BYTES);
            assert!(came.map(|text| text.len()).eq(fitting), "{lengths:?}");
        };
        let part = MAX_FRAME_BYTES / 3;
        check(&[], 0);
        check(&[1, 2, 3], 0);
        check(&[part, part + 1, part + 2, 7, part + 3, part + 4, 9], 0);
        check(&[1, MAX_FRAME_BYTES, 2], 1);
    }

    #[test]
    fn the_size_is_that_of_the_frame() {
        let value = Newer { a: 7, b: Some("new".to_owned()) };
        assert_eq!(size(&value).unwrap(), encode(&value).unwrap().len());
    }

    #[test]
    fn a_field_that_an_older_release_does_not_know_is_ignored() {
        let sent = encode(&Newer { a: 7, b: Some("new".to_owned()) }).unwrap();
        assert_eq!(decode::<Older>(&sent).unwrap(), Older { a: 7 });
    }

    #[test]
    fn a_field_that_a_newer_release_added_may_be_missing() {
        let sent = encode(&Older { a: 7 }).unwrap();
        assert_eq!(decode::<Newer>(&sent).unwrap(), Newer { a: 7, b: None });
    }

    #[test]
    fn garbage_is_an_error_and_not_a_panic() {
        for garbage in [&b""[..], b"\xff", b"\xdf\xff\xff\xff\xff", b"\x81\xa1a\xc4\xff"] {
            assert!(decode::<Older>(garbage).is_err());
        }
    }
}
