//! An ad as the tables see it: attributes evaluated at the moment of the answer, with the words
//! that HTCondor's tools use.

use std::fmt;
use std::sync::Arc;

use classad::{ClassAd, Env, Expr, Value};
use jiff::tz::TimeZone;
use model::{JobId, ProcId, attr};

use crate::render::paint::{Paint, Tone};

/// The moment of an answer: what "now" and "here" are for everything that is printed from it.
#[derive(Clone)]
pub struct Moment {
    /// Seconds since the epoch.
    pub now: i64,
    /// The user's time zone.
    pub zone: TimeZone,
    env: Env,
    /// What `TARGET` is for expressions that a user asks for.
    target: Option<Arc<ClassAd>>,
    /// Whether what stands out is painted.
    pub paint: Paint,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment")
            .field("now", &self.now)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl Moment {
    /// The moment `now` (seconds since the epoch) in `zone`.
    pub fn new(now: i64, zone: TimeZone) -> Self {
        let env = Env::at(now).with_zone(zone.clone());
        Self { now, zone, env, target: None, paint: Paint::Off }
    }

    /// The same moment, for a reader who wants colour, or none.
    #[must_use]
    pub fn with_paint(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }

    /// The same moment, at which expressions that a user asks for see `target` as the other ad.
    #[must_use]
    pub fn with_target(self, target: ClassAd) -> Self {
        Self { target: Some(Arc::new(target)), ..self }
    }

    /// The same reader, at another moment.
    #[must_use]
    pub fn at(self, now: i64) -> Self {
        Self { target: self.target, paint: self.paint, ..Self::new(now, self.zone) }
    }

    /// What expressions may know of the world.
    pub fn env(&self) -> &Env {
        &self.env
    }
}

/// An ad at a moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub ad: &'a ClassAd,
    /// When and where it is looked at.
    pub moment: &'a Moment,
}

impl<'a> View<'a> {
    /// `ad` at `moment`.
    pub fn new(ad: &'a ClassAd, moment: &'a Moment) -> Self {
        Self { ad, moment }
    }

    /// The value of an attribute.
    pub fn value(self, name: &str) -> Value {
        self.ad.eval(name, None, self.moment.env())
    }

    /// The value of an expression that a user asks for.
    pub fn eval(self, expr: &Expr) -> Value {
        self.ad.eval_expr(expr, self.moment.target.as_deref(), self.moment.env())
    }

    /// A whole number.
    pub fn int(self, name: &str) -> Option<i64> {
        self.value(name).as_i64()
    }

    pub fn real(self, name: &str) -> Option<f64> {
        self.value(name).as_f64()
    }

    pub fn text(self, name: &str) -> Option<String> {
        self.value(name).as_str().map(str::to_owned)
    }

    /// A string, or `undefined` as HTCondor prints what is missing.
    pub fn text_or_undefined(self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| "undefined".to_owned())
    }

    /// The job's id.
    pub fn job(self) -> Option<JobId> {
        let number = |name| u32::try_from(self.int(name)?).ok();
        Some(JobId::new(number(attr::CLUSTER_ID)?, number(attr::PROC_ID)?))
    }

    /// The jobs that the ad stands for: one, unless a group was told once.
    pub fn span(self) -> Option<Span> {
        let first = self.job()?;
        let number = |name| self.ad.literal(name).and_then(Value::as_i64);
        let last = number(attr::GROUP_LAST_PROC).and_then(|n| u32::try_from(n).ok());
        let last = last.map_or(first, |proc| JobId { proc: ProcId(proc), ..first });
        let count = number(attr::GROUP_COUNT).and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
        Some(Span { first, last, count })
    }

    /// `Owner`; empty if there is none.
    pub fn owner(self) -> String {
        self.text(attr::OWNER).unwrap_or_default()
    }

    /// How the job's line is painted.
    pub fn tone(self) -> Tone {
        match self.status() {
            status::HELD => Tone::Bad,
            status::RUNNING | status::TRANSFERRING_OUTPUT => Tone::Good,
            status::REMOVED | status::COMPLETED => Tone::Faint,
            _ => Tone::Plain,
        }
    }

    /// `JobStatus`; 0 if there is none.
    pub fn status(self) -> i64 {
        self.int(attr::JOB_STATUS).unwrap_or(0)
    }
}

/// Some jobs, by the lowest, the highest, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: JobId,
    pub last: JobId,
    /// How many there are between them, both included.
    pub count: u64,
}

impl Span {
    /// These jobs and those.
    pub fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            count: self.count + other.count,
        }
    }

    /// All of them together; `None` for none.
    pub fn of(spans: impl IntoIterator<Item = Self>) -> Option<Self> {
        spans.into_iter().reduce(Self::and)
    }
}

/// `36.0`, `36.0-3` of one cluster, `36.0 ... 39.3` of several.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        if first == last {
            write!(f, "{first}")
        } else if first.cluster == last.cluster {
            write!(f, "{first}-{}", last.proc)
        } else {
            write!(f, "{first} ... {last}")
        }
    }
}

/// `JobStatus` numbers, as far as tables tell them apart. Suspended and transferring jobs exist in
/// HTCondor's ads only.
pub mod status {
    /// `I`.
    pub const IDLE: i64 = 1;
    /// `R`.
    pub const RUNNING: i64 = 2;
    /// `X`.
    pub const REMOVED: i64 = 3;
    /// `C`.
    pub const COMPLETED: i64 = 4;
    /// `H`.
    pub const HELD: i64 = 5;
    /// `>`.
    pub const TRANSFERRING_OUTPUT: i64 = 6;
    /// `S`.
    pub const SUSPENDED: i64 = 7;
}

/// The letter of a `JobStatus`.
pub fn status_letter(number: i64) -> char {
    match number {
        status::IDLE => 'I',
        status::RUNNING => 'R',
        status::REMOVED => 'X',
        status::COMPLETED => 'C',
        status::HELD => 'H',
        status::TRANSFERRING_OUTPUT => '>',
        status::SUSPENDED => 'S',
        _ => '?',
    }
}
