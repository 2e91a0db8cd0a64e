//! What a job's owner wants to be told of each run besides its log: the account of what was done
//! for it, and the list of what was found and left.

use classad::{ClassAd, Value};
use serde::{Deserialize, Serialize};

use crate::attr;
use crate::job_ad::{is_true, text};
use crate::travel::stays_inside;

/// The log of a run that its job's owner wants (`starter_log`, `starter_debug`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarterLog {
    /// Where it is brought, absolute, if anywhere.
    pub target: Option<String>,
    /// Whether it has arguments and variables too.
    pub detailed: bool,
}

impl StarterLog {
    /// What in the value of `starter_debug` asks for more than the steps.
    const DETAILED: [&str; 4] = ["D_FULLDEBUG", "D_ALL", "D_ANY", ":2"];

    /// What says there that none is wanted: it stands in the ad as it was written.
    const NONE: [&str; 5] = ["false", "f", "no", "n", "0"];

    /// What a job wants.
    pub fn of(job: &ClassAd) -> Option<Self> {
        let wanted = job.literal(attr::JOB_STARTER_DEBUG)?;
        let levels = if *wanted == Value::Boolean(true) { "" } else { wanted.as_str()? };
        if Self::NONE.iter().any(|none| levels.eq_ignore_ascii_case(none)) {
            return None;
        }
        let iwd = text(job, attr::IWD).unwrap_or("/");
        let target = text(job, attr::JOB_STARTER_LOG);
        Some(Self {
            target: target.map(|path| match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("{iwd}/{path}"),
            }),
            detailed: Self::DETAILED.iter().any(|level| levels.contains(level)),
        })
    }
}

/// The folder that tells what a run found and left (`manifest = true`), from that in which it runs;
/// none if the job wants none.
pub fn manifest_folder(job: &ClassAd) -> Option<String> {
    let named = text(job, attr::MANIFEST_DIR);
    if named.is_none() && !is_true(job, attr::MANIFEST_DESIRED) {
        return None;
    }
    let number = |name| job.literal(name).and_then(Value::as_i64).unwrap_or(0);
    // What leads out of the folder can have come in by an edit only: such a name is refused at
    // submission.
    let name = named.filter(|name| stays_inside(name)).map(str::to_owned);
    Some(name.unwrap_or_else(|| {
        format!("{}_{}_manifest", number(attr::CLUSTER_ID), number(attr::PROC_ID))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_its_folder_wants_a_manifest_and_its_name_stays_inside() {
        for (lines, name) in [
            ("", None),
            ("ManifestDesired = false", None),
            ("ManifestDesired = true", Some("7_2_manifest")),
            ("ManifestDir = \"told\"", Some("told")),
            ("ManifestDesired = true\nManifestDir = \"a/b\"", Some("a/b")),
            ("ManifestDir = \"../a\"", Some("7_2_manifest")),
            ("ManifestDir = \".\"", Some("7_2_manifest")),
            ("ManifestDir = \"/a\"", Some("7_2_manifest")),
        ] {
            let job = ClassAd::parse_old(&format!("ClusterId = 7\nProcId = 2\n{lines}")).unwrap();
            assert_eq!(manifest_folder(&job).as_deref(), name, "{lines}");
        }
    }
}
