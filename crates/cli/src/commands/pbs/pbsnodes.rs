//! `pbsnodes`: machines as PBS's nodes. What they are the negotiator says, and which of them are to
//! be given no jobs, the schedd.

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
use crate::render::pbs::listed::{self, Listed, What};
use crate::render::pbs::nodes::{self, Node};
use crate::render::pbs::{Here, Job};

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "acC:dD:F:HjlLoqrs:Sv") {
        Ok(line) => line,
        Err(wrong) => {
            wrong.iter().for_each(|message| here.say(message));
            return usage(here);
        }
    };
    let names = &line.operands;
    let asks_nothing = names.is_empty() && !line.any("al");
    let is_format = |format: &str| ["json", "dsv", "default"].contains(&format);
    if asks_nothing || line.value('F').is_some_and(|format| !is_format(format)) {
        return usage(here);
    }
    if let Some(server) = line.value('s').filter(|server| !here.is_server(server)) {
        here.say(format_args!("cannot connect to server {server}, error=15008"));
        return code::FAILED;
    }
    let nodes = match look(here) {
        Ok(nodes) => nodes,
        Err(exit) => return exit,
    };
    if line.any("orC") {
        return set(here, &line, &nodes).unwrap_or_else(|exit| exit);
    }
    let mut exit = 0;
    let mut shown: Vec<Node> = Vec::new();
    if names.is_empty() {
        shown = nodes;
    } else {
        for name in names {
            match find(&nodes, name) {
                Some(node) => shown.push(node.clone()),
                None => {
                    complain(&format!("Node: {name},  Error: {}\n", Denied::UnknownNode));
                    exit = code::FAILED;
                }
            }
        }
    }
    match output::put(&show(here, &line, &shown)) {
        Ok(()) => exit,
        Err(_) => code::FAILED,
    }
}

fn usage(here: &Here) -> u8 {
    complain(here.usage());
    code::FAILED
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
    match line.value('F') {
        Some("json") => listed::json(&What::NODES, &all(), here),
        Some("dsv") => listed::separated(&What::NODES, &all(), line.value('D').unwrap_or("|")),
        Some(_) | None if line.has('l') => nodes::away(nodes),
        Some(_) | None if line.has('S') => nodes::table(nodes, of_jobs),
        Some(_) | None => nodes::text_of(nodes, here),
    }
}

/// `-o` and `-r`: no new jobs start there, or may again; `-C`: why.
fn set(here: &Here, line: &Line, nodes: &[Node]) -> Result<u8, u8> {
    let mut schedd = here.connect()?;
    let mut exit = 0;
    for name in &line.operands {
        let Some(node) = find(nodes, name) else {
            complain(&format!("Error marking node {name} - {}\n", Denied::UnknownNode));
            exit = code::FAILED;
            continue;
        };
        if line.any("or")
            && let Err(error) = set_state(&mut schedd, (&node.name, line.has('o')), line.value('C'))
        {
            exit = not_marked(here, name, &error)?;
            continue;
        }
        let name_of = || "comment".to_owned();
        let change = match line.value('C') {
            Some("") => Change::Unset { name: name_of() },
            Some(comment) => Change::Set { name: name_of(), value: comment.to_owned() },
            None => continue,
        };
        let edit = Edit { object: Object::Node(node.name.clone()), change };
        if let Err(error) = schedd.arrange(Arrange::Settings(vec![edit])) {
            exit = not_marked(here, name, &error)?;
        }
    }
    Ok(exit)
}

/// The exit code where somebody may not, if others are still to be tried.
fn not_marked(here: &Here, name: &str, error: &AskError) -> Result<u8, u8> {
    let denied = denied(error).ok_or_else(|| here.cannot_connect(error))?;
    complain(&format!("Error marking node {name} - {denied}\n"));
    Ok(code::FAILED)
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
