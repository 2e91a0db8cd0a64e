//! Frames: a length, then one message as MessagePack with named fields. Unknown fields are ignored
//! on reading, so a release can add one (see docs/adr/0004). What a frame means is the reader's
//! matter.

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
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec()
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
