//! The table of resources at the end of events 004 and 005: what was used, requested, allocated and
//! assigned.
//!
//! Columns are as wide as HTCondor 25.14 makes them, and its readers find them again by the
//! headings.

use crate::attr;
use serde::{Deserialize, Serialize};

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceUsage {
    /// The resource: `Cpus`, `Disk` (KiB), `Memory` (MiB), `GPUs`, `TimeExecute` (s),
    /// `TimeSlotBusy` (s).
    pub name: String,
    /// Peak or average use.
    pub used: Option<Amount>,
    /// What the job asked for.
    pub requested: Option<Amount>,
    /// What the slot had.
    pub allocated: Option<Amount>,
    /// Which ones, as ClassAd text, where they have names (GPUs).
    pub assigned: Option<String>,
}

/// An entry of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Amount {
    /// A whole number.
    Whole(i64),
    /// A number with a fraction, written with two digits. See `From<f64>`.
    Real(f64),
    /// Anything else, as ClassAd text.
    Text(String),
}

impl From<i64> for Amount {
    fn from(n: i64) -> Self {
        Self::Whole(n)
    }
}

impl From<f64> for Amount {
    /// A number is written with its fraction only if it has one.
    fn from(x: f64) -> Self {
        let whole = format!("{x:.0}").parse().map(Self::Whole);
        whole.ok().filter(|_| x.fract() == 0.0).unwrap_or(Self::Real(x))
    }
}

/// The heading with which the table starts.
const HEADING: &str = "\tPartitionable Resources :";

/// The narrowest columns that HTCondor makes: `Usage` and `Request`, then `Allocated`.
const NUMBER_WIDTH: usize = 8;
const ALLOCATED_WIDTH: usize = 9;

/// Room for the name: HTCondor takes the longest name, at least `Memory (MB)` with its terminator,
/// and 8 more for the unit.
const NAME_WIDTH: usize = 12;
const UNIT_WIDTH: usize = 8;

/// The table as text; nothing for no resources.
pub(super) fn write(resources: &[ResourceUsage], out: &mut String) {
    if resources.is_empty() {
        return;
    }
    let mut sorted: Vec<&ResourceUsage> = resources.iter().collect();
    sorted.sort_by_key(|resource| resource.name.to_ascii_lowercase());
    let used = Column::of(&sorted, |r| r.used.as_ref(), NUMBER_WIDTH);
    let requested = Column::of(&sorted, |r| r.requested.as_ref(), NUMBER_WIDTH);
    let allocated = Column::of(&sorted, |r| r.allocated.as_ref(), ALLOCATED_WIDTH);
    let assigned = sorted.iter().any(|r| r.assigned.is_some());
    let heading =
        (if allocated.is_empty { "" } else { "Allocated" }, if assigned { "Assigned" } else { "" });
    *out += &format!(
        "{HEADING} {:>u$} {:>r$} {:>a$} {}\n",
        "Usage",
        "Request",
        heading.0,
        heading.1,
        u = used.width,
        r = requested.width,
        a = allocated.width,
    );
    let longest = sorted.iter().map(|r| r.name.len()).max().unwrap_or(0).max(NAME_WIDTH);
    for (i, resource) in sorted.iter().enumerate() {
        *out += &format!(
            "\t   {:<n$} : {:>u$} {:>r$} {:>a$} {}\n",
            label(&resource.name),
            used.cells[i],
            requested.cells[i],
            allocated.cells[i],
            resource.assigned.as_deref().unwrap_or_default(),
            n = longest + UNIT_WIDTH,
            u = used.width,
            r = requested.width,
            a = allocated.width,
        );
    }
}

struct Column {
    cells: Vec<String>,
    width: usize,
    is_empty: bool,
}

impl Column {
    /// The cells of a column. If one has a fraction, whole numbers are moved left so that the
    /// points stand in line.
    fn of(
        resources: &[&ResourceUsage],
        pick: impl Fn(&ResourceUsage) -> Option<&Amount>,
        narrowest: usize,
    ) -> Self {
        let amounts: Vec<Option<&Amount>> = resources.iter().map(|r| pick(r)).collect();
        let points = amounts.iter().flatten().any(|amount| matches!(amount, Amount::Real(_)));
        let cells: Vec<String> = amounts.iter().map(|amount| cell(*amount, points)).collect();
        let width = cells.iter().map(String::len).max().unwrap_or(0).max(narrowest);
        Self { cells, width, is_empty: amounts.iter().all(Option::is_none) }
    }
}

fn cell(amount: Option<&Amount>, points: bool) -> String {
    let Some(amount) = amount else { return String::new() };
    let mut text = amount.text();
    if points && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text += "   ";
    }
    text
}

impl Amount {
    fn text(&self) -> String {
        match self {
            Self::Whole(n) => n.to_string(),
            Self::Real(x) => format!("{x:.2}"),
            Self::Text(text) => text.clone(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let whole = text.parse().map(Self::Whole).ok();
        let real = || text.parse().map(Self::Real).ok();
        whole.or_else(real).or_else(|| Some(Self::Text(text.to_owned())))
    }
}

/// A resource's name with its unit.
fn label(name: &str) -> String {
    let unit = match name {
        "Memory" | "GpusMemory" => " (MB)",
        "Disk" => " (KB)",
        "Gpus" => " (Average)",
        attr::TIME_EXECUTE | attr::TIME_SLOT_BUSY => " (s)",
        _ => "",
    };
    format!("{name}{unit}")
}

/// The columns of a table that is being read, by the right edges of the headings.
pub(super) struct Columns {
    used: usize,
    requested: usize,
    allocated: Option<usize>,
    assigned: Option<usize>,
}

impl Columns {
    /// From the heading line; `None` if it is none.
    pub(super) fn of_heading(line: &str) -> Option<Self> {
        if !line.starts_with("\tPartitionable ") && !line.starts_with("\tResources") {
            return None;
        }
        let table = &line[line.find(':')? + 1..];
        let end_of = |word: &str| table.find(word).map(|at| at + word.len());
        Some(Self {
            used: end_of("Usage")?,
            requested: end_of("Request")?,
            allocated: end_of("Allocated"),
            assigned: table.find("Assigned"),
        })
    }

    /// One line below the heading; `None` if the table is over.
    pub(super) fn row(&self, line: &str) -> Option<ResourceUsage> {
        let (label, table) = line.split_once(':')?;
        let name = label.split_whitespace().next()?.to_owned();
        let part =
            |from: usize, to: usize| table.get(from..to.min(table.len())).unwrap_or_default();
        let allocated = self.allocated.map(|end| part(self.requested, end));
        let assigned = self.assigned.and_then(|from| table.get(from..)).map(str::trim);
        Some(ResourceUsage {
            name,
            used: Amount::parse(part(0, self.used)),
            requested: Amount::parse(part(self.used, self.requested)),
            allocated: allocated.and_then(Amount::parse),
            assigned: assigned.filter(|text| !text.is_empty()).map(str::to_owned),
        })
    }
}
