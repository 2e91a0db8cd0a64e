//! `qmgr`: shows and changes what is said of the server, its queues and nodes; a line at a time,
//! from its command line or standard input. What may be set is said by `model::queues`, and whether
//! this user may, by the schedd.

mod custom;
mod language;
mod names;
mod print;
mod scheduler;

use std::io::{self, BufRead, IsTerminal};

use classad::Expr;
use client::Schedd;
use jobspec::pbs::{code, resource_value};
use model::queues::{Change, Denied, Edit, Form, KNOWN, Object, Of, QueueSettings, form_of};
use model::{JobStatus, attr};
use proto::client::{Arrange, Query, Select};

use self::language::{Assign, Directive, Names, ObjectKind, Operation, Wrong};
use super::acting::usage_of;
use super::counting::Loads;
use super::placing::denied;
use super::words::Line;
use crate::line::output::complain;
use crate::render::pbs::listed::{self, Listed, What};
use crate::render::pbs::{Here, nodes, queues};

const HELP: &str = "General syntax: operation object [names] [attribute OP value, ...]
  operations  create, delete, set, unset, list, print, active, help, quit
  objects     server, queue, node, resource, sched
  OP          =, +=, -=
Any beginning of an operation or an object will do.
";

/// The exit code of a line that cannot be read.
const SYNTAX: u8 = 4;

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "ac:enz") {
        Ok(line) => line,
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    if let Some(other) = line.operands.iter().find(|server| !here.is_server(server)) {
        complain(&format!("qmgr: cannot connect to server {other} (errno=15008)\n"));
        return code::USAGE;
    }
    let mut manager = match Manager::new(here, &line) {
        Ok(manager) => manager,
        Err(exit) => return exit,
    };
    match line.value('c') {
        Some(command) => match manager.obey(command) {
            Ok(Next::More | Next::Quit) => 0,
            Err(exit) => exit,
        },
        None => manager.lines(),
    }
}

struct Manager<'a> {
    here: &'a Here,
    line: &'a Line,
    schedd: Schedd,
    /// What is meant where nothing is named.
    active_queues: Option<Vec<String>>,
    active_nodes: Option<Vec<String>>,
}

/// Objects that are meant.
enum Meant {
    All,
    These(Vec<String>),
}

impl Meant {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|known| known == name),
        }
    }

    fn names(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::These(names) => names,
        }
    }
}

/// After a line.
enum Next {
    More,
    Quit,
}

impl<'a> Manager<'a> {
    fn new(here: &'a Here, line: &'a Line) -> Result<Self, u8> {
        Ok(Self { here, line, schedd: here.connect()?, active_queues: None, active_nodes: None })
    }

    /// All lines of standard input; the exit code of the last that failed.
    fn lines(&mut self) -> u8 {
        let stdin = io::stdin();
        let is_asked = stdin.is_terminal();
        let (mut exit, mut whole) = (0, String::new());
        loop {
            if is_asked {
                complain("Qmgr: ");
            }
            let mut line = String::new();
            match stdin.lock().read_line(&mut line) {
                Ok(0) => return exit,
                Ok(_) => {}
                Err(error) => {
                    self.say(format_args!("qmgr: cannot read standard input: {error}"));
                    return code::FAILED;
                }
            }
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(begun) = line.strip_suffix('\\') {
                whole += begun;
                continue;
            }
            whole += line;
            if self.line.has('e')
                && let Err(exit) = self.here.print(&format!("{whole}\n"))
            {
                return exit;
            }
            let whole = std::mem::take(&mut whole);
            for command in language::commands(&whole) {
                match self.obey(command) {
                    Ok(Next::More) => {}
                    Ok(Next::Quit) => return exit,
                    Err(wrong) => {
                        exit = wrong;
                        if self.line.has('a') {
                            return exit;
                        }
                    }
                }
            }
        }
    }

    fn say(&self, text: impl std::fmt::Display) {
        if !self.line.has('z') {
            complain(&format!("{text}\n"));
        }
    }

    fn obey(&mut self, line: &str) -> Result<Next, u8> {
        let directive = match language::read(line) {
            Ok(Some(directive)) => directive,
            Ok(None) => return Ok(Next::More),
            Err(wrong) => return Err(self.wrong(line, &wrong)),
        };
        match directive.operation {
            Operation::Quit => return Ok(Next::Quit),
            Operation::Help => self.here.print(HELP)?,
            Operation::Create
            | Operation::Delete
            | Operation::Set
            | Operation::Unset
            | Operation::List
            | Operation::Print
            | Operation::Active => self.object(line, &directive)?,
        }
        Ok(Next::More)
    }

    fn wrong(&self, line: &str, wrong: &Wrong) -> u8 {
        match wrong {
            Wrong::Operation(word) => {
                self.say(format_args!(
                    "qmgr: Illegal operation: {word}\nTry 'help' if you are having trouble."
                ));
                code::FAILED
            }
            Wrong::Object(word) => {
                self.say(format_args!(
                    "qmgr: Illegal object type: {word}.\nTry 'help' if you are having trouble."
                ));
                code::USAGE
            }
            Wrong::NoObject => {
                self.say("qmgr: No object type given");
                code::USAGE
            }
            Wrong::Syntax(place) => {
                let blanks = " ".repeat(place.saturating_sub(1));
                self.say(format_args!("qmgr: Syntax error\n{line}\n{blanks}^"));
                SYNTAX
            }
        }
    }

    fn object(&mut self, line: &str, directive: &Directive) -> Result<(), u8> {
        let of = match directive.object {
            ObjectKind::Attributed(of) => of,
            ObjectKind::Sched => return self.scheduler(line, directive),
            ObjectKind::Missing(name) => return self.missing(name, directive),
        };
        let other = |server: &&String| {
            !["default", "active"].contains(&server.as_str()) && !self.here.is_server(server)
        };
        if let Some(other) = directive.servers.iter().find(other) {
            self.say(format_args!("qmgr: cannot connect to server {other} (errno=15008)"));
            return Err(code::FAILED);
        }
        if directive.operation == Operation::Active {
            return self.activate(line, of, directive);
        }
        let Some(meant) = self.meant(of, directive) else { return Ok(()) };
        match directive.operation {
            Operation::List => self.list(of, directive, &meant),
            Operation::Print => self.print(of, directive, &meant),
            Operation::Create
            | Operation::Delete
            | Operation::Set
            | Operation::Unset
            | Operation::Active
            | Operation::Quit
            | Operation::Help => self.change(line, of, directive, &meant),
        }
    }

    /// The objects that a line means; none, which is told, if it names none and none are active.
    fn meant(&self, of: Of, directive: &Directive) -> Option<Meant> {
        let (active, kind) = match (&directive.names, of) {
            (Names::These(names), _) => return Some(Meant::These(names.clone())),
            (Names::All, _) | (Names::Active, Of::Server) => return Some(Meant::All),
            // A resource has to be named to be changed.
            (Names::Active, Of::Resource) => {
                let shows = matches!(directive.operation, Operation::List | Operation::Print);
                let no_name = || Meant::These(vec![String::new()]);
                return Some(if shows { Meant::All } else { no_name() });
            }
            (Names::Active, Of::Queue) => (&self.active_queues, "Queues"),
            (Names::Active, Of::Node) => (&self.active_nodes, "Nodes"),
        };
        if active.is_none() {
            self.say(format_args!("No Active {kind}, nothing done."));
        }
        active.clone().map(Meant::These)
    }

    /// Sets what later lines mean that name nothing, or shows it.
    fn activate(&mut self, line: &str, of: Of, directive: &Directive) -> Result<(), u8> {
        if !directive.attributes.is_empty() {
            return Err(self.wrong(line, &Wrong::Syntax(line.len())));
        }
        let known: Vec<String> = match of {
            Of::Server => Vec::new(),
            Of::Queue => self.settings()?.queues.into_iter().map(|(name, _)| name).collect(),
            Of::Node => self.node_names()?,
            Of::Resource => return Err(code::FAILED),
        };
        let (kind, one) = match of {
            Of::Node => ("nodes", "Node"),
            _ => ("queues", "Queue"),
        };
        let names = match &directive.names {
            Names::These(names) => names.clone(),
            Names::All => known.clone(),
            Names::Active if of == Of::Server => {
                return self.here.print(&format!("Active servers:\n{}\n", self.here.server));
            }
            Names::Active => {
                let active = if of == Of::Node { &self.active_nodes } else { &self.active_queues };
                let names = active.iter().flatten();
                let lines = names.map(|name| format!("{name}@{}\n", self.here.server));
                let text = lines.fold(format!("Active {kind}:\n"), |text, line| text + &line);
                return self.here.print(&text);
            }
        };
        if of == Of::Server {
            return Ok(());
        }
        if let Some(missing) = names.iter().find(|name| !known.contains(name)) {
            self.say(format_args!("{one} does not exist: {missing}."));
            return Err(code::FAILED);
        }
        match of {
            Of::Node => self.active_nodes = Some(names),
            _ => self.active_queues = Some(names),
        }
        Ok(())
    }

    /// What there is none of is shown as nothing, and cannot be made.
    fn missing(&self, what: &str, directive: &Directive) -> Result<(), u8> {
        const HOOK_ERROR: u32 = 15136;
        const EXIT: u8 = 32;
        if !matches!(directive.operation, Operation::List | Operation::Print) {
            self.say(format_args!("qmgr: {what} is not supported yet: there are no hooks"));
            return Err(code::NOT_SUPPORTED);
        }
        let Some(name) = directive.names.these().first() else { return Ok(()) };
        self.say(format_args!(
            "qmgr obj={name} svr=default: hook not found\nqmgr: Error ({HOOK_ERROR}) returned from server"
        ));
        Err(EXIT)
    }

    /// The one scheduler: whether it starts jobs is the server's `scheduling`.
    fn scheduler(&mut self, line: &str, directive: &Directive) -> Result<(), u8> {
        const SCHEDULING: &str = "scheduling";
        if let Some(other) = directive.names.these().iter().find(|name| *name != scheduler::NAME) {
            return self.told(other, &Denied::UnknownScheduler);
        }
        match directive.operation {
            Operation::List => {
                let all = scheduler::listed(&self.settings()?, self.here, &directive.attributes);
                self.here.print(&listed::text(&What::MANAGED_SCHEDULER, &[all], true))
            }
            Operation::Print => self.here.print(&scheduler::printed(&self.settings()?, self.here)),
            Operation::Set | Operation::Unset
                if directive.attributes.iter().all(|(name, ..)| name == SCHEDULING) =>
            {
                self.change(line, Of::Server, directive, &Meant::All)
            }
            Operation::Create
            | Operation::Delete
            | Operation::Set
            | Operation::Unset
            | Operation::Active
            | Operation::Quit
            | Operation::Help => {
                let why = "there is one matchmaker; see updraft config_val";
                self.say(format_args!("qmgr: sched is not supported yet: {why}"));
                Err(code::NOT_SUPPORTED)
            }
        }
    }

    fn settings(&mut self) -> Result<QueueSettings, u8> {
        self.schedd.queues().map_err(|error| self.here.cannot_connect(&error))
    }

    fn change(
        &mut self,
        line: &str,
        of: Of,
        directive: &Directive,
        meant: &Meant,
    ) -> Result<(), u8> {
        let settings = self.settings()?;
        let changes = self.changes(line, of, directive, &settings)?;
        if self.line.has('n') {
            return Ok(());
        }
        let nodes = if of == Of::Node { self.node_names()? } else { Vec::new() };
        let names: Vec<String> = match (of, meant) {
            (Of::Server, _) => vec![String::new()],
            (_, Meant::These(names)) => names.clone(),
            (Of::Queue, Meant::All) => {
                settings.queues.iter().map(|(name, _)| name.clone()).collect()
            }
            (Of::Node, Meant::All) => nodes.clone(),
            (Of::Resource, Meant::All) => settings.resources.keys().cloned().collect(),
        };
        if changes.iter().any(custom::is_of_machines) && of == Of::Node {
            custom::check_machines(self.here, &names)?;
        }
        let mut result = Ok(());
        for name in names {
            let object = match of {
                Of::Server => Object::Server,
                Of::Queue => Object::Queue(name.clone()),
                Of::Node => Object::Node(name.clone()),
                Of::Resource => Object::Resource(name.clone()),
            };
            if of == Of::Node && !nodes.contains(&name) {
                result = self.told(&name, &Denied::UnknownNode);
                continue;
            }
            if of == Of::Resource && changes.contains(&Change::Create) && custom::is_taken(&name) {
                result = self.told(&name, &Denied::BadValue);
                continue;
            }
            let mut edits = Vec::new();
            for change in &changes {
                if of == Of::Node && self.is_state(&name, change)? {
                    continue;
                }
                edits.push(Edit { object: object.clone(), change: change.clone() });
            }
            if let Err((exit, why)) = custom::may_follow(&settings, &edits, self.here) {
                self.say(format_args!("qmgr: {why}"));
                return Err(exit);
            }
            match self.schedd.arrange(Arrange::Settings(edits)) {
                Ok(()) => {}
                Err(error) => match denied(&error) {
                    Some(denied) => result = self.told(&name, denied),
                    None => return Err(self.here.cannot_connect(&error)),
                },
            }
        }
        self.follow(&settings)?;
        result
    }

    /// Carries out a change of whether a node is offline, which the negotiator keeps; whether it is
    /// one.
    fn is_state(&mut self, node: &str, change: &Change) -> Result<bool, u8> {
        let is_offline = match change {
            Change::Set { name, value } | Change::Add { name, value }
                if name == "state" && value == "offline" =>
            {
                true
            }
            Change::Set { name, value } if name == "state" && value == "free" => false,
            Change::Remove { name, value } if name == "state" && value == "offline" => false,
            Change::Unset { name } if name == "state" => false,
            Change::Create
            | Change::Delete
            | Change::Set { .. }
            | Change::Unset { .. }
            | Change::Add { .. }
            | Change::Remove { .. } => return Ok(false),
        };
        match super::pbsnodes::set_state(&mut self.schedd, (node, is_offline), None) {
            Ok(()) => {}
            Err(error) => match denied(&error) {
                Some(denied) => self.told(node, denied)?,
                None => return Err(self.here.cannot_connect(&error)),
            },
        }
        Ok(true)
    }

    /// What resources of the pool's own there are, and how many, is in the pool's configuration
    /// too: machines and the matchmaker read it there.
    fn follow(&mut self, before: &QueueSettings) -> Result<(), u8> {
        let after = self.settings()?;
        let schedd = &mut self.schedd;
        let is_on_several = || {
            let may_run = [JobStatus::Running, JobStatus::Removed, JobStatus::Suspended];
            let may_run =
                may_run.map(|status| Expr::attr(attr::JOB_STATUS).equals(status.number()));
            let hosts = Expr::call("size", [Expr::attr(attr::GANG_HOSTS)]);
            let constraint = Expr::any(may_run).parenthesised().and(hosts.exceeds(0));
            let query = Query {
                constraint: Some(constraint),
                projection: vec![attr::CLUSTER_ID.into()],
                limit: Some(1),
                ..Query::of(Select::All)
            };
            // Who does not know spares them.
            schedd.jobs(query).map_or(true, |jobs| !jobs.is_empty())
        };
        custom::follow(before, &after, self.here, is_on_several).map_err(|why| {
            self.say(format_args!("qmgr: {why}"));
            code::FAILED
        })
    }

    fn told(&self, name: &str, denied: &Denied) -> Result<(), u8> {
        self.say(format_args!(
            "qmgr obj={name} svr=default: {denied}\nqmgr: Error ({}) returned from server",
            denied.number()
        ));
        Err(denied.exit())
    }

    fn changes(
        &self,
        line: &str,
        of: Of,
        directive: &Directive,
        settings: &QueueSettings,
    ) -> Result<Vec<Change>, u8> {
        let mut changes = Vec::new();
        match directive.operation {
            Operation::Create => changes.push(Change::Create),
            Operation::Delete => changes.push(Change::Delete),
            Operation::Set | Operation::Unset if directive.attributes.is_empty() => {
                return Err(self.wrong(line, &Wrong::Syntax(line.len())));
            }
            Operation::Set
            | Operation::Unset
            | Operation::List
            | Operation::Print
            | Operation::Active
            | Operation::Quit
            | Operation::Help => {}
        }
        for (name, value, place) in &directive.attributes {
            let head = name.split('.').next().unwrap_or_default();
            if let Some(why) = names::instead(of, head) {
                self.say(format_args!("qmgr: {head} is not supported yet: {why}"));
                return Err(code::NOT_SUPPORTED);
            }
            let is_known = KNOWN.iter().any(|known| known.of == of && known.name == head);
            let sets = directive.operation != Operation::Unset;
            if !is_known || sets != value.is_some() {
                return Err(self.wrong(line, &Wrong::Syntax(*place)));
            }
            let name = name.clone();
            let Some((assign, value)) = value else {
                changes.push(Change::Unset { name });
                continue;
            };
            let value = self.value(of, &name, value, settings)?;
            changes.push(match assign {
                Assign::Set => Change::Set { name, value },
                Assign::Add => Change::Add { name, value },
                Assign::Remove => Change::Remove { name, value },
            });
        }
        Ok(changes)
    }

    /// A value; a resource's as jobs write it.
    fn value(
        &self,
        of: Of,
        name: &str,
        value: &str,
        settings: &QueueSettings,
    ) -> Result<String, u8> {
        let (Some(Form::Resources), Some((head, resource))) =
            (form_of(of, name), name.split_once('.'))
        else {
            return Ok(value.to_owned());
        };
        if head == "resources_available"
            && let Err((exit, why)) = custom::check(of, resource, settings)
        {
            self.say(format_args!("qmgr: {why}"));
            return Err(exit);
        }
        resource_value(resource, value, settings).map_err(|refusal| {
            for problem in &refusal.problems {
                self.say(format_args!("qmgr: {}", problem.message));
            }
            refusal.exit
        })
    }

    fn node_names(&self) -> Result<Vec<String>, u8> {
        let found = self.nodes()?;
        Ok(found.into_iter().map(|node| node.name).collect())
    }

    fn nodes(&self) -> Result<Vec<nodes::Node>, u8> {
        super::pbsnodes::look(self.here)
    }

    fn list(&mut self, of: Of, directive: &Directive, meant: &Meant) -> Result<(), u8> {
        let settings = self.settings()?;
        let here = self.here;
        let listed: Vec<Listed> = match of {
            Of::Server => {
                vec![queues::server(&settings, &Loads::count(here, &settings)?.all, here)]
            }
            Of::Queue => {
                let loads = Loads::count(here, &settings)?;
                let one = |(name, queue): &(String, _)| queues::queue(name, queue, &loads.of(name));
                settings.queues.iter().map(one).collect()
            }
            Of::Node => self.nodes()?.iter().map(|node| node.listed(here, false)).collect(),
            Of::Resource => {
                let all = settings.resources.iter();
                all.map(|(name, resource)| queues::resource(name, resource)).collect()
            }
        };
        let (wanted, result) = self.wanted(of, directive, meant, listed);
        let what = match of {
            Of::Server => What::MANAGED_SERVER,
            Of::Queue => What::MANAGED_QUEUE,
            Of::Node => What::MANAGED_NODE,
            Of::Resource => What::MANAGED_RESOURCE,
        };
        here.print(&listed::text(&what, &wanted, true))?;
        result
    }

    /// Those that are named, with the attributes that are named.
    fn wanted(
        &self,
        of: Of,
        directive: &Directive,
        meant: &Meant,
        all: Vec<Listed>,
    ) -> (Vec<Listed>, Result<(), u8>) {
        let mut result = Ok(());
        for name in meant.names() {
            if !all.iter().any(|one| one.name == *name) && of != Of::Server {
                let denied = match of {
                    Of::Node => Denied::UnknownNode,
                    Of::Resource => Denied::UnknownResource,
                    Of::Queue | Of::Server => Denied::UnknownQueue,
                };
                result = self.told(name, &denied);
            }
        }
        let mut wanted: Vec<Listed> =
            all.into_iter().filter(|one| of == Of::Server || meant.has(&one.name)).collect();
        for one in &mut wanted {
            one.attributes = directive.shown(std::mem::take(&mut one.attributes));
        }
        (wanted, result)
    }
}
