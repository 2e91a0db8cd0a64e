//! Custom machine resources and GPUs: what there is of each, as settings, inventory scripts and
//! `nvidia-smi` tell it.
//!
//! Names and properties are those of HTCondor 25.14 (`MACHINE_RESOURCE_<name>`,
//! `MACHINE_RESOURCE_INVENTORY_<name>`, `condor_gpu_discovery`): `DetectedGPUs` lists the ids,
//! `GPUs_<id>` has the properties of each, and a property that all share is the machine's own
//! attribute too (`GPUs_Capability`).

use model::attr;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use classad::{AttrName, ClassAd, Expr, Value};

use crate::core::{Custom, Device};
use crate::shell::machine::settings::{Inventory, NamedResource};

/// The name of GPUs.
pub(crate) const GPUS: &str = "GPUs";

/// How long an inventory may take. A driver that hangs must not keep the machine from doing
/// anything else.
const LIMIT: Duration = Duration::from_secs(20);

/// What `nvidia-smi` is asked of each GPU, and the property that the answer is.
const GPU_FIELDS: [(&str, &str); 6] = [
    ("uuid", "DeviceUuid"),
    ("name", "DeviceName"),
    ("compute_cap", "Capability"),
    ("memory.total", attr::GLOBAL_MEMORY_MB),
    ("clocks.max.sm", "ClockMhz"),
    ("pci.bus_id", "DevicePciBusId"),
];

/// The custom resources of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventories {
    pub(crate) customs: Vec<Custom>,
    /// How many there are of each, by lower-case name.
    pub(crate) amounts: BTreeMap<String, u64>,
    /// What the machine's ad says of them.
    pub(crate) ad: ClassAd,
}

/// Finds out. An inventory that fails is told in the log, and its resource is not there. GPUs are
/// looked for with `nvidia-smi` unless a setting is about them.
pub(crate) fn find(settings: &[NamedResource]) -> Inventories {
    let mut found = Inventories::default();
    for resource in settings {
        let tag = &resource.tag;
        match &resource.inventory {
            Inventory::Amount(amount) => found.add(tag, *amount, Vec::new()),
            Inventory::Ids(ids) => {
                let devices = ids.iter().map(|id| (id.clone(), ClassAd::new())).collect();
                found.add(tag, 0, devices);
            }
            Inventory::Script(command) => match output("/bin/sh", &["-c", command]) {
                Ok(text) => found.add_inventory(tag, &text),
                Err(error) => tracing::error!(tag, command, error, "the inventory failed"),
            },
        }
    }
    if !settings.iter().any(|resource| resource.tag.eq_ignore_ascii_case(GPUS)) {
        let devices = gpus();
        if !devices.is_empty() {
            found.add(GPUS, 0, devices);
        }
    }
    found
}

impl Inventories {
    /// `devices` are counted if there are any.
    fn add(&mut self, tag: &str, amount: u64, devices: Vec<(String, ClassAd)>) {
        let amount = if devices.is_empty() { amount } else { devices.len() as u64 };
        self.amounts.insert(tag.to_ascii_lowercase(), amount);
        let ids: Vec<&str> = devices.iter().map(|(id, _)| id.as_str()).collect();
        let detected = match ids.is_empty() {
            true => Expr::from(i64::try_from(amount).unwrap_or(i64::MAX)),
            false => Expr::from(ids.join(", ")),
        };
        self.ad.set(format!("Detected{tag}"), detected);
        for (name, value) in shared(&devices) {
            self.ad.set(format!("{tag}_{name}"), value);
        }
        let mut all = Vec::new();
        for (id, mut properties) in devices {
            properties.set("Id", id.as_str());
            let attribute = format!("{tag}_{}", as_name(&id));
            self.ad.set(attribute.as_str(), Expr::from(properties.clone()));
            all.push(Device { id, attribute, ad: Arc::new(properties) });
        }
        self.customs.push(Custom { tag: tag.to_owned(), devices: all });
    }

    /// What an inventory script prints: `Detected<name>` with a number or a list of ids, for each
    /// id an ad of its properties, and `Common` with what all share. Anything else becomes an
    /// attribute of the machine.
    fn add_inventory(&mut self, tag: &str, text: &str) {
        let ad = match ClassAd::parse_old(text) {
            Ok(ad) => ad,
            Err(error) => {
                tracing::error!(tag, %error, "the inventory did not print an ad");
                return;
            }
        };
        let name = format!("Detected{tag}");
        let detected = ad.eval(&name, None, &classad::Env::at(0));
        let nested = |name: &str| match ad.eval(name, None, &classad::Env::at(0)) {
            Value::Ad(found) => Some(ClassAd::clone(&found)),
            _ => None,
        };
        let ids: Vec<String> = detected.as_str().map_or_else(Vec::new, |list| {
            let words = list.split([',', ' ']).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        });
        let amount = detected.as_i64().and_then(|n| u64::try_from(n).ok());
        if ids.is_empty() && amount.is_none() {
            tracing::error!(tag, "the inventory did not print {name}, a number or a list of ids");
            return;
        }
        let common = nested("Common").unwrap_or_default();
        let properties = |id: &String| {
            let mut all = common.clone();
            all.update(&nested(&as_name(id)).or_else(|| nested(id)).unwrap_or_default());
            all.remove("Id");
            (id.clone(), all)
        };
        let devices: Vec<_> = ids.iter().map(properties).collect();
        let said = |attribute: &AttrName| {
            let mut names = ids.iter().map(|id| as_name(id));
            let is = |name: &str| attribute.as_str().eq_ignore_ascii_case(name);
            is(&name) || is("Common") || names.any(|name| is(&name))
        };
        let others: Vec<_> = ad.iter().filter(|(attribute, _)| !said(attribute)).collect();
        for (attribute, value) in others {
            self.ad.set(attribute.clone(), value.clone());
        }
        self.add(tag, amount.unwrap_or(0), devices);
    }
}

/// Properties that all have alike.
fn shared(devices: &[(String, ClassAd)]) -> Vec<(String, Expr)> {
    let Some(((_, first), rest)) = devices.split_first() else { return Vec::new() };
    let alike = |name: &AttrName, value: &Expr| {
        rest.iter().all(|(_, other)| other.get_own(name.as_str()) == Some(value))
    };
    first
        .iter()
        .filter(|(name, value)| alike(name, value) && name.as_str() != "DeviceUuid")
        .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
        .collect()
}

/// An id as a part of an attribute's name.
fn as_name(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The GPUs that `nvidia-smi` knows; none where there is no such program.
fn gpus() -> Vec<(String, ClassAd)> {
    const PROGRAM: &str = "nvidia-smi";
    let fields: Vec<&str> = GPU_FIELDS.iter().map(|(field, _)| *field).collect();
    let query = format!("--query-gpu={}", fields.join(","));
    let Ok(table) = output(PROGRAM, &[&query, "--format=csv,noheader,nounits"]) else {
        return Vec::new();
    };
    let summary = output(PROGRAM, &[]).unwrap_or_default();
    let cuda = summary.split("CUDA Version:").nth(1).and_then(|rest| {
        let version = rest.split_whitespace().next()?;
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<i64>().ok()?, minor.parse::<i64>().ok()?))
    });
    table.lines().filter_map(|line| gpu(line, cuda)).collect()
}

/// One line of its table. HTCondor 25.14 calls a GPU by the first part of its UUID.
fn gpu(line: &str, cuda: Option<(i64, i64)>) -> Option<(String, ClassAd)> {
    let mut ad = ClassAd::new();
    let mut id = None;
    for ((_, name), value) in GPU_FIELDS.iter().zip(line.split(',').map(str::trim)) {
        match *name {
            "DeviceUuid" => {
                let uuid = value.strip_prefix("GPU-")?;
                id = Some(format!("GPU-{}", uuid.split('-').next()?));
                ad.set(*name, uuid);
            }
            "Capability" => {
                if let Ok(number) = value.parse::<f64>() {
                    ad.set(*name, number);
                }
            }
            attr::GLOBAL_MEMORY_MB | "ClockMhz" => {
                if let Ok(number) = value.parse::<i64>() {
                    ad.set(*name, number);
                }
            }
            _ => ad.set(*name, value),
        }
    }
    if let Some((major, minor)) = cuda {
        ad.set(attr::MAX_SUPPORTED_VERSION, major * 1000 + minor * 10);
        if let Ok(number) = format!("{major}.{minor}").parse::<f64>() {
            ad.set("DriverVersion", number);
        }
    }
    Some((id?, ad))
}

/// What a program prints within the limit.
fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let (sender, receiver) = mpsc::sync_channel(1);
    // One that hangs is left behind: it cannot be waited for.
    thread::spawn(move || sender.send(command.output()));
    let output = match receiver.recv_timeout(LIMIT) {
        Ok(output) => output.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {} s", LIMIT.as_secs())),
    };
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value at the call")]
    fn check(found: &Inventories, expected: Expect) {
        let mut text = format!("{:?}\n", found.amounts);
        for (name, value) in found.ad.iter() {
            text += &format!("{name} = {value}\n");
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn amounts_and_ids_are_what_settings_say() {
        let resource = |tag: &str, inventory| NamedResource { tag: tag.to_owned(), inventory };
        let ids = ["left", "right"].map(str::to_owned).to_vec();
        let none = resource(GPUS, Inventory::Amount(0));
        let found = find(&[
            resource("Actuator", Inventory::Amount(3)),
            resource("Arm", Inventory::Ids(ids)),
            none,
        ]);
        check(
            &found,
            expect![[r#"
            {"actuator": 3, "arm": 2, "gpus": 0}
            Arm_left = [ Id = "left" ]
            Arm_right = [ Id = "right" ]
            DetectedArm = "left, right"
            DetectedGPUs = 0
            DetectedActuator = 3
        "#]],
        );
    }

    #[test]
    fn an_inventory_prints_ids_properties_and_attributes_of_the_machine() {
        let mut found = Inventories::default();
        found.add_inventory(
            GPUS,
            "DetectedGPUs=\"GPU-aa, GPU-bb\"\nCommon=[ Capability=7.5; ]\n\
             GPU_aa=[ id=\"GPU-aa\"; DeviceName=\"T4\"; ]\nGPU_bb=[ DeviceName=\"A2\"; Capability=8.6 ]\n\
             Lab = \"x\"\n",
        );
        found.add_inventory("Tape", "DetectedTape = 2\n");
        check(
            &found,
            expect![[r#"
            {"gpus": 2, "tape": 2}
            Lab = "x"
            GPUs_GPU_aa = [ Id = "GPU-aa"; Capability = 7.5; DeviceName = "T4" ]
            GPUs_GPU_bb = [ Id = "GPU-bb"; Capability = 8.6; DeviceName = "A2" ]
            DetectedGPUs = "GPU-aa, GPU-bb"
            DetectedTape = 2
        "#]],
        );
    }

    #[test]
    fn a_gpu_has_the_properties_that_htcondor_names() {
        let line = "GPU-1f2a3b4c-0000-1111-2222-333344445555, Tesla T4, 7.5, 15360, 1590, 00000000:00:1E.0";
        let (id, ad) = gpu(line, Some((12, 2))).unwrap();
        let mut found = Inventories::default();
        found.add(GPUS, 0, vec![(id, ad)]);
        check(
            &found,
            expect![[r#"
            {"gpus": 1}
            DetectedGPUs = "GPU-1f2a3b4c"
            GPUs_ClockMhz = 1590
            GPUs_Capability = 7.5
            GPUs_DeviceName = "Tesla T4"
            GPUs_GPU_1f2a3b4c = [ Id = "GPU-1f2a3b4c"; ClockMhz = 1590; Capability = 7.5; DeviceName = "Tesla T4"; DeviceUuid = "1f2a3b4c-0000-1111-2222-333344445555"; DriverVersion = 12.2; DevicePciBusId = "00000000:00:1E.0"; GlobalMemoryMb = 15360; MaxSupportedVersion = 12020 ]
            GPUs_DriverVersion = 12.2
            GPUs_DevicePciBusId = "00000000:00:1E.0"
            GPUs_GlobalMemoryMb = 15360
            GPUs_MaxSupportedVersion = 12020
        "#]],
        );
    }
}
