//! `q -analyze`, `-better-analyze`: why jobs do not run. The reasons are the schedd's own; what is
//! added is how each condition of a job fares on the slots (`-better-analyze`), a line for each
//! kind of job (`:summary`), and a line for each slot (`:reverse`). The tables of both have
//! HTCondor 25.14's columns; the counts are ours, because its own are wrong where slots are
//! partitionable.

use std::collections::BTreeMap;

use classad::analyze::analyze;
use classad::{ClassAd, requirements_hold};
use model::{Universe, attr};

use crate::render::jobs::autocluster::Request;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// Slots whose names are listed with `-verbose`, of those that match and of those that do not.
const MOST_NAMES: usize = 10;

/// Slots of which a job may get a part. What was carved from them is not counted again.
#[derive(Debug)]
pub struct Slots {
    /// As they would be if nothing ran on them.
    pub(crate) empty: Vec<ClassAd>,
    /// As they are.
    pub(crate) present: Vec<ClassAd>,
    /// What was carved from them.
    carved: Vec<ClassAd>,
}

impl Slots {
    /// From the ads of all slots.
    pub fn of(ads: Vec<ClassAd>) -> Self {
        let is_carved = |ad: &ClassAd| {
            ad.literal(attr::SLOT_TYPE).and_then(classad::Value::as_str) == Some("Dynamic")
        };
        let (carved, present): (Vec<ClassAd>, Vec<ClassAd>) = ads.into_iter().partition(is_carved);
        Self { empty: present.iter().map(emptied).collect(), present, carved }
    }

    /// How many there are, without those that were carved from others.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    /// How many would take a job now, and if none would, why: in the words in which the schedd says
    /// it of a job that waits.
    pub fn fit(&self, job: &ClassAd, moment: &Moment) -> (usize, Option<String>) {
        let env = moment.env();
        let wanted = RESOURCES.map(|(name, request)| (name, job.eval(request, None, env).as_f64()));
        let has_room = |slot: &ClassAd| {
            wanted.iter().all(|(name, wanted)| {
                wanted.is_none_or(|wanted| amount(slot, name, moment) >= wanted)
            })
        };
        let takes = |slot: &ClassAd| has_room(slot) && classad::matches(job, slot, env);
        let now = self.present.iter().filter(|slot| takes(slot)).count();
        if now > 0 {
            return (now, None);
        }
        let slots = |n: usize| format!("{n} slot{}", if n == 1 { "" } else { "s" });
        let (all, empty) = (self.empty.len(), self.empty.iter().filter(|slot| takes(slot)).count());
        let largest = |name: &str| {
            self.empty.iter().map(|slot| amount(slot, name, moment)).fold(0.0, f64::max)
        };
        let too_much = wanted.iter().find_map(|(name, wanted)| {
            let (wanted, largest) = ((*wanted)?, largest(name));
            (wanted > largest).then(|| {
                format!("never: it asks for {name} = {wanted}, and the largest slot has {largest}")
            })
        });
        let failing = || {
            let analysis = analyze(job, self.empty.iter(), env);
            let clause = analysis.clauses.into_iter().find(|clause| clause.failed == all)?;
            Some(format!("never: {} is not true on {all} of {}", clause.text, slots(all)))
        };
        let why = match (all, empty) {
            (0, _) => "not yet: the pool has no slot".to_owned(),
            (_, 1..) => format!("not yet: {} would if nothing ran there", slots(empty)),
            (_, 0) => too_much.or_else(failing).unwrap_or_else(|| {
                format!("never: none of {} and the job suit each other", slots(all))
            }),
        };
        (0, Some(why))
    }

    fn machines(&self) -> usize {
        let mut names: Vec<String> =
            self.present.iter().map(|ad| text(ad, attr::MACHINE)).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }
}

/// A partitionable slot as it is when nothing is carved from it.
fn emptied(slot: &ClassAd) -> ClassAd {
    let mut empty = slot.clone();
    let amounts = slot.iter_all().filter_map(|(name, all)| {
        let (head, resource) = name.as_str().split_at_checked(TOTAL.len())?;
        head.eq_ignore_ascii_case(TOTAL).then_some((resource, all))
    });
    for (resource, all) in amounts {
        empty.set(resource, all.clone());
        if let Some(devices) = model::devices::detected(slot, resource) {
            empty.set(format!("Available{resource}"), devices);
        }
    }
    empty
}

/// Before the name of a resource: how much of it the slot has when nothing is carved from it.
const TOTAL: &str = "TotalSlot";

/// What a slot has, and the attribute by which a job asks for it.
const RESOURCES: [(&str, &str); 4] = [
    (attr::CPUS, attr::REQUEST_CPUS),
    (attr::MEMORY, attr::REQUEST_MEMORY),
    (attr::DISK, attr::REQUEST_DISK),
    (attr::GPUS, attr::REQUEST_GPUS),
];

fn amount(slot: &ClassAd, name: &str, moment: &Moment) -> f64 {
    slot.eval(name, None, moment.env()).as_f64().unwrap_or(0.0)
}

fn text(ad: &ClassAd, name: &str) -> String {
    ad.literal(name).and_then(classad::Value::as_str).unwrap_or("undefined").to_owned()
}

/// Why each job does not run, in the schedd's words; with slots, also how each of its conditions
/// fares on them.
pub fn reasons(jobs: &[ClassAd], slots: Option<&Slots>, verbose: bool, moment: &Moment) -> String {
    let mut out = String::new();
    for ad in jobs {
        let job = View::new(ad, moment);
        let Some(id) = job.job() else { continue };
        let id = format!("{:03}.{:03}", id.cluster.0, id.proc.0);
        // A job that runs beside the schedd asks no slot.
        if let Some(slots) = slots.filter(|_| !Universe::of(ad).is_beside()) {
            out += &conditions(&id, ad, slots, verbose, moment);
        }
        out += &format!("{id}:  {}\n\n", verdict(job));
    }
    out
}

fn verdict(job: View<'_>) -> String {
    match job.status() {
        status::IDLE => match (job.text(attr::IDLE_VERDICT), job.text(attr::IDLE_REASON)) {
            (Some(verdict), Some(reason)) if !reason.starts_with(&verdict) => {
                format!("Job is idle. {verdict}: {reason}")
            }
            (_, Some(reason)) => format!("Job is idle. {reason}"),
            (_, None) => "Job is idle, and the schedd knows no reason.".to_owned(),
        },
        status::RUNNING => "Job is running.".to_owned(),
        status::HELD => {
            format!("Job is held.\n\nHold reason: {}", job.text_or_undefined(attr::HOLD_REASON))
        }
        status::COMPLETED => "Job is completed.".to_owned(),
        status::REMOVED => "Job is removed.".to_owned(),
        _ => "Job is in no state that can be analyzed.".to_owned(),
    }
}

/// On how many slots each condition of a job holds, and what the slots themselves say.
fn conditions(id: &str, job: &ClassAd, slots: &Slots, verbose: bool, moment: &Moment) -> String {
    let env = moment.env();
    let analysis = analyze(job, slots.empty.iter(), env);
    let mut out =
        format!("The Requirements expression for job {id} reduces to these conditions:\n\n");
    out += "         Slots\nStep    Matched  Condition\n-----  --------  ---------\n";
    for (step, clause) in analysis.clauses.iter().enumerate() {
        let matched = analysis.targets - clause.failed;
        out += &format!("{:<5} {matched:>9}  {}\n", format!("[{step}]"), clause.text);
    }
    let counts = Counts::of(job, slots, moment);
    out += &format!(
        "\n{id}:  Of {} slots on {} machines,\n\
         {:>7} slots are rejected by your job's requirements\n\
         {:>7} slots reject your job because of their own requirements\n\
         {:>7} slots match and have room for it\n\
         {:>7} slots would match if nothing ran on them\n",
        slots.empty.len(),
        slots.machines(),
        slots.empty.len() - counts.matching,
        counts.matching - counts.willing,
        counts.free,
        counts.willing - counts.free
    );
    if verbose {
        let names = |matching: bool| {
            let these =
                slots.empty.iter().filter(|slot| requirements_hold(job, slot, env) == matching);
            these.take(MOST_NAMES).map(|slot| text(slot, attr::NAME)).collect::<Vec<_>>().join(", ")
        };
        out += &format!("Matching slots: {}\nOther slots: {}\n", names(true), names(false));
    }
    out + "\n"
}

/// How slots and a job suit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    /// Slots that suit the job.
    matching: usize,
    /// Of those, the ones that the job suits.
    willing: usize,
    /// Of those, the ones that have room now.
    free: usize,
}

impl Counts {
    fn of(job: &ClassAd, slots: &Slots, moment: &Moment) -> Self {
        let env = moment.env();
        let mut counts = Self { matching: 0, willing: 0, free: 0 };
        for (empty, present) in slots.empty.iter().zip(&slots.present) {
            let matches = requirements_hold(job, empty, env);
            let willing = matches && requirements_hold(empty, job, env);
            counts.matching += usize::from(matches);
            counts.willing += usize::from(willing);
            counts.free += usize::from(willing && classad::matches(job, present, env));
        }
        counts
    }
}

/// A line for each kind of job.
pub fn summary(jobs: &[ClassAd], slots: &Slots, moment: &Moment) -> String {
    let mut order: Vec<(String, Request)> = Vec::new();
    let mut groups: BTreeMap<(String, Request), Vec<View<'_>>> = BTreeMap::new();
    for ad in jobs {
        let job = View::new(ad, moment);
        let key = (job.owner(), Request::of(job));
        if !groups.contains_key(&key) {
            order.push(key.clone());
        }
        groups.entry(key).or_default().push(job);
    }
    let line = |cells: [&str; 8]| {
        let [job, members, matches, rejects, running, serving, available, owner] = cells;
        format!(
            "{job:<13} {members:>12} {matches:>12} {rejects:>11} {running:>11} {serving:>10} {available:>9} {owner}\n"
        )
    };
    let mut out = format!("Analyzing matches for {} slots\n", slots.empty.len());
    out += &line([
        "",
        " Autocluster",
        "   Matches  ",
        "  Machine  ",
        "  Running  ",
        "  Serving ",
        "",
        "",
    ]);
    out += &line([
        " JobId",
        "Members/Idle",
        "Requirements",
        "Rejects Job",
        " Users Job ",
        "Other User",
        "Available",
        "Owner",
    ]);
    let rule = [13, 12, 12, 11, 11, 10, 9, 5].map(|n| "-".repeat(n));
    out += &(rule.join(" ") + "\n");
    for key in order {
        let members = &groups[&key];
        let first = members[0];
        let counts = Counts::of(first.ad, slots, moment);
        let idle = members.iter().filter(|job| job.status() == status::IDLE).count();
        let user = first.text_or_undefined(attr::USER);
        let theirs =
            slots.carved.iter().filter(|slot| text(slot, attr::REMOTE_USER) == user).count();
        out += &line([
            &first.job().map(|id| id.to_string()).unwrap_or_default(),
            &format!("{}/{idle}", members.len()),
            &counts.matching.to_string(),
            &(counts.matching - counts.willing).to_string(),
            &theirs.to_string(),
            &(slots.carved.len() - theirs).to_string(),
            &counts.free.to_string(),
            &key.0,
        ]);
    }
    out
}

/// A line for each slot: how many of the jobs it would take, and how many would take it.
pub fn reverse(jobs: &[ClassAd], slots: &Slots, moment: &Moment) -> String {
    let env = moment.env();
    let longest = slots.empty.iter().map(|slot| text(slot, attr::NAME).len()).max().unwrap_or(0);
    let width = longest.max(16);
    let line = |cells: [&str; 5]| {
        let [name, kind, slots, jobs, both] = cells;
        format!("{name:<width$} {kind:>4} {slots:>12} {jobs:>12} {both:>10}\n")
    };
    let mut out = format!("Analyzing matches for {} jobs\n", jobs.len());
    out += &line(["", "Slot", "Slot's Req ", "  Job's Req ", "Both   "]);
    out += &line(["Name", "Type", "Matches Job", "Matches Slot", "Match %"]);
    out += &line([&"-".repeat(width), "----", "------------", "------------", "----------"]);
    for slot in &slots.empty {
        let by_slot = |job: &&ClassAd| requirements_hold(slot, job, env);
        let by_job = |job: &&ClassAd| requirements_hold(job, slot, env);
        let both = jobs.iter().filter(by_slot).filter(by_job).count();
        let percent = both * 100 / jobs.len().max(1);
        let kind = match text(slot, attr::SLOT_TYPE).as_str() {
            "Partitionable" => "Part",
            _ => "Stat",
        };
        out += &line([
            &text(slot, attr::NAME),
            kind,
            &jobs.iter().filter(by_slot).count().to_string(),
            &jobs.iter().filter(by_job).count().to_string(),
            &percent.to_string(),
        ]);
    }
    out
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn ads(text: &str) -> Vec<ClassAd> {
        ClassAd::parse_old_ads(text).unwrap()
    }

    fn slots() -> Slots {
        Slots::of(ads(
            "Name = \"slot1@a\"\nMachine = \"a\"\nSlotType = \"Partitionable\"\nCpus = 0\nTotalSlotCpus = 4\nArch = \"X\"\n\
             Requirements = TARGET.RequestCpus <= Cpus\n\n\
             Name = \"slot1_1@a\"\nMachine = \"a\"\nSlotType = \"Dynamic\"\nCpus = 4\nArch = \"X\"\nRemoteUser = \"alice@x\"\n\n\
             Name = \"slot1@b\"\nMachine = \"b\"\nSlotType = \"Partitionable\"\nCpus = 2\nTotalSlotCpus = 2\nArch = \"X\"\n\
             Requirements = TARGET.RequestCpus <= Cpus\n",
        ))
    }

    fn jobs() -> Vec<ClassAd> {
        let job = |proc: u32, cpus: u32, arch: &str, status: i64| {
            format!(
                "ClusterId = 7\nProcId = {proc}\nOwner = \"alice\"\nUser = \"alice@x\"\nJobStatus = {status}\nRequestCpus = {cpus}\n\
                 Requirements = TARGET.Arch == \"{arch}\" && TARGET.Cpus >= RequestCpus\n\n"
            )
        };
        ads(&(job(0, 3, "X", 2) + &job(1, 3, "X", 1) + &job(2, 1, "Y", 1)))
    }

    #[test]
    fn a_job_that_is_not_submitted_is_told_how_many_slots_would_take_it_or_why_none() {
        let job = |cpus: u32, arch: &str| {
            let text = format!(
                "RequestCpus = {cpus}\nRequirements = TARGET.Arch == \"{arch}\" && TARGET.Cpus >= RequestCpus\n"
            );
            ads(&text).remove(0)
        };
        let moment = Moment::new(0, TimeZone::UTC);
        for (cpus, arch, now, why) in [
            (1, "X", 1, None),
            (3, "X", 0, Some("not yet: 1 slot would if nothing ran there")),
            (9, "X", 0, Some("never: it asks for Cpus = 9, and the largest slot has 4")),
            (1, "Y", 0, Some("never: TARGET.Arch == \"Y\" is not true on 2 of 2 slots")),
        ] {
            let (fit, reason) = slots().fit(&job(cpus, arch), &moment);
            assert_eq!((fit, reason.as_deref()), (now, why), "{cpus} {arch}");
        }
    }

    #[test]
    fn devices_that_others_use_are_waited_for() {
        let slot = "Name = \"slot1@a\"\nMachine = \"a\"\nSlotType = \"Partitionable\"\nCpus = 1\nTotalSlotCpus = 4\nGPUs = 0\n\
                    TotalSlotGPUs = 2\nDetectedGPUs = \"g-1, g-2\"\nAvailableGPUs = {}\n\
                    GPUs_g_1 = [ Capability = 8.0 ]\nGPUs_g_2 = [ Capability = 7.0 ]\nRequirements = true\n";
        let job = |gpus: u32| {
            let wanted = format!("countMatches(MY.RequireGPUs, TARGET.AvailableGPUs) >= {gpus}");
            let own = format!("RequestGPUs = {gpus}\nRequireGPUs = Capability > 7.5\n");
            ads(&format!("{own}Requirements = TARGET.GPUs >= {gpus} && {wanted}\n")).remove(0)
        };
        let moment = Moment::new(0, TimeZone::UTC);
        let told = |gpus| Slots::of(ads(slot)).fit(&job(gpus), &moment).1.unwrap();
        assert_eq!(told(1), "not yet: 1 slot would if nothing ran there");
        assert_eq!(told(3), "never: it asks for GPUs = 3, and the largest slot has 2");
        assert!(told(2).starts_with("never: countMatches"), "{}", told(2));
    }

    #[test]
    fn each_condition_is_counted_on_slots_as_they_are_when_nothing_runs() {
        let moment = Moment::new(0, TimeZone::UTC);
        expect_test::expect![[r#"
            The Requirements expression for job 007.001 reduces to these conditions:

                     Slots
            Step    Matched  Condition
            -----  --------  ---------
            [0]           2  TARGET.Arch == "X"
            [1]           1  TARGET.Cpus >= 3

            007.001:  Of 2 slots on 2 machines,
                  1 slots are rejected by your job's requirements
                  0 slots reject your job because of their own requirements
                  0 slots match and have room for it
                  1 slots would match if nothing ran on them
            Matching slots: slot1@a
            Other slots: slot1@b

            007.001:  Job is idle, and the schedd knows no reason.

        "#]]
        .assert_eq(&reasons(&jobs()[1..2], Some(&slots()), true, &moment));
    }

    #[test]
    fn jobs_and_slots_are_summed_up_in_htcondors_columns() {
        let moment = Moment::new(0, TimeZone::UTC);
        expect_test::expect![[r#"
            Analyzing matches for 2 slots
                           Autocluster    Matches     Machine     Running     Serving            
             JobId        Members/Idle Requirements Rejects Job  Users Job  Other User Available Owner
            ------------- ------------ ------------ ----------- ----------- ---------- --------- -----
            7.0                    2/1            1           0           1          0         0 alice
            7.2                    1/1            0           0           1          0         0 alice
            Analyzing matches for 3 jobs
                             Slot  Slot's Req    Job's Req     Both   
            Name             Type  Matches Job Matches Slot    Match %
            ---------------- ---- ------------ ------------ ----------
            slot1@a          Part            3            2         66
            slot1@b          Part            1            0          0
        "#]].assert_eq(
            &(summary(&jobs(), &slots(), &moment) + &reverse(&jobs(), &slots(), &moment)),
        );
    }
}
