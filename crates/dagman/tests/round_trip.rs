//! Whatever a DAG file can say, a workflow that is written and read again is the same.

use std::fmt::Write as _;

use dagman::language::Diagnostic;
use dagman::workflow::{
    Abort, Builder, Causes, Defer, Description, FileError, Files, Items, Map, NewNode, NodeIndex,
    NodeKind, Options, Pause, Retry, Script, ScriptDebug, ScriptKind, ScriptStream, Tolerance,
    ToleranceLimit, Var, VarPlace, WhenExceeded, Workflow, assemble, write,
};
use proptest::prelude::*;
use proptest::sample::select;

/// One DAG file; every other exists and is empty.
struct One(String);

impl Files for One {
    fn read(&self, path: &str) -> Result<String, FileError> {
        Ok(if path == "main.dag" { self.0.clone() } else { String::new() })
    }

    fn exists(&self, _: &str) -> bool {
        true
    }
}

fn read(text: &str) -> Workflow {
    let options = Options::new(vec!["main.dag".to_owned()]);
    match assemble(&options, &One(text.to_owned())) {
        Ok(assembled) => assembled.workflow,
        Err(diagnostics) => {
            let all: String = diagnostics.iter().map(Diagnostic::render).collect();
            panic!("{all}\n{text}")
        }
    }
}

/// At least one cause.
fn causes() -> impl Strategy<Value = Causes> {
    let ranges = proptest::collection::vec((any::<u8>(), any::<u8>()), 0..4);
    let causes = (ranges, any::<[bool; 3]>()).prop_map(|(ranges, [signal, memory, removed])| {
        let mut causes = Causes::default();
        (causes.signal, causes.memory, causes.removed) = (signal, memory, removed);
        ranges.iter().for_each(|(a, b)| causes.add_codes(*a.min(b), *a.max(b)));
        causes
    });
    causes.prop_filter("ON without a cause", |causes| *causes != Causes::default())
}

/// Which script, its command line, DEFER and DEBUG.
type SaidScript = (ScriptKind, String, Option<Defer>, Option<(String, ScriptStream)>);

/// What is said of one node.
#[derive(Clone, Debug)]
struct Said {
    kind: NodeKind,
    work: Work,
    dir: Option<String>,
    noop: bool,
    done: bool,
    vars: Vec<(String, String, VarPlace)>,
    script: Option<SaidScript>,
    retry: Option<Retry>,
    priority: i32,
    category: Option<String>,
    abort: Option<Abort>,
    tolerance: Option<Tolerance>,
    pre_skip: Option<i32>,
    map: Option<SaidMap>,
}

/// A list in the line, or a file with names for its columns.
#[derive(Clone, Debug)]
enum SaidMap {
    List(String, Option<String>),
    File(String, Vec<String>, Option<u32>),
}

#[derive(Clone, Debug)]
enum Work {
    File(String),
    Inline(String),
    Named(String),
}

fn value() -> impl Strategy<Value = String> {
    "[ -~äß]{0,12}"
}

fn path() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_./ \"'\\\\-]{1,8}".prop_filter("a path", |path| !path.trim().is_empty())
}

fn work() -> impl Strategy<Value = Work> {
    let line = "( )?[a-z@{}=\\\\][a-z@{}# =\\\\]{0,12}[a-z]";
    prop_oneof![
        3 => path().prop_map(Work::File),
        1 => proptest::collection::vec(line, 1..4).prop_map(|lines| Work::Inline(lines.join("\n"))),
        1 => "[de][0-3]".prop_map(Work::Named),
    ]
}

fn map() -> impl Strategy<Value = SaidMap> {
    let name = "[a-eg-hj-l_][A-Za-z0-9_]{0,3}";
    let file = path().prop_filter("a list", |path| path != "-");
    prop_oneof![
        ("( )?[a-z$(,) ]{0,8}[a-z,]", proptest::option::of(name))
            .prop_filter("one list", |(list, _)| !list.contains(") "))
            .prop_map(|(list, name)| SaidMap::List(list, name)),
        (file, proptest::collection::vec(name, 0..4), proptest::option::of(1..u32::MAX))
            .prop_map(|(file, names, at_once)| SaidMap::File(file, names, at_once)),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let place = select(vec![VarPlace::Default, VarPlace::Prepend, VarPlace::Append]);
    let var = ("(My\\.)?[a-p][a-z0-9_.-]{0,5}", value(), place);
    let stream = select(vec![ScriptStream::Stdout, ScriptStream::Stderr, ScriptStream::All]);
    let defer = (any::<i32>(), any::<u32>().prop_map(|s| s >> 1))
        .prop_map(|(status, seconds)| Defer { status, seconds });
    let script = (
        select(vec![ScriptKind::Pre, ScriptKind::Post, ScriptKind::Hold]),
        "[!-~]([ -~]{0,10}[!-\\[\\]-~])?"
            .prop_filter("a comment or continuation", |line| !line.ends_with('\\')),
        proptest::option::of(defer),
        proptest::option::of((path(), stream)),
    );
    let pause = (any::<u32>(), any::<u32>()).prop_map(|(seconds, up_to)| Pause { seconds, up_to });
    let retry = (
        any::<u32>(),
        proptest::option::of(any::<i32>()),
        proptest::option::of(causes()),
        proptest::option::of(pause),
    )
        .prop_map(|(max, unless_exit, causes, pause)| Retry {
            max,
            unless_exit,
            causes,
            pause,
        });
    let abort = (any::<i32>(), proptest::option::of(0..256))
        .prop_map(|(exit, return_code)| Abort { exit, return_code });
    let when = select(vec![WhenExceeded::Default, WhenExceeded::FailFast, WhenExceeded::Wait]);
    let limit = prop_oneof![
        any::<u32>().prop_map(ToleranceLimit::Jobs),
        any::<u32>().prop_map(ToleranceLimit::Percent)
    ];
    let tolerance =
        (limit, when).prop_map(|(limit, when_exceeded)| Tolerance { limit, when_exceeded });
    let kind = select(vec![NodeKind::Job, NodeKind::Job, NodeKind::Subdag, NodeKind::Service]);
    let first = (kind, work(), proptest::option::of(path()), any::<bool>(), any::<bool>());
    let second = (
        proptest::collection::vec(var, 0..4),
        proptest::option::of(script),
        proptest::option::of(retry),
        any::<i32>(),
    );
    let third = (
        proptest::option::of("[+]?[a-z]{1,3}"),
        proptest::option::of(abort),
        proptest::option::of(tolerance),
        proptest::option::of(0..256),
        proptest::option::of(map()),
    );
    (first, second, third).prop_map(|(first, second, third)| Said {
        kind: first.0,
        work: first.1,
        dir: first.2,
        noop: first.3,
        done: first.4,
        vars: second.0,
        script: second.1,
        retry: second.2,
        priority: second.3,
        category: third.0,
        abort: third.1,
        tolerance: third.2,
        pre_skip: third.3,
        map: third.4,
    })
}

fn build(all: &[Said], edges: &[(usize, usize, bool)]) -> Workflow {
    let mut builder = Builder::new(vec!["main.dag".to_owned()]);
    for (number, said) in all.iter().enumerate() {
        add(&mut builder, number, said);
    }
    let plain = |at: usize| all[at].kind != NodeKind::Service;
    for (a, b, weak) in edges {
        let (a, b) = (a % all.len(), b % all.len());
        if a != b && plain(a) && plain(b) {
            builder.add_edge(NodeIndex::new(a.min(b)), NodeIndex::new(a.max(b)), *weak);
        }
    }
    builder.finish()
}

fn add(builder: &mut Builder, number: usize, said: &Said) {
    let service = said.kind == NodeKind::Service;
    let name = format!("n{number}");
    let description = match &said.work {
        Work::Named(name) if said.kind != NodeKind::Subdag => Description::Named { name, text: "" },
        Work::Inline(text) if said.kind != NodeKind::Subdag => Description::Inline(text),
        Work::File(file) => Description::File(file),
        Work::Named(_) | Work::Inline(_) => Description::File("inner.dag"),
    };
    if let Description::Named { name, .. } = description {
        builder.describe(name, "executable = /bin/true");
    }
    let (dir, noop, done) = (said.dir.as_deref(), said.noop, said.done && !service);
    let new = NewNode { kind: said.kind, description, dir, noop, done, ..NewNode::job(&name, "") };
    let node = builder.add_node(&new).unwrap();
    for (name, value, place) in &said.vars {
        builder.set_var(node, Var { name, value, place: *place });
    }
    if let Some((kind, line, defer, debug)) = &said.script {
        let debug = debug.as_ref().map(|(file, stream)| ScriptDebug { file, stream: *stream });
        builder.set_script(node, *kind, Script { command_line: line, defer: *defer, debug });
    }
    match said.map.as_ref().filter(|_| said.kind == NodeKind::Job) {
        None => {}
        Some(SaidMap::List(list, name)) => {
            let names = name.iter().map(String::as_str).collect();
            builder.set_map(node, &Map { over: Items::List(list), names, at_once: None });
        }
        Some(SaidMap::File(file, names, at_once)) => {
            let names = names.iter().map(String::as_str).collect();
            let over = Items::File(file);
            builder.set_map(node, &Map { over, names, at_once: *at_once });
        }
    }
    if let Some(tolerance) = said.tolerance {
        builder.set_tolerance(node, tolerance);
    }
    if let Some(exit) = said.pre_skip {
        builder.set_pre_skip(node, exit);
    }
    if let Some(abort) = said.abort {
        builder.set_abort(node, abort);
    }
    if !service {
        if let Some(retry) = said.retry {
            builder.set_retry(node, retry);
        }
        builder.set_priority(node, said.priority);
        if let Some(category) = &said.category {
            builder.set_category(node, category);
            builder.set_max_jobs(category, 3);
        }
    }
}

/// All that is seen of a workflow.
fn seen(workflow: &Workflow) -> String {
    let mut out = String::new();
    for node in workflow.nodes() {
        let _ = writeln!(
            out,
            "{} {:?} {:?} {:?} {:?} {} {} {:?}",
            node.name(),
            node.kind(),
            node.map(),
            node.description(),
            node.dir(),
            node.is_noop(),
            node.is_done(),
            node.vars().collect::<Vec<_>>(),
        );
        for kind in [ScriptKind::Pre, ScriptKind::Post, ScriptKind::Hold] {
            let _ = writeln!(out, "  {:?}", node.script(kind));
        }
        let category = node.category().map(|at| &workflow.categories()[at.0 as usize]);
        let _ = writeln!(
            out,
            "  {:?} {} {category:?} {:?} {:?} {:?} {:?}",
            node.retry(),
            node.priority(),
            node.abort(),
            node.tolerance(),
            node.pre_skip(),
            node.children().collect::<Vec<_>>(),
        );
    }
    let _ = writeln!(out, "{:?}", workflow.settings());
    out
}

proptest! {
    #[test]
    fn a_workflow_that_is_written_and_read_again_is_the_same(
        all in proptest::collection::vec(said(), 1..8),
        edges in proptest::collection::vec((0..8_usize, 0..8_usize, any::<bool>()), 0..12),
    ) {
        let workflow = build(&all, &edges);
        let text = write(&workflow);
        let again = read(&text);
        prop_assert_eq!(seen(&workflow), seen(&again), "{}", text);
        prop_assert_eq!(text, write(&again));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        lines in proptest::collection::vec(
            "(JOB|MAP|PARENT|VARS|SCRIPT|RETRY|SPLICE|FINAL|SUBMIT-DESCRIPTION|PIN_IN|CONNECT|DOT|TOLERANCE|ENV|x)?( |\t)?[ -~\näß\\\\\"'{}@=+#]{0,20}",
            0..8,
        ),
    ) {
        let options = Options::new(vec!["main.dag".to_owned()]);
        let _ = assemble(&options, &One(lines.join("\n")));
    }
}

#[test]
fn settings_and_joins_are_written_as_they_were_read() {
    let text = "\
        JOB A a.sub\nJOB B a.sub\nJOB C a.sub\nJOB D a.sub\nFINAL F f.sub\nPROVISIONER P p.sub\n\
        WEAK PARENT A B CHILD C D\nCONFIG c\nENV GET X,Y*\nENV SET A=b;C=d\nSET_JOB_ATTR x = \"a b\"\n\
        DOT d UPDATE OVERWRITE INCLUDE h\nNODE_STATUS_FILE s 30 ALWAYS-UPDATE\nJOBSTATE_LOG j\n\
        SAVE_POINT_FILE A s/p\nSKIP_UNCHANGED B NEEDS \"a b\" c\nSKIP_UNCHANGED C MAKES d NEEDS e\nSKIP_UNCHANGED D\n";
    let workflow = read(text);
    let again = read(&write(&workflow));
    assert_eq!(seen(&workflow), seen(&again));
    assert_eq!(workflow.len(), 7);
    assert_eq!(again.node(NodeIndex::new(0)).save_point(), Some("s/p"));
    let skips = |workflow: &Workflow| -> Vec<String> {
        workflow.nodes().map(|node| format!("{:?}", node.skip_unchanged())).collect()
    };
    assert_eq!(skips(&workflow), skips(&again));
    assert!(again.node(NodeIndex::new(3)).skip_unchanged().is_some());
}
