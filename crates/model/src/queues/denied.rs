//! Why something about queues is refused, with OpenPBS's number and words for it.

use serde::{Deserialize, Serialize};

/// Why something about queues is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Denied {
    #[error("Unknown Job Id")]
    UnknownJob,
    #[error("Undefined attribute ")]
    UnknownAttribute,
    #[error("Cannot set attribute, read only or insufficient permission ")]
    ReadOnly,
    #[error("Invalid request")]
    InvalidRequest,
    #[error("Unauthorized Request ")]
    NotPermitted,
    #[error("Access from host not allowed, or unknown host")]
    BadHost,
    #[error("Illegal attribute or resource value")]
    BadValue,
    #[error("Request invalid for state of job")]
    BadState,
    #[error("Unknown queue")]
    UnknownQueue,
    #[error("Queue is not enabled")]
    NotEnabled,
    /// It takes jobs only from routing queues.
    #[error("Access to queue is denied")]
    RoutedOnly,
    #[error("Queue already exists")]
    QueueExists,
    /// Jobs are in it, or it is the default.
    #[error("Cannot delete busy object")]
    Busy,
    #[error("Queue name too long")]
    LongName,
    /// A routing queue without destinations, or a queue without a type.
    #[error("Cannot enable queue, incomplete definition")]
    Incomplete,
    #[error("Job violates queue and/or server resource limits")]
    Resources,
    /// A job is to be of a group in which its user is not.
    #[error("Bad GID for job execution")]
    BadGroup,
    #[error("No default queue specified")]
    NoDefault,
    #[error("Job rejected by all possible destinations")]
    Rejected,
    #[error("Unknown node ")]
    UnknownNode,
    #[error("Unknown Scheduler")]
    UnknownScheduler,
    #[error("Array job exceeds server or queue size limit")]
    ArraySize,
    #[error("Queue type must be set")]
    NoType,
    #[error("Invalid object name")]
    BadName,
    #[error("Unknown resource")]
    UnknownResource,
    /// A job asks for it.
    #[error("Resource busy on job")]
    ResourceBusy,
    /// A dependency on a job that is not there, or waits for nothing.
    #[error("Invalid Dependency")]
    BadDependency,
    #[error("Unknown Reservation Id")]
    UnknownReservation,
    /// A window that is over, or ends before it begins.
    #[error("Bad time specification(s)")]
    BadTimes,
    /// Its jobs are there, and its window is to begin at another time.
    #[error("Reservation not empty")]
    NotEmpty,
    /// Too many jobs are there already.
    #[error("{0}")]
    TooMany(String),
}

impl Denied {
    /// OpenPBS's number of the error. A command exits with its lowest eight bits.
    pub const fn number(&self) -> u32 {
        match self {
            Self::UnknownJob => 15001,
            Self::UnknownAttribute => 15002,
            Self::ReadOnly => 15003,
            Self::InvalidRequest => 15004,
            Self::NotPermitted => 15007,
            Self::BadHost => 15008,
            Self::BadValue => 15014,
            Self::BadState => 15016,
            Self::UnknownQueue => 15018,
            Self::NotEnabled => 15021,
            Self::RoutedOnly => 15022,
            Self::QueueExists => 15025,
            Self::Busy => 15027,
            Self::LongName => 15028,
            Self::Incomplete => 15030,
            Self::Resources => 15036,
            Self::NoDefault => 15037,
            Self::Rejected => 15039,
            Self::BadGroup => 15045,
            Self::UnknownNode => 15062,
            Self::UnknownScheduler => 15213,
            Self::ArraySize => 15107,
            Self::NoType => 15137,
            Self::TooMany(_) => 15142,
            Self::UnknownReservation => 15084,
            Self::BadTimes => 15086,
            Self::NotEmpty => 15178,
            Self::BadDependency => 15054,
            Self::BadName => 15172,
            Self::UnknownResource => 15035,
            Self::ResourceBusy => 15174,
        }
    }

    /// The exit code of a command that ends with it.
    pub fn exit(&self) -> u8 {
        u8::try_from(self.number() & 0xff).unwrap_or(u8::MAX)
    }
}
