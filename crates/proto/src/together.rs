//! Clusters that are submitted together: what their ads have in common travels once, and so is
//! written and read once. The nodes of a workflow differ in little but their names.
//!
//! Knows nothing of who submits them.

use classad::ClassAd;
use model::{ClusterId, ClusterSpec, SubmitToken};
use serde::{Deserialize, Serialize};

use crate::frame::{self, FrameError, MAX_FRAME_BYTES};

/// Clusters of one message, and numbers that are reserved by one: more than have something in
/// common, few enough that a schedd takes them in one go.
pub const MAX_TOGETHER: usize = 1000;

/// What [`Together::bytes`] may be: a short message that says something long for a thousand times
/// is as long as what it says.
pub const MAX_BYTES_TOGETHER: usize = MAX_FRAME_BYTES;

/// A cluster that is to be submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCluster {
    /// The submission's token.
    pub token: SubmitToken,
    /// The number that was reserved.
    pub cluster: ClusterId,
    pub spec: ClusterSpec,
}

/// Several of them, as they travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// The attributes that every cluster has, where it does not say itself what they are.
    shared: ClassAd,
    /// Each with what it says itself.
    clusters: Vec<NewCluster>,
}

impl Together {
    /// These clusters, in their order.
    pub fn of(mut clusters: Vec<NewCluster>) -> Self {
        let shared = common(&clusters);
        for NewCluster { spec, .. } in &mut clusters {
            let own = spec.ad.iter_all().filter(|(name, expr)| !shared.has_own(name, expr));
            spec.ad = own.map(|(name, expr)| (name.clone(), expr.clone())).collect();
        }
        Self { shared, clusters }
    }

    /// How many bytes they would take apart from each other: what whoever takes them must hold.
    pub fn bytes(&self) -> usize {
        // What cannot be measured cannot be sent either, and says so then.
        let size = |bytes: Result<usize, FrameError>| bytes.unwrap_or(0);
        size(frame::size(&self.shared)) * self.clusters.len() + size(frame::size(&self.clusters))
    }

    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// The clusters, each whole again.
    pub fn into_clusters(self) -> impl Iterator<Item = NewCluster> {
        let Self { shared, clusters } = self;
        clusters.into_iter().map(move |mut new| {
            let mut ad = shared.clone();
            ad.update(&new.spec.ad);
            new.spec.ad = ad;
            new
        })
    }
}

/// The first one's attributes that all others have too, whatever they are there.
fn common(clusters: &[NewCluster]) -> ClassAd {
    let Some((first, others)) = clusters.split_first() else { return ClassAd::new() };
    let in_all = first
        .spec
        .ad
        .iter_all()
        .filter(|(name, _)| others.iter().all(|other| other.spec.ad.lookup(name).is_some()));
    in_all.map(|(name, expr)| (name.clone(), expr.clone())).collect()
}

#[cfg(test)]
mod tests {
    use classad::Expr;
    use model::Procs;
    use proptest::prelude::*;

    use super::*;

    fn cluster(number: u32, lines: &str) -> NewCluster {
        let ad = ClassAd::parse_old(lines).unwrap();
        let spec = ClusterSpec { ad, procs: Procs::Listed(vec![ClassAd::new()]) };
        NewCluster { token: SubmitToken([7; 16]), cluster: ClusterId(number), spec }
    }

    #[test]
    fn what_all_have_travels_once_and_each_has_its_own_beside_it() {
        let all = [
            cluster(1, "Cmd = \"a\"\nNode = \"A\"\nPrio = 3\n"),
            cluster(2, "Cmd = \"a\"\nNode = \"B\"\n"),
            cluster(3, "CMD = \"a\"\nNode = \"A\"\nPrio = 4\n"),
        ];
        let together = Together::of(all.to_vec());
        let own: Vec<String> = together.clusters.iter().map(|new| new.spec.ad.to_old()).collect();
        assert_eq!(together.shared.to_old(), "Cmd = \"a\"\nNode = \"A\"\n");
        assert_eq!(own, ["Prio = 3\n", "Node = \"B\"\n", "CMD = \"a\"\nPrio = 4\n"]);
        let again: Vec<NewCluster> = together.into_clusters().collect();
        assert_eq!(again, all);
        assert_eq!(again[2].spec.ad.to_old(), all[2].spec.ad.to_old());
    }

    proptest! {
        #[test]
        fn whatever_clusters_travel_together_arrive_as_they_were(
            ads in prop::collection::vec(
                prop::collection::btree_map("[a-dA-D]", 0..3_i64, 0..6), 0..6),
        ) {
            let all: Vec<NewCluster> = ads
                .into_iter()
                .enumerate()
                .map(|(number, attributes)| {
                    let mut new = cluster(u32::try_from(number).unwrap(), "");
                    for (name, value) in attributes {
                        new.spec.ad.set(name, Expr::from(value));
                    }
                    new
                })
                .collect();
            let written = frame::encode(&Together::of(all.clone())).unwrap();
            let read: Together = frame::decode(&written).unwrap();
            let again: Vec<NewCluster> = read.into_clusters().collect();
            let told = |all: &[NewCluster]| -> Vec<String> {
                all.iter().map(|new| new.spec.ad.to_old()).collect()
            };
            prop_assert_eq!(told(&again), told(&all));
            prop_assert_eq!(again, all);
        }
    }
}
