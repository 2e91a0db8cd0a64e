//! What is found out about the machine when the startd starts: the attributes that Requirements of
//! jobs look at, as HTCondor 25.14's startd names them. Only what this program really does is
//! claimed (`HasFileTransfer` and the like).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use classad::ClassAd;
use model::version::{CONDOR_VERSION, condor_platform};
use model::{Resources, Timestamp, attr};
use nix::sys::utsname::uname;

use crate::core::Custom;
use crate::shell::machine::devices::{self, Inventories};
use crate::shell::machine::measure::free_disk_kib;
use crate::shell::machine::settings::MachineSettings;

/// Processor features that are advertised, by their name in `/proc/cpuinfo`; the attribute is
/// `has_<name>`.
const FEATURES: [&str; 8] =
    ["ssse3", "sse4_1", "sse4_2", "avx", "avx2", "avx512f", "avx512dq", "avx512_vnni"];

/// Features that each microarchitecture level of x86-64 adds to the one before, by the psABI.
const LEVELS: [(&str, &[&str]); 3] = [
    ("x86_64-v2", &["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"]),
    ("x86_64-v3", &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"]),
    ("x86_64-v4", &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
];

/// A machine without a memory limit in its cgroup.
const NO_LIMIT: &str = "max";

#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// What there is to share out.
    pub(crate) total: Resources,
    /// The custom resources.
    pub(crate) customs: Vec<Custom>,
    /// What there is to know.
    pub(crate) ad: ClassAd,
}

/// The machine as a schedd on it advertises itself: what the Requirements of jobs look at that run
/// beside it. The disk is that of `folder`.
///
/// # Errors
///
/// If the kernel does not say how much memory there is.
pub fn submit_machine(
    name: &str,
    address: &str,
    folder: &Path,
    now: Timestamp,
) -> io::Result<ClassAd> {
    let nothing = (&MachineSettings::default(), Inventories::default());
    let Found { total, mut ad, .. } = look(name, address, folder, nothing, now)?;
    for startds in [attr::STARTD_IP_ADDR, "LastBenchmark", attr::MACHINE_RESOURCES] {
        ad.remove(startds);
    }
    ad.set(attr::CPUS, i64::from(total.cpus));
    ad.set(attr::MEMORY, whole(total.memory_mib));
    ad.set(attr::DISK, whole(total.disk_kib));
    Ok(ad)
}

/// Looks at the machine. `address` is the one for people to see.
///
/// # Errors
///
/// If the kernel does not say how much memory there is.
pub(crate) fn machine(
    name: &str,
    address: &str,
    execute_dir: &Path,
    settings: &MachineSettings,
    now: Timestamp,
) -> io::Result<Found> {
    let inventories = devices::find(&settings.resources);
    look(name, address, execute_dir, (settings, inventories), now)
}

fn look(
    name: &str,
    address: &str,
    execute_dir: &Path,
    (settings, inventories): (&MachineSettings, Inventories),
    now: Timestamp,
) -> io::Result<Found> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let detected_cpus = detected_cpus();
    let detected_mib = memory_mib(&meminfo);
    let Inventories { customs, amounts, ad: inventory } = inventories;
    let total = Resources {
        cpus: settings.cpus.unwrap_or(detected_cpus),
        memory_mib: settings
            .memory_mib
            .unwrap_or_else(|| detected_mib.saturating_sub(settings.reserved_memory_mib).max(1)),
        disk_kib: free_disk_kib(execute_dir),
        custom: amounts,
    };
    let mut ad = ClassAd::new();
    let system = OsRelease::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default());
    describe_system(&mut ad, &system);
    describe_processor(&mut ad, &fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    ad.set(attr::DETECTED_CPUS, i64::from(detected_cpus));
    ad.set(attr::DETECTED_MEMORY, whole(detected_mib));
    ad.set("TotalVirtualMemory", whole(virtual_memory_kib(&meminfo)));
    ad.set("VirtualMemory", whole(virtual_memory_kib(&meminfo)));
    ad.set(attr::MY_ADDRESS, address);
    ad.set(attr::STARTD_IP_ADDR, address);
    ad.set(attr::FILE_SYSTEM_DOMAIN, name);
    ad.set(attr::UID_DOMAIN, name);
    let named = customs.iter().map(|custom| custom.tag.as_str());
    let names: Vec<&str> =
        [attr::CPUS, attr::MEMORY, attr::DISK].into_iter().chain(named).collect();
    ad.set(attr::MACHINE_RESOURCES, names.join(" "));
    ad.update(&inventory);
    ad.set(attr::HAS_FILE_TRANSFER, true);
    ad.set(attr::HAS_JOB_TRANSFER_PLUGINS, true);
    ad.set("HasJobDeferral", true);
    ad.set("HasReconnect", true);
    ad.set("HasJICLocalStdin", true);
    ad.set("HasSelfCheckpointTransfers", true);
    ad.set("HasVM", false);
    ad.set("LastBenchmark", now.as_secs());
    ad.update(&settings.attributes);
    Ok(Found { total, customs, ad })
}

fn describe_system(ad: &mut ClassAd, system: &OsRelease) {
    if let Ok(uts) = uname() {
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        ad.set("UtsnameSysname", text(uts.sysname()));
        ad.set("UtsnameNodename", text(uts.nodename()));
        ad.set("UtsnameRelease", text(uts.release()));
        ad.set("UtsnameVersion", text(uts.version()));
        ad.set("UtsnameMachine", text(uts.machine()));
        let arch = arch(&text(uts.machine()));
        ad.set(attr::CONDOR_PLATFORM, condor_platform(&arch, &system.name_and_version()));
        ad.set(attr::ARCH, arch);
    }
    ad.set(attr::CONDOR_VERSION, CONDOR_VERSION);
    ad.set(attr::OP_SYS, "LINUX");
    ad.set(attr::OP_SYS_LEGACY, "LINUX");
    ad.set(attr::OP_SYS_NAME, system.short_name());
    ad.set(attr::OP_SYS_SHORT_NAME, system.short_name());
    ad.set(attr::OP_SYS_LONG_NAME, system.pretty_name.as_str());
    ad.set(attr::OP_SYS_AND_VER, system.name_and_version());
    if let Some(major) = system.major() {
        ad.set("OpSysMajorVer", major);
        ad.set("OpSysVer", major * 100 + system.minor());
    }
}

fn describe_processor(ad: &mut ClassAd, cpuinfo: &str) {
    let field = |name: &str| {
        let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name)
    };
    let number = |name: &str| {
        let first = field(name)?.1.split(' ').next()?;
        first.parse::<i64>().ok()
    };
    for (attribute, name) in
        [("CpuFamily", "cpu family"), ("CpuModelNumber", "model"), ("CpuCacheSize", "cache size")]
    {
        if let Some(n) = number(name) {
            ad.set(attribute, n);
        }
    }
    let Some((_, flags)) = field("flags") else { return };
    let flags: Vec<&str> = flags.split(' ').collect();
    for feature in FEATURES.iter().filter(|feature| flags.contains(feature)) {
        ad.set(format!("has_{feature}"), true);
    }
    let has_all = |wanted: &[&str]| wanted.iter().all(|feature| flags.contains(feature));
    let levels = LEVELS.iter().take_while(|(_, wanted)| has_all(wanted));
    ad.set("Microarch", levels.last().map_or("x86_64-v1", |(level, _)| level));
}

/// `Arch` for what `uname -m` says.
fn arch(machine: &str) -> String {
    match machine {
        "x86_64" => "X86_64".to_owned(),
        "i386" | "i486" | "i586" | "i686" => "INTEL".to_owned(),
        // HTCondor 25.14 passes these on as they are (aarch64, ppc64le).
        other => other.to_owned(),
    }
}

/// The processors that this machine has for us.
pub fn detected_cpus() -> u32 {
    available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

/// The memory that processes of ours can have, MiB; 0 if the kernel does not say.
pub fn detected_memory_mib() -> u64 {
    memory_mib(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

/// The memory that processes of ours can have, MiB: the machine's, or less where a cgroup says so.
fn memory_mib(meminfo: &str) -> u64 {
    let machine_kib = meminfo_kib(meminfo, "MemTotal").unwrap_or(0);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limits_of(&own);
    let limits = limits.iter().filter_map(|path| fs::read_to_string(path).ok());
    let kib = limits.filter_map(|limit| limit_kib(&limit)).min();
    kib.map_or(machine_kib, |limit| limit.min(machine_kib)) / 1024
}

/// What a file with a cgroup's limit says, KiB; none if there is no limit.
fn limit_kib(text: &str) -> Option<u64> {
    match text.trim() {
        NO_LIMIT => None,
        bytes => bytes.parse::<u64>().ok().map(|bytes| bytes / 1024),
    }
}

/// The files in which the limits of memory stand that hold for a process with this
/// `/proc/self/cgroup`: its own and those of all cgroups above, of either version.
fn limits_of(cgroups: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for line in cgroups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own = Path::new(path.trim_start_matches('/'));
        all.extend(own.ancestors().map(|above| Path::new(root).join(above).join(file)));
    }
    all
}

fn virtual_memory_kib(meminfo: &str) -> u64 {
    ["MemTotal", "SwapTotal"].iter().filter_map(|name| meminfo_kib(meminfo, name)).sum()
}

fn meminfo_kib(meminfo: &str, name: &str) -> Option<u64> {
    let mut lines = meminfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| *key == name)?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// `/etc/os-release`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OsRelease {
    name: String,
    pretty_name: String,
    version: Option<String>,
}

impl OsRelease {
    fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(key, _)| *key == name)?;
            Some(value.trim_matches(['"', '\'']).to_owned())
        };
        Self {
            name: value("NAME").unwrap_or_else(|| "Linux".to_owned()),
            pretty_name: value("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            version: value("VERSION_ID"),
        }
    }

    /// `Debian`, `Ubuntu`, `RedHat`, ...
    fn short_name(&self) -> &str {
        match self.name.as_str() {
            "Red Hat Enterprise Linux" | "Red Hat Enterprise Linux Server" => "RedHat",
            "Amazon Linux" => "AmazonLinux",
            name => name.split(' ').next().unwrap_or(name),
        }
    }

    fn major(&self) -> Option<i64> {
        self.version.as_deref()?.split('.').next()?.parse().ok()
    }

    fn minor(&self) -> i64 {
        let part = self.version.as_deref().and_then(|version| version.split('.').nth(1));
        part.and_then(|minor| minor.parse().ok()).unwrap_or(0)
    }

    /// `Debian12`; HTCondor 25.14 writes 0 where there is no version, as on Debian sid.
    fn name_and_version(&self) -> String {
        format!("{}{}", self.short_name(), self.major().unwrap_or(0))
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_cgroup_and_of_all_above_it_hold() {
        let check = |cgroups: &str, expected: &[&str]| {
            let found: Vec<String> =
                limits_of(cgroups).iter().map(|path| path.display().to_string()).collect();
            assert_eq!(found, expected, "{cgroups}");
        };
        check("0::/\n", &["/sys/fs/cgroup/memory.max"]);
        check(
            "0::/system.slice/slurm.scope\n",
            &[
                "/sys/fs/cgroup/system.slice/slurm.scope/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ],
        );
        check(
            "5:cpu,cpuacct:/\n4:memory:/job\n",
            &[
                "/sys/fs/cgroup/memory/job/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ],
        );
        check("", &[]);
        for (text, kib) in [("max\n", None), ("1048576\n", Some(1024)), ("", None)] {
            assert_eq!(limit_kib(text), kib, "{text:?}");
        }
    }

    #[test]
    fn systems_are_named_as_htcondor_names_them() {
        for (text, name, version) in [
            ("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n", "Debian12", Some(12)),
            ("NAME=\"Debian GNU/Linux\"\n", "Debian0", None),
            ("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\n", "Ubuntu24", Some(24)),
            ("NAME=\"Rocky Linux\"\nVERSION_ID=\"9.4\"\n", "Rocky9", Some(9)),
            ("NAME=\"Red Hat Enterprise Linux\"\nVERSION_ID=\"8.10\"\n", "RedHat8", Some(8)),
        ] {
            let system = OsRelease::parse(text);
            assert_eq!(system.name_and_version(), name);
            assert_eq!(system.major(), version, "{name}");
        }
    }

    #[test]
    fn a_processor_has_the_level_whose_features_it_has_all_of() {
        let v2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3";
        let v3 = "avx avx2 bmi1 bmi2 f16c fma abm movbe";
        for (flags, level) in [
            ("sse2".to_owned(), "x86_64-v1"),
            (v2.to_owned(), "x86_64-v2"),
            (v3.to_owned(), "x86_64-v1"),
            (format!("{v2} {v3}"), "x86_64-v3"),
        ] {
            let mut ad = ClassAd::new();
            describe_processor(
                &mut ad,
                &format!("cpu family\t: 25\nmodel\t\t: 17\nflags\t\t: {flags}\n"),
            );
            let found = ad.literal("Microarch").and_then(|value| value.as_str().map(str::to_owned));
            assert_eq!(found.as_deref(), Some(level), "{flags}");
            assert_eq!(ad.literal("CpuModelNumber").and_then(classad::Value::as_i64), Some(17));
        }
    }

    #[test]
    fn memory_is_read_in_kib() {
        let meminfo = "MemTotal:       24684084 kB\nMemFree:  1 kB\nSwapTotal:  100 kB\n";
        assert_eq!(meminfo_kib(meminfo, "MemTotal"), Some(24_684_084));
        assert_eq!(virtual_memory_kib(meminfo), 24_684_184);
    }
}
