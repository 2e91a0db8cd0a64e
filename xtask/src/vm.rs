//! `cargo xtask vm`: a pool of many users in a virtual machine, whose kernel sees to limits that
//! this one's may not. The machine is Debian's cloud kernel (unpacked, not installed) with busybox
//! and our program, in memory only; what is tried there is `vm/init.sh`. A job that wants more
//! memory than it asked for is held, with the peak; a fork bomb leaves the machine well, and a job
//! has a `/tmp` of its own.
//!
//! It fetches what it needs by `apt-get`, once, and says so where the machine forbids it. Without
//! KVM a machine takes half a minute to begin.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::hosts::tool;
use crate::run;

/// What the machine begins with.
const INIT: &str = include_str!("vm/init.sh");

/// The package that depends on the newest kernel for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";

/// How a line begins that says what came of something.
const SAYS: &str = "VM: ";

/// What it says last if all is as it must be.
const WELL: &str = "VM: all is well";

/// The machine's memory, and how long it may take in all, seconds: it is emulated.
const MEMORY: &str = "1200";
const LIMIT_S: &str = "900";

/// What is tried.
#[derive(Debug, Args)]
pub(crate) struct VmArgs {
    /// Shows all that the machine prints.
    #[arg(long)]
    all: bool,
}

/// Sets the machine up, and tries everything.
///
/// # Errors
///
/// If the machine forbids it, or something is not as it must be.
pub(crate) fn run(args: &VmArgs) -> Result<()> {
    set_up().context("set up a virtual machine")?.run(args.all)
}

/// What is there to begin with.
struct Machine {
    kernel: PathBuf,
    memory_disk: PathBuf,
}

/// Fetches what is missing, and puts the machine's files together.
fn set_up() -> Result<Machine> {
    let folder = run::target_dir().join("vm");
    fs::create_dir_all(&folder)?;
    if tool("qemu-system-x86_64", &["--version"]).is_err() {
        let words = ["install", "--yes", "--no-install-recommends", "qemu-system-x86"];
        tool("apt-get", &words).context("install qemu-system-x86, which is missing (as root)")?;
    }
    let kernel = kernel(&folder)?;
    let busybox = unpacked(&folder, "busybox-static")?.join("bin/busybox");
    let program = run::target_dir().join("debug/updraft");
    ensure!(program.exists(), "find {}: cargo build", program.display());
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for place in ["bin", "usr/bin", "usr/local/bin", "proc", "sys", "dev", "tmp", "etc", "root"] {
        fs::create_dir_all(root.join(place))?;
    }
    fs::copy(&busybox, root.join("bin/busybox"))?;
    let inside = root.join("usr/local/bin/updraft");
    fs::copy(&program, &inside)?;
    // What it says of itself to a debugger is ten times as long as it.
    if let Err(error) = tool("strip", &[&text(&inside)]) {
        println!("the program goes in as it is: {error:#}");
    }
    with_libraries(&inside, &root)?;
    for name in ["setsid", "setpriv"] {
        let outside = Path::new("/usr/bin").join(name);
        let to = root.join("usr/bin").join(name);
        fs::copy(&outside, &to).with_context(|| format!("copy {}", outside.display()))?;
        with_libraries(&to, &root)?;
    }
    fs::write(root.join("init"), INIT)?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    let memory_disk = folder.join("memory-disk");
    let pack = "cd \"$1\" && find . | \"$2\" cpio -o -H newc > \"$3\"";
    tool("sh", &["-c", pack, "sh", &text(&root), &text(&busybox), &text(&memory_disk)])?;
    Ok(Machine { kernel, memory_disk })
}

impl Machine {
    fn run(&self, all: bool) -> Result<()> {
        let mut machine = Command::new("timeout")
            .args([LIMIT_S, "qemu-system-x86_64", "-accel", "tcg", "-m", MEMORY, "-smp", "2"])
            .args(["-nographic", "-no-reboot", "-nic", "none", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.memory_disk)
            .args(["-append", "console=ttyS0 quiet panic=-1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start qemu-system-x86_64")?;
        let (mut last, mut is_well) = (Vec::new(), false);
        for line in BufReader::new(machine.stdout.take().context("read the console")?).split(b'\n')
        {
            let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
            if all || line.starts_with(SAYS) {
                println!("{line}");
            }
            is_well |= line.starts_with(WELL);
            last.push(line);
        }
        let status = machine.wait()?;
        if is_well {
            return Ok(());
        }
        let from = last.len().saturating_sub(60);
        bail!(
            "the machine ended ({status}) and did not say that all is well\n{}",
            last[from..].join("\n")
        )
    }
}

/// The newest kernel for virtual machines.
fn kernel(folder: &Path) -> Result<PathBuf> {
    let depends = tool("apt-cache", &["depends", KERNEL])?;
    let newest = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = newest.with_context(|| format!("find the kernel of {KERNEL}: apt-get update"))?;
    let boot = unpacked(folder, package)?.join("boot");
    let files = fs::read_dir(&boot)?.flatten().map(|entry| entry.path());
    let is_kernel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
    };
    files
        .into_iter()
        .find(is_kernel)
        .with_context(|| format!("find a kernel in {}", boot.display()))
}

/// The folder with a package's files, which is fetched if it is not there.
fn unpacked(folder: &Path, package: &str) -> Result<PathBuf> {
    let files = folder.join(package);
    if files.exists() {
        return Ok(files);
    }
    let fetch = "cd \"$1\" && apt-get download --quiet \"$2\" && dpkg-deb -x \"$2\"_*.deb \"$2.new\" && mv \"$2.new\" \"$2\"";
    tool("sh", &["-c", fetch, "sh", &text(folder), package])
        .with_context(|| format!("fetch the package {package}"))?;
    Ok(files)
}

/// Copies what a program is linked with.
fn with_libraries(program: &Path, root: &Path) -> Result<()> {
    let said = tool("ldd", &[&text(program)])?;
    let paths = said.split_whitespace().filter(|word| word.starts_with('/'));
    for path in paths.map(Path::new) {
        let to = root.join(path.strip_prefix("/")?);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &to).with_context(|| format!("copy {}", path.display()))?;
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
