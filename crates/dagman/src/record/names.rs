//! The names of a DAG's files. Knows nothing of what is in them.

use crate::workflow::save_file;

/// The files of one run, named after the first DAG file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    primary: String,
    many: bool,
    out_dir: Option<String>,
}

/// A rescue file's number has three digits.
pub const MAX_RESCUE: u32 = 999;

impl Names {
    /// Of these DAG files, of which the first gives the name.
    pub fn new(primary: &str, many: bool) -> Self {
        Self { primary: primary.to_owned(), many, out_dir: None }
    }

    /// The same with dagman.out elsewhere (`-outfile_dir`).
    #[must_use]
    pub fn with_out_dir(mut self, dir: Option<String>) -> Self {
        self.out_dir = dir;
        self
    }

    /// The first DAG file.
    pub fn primary(&self) -> &str {
        &self.primary
    }

    /// Its name without folders.
    pub fn base(&self) -> &str {
        self.primary.rsplit('/').next().unwrap_or(&self.primary)
    }

    /// The description of the DAG's own job.
    pub fn condor_sub(&self) -> String {
        self.with("condor.sub")
    }

    /// What happened, a line each.
    pub fn dagman_out(&self) -> String {
        match &self.out_dir {
            Some(dir) => format!("{dir}/{}.dagman.out", self.base()),
            None => self.with("dagman.out"),
        }
    }

    /// The standard output of dagman.
    pub fn lib_out(&self) -> String {
        self.with("lib.out")
    }

    /// Its standard error.
    pub fn lib_err(&self) -> String {
        self.with("lib.err")
    }

    /// The event log of the DAG's own job.
    pub fn dagman_log(&self) -> String {
        self.with("dagman.log")
    }

    /// The event log of all nodes, as `DAGMAN_DEFAULT_NODE_LOG` says it: the DAG's folder, its
    /// file, its job and its user stand in it as `@(DAG_DIR)`, `@(DAG_FILE)`, `@(CLUSTER)` and
    /// `@(OWNER)`.
    pub fn nodes_log(&self, form: &str, cluster: u32, owner: &str) -> String {
        let dir = match self.primary.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((dir, _)) => dir,
            None => ".",
        };
        let path = form.replace("@(DAG_DIR)", dir).replace("@(DAG_FILE)", self.base());
        path.replace("@(CLUSTER)", &cluster.to_string()).replace("@(OWNER)", owner)
    }

    /// One dagman at a time runs a DAG.
    pub fn lock(&self) -> String {
        self.with("lock")
    }

    /// What a run counted.
    pub fn metrics(&self) -> String {
        self.with("metrics")
    }

    /// While it is there, nothing new begins.
    pub fn halt(&self) -> String {
        self.with("halt")
    }

    /// What dagman needs to go on after it died.
    pub fn journal(&self) -> String {
        self.with("journal")
    }

    /// What nodes that may be skipped were made from when they were done last (SKIP_UNCHANGED). It
    /// stays when the run is over.
    pub fn unchanged(&self) -> String {
        self.with("unchanged")
    }

    /// The folder of orders to a run that goes on (`updraft dag retry`).
    pub fn orders(&self) -> String {
        self.with("orders")
    }

    /// What all rescue files' names begin with.
    pub fn rescue_stem(&self) -> String {
        format!("{}{}.rescue", self.primary, if self.many { "_multi" } else { "" })
    }

    /// A rescue file.
    pub fn rescue(&self, number: u32) -> String {
        format!("{}{number:03}", self.rescue_stem())
    }

    /// A save point's file, as it is named: one without a folder lies with the others.
    pub fn save_point(&self, name: &str) -> String {
        match self.primary.rsplit_once('/') {
            Some((dir, _)) if !name.contains('/') => format!("{dir}/{}", save_file(name)),
            Some(_) | None => save_file(name),
        }
    }

    fn with(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.primary)
    }
}

/// The number in the name of a rescue file, if it is one of a stem.
pub fn rescue_number(name: &str, stem: &str) -> Option<u32> {
    let digits = name.strip_prefix(stem)?;
    let number = digits.parse().ok().filter(|number| (1..=MAX_RESCUE).contains(number))?;
    (digits.len() == 3).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_point_that_is_named_without_a_folder_lies_with_the_others_of_its_dag() {
        for (primary, name, expected) in [
            ("a.dag", "B-a.dag.save", "save_files/B-a.dag.save"),
            ("in/a.dag", "B-a.dag.save", "in/save_files/B-a.dag.save"),
            ("in/a.dag", "./mine.save", "./mine.save"),
            ("a.dag", "save_files/B-a.dag.save", "save_files/B-a.dag.save"),
        ] {
            assert_eq!(Names::new(primary, false).save_point(name), expected, "{primary} {name}");
        }
    }
}
