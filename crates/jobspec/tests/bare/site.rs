//! A site without surprises, for tests that are about the text of a description only.

use std::collections::BTreeMap;

use jobspec::{FileKind, Found, Host, Site, SiteError};

/// A machine on which every file is there and empty.
pub(crate) struct Bare {
    host: Host,
    environ: BTreeMap<String, String>,
}

impl Bare {
    pub(crate) fn new() -> Self {
        let host = Host {
            cwd: "/c".into(),
            user: "u".into(),
            user_number: 1000,
            arch: "X86_64".into(),
            opsys: "LINUX".into(),
            opsys_version: "100".into(),
            opsys_and_version: "Linux1".into(),
            opsys_major_version: "1".into(),
            filesystem_domain: "d".into(),
            uid_domain: "d".into(),
            version: "$CondorVersion: 25.14.1 $".into(),
            platform: "$CondorPlatform: X86_64-Linux1 $".into(),
            now: 0,
            today: (1970, 1, 1),
        };
        Self { host, environ: BTreeMap::new() }
    }
}

impl Site for Bare {
    fn host(&self) -> &Host {
        &self.host
    }

    fn read_file(&self, _: &str) -> Result<String, SiteError> {
        Ok("a b\n".into())
    }

    fn write_file(&self, _: &str, _: &str) -> Result<(), SiteError> {
        Ok(())
    }

    fn file_kind(&self, _: &str) -> Result<FileKind, SiteError> {
        Ok(FileKind::File { size_bytes: 1, executable: true })
    }

    fn glob(&self, _: &str) -> Result<Vec<Found>, SiteError> {
        Ok(Vec::new())
    }

    fn run_command(&self, _: &str) -> Result<String, SiteError> {
        Ok(String::new())
    }

    fn environ(&self) -> &BTreeMap<String, String> {
        &self.environ
    }

    fn random_below(&self, _: u64) -> u64 {
        0
    }
}
