//! The connection to the launcher: kept open, greeted, listed. It carries orders and reports; what
//! they are about is the engine's matter.
//!
//! Each connection has a channel of orders of its own, which the engine gets together with the list
//! of runs. An order given before that list was made, for a connection that broke, can therefore
//! never reach the launcher after it: a run that the list does not have is surely not started by
//! something that was still under way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use launcher::wire::{
    Answer, Decoder, Event, LeaseScope, Message, PROTOCOL_VERSION, Refusal, Request, RequestBody,
    RunInfo, Start, Usage, WireError, encode,
};
use model::Pause;
use proto::net::{BackOff, NetError, connect_plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::core::RunKey;
use crate::shell::engine::EngineInput;
use crate::shell::links::translate::wire_key;
use crate::shell::run::bounds::Can;

/// Orders that wait for a launcher that reads slowly. When it is full the connection is given up,
/// and the list of the next one says how things stand.
const QUEUE: usize = 16_384;

/// The most orders that are written at once.
const BURST: usize = 256;

/// What is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How long the launcher may take for its greeting and its list. It answers in microseconds unless
/// the machine is stuck.
const GREETING_LIMIT: Duration = Duration::from_secs(30);

/// What the launcher is to do.
#[derive(Debug)]
pub(crate) enum LauncherOrder {
    Start {
        key: RunKey,
        start: Box<Start>,
    },
    Kill {
        key: RunKey,
        signal: i32,
        grace_ms: u64,
    },
    Pause {
        key: RunKey,
        pause: Pause,
    },
    ExtendLease {
        keys: Vec<RunKey>,
        until_boot_ms: u64,
    },
    Forget(Vec<RunKey>),
    /// What each uses now.
    Measure(Vec<RunKey>),
}

/// What is heard of the launcher.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It is there, with these runs; what it can do, and where its orders go.
    Up { runs: Vec<RunInfo>, can: Can, orders: mpsc::Sender<LauncherOrder> },
    /// It is not there any more.
    Down,
    /// Something happened to a run.
    Event(Event),
    /// It did not take a run.
    Refused { key: RunKey, refusal: Refusal },
    /// An order to suspend a run, or to let it go on, is carried out.
    Paused { key: RunKey, pause: Pause, processes: u32 },
    /// What a run uses.
    Used { key: RunKey, usage: Usage },
}

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("talk to the launcher")]
    Io(#[from] std::io::Error),
    #[error("talk to the launcher")]
    Wire(#[from] WireError),
    #[error("talk to the launcher: it refused the greeting: {0}")]
    Greeting(Refusal),
    #[error("talk to the launcher: it closed the connection")]
    Closed,
    #[error("talk to the launcher: it did not answer in {} s", GREETING_LIMIT.as_secs())]
    Silent,
}

/// Keeps a connection to the launcher at `socket` until the engine has ended.
pub(crate) async fn keep_open(socket: PathBuf, engine: mpsc::Sender<EngineInput>) {
    let mut back_off = BackOff::default();
    while !engine.is_closed() {
        match open(&socket).await {
            Ok((link, can, runs)) => {
                back_off.renew();
                let (orders, queue) = mpsc::channel(QUEUE);
                if tell(&engine, Heard::Up { runs, can, orders }).await.is_err() {
                    return;
                }
                let end = link.talk(&engine, queue).await;
                tracing::info!(?end, "the connection to the launcher closed");
                if tell(&engine, Heard::Down).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no launcher"),
        }
        back_off.wait().await;
    }
}

async fn tell(engine: &mpsc::Sender<EngineInput>, heard: Heard) -> Result<(), LinkError> {
    engine.send(EngineInput::Launcher(heard)).await.map_err(|_| LinkError::Closed)
}

async fn open(socket: &Path) -> Result<(LauncherStream, Can, Vec<RunInfo>), LinkError> {
    let stream = connect_plain(socket).await?;
    let mut link = LauncherStream {
        stream,
        decoder: Decoder::default(),
        chunk: vec![0; CHUNK_BYTES],
        out: Vec::new(),
        last_id: 0,
        asked: BTreeMap::new(),
        pausing: BTreeMap::new(),
    };
    let greeted = timeout(GREETING_LIMIT, link.greet()).await.map_err(|_| LinkError::Silent)?;
    let (can, runs) = greeted?;
    Ok((link, can, runs))
}

struct LauncherStream {
    stream: UnixStream,
    decoder: Decoder,
    chunk: Vec<u8>,
    out: Vec<u8>,
    last_id: u64,
    /// The runs that starts and measurements under way are about.
    asked: BTreeMap<u64, RunKey>,
    /// The orders that the answers to these measurements show to be carried out.
    pausing: BTreeMap<u64, (RunKey, Pause)>,
}

impl LauncherStream {
    /// Says hello and gets the list. What the launcher says before that is in the list.
    async fn greet(&mut self) -> Result<(Can, Vec<RunInfo>), LinkError> {
        self.queue(RequestBody::Hello { version: PROTOCOL_VERSION })?;
        self.queue(RequestBody::List)?;
        self.flush().await?;
        let mut can = Can::default();
        loop {
            while let Some(messages) = self.decoder.next_frame::<Vec<Message>>()? {
                for message in messages {
                    match message {
                        Message::Answer { result: Ok(Answer::Runs(runs)), .. } => {
                            return Ok((can, runs));
                        }
                        Message::Answer { result: Ok(Answer::Welcome(welcome)), .. } => {
                            can = Can::of(&welcome);
                        }
                        Message::Answer { result: Err(refusal), .. } => {
                            return Err(LinkError::Greeting(refusal));
                        }
                        Message::Answer { result: Ok(_), .. } | Message::Event(_) => {}
                    }
                }
            }
            let n = self.stream.read(&mut self.chunk).await?;
            self.take(n)?;
        }
    }

    async fn talk(
        mut self,
        engine: &mpsc::Sender<EngineInput>,
        mut orders: mpsc::Receiver<LauncherOrder>,
    ) -> Result<(), LinkError> {
        let mut burst = Vec::with_capacity(BURST);
        loop {
            while let Some(messages) = self.decoder.next_frame::<Vec<Message>>()? {
                for message in messages {
                    if let Some(heard) = self.heard(message) {
                        tell(engine, heard).await?;
                    }
                }
            }
            tokio::select! {
                read = self.stream.read(&mut self.chunk) => self.take(read?)?,
                n = orders.recv_many(&mut burst, BURST) => {
                    if n == 0 {
                        return Ok(());
                    }
                    for order in burst.drain(..) {
                        if let Some(heard) = self.give(order)? {
                            tell(engine, heard).await?;
                        }
                    }
                    self.flush().await?;
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<(), LinkError> {
        if length == 0 {
            return Err(LinkError::Closed);
        }
        self.decoder.feed(&self.chunk[..length]);
        Ok(())
    }

    fn heard(&mut self, message: Message) -> Option<Heard> {
        match message {
            Message::Event(event) => Some(Heard::Event(event)),
            Message::Answer { id, result } if self.pausing.contains_key(&id) => {
                let (key, pause) = self.pausing.remove(&id)?;
                match result {
                    Ok(Answer::Usage(usage)) => {
                        Some(Heard::Paused { key, pause, processes: usage.processes })
                    }
                    Ok(_) | Err(_) => None,
                }
            }
            Message::Answer { id, result } => match (self.asked.remove(&id), result) {
                (Some(key), Ok(Answer::Usage(usage))) => Some(Heard::Used { key, usage }),
                (Some(key), Err(refusal @ (Refusal::NoSuchRun(_) | Refusal::Ended(_)))) => {
                    tracing::debug!(%key, %refusal, "measured a run too late");
                    None
                }
                (Some(key), Err(refusal)) => Some(Heard::Refused { key, refusal }),
                (None, Err(refusal)) => {
                    tracing::debug!(%refusal, "an order came too late");
                    None
                }
                (Some(_) | None, Ok(_)) => None,
            },
        }
    }

    /// Puts an order into the buffer. A start that cannot be written is refused here.
    fn give(&mut self, order: LauncherOrder) -> Result<Option<Heard>, LinkError> {
        match order {
            LauncherOrder::Start { key, start } => {
                let run_key = start.run_key.clone();
                match self.queue(RequestBody::Start(start)) {
                    Ok(id) => {
                        self.asked.insert(id, key);
                    }
                    Err(LinkError::Wire(error @ WireError::TooLong { .. })) => {
                        let field = "arguments and environment".to_owned();
                        let refusal = Refusal::Invalid { run_key, field, why: error.to_string() };
                        return Ok(Some(Heard::Refused { key, refusal }));
                    }
                    Err(error) => return Err(error),
                }
            }
            LauncherOrder::Kill { key, signal, grace_ms } => {
                self.queue(RequestBody::Kill { run_key: wire_key(key), signal, grace_ms })?;
            }
            LauncherOrder::Pause { key, pause } => {
                let run_key = wire_key(key);
                self.queue(if pause.suspend {
                    RequestBody::Suspend { run_key }
                } else {
                    RequestBody::Continue { run_key }
                })?;
                // A keeper does one thing after the other: when it says what the run uses it has
                // done the first.
                let id = self.queue(RequestBody::Usage { run_key: wire_key(key) })?;
                self.pausing.insert(id, (key, pause));
            }
            LauncherOrder::ExtendLease { keys, until_boot_ms } => {
                let scope = LeaseScope::Runs(keys.into_iter().map(wire_key).collect());
                self.queue(RequestBody::ExtendLease { scope, until_boot_ms })?;
            }
            LauncherOrder::Forget(keys) => {
                let run_keys = keys.into_iter().map(wire_key).collect();
                self.queue(RequestBody::Forget { run_keys })?;
            }
            LauncherOrder::Measure(keys) => {
                for key in keys {
                    let id = self.queue(RequestBody::Usage { run_key: wire_key(key) })?;
                    self.asked.insert(id, key);
                }
            }
        }
        Ok(None)
    }

    fn queue(&mut self, body: RequestBody) -> Result<u64, LinkError> {
        self.last_id += 1;
        let id = self.last_id;
        encode(&[Request { id, body }], &mut self.out)?;
        Ok(id)
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}
