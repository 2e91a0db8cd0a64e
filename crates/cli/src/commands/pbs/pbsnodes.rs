//! `pbsnodes`: machines as PBS's nodes. What they are the negotiator says, and which of them are to
//! be given no jobs, the schedd.

mod operation;

use classad::{AttrName, Expr};
use client::{AskError, Home, Query, Schedd, Select};
use jobspec::pbs::code;
use model::queues::{Change, Denied, Edit, Object};
use model::{JobStatus, MachineName, attr};
use proto::client::{Arrange, DrainOrder};
use proto::draining::DrainHow;

use super::placing::denied;
use super::words::Line;
use crate::line::output::{self, complain};
use crate::render::pbs::listed::{self, Format, Listed, What};
use crate::render::pbs::nodes::{self, Node};
use crate::render::pbs::{Here, Job};
use operation::Operation;

const OPTIONS: &str = "acC:dD:F:HjlLoqrs:Sv";

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, OPTIONS) {
        Ok(line) => line,
        Err(wrong) => {
            wrong.iter().for_each(|message| here.say(message));
            return usage(here, words.iter().any(|word| word == "-q"));
        }
    };
    let Some(operation) = operation::operation(&line) else {
        return usage(here, line.has('q'));
    };
    if operation == Operation::Down {
        here.say("-d is not supported yet: whether a machine is there, it says itself; say -o");
        return code::NOT_SUPPORTED;
    }
    if let Some(server) = line.value('s').filter(|server| !here.is_server(server)) {
        if !line.has('q') {
            here.say(format_args!("cannot connect to server {server}, error=15008"));
        }
        return code::FAILED;
    }
    let nodes = match look(here) {
        Ok(nodes) => nodes,
        Err(exit) => return exit,
    };
    let is_away = operation == Operation::Away;
    let (shown, exit) = match operation {
        Operation::All | Operation::Away | Operation::Down => (nodes, 0),
        Operation::Named | Operation::Hosts => named(&line.operands, &nodes),
        Operation::Offline | Operation::Reset | Operation::Comment => {
            return set(here, &line, operation, &nodes).unwrap_or_else(|exit| exit);
        }
    };
    let text = if is_away { nodes::away(&shown) } else { show(here, &line, &shown) };
    match output::put(&text) {
        Ok(()) => exit,
        Err(_) => code::FAILED,
    }
}

fn usage(here: &Here, is_quiet: bool) -> u8 {
    if !is_quiet {
        complain(here.usage());
    }
    code::FAILED
}

/// Those that are there of these names, and the exit code.
fn named(names: &[String], nodes: &[Node]) -> (Vec<Node>, u8) {
    let mut exit = 0;
    let mut found = Vec::new();
    for name in names {
        match find(nodes, name) {
            Some(node) => found.push(node.clone()),
            None => {
                complain(&format!("Node: {name},  Error: {}\n", Denied::UnknownNode));
                exit = code::FAILED;
            }
        }
    }
    (found, exit)
}

/// All machines, and the jobs of this queue on them.
pub(super) fn look(here: &Here) -> Result<Vec<Node>, u8> {
    let cannot = |error: &AskError| here.cannot_connect(error);
    let mut negotiator = Home::from_environment().negotiator().map_err(|error| cannot(&error))?;
    let slots = negotiator.machines(Query::of(Select::All)).map_err(|error| cannot(&error))?;
    let mut schedd = here.connect()?;
    let settings = schedd.queues().map_err(|error| cannot(&error))?;
    let runs = [JobStatus::Running, JobStatus::Suspended];
    let runs = runs.map(|status| Expr::attr(attr::JOB_STATUS).equals(status.number()));
    let query = Query {
        constraint: Some(Expr::any(runs)),
        projection: nodes::OF_JOBS.iter().copied().map(AttrName::from).collect(),
        ..Query::of(Select::All)
    };
    let mut jobs: Vec<Job> = Vec::new();
    let looked = schedd.each_job(query, |ad| {
        jobs.extend(Job::of_ad(ad, here.now).map(|(_, job)| job));
        Ok::<_, AskError>(())
    });
    looked.map_err(|error| cannot(&error))?;
    Ok(nodes::nodes(&slots, &jobs, &settings, here))
}

fn find<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let exact = nodes.iter().find(|node| node.name == name);
    exact.or_else(|| nodes.iter().find(|node| short(&node.name) == name))
}

fn show(here: &Here, line: &Line, nodes: &[Node]) -> String {
    let of_jobs = line.has('j');
    let each = |node: &Node| match line.has('S') {
        true => node.summary(of_jobs),
        false => node.listed(here, true),
    };
    let all = || nodes.iter().map(each).collect::<Vec<Listed>>();
    match line.value('F').and_then(Format::named) {
        Some(Format::Json) => listed::json(&What::NODES, &all(), here),
        Some(Format::Separated) => {
            listed::separated(&What::NODES, &all(), line.value('D').unwrap_or("|"))
        }
        Some(Format::Default) | None if line.has('S') => nodes::table(nodes, of_jobs),
        Some(Format::Default) | None => nodes::text_of(nodes, here),
    }
}

/// `-o`, `-r` and `-c`: no new jobs start there, or may again; `-C`: why.
fn set(here: &Here, line: &Line, operation: Operation, nodes: &[Node]) -> Result<u8, u8> {
    let mut schedd = here.connect()?;
    let mut exit = 0;
    let not_marked = |name: &str, denied: &Denied| {
        if !line.has('q') {
            complain(&format!("Error marking node {name} - {denied}\n"));
        }
        code::FAILED
    };
    for name in &line.operands {
        let Some(node) = find(nodes, name) else {
            exit = not_marked(name, &Denied::UnknownNode);
            continue;
        };
        let comment = line.value('C');
        let mut marked = match operation {
            Operation::Offline => set_state(&mut schedd, (&node.name, true), comment),
            Operation::Reset => set_state(&mut schedd, (&node.name, false), comment),
            _ => Ok(()),
        };
        if let (Ok(()), Some(comment)) = (&marked, comment) {
            marked = schedd.arrange(Arrange::Settings(vec![said_of(node, comment)]));
        }
        if let Err(error) = marked {
            let denied = denied(&error).ok_or_else(|| here.cannot_connect(&error))?;
            exit = not_marked(name, denied);
        }
    }
    Ok(exit)
}

/// That this is said of a machine; an empty text takes away what was.
fn said_of(node: &Node, comment: &str) -> Edit {
    let name = "comment".to_owned();
    let change = match comment {
        "" => Change::Unset { name },
        comment => Change::Set { name, value: comment.to_owned() },
    };
    Edit { object: Object::Node(node.name.clone()), change }
}

/// Whether a machine is to be given no new jobs: as `updraft pool drain` and `resume` say it, and
/// where the negotiator does not listen to this user, as the schedd's managers and operators do.
pub(super) fn set_state(
    schedd: &mut Schedd,
    (node, is_offline): (&str, bool),
    why: Option<&str>,
) -> Result<(), AskError> {
    let order = is_offline.then(|| {
        let reason = why.unwrap_or("offline").to_owned();
        DrainOrder { how: DrainHow::Finish, reason }
    });
    match Home::from_environment().negotiator()?.drain(node.to_owned(), order.clone()) {
        Err(AskError::Refused(_)) => {
            schedd.arrange(Arrange::Drain { machine: MachineName::new(node), order })
        }
        set => set.map(drop),
    }
}
