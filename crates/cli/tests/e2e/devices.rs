//! Custom machine resources and GPUs, with an inventory script and a `nvidia-smi` of ours.

use std::fs;

use crate::harness::{Pool, eventually, logged};

/// Two GPUs of different kinds, as `nvidia-smi` tells them.
const NVIDIA_SMI: &str = "#!/bin/sh
case \"$1\" in
--query-gpu=*)
    echo 'GPU-aaaaaaaa-0000-0000-0000-000000000000, Tesla T4, 7.5, 15360, 1590, 00000000:00:1E.0'
    echo 'GPU-bbbbbbbb-0000-0000-0000-000000000000, NVIDIA A100, 8.0, 40960, 1410, 00000000:00:1F.0' ;;
*) echo '| NVIDIA-SMI 535.1   Driver Version: 535.1   CUDA Version: 12.2 |' ;;
esac
";

/// Prints what says which devices the job has.
const TELL: &str = "executable = /bin/sh\narguments = \"-c 'env | grep -i -e visible -e assigned | sort; exec sleep $(SLEEP:0)'\"\noutput = $(OUT)\nrequest_disk = 10MB\nlog = $(OUT).log\n";

#[test]
fn each_job_has_devices_of_its_own_of_the_kind_that_it_asks_for() {
    let pool = Pool::start_with_programs(
        4,
        "MACHINE_RESOURCE_Actuator = 2\n\
         MACHINE_RESOURCE_INVENTORY_Arm = echo 'DetectedArm = \"left, right\"'\n",
        &[("nvidia-smi", NVIDIA_SMI)],
    );
    let machine =
        pool.ok(&["status", "-af", "GPUs", "DetectedGPUs", "MachineResources", "Arm", "Actuator"]);
    assert_eq!(machine, "2 GPU-aaaaaaaa, GPU-bbbbbbbb Cpus Memory Disk Actuator Arm GPUs 2 2\n");
    let properties = pool.ok(&[
        "status",
        "-af",
        "AvailableGPUs[1].DeviceName",
        "AvailableGPUs[1].MaxSupportedVersion",
    ]);
    assert_eq!(properties, "NVIDIA A100 12020\n");

    let tell = |out: &str, lines: &str| {
        pool.submit(&format!("OUT = {out}\nSLEEP = 600\n{TELL}{lines}\nqueue\n"))
    };
    let said = |out: &str| fs::read_to_string(pool.work().join(out)).unwrap_or_default();
    let a100 = tell("a100", "request_gpus = 1\nrequire_gpus = Capability >= 8.0");
    eventually("the job has the GPU that it asked for", || {
        said("a100")
            == "CUDA_VISIBLE_DEVICES=GPU-bbbbbbbb\nNVIDIA_VISIBLE_DEVICES=GPU-bbbbbbbb\n_CONDOR_AssignedGPUs=GPU-bbbbbbbb\n"
    });
    let again = tell("again", "request_gpus = 1\ngpus_minimum_memory = 30GB");
    let reason = || pool.attribute(&format!("{again}.0"), "LastRejMatchReason").join("");
    eventually("there is no other of that kind", || reason().starts_with("not yet: "));
    let any = tell("any", "request_gpus = 1");
    eventually("the other GPU is for whoever takes any", || {
        pool.attribute(&format!("{any}.0"), "AssignedGPUs") == ["GPU-aaaaaaaa"]
    });
    let none = tell("none", "request_arm = 2\nrequest_actuator = 1");
    eventually("a job without GPUs sees none, and has its arms", || {
        said("none")
            == "CUDA_VISIBLE_DEVICES=10000\nNVIDIA_VISIBLE_DEVICES=none\n_CONDOR_AssignedArm=left,right\n_CONDOR_AssignedGPUs=10000\n"
    });
    let many = tell("many", "request_actuator = 3");
    let reason = || pool.attribute(&format!("{many}.0"), "LastRejMatchReason").join("");
    eventually("what is too large names the resource", || {
        reason() == "never: it asks for Actuator = 3, and the largest suitable slot has 2"
    });
    let slots =
        ["status", "-gpus", "-af", "Name", "AssignedGPUs", "GPUs", "-constraint", "DynamicSlot"];
    eventually("each of the three has its slot", || pool.ok(&slots).lines().count() == 3);

    // A restart of the startd knows whose each is; the end frees it.
    pool.kill_and_see_it_return("startd");
    let free = || pool.ok(&["status", "-af", "AvailableGPUs", "-constraint", "PartitionableSlot"]);
    eventually("the machine is back", || free().replace(' ', "") == "{}\n");
    pool.ok(&["rm", &a100]);
    pool.until(&format!("{again}.0"), "JobStatus", "2");
    let provisioned = pool.attribute(&format!("{again}.0"), "AssignedGPUs");
    assert_eq!(provisioned, ["GPU-bbbbbbbb"]);
    assert_eq!(pool.attribute(&format!("{none}.0"), "ArmProvisioned"), ["2"]);
    pool.ok(&["rm", "-all"]);
    eventually("both GPUs are free", || {
        ["aaaaaaaa", "bbbbbbbb"].iter().all(|id| free().contains(id))
    });
    let over = pool.submit(&format!("OUT = over\n{TELL}request_gpus = 1\nqueue\n"));
    pool.ok(&["wait", &over]);
    logged(&pool.work().join("over.log"), "005", 1);
    let log = said("over.log");
    assert!(log.contains("Request Allocated Assigned"), "{log}");
    let row = log.lines().find(|line| line.contains("GPUs ")).unwrap_or_default();
    assert!(row.trim_end().ends_with("\"GPU-aaaaaaaa\""), "{log}");
}
