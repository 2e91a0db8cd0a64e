//! A submission as it reaches the schedd: one ad for what the jobs share, and what differs from job
//! to job.

use classad::{AttrName, ClassAd, Expr};
use serde::{Deserialize, Serialize};

use crate::ids::{ClusterId, ProcId};

/// What a client submits as one cluster.
///
/// The shared ad has every attribute that submit gives a job but those that the schedd owns:
/// `Owner`, `User`, `ClusterId`, `ProcId`, `QDate`, `GlobalJobId`, `JobStatus` and the counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// What the jobs share.
    pub ad: ClassAd,
    pub procs: Procs,
}

/// The jobs of a cluster, by what each adds to the shared ad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Procs {
    /// Each job on its own: proc N is the N-th.
    Listed(Vec<ClassAd>),
    /// Jobs that differ by their number only. A million of them cost one row until each is needed.
    Counted {
        count: u32,
        /// How to make one.
        template: ProcTemplate,
    },
}

/// Attributes of a job that are made from its number: string values with holes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcTemplate(pub Vec<(AttrName, Vec<Piece>)>);

/// A part of a string value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `$(ProcId)`.
    ProcId,
    /// The index that the job has in an array.
    Stepped {
        /// Of the first job.
        start: i64,
        /// From one job to the next.
        step: i64,
    },
}

impl ClusterSpec {
    /// How many jobs the cluster has.
    pub fn count(&self) -> u32 {
        match &self.procs {
            Procs::Listed(ads) => u32::try_from(ads.len()).unwrap_or(u32::MAX),
            Procs::Counted { count, .. } => *count,
        }
    }

    /// What job `proc` adds to the shared ad; `None` if there is no such job.
    pub fn delta(&self, proc: ProcId) -> Option<ClassAd> {
        match &self.procs {
            Procs::Listed(ads) => ads.get(usize::try_from(proc.0).ok()?).cloned(),
            Procs::Counted { count, template } => {
                (proc.0 < *count).then(|| template.instantiate(proc))
            }
        }
    }

    /// The attribute of job `proc`, its own or the shared one.
    pub fn get(&self, proc: ProcId, attr: &str) -> Option<Expr> {
        self.delta(proc).and_then(|ad| ad.get(attr).cloned()).or_else(|| self.ad.get(attr).cloned())
    }

    /// The jobs as far as the attributes go for which `which` holds: a cluster of as many, without
    /// the others. To look at a few attributes of many jobs, this costs a tenth of their whole ads.
    pub fn narrowed(&self, which: impl Fn(&AttrName) -> bool) -> Self {
        let only = |ad: &ClassAd| {
            let told = ad.iter().filter(|(name, _)| which(name));
            told.map(|(name, expr)| (name.clone(), expr.clone())).collect::<ClassAd>()
        };
        let procs = match &self.procs {
            Procs::Listed(ads) => Procs::Listed(ads.iter().map(only).collect()),
            Procs::Counted { count, template } => {
                let pieces = template.0.iter().filter(|(name, _)| which(name)).cloned();
                Procs::Counted { count: *count, template: ProcTemplate(pieces.collect()) }
            }
        };
        Self { ad: only(&self.ad), procs }
    }

    /// The id of the last job, if there is one.
    pub fn last(&self, cluster: ClusterId) -> Option<crate::JobId> {
        self.count().checked_sub(1).map(|n| crate::JobId { cluster, proc: ProcId(n) })
    }
}

impl Procs {
    /// The attributes that jobs have of their own, some of them many times. Those of a template are
    /// few whatever its count.
    pub fn own_names(&self) -> impl Iterator<Item = &AttrName> {
        let (ads, template) = match self {
            Self::Listed(ads) => (&ads[..], None),
            Self::Counted { template, .. } => (&[][..], Some(template)),
        };
        let listed = ads.iter().flat_map(|ad| ad.iter().map(|(name, _)| name));
        listed.chain(
            template.into_iter().flat_map(|template| template.0.iter().map(|(name, _)| name)),
        )
    }

    /// Whether any job has an attribute of its own for which `which` holds.
    pub fn any_own(&self, which: impl FnMut(&AttrName) -> bool) -> bool {
        self.own_names().any(which)
    }
}

impl ProcTemplate {
    /// The attributes of job `proc`.
    pub fn instantiate(&self, proc: ProcId) -> ClassAd {
        let mut ad = ClassAd::new();
        for (name, pieces) in &self.0 {
            let value: String = pieces.iter().map(|piece| piece.fill(proc)).collect();
            ad.set(name.clone(), value);
        }
        ad
    }
}

impl Piece {
    fn fill(&self, proc: ProcId) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::ProcId => proc.to_string(),
            Self::Stepped { start, step } => (start + step * i64::from(proc.0)).to_string(),
        }
    }
}
