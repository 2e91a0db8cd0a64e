//! When it is looked whether a halt is wished: once in a while, however busy the DAG is.

use std::time::Duration;

use super::LOOK;
use crate::shell::files;

/// The halt file, and when it was looked for last.
#[derive(Debug)]
pub(super) struct HaltFile {
    path: String,
    /// Milliseconds of the boot clock.
    looked_ms: Option<u64>,
}

impl HaltFile {
    pub(super) fn at(path: String) -> Self {
        Self { path, looked_ms: None }
    }

    /// Whether a halt is wished, if it is time to look again.
    pub(super) fn look(&mut self, now_ms: u64) -> Option<bool> {
        if !self.left(now_ms).is_zero() {
            return None;
        }
        self.looked_ms = Some(now_ms);
        Some(files::is_there(&self.path))
    }

    /// How long it is until it is looked again.
    pub(super) fn left(&self, now_ms: u64) -> Duration {
        let passed = self.looked_ms.map(|then| Duration::from_millis(now_ms.saturating_sub(then)));
        passed.map_or(Duration::ZERO, |passed| LOOK.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_is_heard_within_a_second_however_often_something_else_happens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.halt").to_string_lossy().into_owned();
        let mut halt = HaltFile::at(path.clone());
        assert_eq!(halt.look(5000), Some(false), "at the beginning");
        std::fs::write(&path, "").unwrap();
        let heard: Vec<(u64, bool)> = (5001..8000)
            .step_by(100)
            .filter_map(|now_ms| halt.look(now_ms).map(|wished| (now_ms, wished)))
            .collect();
        assert_eq!(heard, [(6001, true), (7001, true)]);
        assert_eq!(halt.left(7501), Duration::from_millis(500));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(halt.look(9000), Some(false));
    }
}
