//! Folds the ads of a cluster's jobs into what they share and what differs.

use std::collections::BTreeSet;

use classad::{AttrName, ClassAd, Expr, Value};
use model::{ClusterSpec, Piece, ProcTemplate, Procs, attr};

use crate::language::macros::MARK;

/// The jobs of a cluster so far.
#[derive(Debug, Default)]
pub(super) struct Folder {
    shared: ClassAd,
    jobs: Jobs,
}

#[derive(Debug)]
enum Jobs {
    Listed(Vec<ClassAd>),
    Counted { count: u32, template: ProcTemplate },
}

impl Default for Jobs {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Folder {
    /// How many jobs there are.
    pub(super) fn count(&self) -> u32 {
        match &self.jobs {
            Jobs::Listed(deltas) => u32::try_from(deltas.len()).unwrap_or(u32::MAX),
            Jobs::Counted { count, .. } => *count,
        }
    }

    /// Takes `count` jobs that differ by their number only: they are the first of the cluster, and
    /// `ad` has [`MARK`] where the number belongs. `false`, and nothing taken, if the mark stands
    /// anywhere but in a string.
    pub(super) fn count_up(&mut self, ad: &ClassAd, count: u32) -> bool {
        let mut shared = ClassAd::new();
        let mut template = ProcTemplate::default();
        for (name, expr) in ad.iter() {
            match marked(expr) {
                Marked::No => shared.set(name.clone(), expr.clone()),
                Marked::Text(pieces) => template.0.push((name.clone(), pieces)),
                Marked::Elsewhere => return false,
            }
        }
        self.shared = shared;
        self.jobs = Jobs::Counted { count, template };
        true
    }

    /// Takes the next job.
    pub(super) fn push(&mut self, ad: ClassAd) {
        self.list();
        let Jobs::Listed(deltas) = &mut self.jobs else { return };
        if deltas.is_empty() {
            self.shared = ad;
            deltas.push(ClassAd::new());
            return;
        }
        let missing: Vec<AttrName> = self
            .shared
            .iter()
            .filter(|(name, _)| ad.lookup(name).is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for name in missing {
            unshare(&mut self.shared, deltas, &name);
        }
        let differing = ad.iter().filter(|(name, expr)| self.shared.lookup(name) != Some(expr));
        deltas.push(differing.map(|(name, expr)| (name.clone(), expr.clone())).collect());
    }

    /// Takes the next job, of which `own` is what may differ from others: attributes that are
    /// `varying`. The rest is as before.
    pub(super) fn push_own(&mut self, own: &ClassAd, varying: &BTreeSet<AttrName>) {
        self.list();
        let Jobs::Listed(deltas) = &mut self.jobs else { return };
        for name in varying.iter().filter(|name| own.lookup(name).is_none()) {
            unshare(&mut self.shared, deltas, name);
        }
        let differing = own.iter().filter(|(name, expr)| self.shared.lookup(name) != Some(expr));
        deltas.push(differing.map(|(name, expr)| (name.clone(), expr.clone())).collect());
    }

    /// Takes note of where the jobs of a factory come from: so many items, and so many jobs for
    /// each (HTCondor 25.14).
    pub(super) fn note_items(&mut self, items: usize, each: u32) {
        let is_factory = [attr::JOB_MATERIALIZE_LIMIT, attr::JOB_MATERIALIZE_MAX_IDLE]
            .iter()
            .any(|name| self.shared.get_own(name).is_some());
        if is_factory {
            let items = i64::try_from(items).unwrap_or(i64::MAX);
            self.shared.set(attr::JOB_MATERIALIZE_ITEM_COUNT, items);
            self.shared.set(attr::JOB_MATERIALIZE_STEP_SIZE, i64::from(each));
        }
    }

    /// Turns a template into the jobs that it stands for.
    fn list(&mut self) {
        if let Jobs::Counted { count, template } = &self.jobs {
            let deltas =
                (0..*count).map(|proc| template.instantiate(model::ProcId(proc))).collect();
            self.jobs = Jobs::Listed(deltas);
        }
    }

    pub(super) fn into_spec(self) -> ClusterSpec {
        let procs = match self.jobs {
            Jobs::Listed(deltas) => Procs::Listed(deltas),
            Jobs::Counted { count, template } => Procs::Counted { count, template },
        };
        ClusterSpec { ad: self.shared, procs }
    }
}

/// A job has come that lacks the attribute: those before it have it as their own.
fn unshare(shared: &mut ClassAd, deltas: &mut [ClassAd], name: &AttrName) {
    let Some(expr) = shared.remove(name.as_str()) else { return };
    for delta in deltas.iter_mut().filter(|delta| delta.lookup(name).is_none()) {
        delta.set(name.clone(), expr.clone());
    }
}

enum Marked {
    No,
    Text(Vec<Piece>),
    Elsewhere,
}

fn marked(expr: &Expr) -> Marked {
    match expr.as_literal().and_then(Value::as_str) {
        Some(text) if text.contains(MARK) => Marked::Text(pieces(text)),
        Some(_) => Marked::No,
        None if expr.as_literal().is_some() => Marked::No,
        None if expr.to_string().contains(MARK) => Marked::Elsewhere,
        None => Marked::No,
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, part) in text.split(MARK).enumerate() {
        if index > 0 {
            pieces.push(Piece::ProcId);
        }
        if !part.is_empty() {
            pieces.push(Piece::Text(part.to_owned()));
        }
    }
    pieces
}
