//! What the jobs of one `queue` statement have in common. The first job is made in full, and each
//! step of making it is watched: a step that has looked at nothing that changes from job to job
//! comes out the same for all of them and is not taken again. A hundred thousand jobs that differ
//! in their arguments cost a hundred thousand arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use model::Universe;

use super::{Job, Made, Refused, Setting, Transfer};
use crate::language::macros::Scope;
use model::diagnostic::Diagnostic;

/// A part of making a job.
struct Step {
    take: fn(&mut Job<'_>, Setting<'_>) -> Result<(), Diagnostic>,
    /// What other steps take from it.
    gives: Gives,
    /// Whether it looks at attributes that steps before it have made.
    looks_back: bool,
}

/// What other steps take from a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gives {
    Nothing,
    /// Attributes, to the steps that look back.
    Attributes,
    /// What every step may look at: universe, initial directory, executable.
    Everything,
}

const fn step(take: fn(&mut Job<'_>, Setting<'_>) -> Result<(), Diagnostic>, gives: Gives) -> Step {
    Step { take, gives, looks_back: false }
}

/// In their order: see the head of `job`.
const STEPS: [Step; 17] = [
    step(|job, _| job.refuse_what_is_not_built(), Gives::Nothing),
    step(|job, setting| job.set_base(setting.file), Gives::Nothing),
    step(|job, _| job.set_universe(), Gives::Everything),
    step(|job, _| job.set_initial_directory(), Gives::Everything),
    step(|job, _| job.set_executable(), Gives::Everything),
    step(|job, _| job.set_arguments(), Gives::Nothing),
    step(|job, _| job.set_environment(), Gives::Nothing),
    step(|job, _| job.set_streams(), Gives::Nothing),
    step(|job, _| job.set_debugging(), Gives::Nothing),
    step(|job, _| job.set_tool(), Gives::Nothing),
    step(|job, _| job.set_identity(), Gives::Attributes),
    step(|job, _| job.set_policy(), Gives::Attributes),
    step(|job, _| job.set_timing(), Gives::Attributes),
    step(|job, _| job.set_simple(), Gives::Attributes),
    step(|job, _| job.set_resources(), Gives::Attributes),
    step(|job, _| job.set_transfer(), Gives::Attributes),
    Step { take: |job, _| job.set_requirements(), gives: Gives::Nothing, looks_back: true },
];

/// Whatever an earlier step has made of an attribute, what the user writes as one beats it: always
/// the last step.
const LAST: Step = step(|job, _| job.set_forced(), Gives::Nothing);

/// What the first job of a statement has told about all of them.
pub(in crate::htcondor) struct Common {
    universe: Universe,
    iwd: String,
    transfer: Transfer,
    /// What comes out the same for all.
    fixed: Arc<ClassAd>,
    /// The steps to take for each job, and which in order they are.
    each: Vec<(usize, &'static Step)>,
    /// Attributes that those steps have made for any job so far.
    varying: BTreeSet<AttrName>,
    /// Which step, of those that come out the same, has made an attribute: it beats what a step
    /// before it makes of it.
    made_by: BTreeMap<AttrName, usize>,
}

/// Makes the first job of a statement, and says what the others have in common with it: nothing can
/// be said if even the executable differs.
pub(in crate::htcondor) fn make_first(
    scope: &Scope<'_>,
    setting: Setting<'_>,
) -> Result<(Made, Option<Common>), Box<Refused>> {
    let mut job = Job::new(scope, setting);
    let mut watch = Watch::default();
    let mut made = Arc::new(ClassAd::new());
    for (n, step) in STEPS.iter().chain([&LAST]).enumerate() {
        // The step writes into an ad of its own, behind which it sees what the others have made: so
        // what it says again is seen.
        job.ad = chained(&made);
        scope.macros.forget_varying();
        if let Err(error) = (step.take)(&mut job, setting) {
            return Err(Box::new(Refused { error, warnings: job.warnings }));
        }
        job.ad.clear_parent();
        watch.taken((n, step), scope.macros.has_varied(), &job.ad);
        Arc::make_mut(&mut made).update(&job.ad);
    }
    let Job { universe, iwd, transfer, warnings, .. } = job;
    let common = (!watch.all_differ).then(|| Common {
        universe,
        iwd,
        transfer,
        fixed: Arc::new(watch.fixed),
        each: watch.each,
        varying: watch.varying,
        made_by: watch.made_by,
    });
    Ok((Made { ad: Arc::unwrap_or_clone(made), warnings }, common))
}

#[derive(Default)]
struct Watch {
    fixed: ClassAd,
    each: Vec<(usize, &'static Step)>,
    varying: BTreeSet<AttrName>,
    made_by: BTreeMap<AttrName, usize>,
    /// A step that looks back would find something else for each job.
    attributes_differ: bool,
    all_differ: bool,
}

impl Watch {
    fn taken(&mut self, (n, step): (usize, &'static Step), varied: bool, made: &ClassAd) {
        if varied || (step.looks_back && self.attributes_differ) {
            self.each.push((n, step));
            self.varying.extend(made.iter().map(|(name, _)| name.clone()));
            self.attributes_differ |= step.gives == Gives::Attributes;
            self.all_differ |= step.gives == Gives::Everything;
        } else {
            for (name, expr) in made.iter() {
                self.made_by.insert(name.clone(), n);
                self.fixed.set(name.clone(), expr.clone());
            }
        }
    }
}

/// An empty ad before another one.
fn chained(behind: &Arc<ClassAd>) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set_parent(Arc::clone(behind));
    ad
}

impl Common {
    /// Makes the next job: only what is its own. The second are the attributes in which jobs of the
    /// statement may differ.
    pub(in crate::htcondor) fn make(
        &mut self,
        scope: &Scope<'_>,
        setting: Setting<'_>,
    ) -> Result<(Made, &BTreeSet<AttrName>), Box<Refused>> {
        let mut job = Job::new(scope, setting);
        job.universe = self.universe;
        job.iwd.clone_from(&self.iwd);
        job.transfer = self.transfer;
        job.ad = chained(&self.fixed);
        for (n, step) in &self.each {
            if let Err(error) = (step.take)(&mut job, setting) {
                return Err(Box::new(Refused { error, warnings: job.warnings }));
            }
            let beaten = |(name, _): &(&AttrName, &Expr)| self.made_by.get(*name) > Some(n);
            let beaten: Vec<AttrName> =
                job.ad.iter().filter(beaten).map(|(name, _)| name.clone()).collect();
            for name in beaten {
                job.ad.remove(name.as_str());
            }
        }
        let Job { mut ad, warnings, .. } = job;
        ad.clear_parent();
        for (name, _) in ad.iter() {
            if !self.varying.contains(name) {
                self.varying.insert(name.clone());
            }
        }
        for name in &self.varying {
            if ad.lookup(name).is_none()
                && let Some(expr) = self.fixed.lookup(name)
            {
                ad.set(name.clone(), expr.clone());
            }
        }
        Ok((Made { ad, warnings }, &self.varying))
    }
}
