//! Whose behaviour this program follows, in the words in which HTCondor names its own version.
//! Submit files and Requirements compare them (`versionGE(split(TARGET.CondorVersion)[1],
//! "25.12.0")`), so the number is that of HTCondor's release.

/// The release of HTCondor whose behaviour is followed, and its date.
pub const FOLLOWS: &str = "25.14.1 2026-10-16";

/// `CondorVersion`: the release that is followed, and which program it is really.
pub const CONDOR_VERSION: &str = concat!(
    "$CondorVersion: 25.14.1 2026-10-16 PackageID: Updraft-",
    env!("CARGO_PKG_VERSION"),
    " $"
);

/// `CondorPlatform`, for an architecture and an operating system as the machine's ad names them
/// (`X86_64`, `Debian12`).
pub fn condor_platform(arch: &str, system: &str) -> String {
    format!("$CondorPlatform: {arch}-{system} $")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_release_that_is_followed() {
        let (release, _) = FOLLOWS.split_once(' ').unwrap();
        assert_eq!(CONDOR_VERSION.split(' ').nth(1), Some(release));
    }
}
