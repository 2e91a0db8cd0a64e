//! Measures what a start through the launcher costs: `/bin/true` per second with K runs in flight,
//! beside K processes that each start and wait for `/bin/true` in a loop (`posix_spawn` as the
//! standard library does it), in turns, in one run.
//!
//! `cargo run --release -p launcher --example spawn_rate [K] [RUNS] [ROUNDS]`

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio as ProcessStdio};

use launcher::wire::{
    Decoder, Event, Limits, Message, OsBytes, Request, RequestBody, RunKey, Start, Stdio, encode,
};
use launcher::{Config, ContainmentWish, RunAs, boot_clock_ms};

const PROGRAM: &str = "/bin/true";

/// Longer than any measurement.
const LEASE_MS: u64 = 600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts[..] {
        ["--host", dir] => host(Path::new(dir)),
        ["--bare", starts] => bare(starts.parse()?),
        [] => measure(2, 3000, 3),
        [in_flight] => measure(in_flight.parse()?, 3000, 3),
        [in_flight, runs] => measure(in_flight.parse()?, runs.parse()?, 3),
        [in_flight, runs, rounds, ..] => {
            measure(in_flight.parse()?, runs.parse()?, rounds.parse()?)
        }
    }
}

fn host(dir: &Path) -> Result<(), Box<dyn Error>> {
    Ok(launcher::run(Config {
        socket: dir.join("launcher.sock"),
        state_dir: dir.join("state"),
        users_dir: None,
        identity: RunAs::Own,
        containment: ContainmentWish::Subreaper,
        runs_max: 1024,
    })?)
}

fn bare(starts: usize) -> Result<(), Box<dyn Error>> {
    for _ in 0..starts {
        Command::new(PROGRAM).status()?;
    }
    Ok(())
}

fn measure(in_flight: usize, runs: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let bare = bare_rate(in_flight, runs)?;
        let kept = launcher_rate(in_flight, runs)?;
        println!("K={in_flight}: bare {bare:.0}/s, launcher {kept:.0}/s, ratio {:.2}", kept / bare);
        ratios.push(kept / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

fn bare_rate(processes: usize, starts: usize) -> Result<f64, Box<dyn Error>> {
    let begin = boot_clock_ms();
    let share = (starts / processes).to_string();
    let children =
        (0..processes).map(|_| again(&["--bare", &share])).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        child.wait()?;
    }
    Ok(rate(starts / processes * processes, begin))
}

fn launcher_rate(in_flight: usize, runs: usize) -> Result<f64, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let mut host = again(&["--host", dir.path().to_str().ok_or("a strange temporary directory")?])?;
    let mut client = Client::connect(&dir.path().join("launcher.sock"));
    let begin = boot_clock_ms();
    client.run(in_flight, runs)?;
    let rate = rate(runs, begin);
    host.kill()?;
    host.wait()?;
    Ok(rate)
}

fn again(arguments: &[&str]) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?).args(arguments).stdin(ProcessStdio::null()).spawn()
}

#[expect(clippy::cast_precision_loss, reason = "both numbers are far below 2^52")]
fn rate(count: usize, begin_ms: u64) -> f64 {
    count as f64 * 1000.0 / (boot_clock_ms() - begin_ms) as f64
}

struct Client {
    stream: UnixStream,
    out: Vec<u8>,
    next_id: u64,
}

impl Client {
    fn connect(socket: &Path) -> Self {
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                return Self { stream, out: Vec::new(), next_id: 0 };
            }
            std::thread::yield_now();
        }
    }

    /// Keeps `in_flight` runs going until `runs` have ended, forgetting each, as a daemon would
    /// after its commit.
    fn run(&mut self, in_flight: usize, runs: usize) -> Result<(), Box<dyn Error>> {
        let (mut started, mut ended) = (0, 0);
        let mut decoder = Decoder::default();
        let mut chunk = [0; 16 * 1024];
        let mut requests = Vec::new();
        while started < in_flight.min(runs) {
            requests.push(self.start(started)?);
            started += 1;
        }
        while ended < runs {
            self.send(&mut requests)?;
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err("the launcher is gone".into());
            }
            decoder.feed(&chunk[..length]);
            while let Some(messages) = decoder.next_frame::<Vec<Message>>()? {
                for message in messages {
                    if let Message::Event(Event::Ended { run_key, .. }) = message {
                        ended += 1;
                        requests
                            .push(self.request(RequestBody::Forget { run_keys: vec![run_key] }));
                        if started < runs {
                            requests.push(self.start(started)?);
                            started += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, number: usize) -> Result<Request, Box<dyn Error>> {
        let start = Start {
            run_key: RunKey::try_from(format!("run-{number}"))?,
            program: OsBytes::from(PROGRAM),
            argv: vec![OsBytes::from(PROGRAM)],
            env: Vec::new(),
            cwd: OsBytes::from("/"),
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            umask: 0o022,
            limits: Limits::default(),
            kill_grace_ms: 0,
            lease_until_boot_ms: boot_clock_ms() + LEASE_MS,
            before: None,
            after: None,
            beside: None,
            stop_at_exec: false,
            private: Vec::new(),
        };
        Ok(self.request(RequestBody::Start(Box::new(start))))
    }

    fn request(&mut self, body: RequestBody) -> Request {
        self.next_id += 1;
        Request { id: self.next_id, body }
    }

    fn send(&mut self, requests: &mut Vec<Request>) -> Result<(), Box<dyn Error>> {
        if requests.is_empty() {
            return Ok(());
        }
        self.out.clear();
        encode(requests, &mut self.out)?;
        self.stream.write_all(&self.out)?;
        requests.clear();
        Ok(())
    }
}
