//! The devices of a machine that its ad names: GPUs, and what a pool has named itself.

use classad::{ClassAd, Expr, Value};

/// All devices of a resource, as a slot lists those that it has (`AvailableGPUs`), from what was
/// detected (`DetectedGPUs = "GPU-a, GPU-b"`, `GPUs_GPU_a = [...]`). The resource's name is spelt
/// as the machine does. `None` if the ad names none.
pub fn detected(machine: &ClassAd, resource: &str) -> Option<Expr> {
    let ids = machine.literal(&format!("Detected{resource}")).and_then(Value::as_str)?;
    let attribute = |id: &str| {
        let id: String =
            id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        Expr::attr(format!("{resource}_{id}"))
    };
    let ids = ids.split([',', ' ']).filter(|id| !id.is_empty());
    Some(Expr::list(ids.map(attribute)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_by_the_attributes_that_tell_of_them() {
        let ad = ClassAd::parse_old("DetectedGPUs = \"GPU-1f, GPU-2e\"").unwrap();
        assert_eq!(detected(&ad, "GPUs").unwrap().to_string(), "{ GPUs_GPU_1f,GPUs_GPU_2e }");
        assert_eq!(detected(&ad, "Tapes"), None);
    }
}
