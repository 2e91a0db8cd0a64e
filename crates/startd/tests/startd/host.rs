//! The processes, a schedd and a negotiator to talk to them, and ways to wait for a stated
//! condition. Knows nothing of what a test wants to show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use model::{Attempt, JobId, MatchId, Resources, RunId, Universe, UserName};
use proto::claiming::{ClaimGranted, ClaimStatus, FromStartd, RequestClaim, StartRun, ToStartd};
use proto::matchmaking::{FromMachine, MachineState};
use proto::net::{Address, Admission, Connection, Listener, Role, connect};
use tokio::time::{sleep, timeout};

/// After this long a condition that was waited for is taken to be never met.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often a condition that nobody tells of is looked at.
const LOOK: Duration = Duration::from_millis(3);

/// Longer than any test.
const LEASE_S: u32 = 3600;

pub(crate) struct Host {
    dir: tempfile::TempDir,
    launcher: Child,
    pub(crate) startd: Child,
}

impl Host {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let launcher = spawn("launcher", dir.path());
        let startd = spawn("startd", dir.path());
        Self { dir, launcher, startd }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn negotiator(&self) -> Listener {
        let admission = Admission::OnlyUid(nix::unistd::geteuid().as_raw());
        Listener::bind(&Address::unix(&self.path("negotiator.sock")), Role::Negotiator, admission)
            .unwrap()
    }

    /// Connects as a schedd; also says what the startd holds for it.
    pub(crate) async fn schedd(&self) -> (Schedd, Vec<ClaimStatus>) {
        let socket = self.path("startd.sock");
        let connection = until("the startd accepts connections", async || {
            connect(&Address::unix(&socket), Role::Schedd("schedd".to_owned())).await.ok()
        })
        .await;
        let mut schedd = Schedd { connection, beat: model::Beat::default() };
        match schedd.hear().await {
            FromStartd::Status { claims, beat, .. } => {
                schedd.beat = beat;
                (schedd, claims)
            }
            other => panic!("a startd begins with its status, not {other:?}"),
        }
    }

    pub(crate) fn kill_startd(&mut self) {
        self.startd.kill().unwrap();
        self.startd.wait().unwrap();
    }

    pub(crate) fn restart_startd(&mut self) {
        self.startd = spawn("startd", self.dir.path());
    }

    pub(crate) fn terminate_startd(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.startd.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// The ad of a job that runs this script in the host's folder.
    pub(crate) fn job(&self, script: &str) -> ClassAd {
        let mut ad = ClassAd::new();
        ad.set("ClusterId", 1);
        ad.set("ProcId", 0);
        ad.set("Cmd", "/bin/sh");
        ad.set("Arguments", format!("-c '{}'", script.replace('\'', "''")));
        ad.set("Iwd", self.dir.path().to_str().unwrap());
        ad.set("Out", "out");
        ad.set("Err", "err");
        ad.set("RequestCpus", 1);
        ad.set("RequestMemory", 128);
        ad.set("RequestDisk", 1024);
        ad.set("Requirements", true);
        ad
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.startd.kill();
        let _ = self.startd.wait();
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

fn spawn(role: &str, dir: &Path) -> Child {
    let test = std::env::current_exe().unwrap();
    let host = test.ancestors().nth(2).unwrap().join("examples/startd_host");
    assert!(
        host.exists(),
        "{} is missing: run `cargo test` without --test, which builds it",
        host.display()
    );
    Command::new(host).arg(role).arg(dir).stdin(Stdio::null()).spawn().unwrap()
}

/// A schedd as far as a startd can tell.
pub(crate) struct Schedd {
    connection: Connection,
    beat: model::Beat,
}

impl Schedd {
    pub(crate) async fn say(&mut self, message: ToStartd) {
        self.connection.sender.send(&message).await.unwrap();
    }

    /// The next message that is not just a beat, or what is used.
    pub(crate) async fn hear(&mut self) -> FromStartd {
        loop {
            let message = timeout(DEADLINE, self.connection.receiver.recv()).await;
            match message.expect("a message before the deadline").unwrap().expect("a connection") {
                FromStartd::Beat { beat } => {
                    self.beat = beat;
                    self.say(ToStartd::Echo { beat }).await;
                }
                FromStartd::RunUsage { .. } | FromStartd::RunPaused { .. } => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn claim(&mut self, number: u64, ad: &ClassAd) -> ClaimGranted {
        self.say(ToStartd::RequestClaim(Box::new(RequestClaim {
            matched: MatchId { life: 1, number },
            owner: UserName::new("alice"),
            request: Resources { cpus: 1, memory_mib: 128, disk_kib: 1024, ..Resources::default() },
            limits: Vec::new(),
            term: None,
            ad: Arc::new(ad.clone()),
            universe: Universe::of(ad),
            shares: None,
        })))
        .await;
        match self.hear().await {
            FromStartd::ClaimGranted(granted) => *granted,
            other => panic!("not a claim: {other:?}"),
        }
    }

    pub(crate) async fn start(&mut self, claim: &ClaimGranted, ordinal: u32, ad: ClassAd) -> RunId {
        let run = RunId { job: JobId::new(1, 0), attempt: Attempt(ordinal) };
        self.say(ToStartd::StartRun(Box::new(StartRun {
            claim: claim.claim,
            secret: claim.secret,
            ordinal,
            beat: self.beat.max(claim.beat),
            run,
            lease_s: LEASE_S,
            ad: Arc::new(ad),
            spool: None,
        })))
        .await;
        run
    }
}

/// What the startd tells the negotiator next.
pub(crate) async fn told(connection: &mut Connection) -> FromMachine {
    let message = timeout(DEADLINE, connection.receiver.recv()).await;
    message.expect("an advertisement before the deadline").unwrap().expect("a connection")
}

/// The first advertisement of which this is true.
pub(crate) async fn advertised(
    connection: &mut Connection,
    condition: impl Fn(&MachineState) -> bool,
) -> MachineState {
    loop {
        match told(connection).await {
            FromMachine::Advertise(state) if condition(&state) => return *state,
            FromMachine::Advertise(_) => {}
            FromMachine::Withdraw { machine } => panic!("{machine} has left"),
        }
    }
}

/// Looks at a condition again and again until it is met.
pub(crate) async fn until<T>(condition: &str, mut met: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(value) = met().await {
                return value;
            }
            sleep(LOOK).await;
        }
    };
    timeout(DEADLINE, looking).await.unwrap_or_else(|_| panic!("never met: {condition}"))
}
