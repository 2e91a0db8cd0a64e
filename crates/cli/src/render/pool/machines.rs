//! The views of machines, as HTCondor 25.14 prints them: slots, claimed slots, servers, states,
//! machines, totals.

use std::collections::BTreeMap;

use classad::ClassAd;
use model::attr;

use crate::render::paint::{Paint, Tone};
use crate::render::time;
use crate::render::values::view::{Moment, View};
use crate::render::width;

/// The tables that machines can be shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A line for each slot.
    Slots,
    /// Claimed slots with their users (`-claimed`, `-run`).
    Claimed,
    /// What machines have (`-server`).
    Servers,
    /// How long slots have been in their states (`-state`).
    States,
    /// A line for each machine (`-compact`).
    Machines,
    /// Counts only (`-total`).
    Totals,
}

/// The view as text; nothing at all if there are no slots. Lines that are wider than the terminal
/// are told without what the counts below tell too, and cut if that is not enough.
pub fn render(ads: &[ClassAd], layout: Layout, moment: &Moment, terminal: Option<usize>) -> String {
    if ads.is_empty() {
        return String::new();
    }
    let slots: Vec<View<'_>> = ads.iter().map(|ad| View::new(ad, moment)).collect();
    match layout {
        Layout::Slots => {
            list(&slots, slot_heading, slot_line, terminal) + &totals(&slots, &platform)
        }
        Layout::Claimed => {
            list(&slots, claimed_heading, claimed_line, terminal) + &claimed_totals(&slots)
        }
        Layout::Servers => {
            list(&slots, server_heading, server_line, terminal) + &server_totals(&slots)
        }
        Layout::States => {
            list(&slots, state_heading, state_line, terminal) + &activity_totals(&slots)
        }
        Layout::Machines => machines(&slots),
        Layout::Totals => totals(&slots, &platform),
    }
}

/// Names of slots in the order in which people count: `slot1_2` before `slot1_10`.
pub fn natural_key(name: &str) -> Vec<(String, u64)> {
    let (slot, machine) = name.split_once('@').unwrap_or((name, ""));
    let mut key = vec![(machine.to_owned(), 0)];
    let mut text = String::new();
    let mut digits = String::new();
    for c in slot.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            key.push((std::mem::take(&mut text), digits.parse().unwrap_or(u64::MAX)));
            digits.clear();
        }
        text.push(c);
    }
    key.push((text, digits.parse().unwrap_or(0)));
    key
}

/// Widths of columns.
struct Widths {
    state: usize,
    activity: usize,
    /// Of the names, where lines are without the platform.
    narrow: Option<usize>,
}

fn list(
    slots: &[View<'_>],
    heading: fn(&Widths) -> String,
    line: fn(View<'_>, &Widths) -> String,
    terminal: Option<usize>,
) -> String {
    let longest = |name: &str, least: usize| {
        slots.iter().map(|slot| slot.text_or_undefined(name).len()).max().unwrap_or(0).max(least)
    };
    let widths = Widths {
        state: longest(attr::STATE, "State".len()),
        // Longer words stand over (HTCondor 25.14).
        activity: "Activity".len(),
        narrow: None,
    };
    let is_too_wide = |widths: &Widths, places: usize| {
        slots.iter().any(|slot| line(*slot, widths).chars().count() > places)
            || heading(widths).chars().count() > places
    };
    let widths = match terminal {
        Some(places) if is_too_wide(&widths, places) => {
            Widths { narrow: Some(longest(attr::NAME, "Name".len())), ..widths }
        }
        Some(_) | None => widths,
    };
    let cut = |line: String| match terminal {
        Some(places) => width::beginning(&line, places).to_owned(),
        None => line,
    };
    let paint = slots.first().map_or(Paint::Off, |slot| slot.moment.paint);
    let mut out = paint.text(Tone::Heading, &cut(heading(&widths))) + "\n\n";
    for slot in slots {
        out += &paint.text(tone(*slot), &cut(line(*slot, &widths)));
        out.push('\n');
    }
    out
}

/// How a slot's line is painted: one that works, and one that takes no jobs.
fn tone(slot: View<'_>) -> Tone {
    match slot.text(attr::STATE).as_deref() {
        Some("Claimed") => Tone::Good,
        Some("Owner" | "Drained" | "Preempting") => Tone::Waiting,
        Some(_) | None => Tone::Plain,
    }
}

/// `slot1@host   LINUX   X86_64   `: how most lines begin.
fn who(slot: View<'_>, widths: &Widths) -> String {
    let text = |name| slot.text_or_undefined(name);
    if let Some(places) = widths.narrow {
        return width::padded(&text(attr::NAME), places);
    }
    format!("{:<34} {:<10} {:<8}", text(attr::NAME), text(attr::OP_SYS), text(attr::ARCH))
}

/// The heading of that.
fn who_heading(widths: &Widths) -> String {
    match widths.narrow {
        Some(places) => width::padded("Name", places),
        None => "Name                               OpSys      Arch    ".to_owned(),
    }
}

fn load(slot: View<'_>) -> f64 {
    // The column is named after the machine's load and shows the jobs' part of it (HTCondor 25.14).
    slot.real(attr::CONDOR_LOAD_AVG).or_else(|| slot.real(attr::LOAD_AVG)).unwrap_or(0.0)
}

/// How long something lasts, by the machine's own clock.
fn lasts(slot: View<'_>, since: &str) -> String {
    let now = slot.int(attr::MY_CURRENT_TIME).unwrap_or(slot.moment.now);
    time::length(now.saturating_sub(slot.int(since).unwrap_or(now)))
}

fn whole(slot: View<'_>, name: &str) -> i64 {
    slot.int(name).or_else(|| slot.real(name).map(time::whole_seconds)).unwrap_or(0)
}

fn slot_heading(widths: &Widths) -> String {
    let Widths { state, activity, .. } = widths;
    format!(
        "{} {:<state$} {:<activity$} LoadAv Mem     ActvtyTime",
        who_heading(widths),
        "State",
        "Activity"
    )
}

fn slot_line(slot: View<'_>, widths: &Widths) -> String {
    format!(
        "{} {:<s$} {:<a$} {:>6.3} {:>6} {:>11}",
        who(slot, widths),
        slot.text_or_undefined(attr::STATE),
        slot.text_or_undefined(attr::ACTIVITY),
        load(slot),
        whole(slot, attr::MEMORY),
        lasts(slot, attr::ENTERED_CURRENT_ACTIVITY),
        s = widths.state,
        a = widths.activity
    )
}

fn claimed_heading(widths: &Widths) -> String {
    format!("{} LoadAv RemoteUser           ClientMachine   ", who_heading(widths))
}

fn claimed_line(slot: View<'_>, widths: &Widths) -> String {
    let user = slot.text_or_undefined(attr::REMOTE_USER);
    let client = slot.text_or_undefined(attr::CLIENT_MACHINE);
    format!("{} {:>6.3} {user:<20} {client:<16}", who(slot, widths), load(slot))
}

fn server_heading(widths: &Widths) -> String {
    format!("{} LoadAv Memory   Disk      Mips    KFlops   ", who_heading(widths))
}

fn server_line(slot: View<'_>, widths: &Widths) -> String {
    let speed = |name: &str, unknown: &str| {
        slot.int(name).map_or_else(|| unknown.to_owned(), |n| n.to_string())
    };
    format!(
        "{} {:>6.3} {:>8} {:>9} {:>7} {:>9}",
        who(slot, widths),
        load(slot),
        whole(slot, attr::MEMORY),
        whole(slot, attr::DISK),
        speed(attr::MIPS, "[?????]"),
        speed(attr::KFLOPS, "[???????]")
    )
}

fn state_heading(_: &Widths) -> String {
    "Name                               Cpu  Mem  LoadAv   KbdIdle    State     StateTime  Activ   ActvtyTime".to_owned()
}

fn state_line(slot: View<'_>, _: &Widths) -> String {
    format!(
        "{:<34} {:<3} {:>4} {:>7.3} {:>12} {:<7} {:>12} {:<4} {:>13}",
        slot.text_or_undefined(attr::NAME),
        whole(slot, attr::CPUS),
        // HTCondor 25.14 leaves this column empty.
        "",
        load(slot),
        time::length(whole(slot, attr::KEYBOARD_IDLE)),
        slot.text_or_undefined(attr::STATE),
        lasts(slot, attr::ENTERED_CURRENT_STATE),
        slot.text_or_undefined(attr::ACTIVITY),
        lasts(slot, attr::ENTERED_CURRENT_ACTIVITY)
    )
}

/// `X86_64/LINUX`.
fn platform(slot: View<'_>) -> String {
    format!("{}/{}", slot.text_or_undefined(attr::ARCH), slot.text_or_undefined(attr::OP_SYS))
}

/// States in the order of the columns of most totals.
const STATES: [&str; 8] =
    ["Owner", "Claimed", "Unclaimed", "Matched", "Preempting", "Drained", "Backfill", "BkIdle"];

fn totals(slots: &[View<'_>], group: &dyn Fn(View<'_>) -> String) -> String {
    let heading = "Total Owner Claimed Unclaimed Matched Preempting  Drain Backfill BkIdle";
    let line = |slots: &[View<'_>]| {
        let [owner, claimed, unclaimed, matched, preempting, drained, backfill, idle] =
            states(slots);
        format!(
            "{:>5} {owner:>5} {claimed:>7} {unclaimed:>9} {matched:>7} {preempting:>10} {drained:>6} {backfill:>8} {idle:>6}",
            slots.len()
        )
    };
    grouped(slots, heading, group, &line)
}

fn states(slots: &[View<'_>]) -> [usize; 8] {
    STATES.map(|state| {
        slots.iter().filter(|slot| slot.text(attr::STATE).as_deref() == Some(state)).count()
    })
}

/// A table of totals: a line for each group, then one for all.
fn grouped(
    slots: &[View<'_>],
    heading: &str,
    group: &dyn Fn(View<'_>) -> String,
    line: &dyn Fn(&[View<'_>]) -> String,
) -> String {
    let mut groups: BTreeMap<String, Vec<View<'_>>> = BTreeMap::new();
    for slot in slots {
        groups.entry(group(*slot)).or_default().push(*slot);
    }
    let mut out = format!("\n{:14} {heading}\n\n", "");
    for (name, members) in &groups {
        out += &format!("{name:>14} {}\n", line(members));
    }
    out + &format!("\n{:>14} {}\n", "Total", line(slots))
}

fn claimed_totals(slots: &[View<'_>]) -> String {
    let line = |slots: &[View<'_>]| {
        let sum = |name| slots.iter().map(|slot| whole(*slot, name)).sum::<i64>();
        #[expect(clippy::cast_precision_loss, reason = "counts of slots are small")]
        let average = slots.iter().filter_map(|slot| slot.real(attr::LOAD_AVG)).sum::<f64>()
            / slots.len().max(1) as f64;
        format!(
            "{:>8} {:>12} {:>12} {average:>7.3}",
            slots.len(),
            sum(attr::MIPS),
            sum(attr::KFLOPS)
        )
    };
    let heading = "Machines         MIPS       KFLOPS   AvgLoadAvg";
    grouped(slots, heading, &platform, &line) + &omitted(slots)
}

fn server_totals(slots: &[View<'_>]) -> String {
    let line = |slots: &[View<'_>]| {
        let sum = |name| slots.iter().map(|slot| whole(*slot, name)).sum::<i64>();
        let available = slots.len();
        format!(
            "{:>8} {available:>5} {:>11} {:>11} {:>11} {:>11}",
            slots.len(),
            sum(attr::MEMORY),
            sum(attr::DISK),
            sum(attr::MIPS),
            sum(attr::KFLOPS)
        )
    };
    let heading = "   Slots Avail  Memory        Disk        MIPS      KFLOPS";
    grouped(slots, heading, &platform, &line) + &omitted(slots)
}

/// Slots that do not say how fast they are.
fn omitted(slots: &[View<'_>]) -> String {
    let silent = slots
        .iter()
        .filter(|slot| slot.int(attr::MIPS).is_none() || slot.int(attr::KFLOPS).is_none())
        .count();
    if silent == 0 {
        return String::new();
    }
    format!("\n{:14}(Omitted {silent} malformed ads in computed attribute totals)\n\n", "")
}

fn activity_totals(slots: &[View<'_>]) -> String {
    let heading = "Total Owner Unclaimed Claimed Preempting Matched  Drain Backfill BkIdle";
    let line = |slots: &[View<'_>]| {
        let [owner, claimed, unclaimed, matched, preempting, drained, backfill, idle] =
            states(slots);
        // HTCondor 25.14 leaves the first of these columns at zero.
        format!(
            "{:>5} {owner:>5} {unclaimed:>9} {claimed:>7} {preempting:>10} {matched:>7} {drained:>6} {backfill:>8} {idle:>6}",
            0
        )
    };
    grouped(slots, heading, &|slot| slot.text_or_undefined(attr::ACTIVITY), &line)
}

const KIB_PER_GIB: f64 = 1024.0;

/// A line for each machine: its partitionable slot and what was carved from it.
fn machines(slots: &[View<'_>]) -> String {
    let mut by_machine: BTreeMap<String, Vec<View<'_>>> = BTreeMap::new();
    for slot in slots {
        by_machine.entry(slot.text_or_undefined(attr::MACHINE)).or_default().push(*slot);
    }
    let mut out =
        "Machine      Platform    Slots Cpus Gpus  TotalGb FreCpu  FreeGb  CpuLoad ST Jobs/Min MaxSlotGb\n\n".to_owned();
    for (name, slots) in &by_machine {
        out += &machine_line(name, slots);
        out.push('\n');
    }
    let carved: Vec<View<'_>> =
        slots.iter().filter(|slot| !is_partitionable(**slot)).copied().collect();
    out + &totals(if carved.is_empty() { slots } else { &carved }, &short_platform)
}

fn is_partitionable(slot: View<'_>) -> bool {
    slot.value(attr::PARTITIONABLE_SLOT).is_true()
}

/// `x64/Debian0`.
fn short_platform(slot: View<'_>) -> String {
    let arch = slot.text_or_undefined(attr::ARCH);
    let arch = if arch == "X86_64" { "x64" } else { &arch };
    let system =
        slot.text(attr::OP_SYS_AND_VER).or_else(|| slot.text(attr::OP_SYS)).unwrap_or_default();
    format!("{arch}/{system}")
}

fn machine_line(name: &str, slots: &[View<'_>]) -> String {
    let whole_machine =
        slots.iter().copied().find(|slot| is_partitionable(*slot)).unwrap_or(slots[0]);
    let carved: Vec<View<'_>> =
        slots.iter().filter(|slot| !is_partitionable(**slot)).copied().collect();
    let number = |attr: &str| whole_machine.real(attr).unwrap_or(0.0);
    let gib = |attr: &str| number(attr) / KIB_PER_GIB;
    let largest =
        carved.iter().filter_map(|slot| slot.real(attr::MEMORY)).fold(0.0, f64::max) / KIB_PER_GIB;
    let letter = |slot: View<'_>, attr: &str, upper: bool| {
        let c = slot.text_or_undefined(attr).chars().next().unwrap_or('?');
        if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    let first = carved.first().copied().unwrap_or(whole_machine);
    format!(
        "{name:<12} {:<11} {:>4} {:>5} {:>4} {:>8.2} {:>6} {:>8.2} {:>7.2} {}{} {:>8.2} {largest:>9.2}",
        short_platform(whole_machine),
        carved.len(),
        whole(whole_machine, attr::TOTAL_CPUS),
        whole(whole_machine, attr::TOTAL_GPUS),
        gib(attr::TOTAL_MEMORY),
        whole(whole_machine, attr::CPUS),
        gib(attr::MEMORY),
        // Of one processor (HTCondor 25.14).
        number(attr::TOTAL_LOAD_AVG) / number(attr::TOTAL_CPUS).max(1.0),
        letter(first, attr::STATE, true),
        letter(first, attr::ACTIVITY, false),
        number("RecentJobStarts") / 20.0,
    )
}
