//! Whether a job's files travel between the submit side and the machine.

use classad::ClassAd;

/// Whether the files of a job are brought to a machine of this `FileSystemDomain` and back (HTCondor 25.14:
/// `should_transfer_files`; with `IF_NEEDED` the domains decide).
pub fn files_travel(job: &ClassAd, file_system_domain: &str) -> bool {
    let text = |name| job.literal(name).and_then(classad::Value::as_str);
    match text("ShouldTransferFiles") {
        Some(should) if should.eq_ignore_ascii_case("YES") => true,
        Some(should) if should.eq_ignore_ascii_case("NO") => false,
        Some(_) | None => text("FileSystemDomain")
            .is_some_and(|domain| !domain.eq_ignore_ascii_case(file_system_domain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_brought_where_the_disk_is_another_one() {
        let mut job = ClassAd::new();
        for (should, domain, travel) in [
            ("YES", "here", true),
            ("NO", "there", false),
            ("IF_NEEDED", "here", false),
            ("IF_NEEDED", "there", true),
        ] {
            job.set("ShouldTransferFiles", should);
            job.set("FileSystemDomain", domain);
            assert_eq!(files_travel(&job, "here"), travel, "{should} {domain}");
        }
    }
}
