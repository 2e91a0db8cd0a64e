//! What DAG files say of the job that runs them: CONFIG, ENV and SET_JOB_ATTR. It is read before
//! there is such a job, and so without nodes, edges and splices: what is wrong with those, the job
//! tells. As for condor_submit_dag, a line that is no command at all is wrong here too.

use super::{Assembler, At, Loaded, Options, Scope, join, refused};
use crate::language::{Command, Diagnostic, Keyword, Line, Lines, parse};
use crate::workflow::{DagSettings, Files};
use model::diagnostic::About;

/// Reads what DAG files, and those that they include, say of the job that runs them.
///
/// # Errors
/// With everything that is wrong with that.
pub fn job_settings(options: &Options, files: &dyn Files) -> Result<DagSettings, Vec<Diagnostic>> {
    let mut assembler = Assembler::new(options, files);
    for file in &options.files {
        if let (scope, Some(loaded)) = assembler.open_top_level(file, String::new()) {
            assembler.of_job(&scope, &loaded, &join(scope.dir.as_deref(), &scope.file));
        }
    }
    let found = assembler.diagnostics;
    if found.iter().any(Diagnostic::is_error) {
        return Err(found.into_iter().filter(Diagnostic::is_error).collect());
    }
    Ok(std::mem::take(assembler.builder.settings()))
}

impl Assembler<'_> {
    fn of_job(&mut self, scope: &Scope, loaded: &Loaded, path: &str) {
        self.open.push(path.to_owned());
        for line in Lines::new(&loaded.text) {
            let (file, source) = (&loaded.name, &loaded.text);
            let at = At { line: &line, file, number: loaded.number, source };
            match line.keyword {
                Some(Keyword::Include) => self.of_included(scope, &line),
                Some(Keyword::Config | Keyword::Env | Keyword::SetJobAttr) => match parse(&line) {
                    Ok(command) => self.whole(scope, at, command),
                    Err(refusal) => self.refuse(at, refusal),
                },
                // What is wrong in another file, the job tells.
                None if loaded.name == scope.file => {
                    let refusal = parse(&line).err();
                    let found = refusal.map(|refusal| refused(at, refusal).about(About::Line));
                    self.diagnostics_of(found);
                }
                Some(_) | None => {}
            }
        }
        self.open.pop();
    }

    fn of_included(&mut self, scope: &Scope, line: &Line<'_>) {
        let Ok(Command::Include { file }) = parse(line) else { return };
        let path = join(scope.dir.as_deref(), &file.text);
        if self.open.contains(&path) || self.open.len() >= super::MAX_DEPTH {
            return;
        }
        if let Ok(loaded) = self.load(&path, &file.text) {
            self.of_job(scope, &loaded, &path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::FileError;
    use super::*;

    struct Texts(BTreeMap<&'static str, &'static str>);

    impl Files for Texts {
        fn read(&self, path: &str) -> Result<String, FileError> {
            let text = self.0.get(path).map(|text| (*text).to_owned());
            text.ok_or_else(|| FileError("No such file or directory".to_owned()))
        }

        fn exists(&self, path: &str) -> bool {
            self.0.contains_key(path)
        }
    }

    fn read(text: &'static str) -> Result<DagSettings, Vec<String>> {
        let files = [
            ("a.dag", text),
            ("own.conf", ""),
            ("more.inc", "ENV SET C=d\nINCLUDE a.dag\nBOGUS\n"),
        ];
        let options = Options::new(vec!["a.dag".to_owned()]);
        job_settings(&options, &Texts(files.into()))
            .map_err(|found| found.iter().map(crate::language::listed).collect())
    }

    #[test]
    fn what_is_said_of_the_job_is_found_between_nodes_that_are_wrong() {
        let settings = read(
            "JOB A\nCONFIG own.conf\nPARENT A CHILD B\nSPLICE S gone.dag\nENV GET X Y\nJOB I {\nENV SET no=1\n}\n\
             INCLUDE more.inc\nINCLUDE gone.inc\nENV SET A=b\nset_job_attr Kind = \"x\" + 1\n",
        );
        let settings = settings.unwrap();
        assert_eq!(settings.config.as_deref(), Some("own.conf"));
        assert_eq!(settings.environment.get, ["X", "Y"]);
        assert_eq!(settings.environment.set, ["C=d", "A=b"]);
        assert_eq!(settings.job_attributes, [("Kind".to_owned(), "\"x\" + 1".to_owned())]);
    }

    #[test]
    fn what_is_wrong_with_it_or_no_command_is_told_with_its_line() {
        for (text, expected) in [
            ("JOB A x\nBOGUS y\n", "a.dag:2 'BOGUS' is not a valid DAG command"),
            (
                "CONFIG gone.conf\n",
                "a.dag:1 Failed to parse CONFIG command: Configuration file gone.conf does not exist",
            ),
            ("ENV SET A\n", "a.dag:1 Failed to parse ENV command: A is no NAME=VALUE"),
            ("ENV SET |A=1|=2\n", "a.dag:1 Failed to parse ENV command: =2 is no NAME=VALUE"),
        ] {
            assert_eq!(read(text).unwrap_err(), [expected], "{text}");
        }
    }
}
