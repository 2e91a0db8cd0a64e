//! A negotiator behind a real socket, with a schedd, a startd and a command that are played by the
//! test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use classad::{ClassAd, Expr};
use model::{ClassId, JobId, JobPriority, MachineName, Resources, UserName};
use proto::client::{
    Answer, AskNegotiator, AskSchedd, DrainOrder, Query, Request, Response, Select,
};
use proto::draining::DrainHow;
use proto::joining::ToMachine;
use proto::matchmaking::{ClassRequest, FromMachine, FromSchedd, MachineState, ToSchedd};
use proto::net::{Address, Admission, Connection, Role, connect};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::core::Policy;

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

struct Running {
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    negotiator: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            name: "here".to_owned(),
            socket: folder.path().join("negotiator.sock"),
            state_dir: folder.path().to_owned(),
            listening: None,
            admission: Admission::OnlyUid(uid_of(folder.path())),
            address: "<here>".to_owned(),
            policy: Policy::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        Self { folder, stop, negotiator: tokio::spawn(run(config, shutdown)) }
    }

    async fn connect(&self, role: Role) -> Connection {
        let path = self.folder.path().join("negotiator.sock");
        let connected = async {
            loop {
                match connect(&Address::unix(&path), role.clone()).await {
                    Ok(connection) => return connection,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        timeout(PATIENCE, connected).await.expect("the negotiator listens")
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.negotiator).await.expect("it stops").unwrap().unwrap();
        self.folder
    }
}

fn uid_of(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().unwrap().uid()
}

async fn recv<T: serde::de::DeserializeOwned>(connection: &mut Connection) -> Option<T> {
    timeout(PATIENCE, connection.receiver.recv()).await.expect("an answer comes").unwrap()
}

fn machine(name: &str) -> FromMachine {
    let size = Resources { cpus: 2, memory_mib: 1000, disk_kib: 1 << 20, ..Resources::default() };
    let ad = ClassAd::parse_old(&format!(
        "Name = \"slot1@{name}\"\nMachine = \"{name}\"\nPartitionableSlot = true\nCpus = 2\nMemory = 1000\n"
    ));
    FromMachine::Advertise(Box::new(MachineState {
        machine: MachineName::new(name),
        address: "somewhere".to_owned(),
        sequence: 1,
        lifetime_s: 900,
        free: size.clone(),
        total: size,
        slots: vec![Arc::new(ad.unwrap())],
        claims: Vec::new(),
    }))
}

fn requests(idle: u32) -> FromSchedd {
    let request = ClassRequest {
        class: ClassId(1),
        owner: UserName::new("ann"),
        priority: JobPriority::default(),
        first: JobId::new(1, 0),
        idle,
        ad: Arc::new([("RequestCpus", 1)].into_iter().collect()),
    };
    FromSchedd::Requests {
        full: true,
        changed: vec![request],
        gone: Vec::new(),
        seen: None,
        held: Vec::new(),
        bookings: Vec::new(),
    }
}

async fn ask(command: &mut Connection, body: AskNegotiator) -> Answer {
    command.sender.send(&Request { id: 1, body }).await.unwrap();
    let response: Response = recv(command).await.expect("the connection stays");
    assert!(response.last);
    response.body
}

fn all_machines(constraint: Option<&str>) -> AskNegotiator {
    AskNegotiator::QueryMachines(Query {
        constraint: constraint.map(|text| text.parse::<Expr>().unwrap()),
        projection: vec!["Name".into()],
        ..Query::of(Select::All)
    })
}

#[tokio::test]
async fn a_job_is_matched_to_a_machine_that_comes_later_and_the_accounts_are_saved() {
    let running = Running::start();
    let mut schedd = running.connect(Role::Schedd("s".to_owned())).await;
    schedd.sender.send(&requests(1)).await.unwrap();
    assert_eq!(recv(&mut schedd).await, Some(ToSchedd::Significant(Vec::new())));
    let Some(ToSchedd::Reasons(reasons)) = recv(&mut schedd).await else {
        panic!("no reason came")
    };
    assert_eq!(reasons[0].1.as_ref().unwrap().to_string(), "not yet: the pool has no machines");

    let mut startd = running.connect(Role::Startd("m".to_owned())).await;
    startd.sender.send(&machine("m")).await.unwrap();
    let Some(ToSchedd::Matches(matches)) = recv(&mut schedd).await else { panic!("no match came") };
    assert_eq!((matches.len(), matches[0].machine.as_str()), (1, "m"));

    let folder = running.stop().await;
    assert!(folder.path().join("accounts.json").exists());
}

#[tokio::test]
async fn a_schedd_that_connects_again_is_told_everything_again() {
    let running = Running::start();
    for _ in 0..2 {
        let mut schedd = running.connect(Role::Schedd("s".to_owned())).await;
        schedd.sender.send(&requests(1)).await.unwrap();
        assert_eq!(recv(&mut schedd).await, Some(ToSchedd::Significant(Vec::new())));
        assert!(matches!(recv(&mut schedd).await, Some(ToSchedd::Reasons(_))));
    }
    running.stop().await;
}

#[tokio::test]
async fn commands_see_the_machines_that_are_connected() {
    let running = Running::start();
    let mut command = running.connect(Role::Command).await;
    let mut startd = running.connect(Role::Startd("m".to_owned())).await;
    assert_eq!(ask(&mut command, all_machines(None)).await, Answer::Ads(Vec::new()));
    startd.sender.send(&machine("m")).await.unwrap();
    let ad: ClassAd = [("Name", "slot1@m")].into_iter().collect();
    wait_for(&mut command, all_machines(None), &Answer::Ads(vec![ad])).await;
    assert_eq!(
        ask(&mut command, all_machines(Some("Memory > 1000"))).await,
        Answer::Ads(Vec::new())
    );
    drop(startd);
    wait_for(&mut command, all_machines(None), &Answer::Ads(Vec::new())).await;
    running.stop().await;
}

/// Asks until the answer is the expected one.
async fn wait_for(command: &mut Connection, body: AskNegotiator, expected: &Answer) {
    let asked = async { while ask(command, body.clone()).await != *expected {} };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("never answered {expected:?}"));
}

#[tokio::test]
async fn a_negotiator_says_who_it_is_and_hangs_up_on_a_question_for_a_schedd() {
    let running = Running::start();
    let mut command = running.connect(Role::Command).await;
    let Answer::Identity(identity) = ask(&mut command, AskNegotiator::Identify).await else {
        panic!()
    };
    assert_eq!((identity.role.as_str(), identity.name.as_str()), ("negotiator", "here"));
    command.sender.send(&Request { id: 2, body: AskSchedd::Totals }).await.unwrap();
    assert_eq!(recv::<Response>(&mut command).await, None);
    running.stop().await;
}

#[tokio::test]
async fn a_startd_that_speaks_of_another_machine_is_disconnected() {
    let running = Running::start();
    let mut startd = running.connect(Role::Startd("m".to_owned())).await;
    startd.sender.send(&machine("other")).await.unwrap();
    // What it is told at the beginning may cross that.
    while let Some(said) = recv::<ToMachine>(&mut startd).await {
        assert_eq!(said, ToMachine::Drain(None));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_machine_is_told_whether_it_is_drained_when_it_comes_and_when_that_changes() {
    let running = Running::start();
    let mut startd = running.connect(Role::Startd("m".to_owned())).await;
    assert_eq!(recv(&mut startd).await, Some(ToMachine::Drain(None)));
    startd.sender.send(&machine("m")).await.unwrap();
    let mut command = running.connect(Role::Command).await;
    wait_for(&mut command, all_machines(Some("Memory > 1000")), &Answer::Ads(Vec::new())).await;
    let order = DrainOrder { how: DrainHow::Requeue, reason: "new disk".to_owned() };
    let drain = |order| AskNegotiator::Drain { machine: "M".to_owned(), order };
    let meant = Answer::Machine(MachineName::new("m"));
    wait_for(&mut command, drain(Some(order)), &meant).await;
    let Some(ToMachine::Drain(Some(said))) = recv(&mut startd).await else { panic!() };
    assert_eq!((said.how, said.reason.as_str()), (DrainHow::Requeue, "new disk"));
    let mut again = running.connect(Role::Startd("m".to_owned())).await;
    assert_eq!(recv(&mut again).await, Some(ToMachine::Drain(Some(said))));
    assert_eq!(ask(&mut command, drain(None)).await, meant);
    assert_eq!(recv(&mut again).await, Some(ToMachine::Drain(None)));
    let unknown = AskNegotiator::Drain { machine: "nobody".to_owned(), order: None };
    assert!(matches!(ask(&mut command, unknown).await, Answer::Refused(_)));
    let folder = running.stop().await;
    assert_eq!(std::fs::read_to_string(folder.path().join("drains.json")).unwrap(), "{}");
}
