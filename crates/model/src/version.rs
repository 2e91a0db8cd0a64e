//! Whose behaviour this program follows, in the words in which HTCondor names its own version. Jobs, submit files and tools
//! compare these strings (`versioncmp`, `CondorVersion` in Requirements), so they name HTCondor's release and not ours.

/// `CondorVersion`: the release whose behaviour is followed.
pub const CONDOR_VERSION: &str = "$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1+dfsg-1 $";

/// `CondorPlatform`, for an architecture and an operating system as the machine's ad names them (`X86_64`, `Debian12`).
pub fn condor_platform(arch: &str, system: &str) -> String {
    format!("$CondorPlatform: {arch}-{system} $")
}
