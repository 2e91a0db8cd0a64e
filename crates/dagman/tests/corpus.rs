//! The corpus of the DAG language: `grammar/corpus/dag/{ok,err}/NAME.dag`, each with what comes of
//! it beside it in `NAME.expected`. `UPDATE_EXPECT=1` writes the expectations anew; read the diff.
//!
//! Lines that begin with `#:` are for this test: `#: -usedagdir`, `#: -dag FILE` (one more DAG
//! file), `#: -rescue FILE`, `#: -nojoin`, `#: -anychars`. Files that a DAG names are in
//! `grammar/corpus/dag/files/NAME`, or in `files` for all.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dagman::language::Diagnostic;
use dagman::workflow::{
    Description, FileError, Files, Node, NodeKind, Options, ScriptKind, Workflow, assemble, check,
};

#[path = "../../../grammar/corpus/corpus.rs"]
mod corpus;

#[test]
fn every_dag_comes_to_what_is_written_beside_it() {
    corpus::check("dag", "dag", outcome);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/corpus/dag")
}

/// Whether the DAG is refused, and all that there is to say of it.
fn outcome(file: &Path) -> (bool, String) {
    let folder = Folder { dag: file.to_owned() };
    let options = options(file);
    match assemble(&options, &folder) {
        Ok(assembled) => {
            let mut text = print(&assembled.workflow) + &print_diagnostics(&assembled.warnings);
            text += &print_diagnostics(&check(&assembled.workflow, &folder));
            (false, text)
        }
        Err(diagnostics) => (true, print_diagnostics(&diagnostics)),
    }
}

fn options(file: &Path) -> Options {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let mut options = Options::new(vec![name]);
    let text = fs::read_to_string(file).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("#:")) {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("-usedagdir", None) => options.use_dag_dir = true,
            ("-nojoin", None) => options.join_nodes = false,
            ("-anychars", None) => options.any_name_characters = true,
            ("-dag", Some(file)) => options.files.push(file.to_owned()),
            ("-rescue", Some(file)) => options.rescue = Some(file.to_owned()),
            other => panic!("{other:?} is no option of this test"),
        }
    }
    options
}

/// The folder of a DAG: its own files, then those for all.
struct Folder {
    dag: PathBuf,
}

impl Folder {
    fn find(&self, path: &str) -> Option<PathBuf> {
        let name = self.dag.file_name().unwrap().to_string_lossy();
        if path == name {
            return Some(self.dag.clone());
        }
        let own = folder().join("files").join(name.trim_end_matches(".dag"));
        [own, folder().join("files")]
            .into_iter()
            .map(|folder| folder.join(path))
            .find(|path| path.is_file())
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let found = self.find(path).ok_or_else(|| FileError("No such file or directory".into()))?;
        fs::read_to_string(found).map_err(|error| FileError(error.to_string()))
    }

    fn exists(&self, path: &str) -> bool {
        path.starts_with("/bin/") || self.find(path).is_some()
    }
}

fn print(workflow: &Workflow) -> String {
    let mut out = String::new();
    for node in workflow.nodes() {
        print_node(&mut out, workflow, node);
    }
    for category in workflow.categories() {
        writeln!(out, "category {} max {:?}", category.name, category.max_jobs).unwrap();
    }
    for (name, text) in workflow.descriptions() {
        writeln!(out, "description {name} {text:?}").unwrap();
    }
    let plain = dagman::workflow::DagSettings::default();
    if *workflow.settings() != plain {
        writeln!(out, "{:?}", workflow.settings()).unwrap();
    }
    out
}

fn print_node(out: &mut String, workflow: &Workflow, node: Node<'_>) {
    let kind = match node.kind() {
        NodeKind::Job => "job",
        NodeKind::Subdag => "subdag",
        NodeKind::Final => "final",
        NodeKind::Service => "service",
        NodeKind::Provisioner => "provisioner",
        NodeKind::Join => "join",
    };
    write!(out, "{kind} {}", node.name()).unwrap();
    match node.description() {
        Description::Nothing => {}
        Description::File(file) => write!(out, " file {file}").unwrap(),
        Description::Inline(text) => write!(out, " inline {text:?}").unwrap(),
        Description::Named { name, .. } => write!(out, " described {name}").unwrap(),
    }
    if let Some(map) = node.map() {
        write!(out, " {map:?}").unwrap();
    }
    if let Some(dir) = node.dir() {
        write!(out, " dir {dir}").unwrap();
    }
    for (is, word) in [(node.is_noop(), "noop"), (node.is_done(), "done")] {
        if is {
            write!(out, " {word}").unwrap();
        }
    }
    writeln!(out).unwrap();
    for edge in node.children() {
        let weak = if edge.weak { "~" } else { "" };
        writeln!(out, "  {weak}> {}", workflow.node(edge.node).name()).unwrap();
    }
    for var in node.vars() {
        writeln!(out, "  {:?} {} = {:?}", var.place, var.name, var.value).unwrap();
    }
    for kind in [ScriptKind::Pre, ScriptKind::Post, ScriptKind::Hold] {
        if let Some(script) = node.script(kind) {
            let words: Vec<_> = script.words().collect();
            writeln!(out, "  {kind:?} {words:?} {:?} {:?}", script.defer, script.debug).unwrap();
        }
    }
    print_rest(out, workflow, node);
}

fn print_rest(out: &mut String, workflow: &Workflow, node: Node<'_>) {
    if let Some(retry) = node.retry() {
        writeln!(out, "  {retry:?}").unwrap();
    }
    if node.priority() != 0 {
        writeln!(out, "  priority {}", node.priority()).unwrap();
    }
    if let Some(category) = node.category() {
        writeln!(out, "  category {}", workflow.categories()[category.0 as usize].name).unwrap();
    }
    if let Some(exit) = node.pre_skip() {
        writeln!(out, "  pre_skip {exit}").unwrap();
    }
    if let Some(abort) = node.abort() {
        writeln!(out, "  {abort:?}").unwrap();
    }
    if let Some(tolerance) = node.tolerance() {
        writeln!(out, "  {tolerance:?}").unwrap();
    }
    if let Some(said) = node.skip_unchanged() {
        writeln!(out, "  {said:?}").unwrap();
    }
    if let Some(file) = node.save_point() {
        writeln!(out, "  save point {file}").unwrap();
    }
}

fn print_diagnostics(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::render).collect()
}
