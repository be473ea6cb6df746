//! The other end of many Live sessions: counts what comes, and sends prepared frames on schedule.
//! What `benches.cost` and `benches.sessions` measure clients with.
//!
//! It is for the other core, and cheap enough never to be what is measured. It speaks just enough
//! WebSocket, accepts every setup, and obeys the lines of its standard input, with which it ends:
//!
//! ```text
//! frame TEXT                               one more message to send, as a JSON string
//! play CONNECTION FRAMES RATE [AFTER_S]    send so many; RATE per second, 0: as they are taken
//! keep CONNECTION MESSAGES                 tell that many of the next messages in full
//! stats                                    what came, and how busy this was since the last time
//! ```
//!
//! As `live-sink awake` it never sleeps. On one machine, whoever sends is charged with waking the
//! core of who receives (in a virtual machine, tens of microseconds if it had halted); a client
//! whose server is far away is not.
//!
//! Connections have numbers in the order in which they came, frames are sent in the order in which
//! they were given, again and again. Each answer is a line of JSON; the first one is the port.
//!
//! `late_*` is about the messages of the clients: beside even times, 20 ms apart, through the
//! earliest of each client since the last time. Clients do not tell their schedule: a client whose
//! messages are all late by the same time is not late here. `behind_*` is how late this was itself.

mod connection;
mod handshake;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::env;
use std::io::{self, BufRead as _, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use live_load::frames::{self, BINARY};
use live_load::grid::percentile;
use live_load::{Fault, own_cpu_ns, say};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use serde_json::json;

use connection::Connection;

const LISTENER: Token = Token(usize::MAX);
const COMMANDS: Token = Token(usize::MAX - 1);

fn main() -> Result<(), Fault> {
    let awake = match env::args().nth(1).as_deref() {
        None => false,
        Some("awake") => true,
        Some(other) => return Err(format!("{other:?}: only \"awake\" can be asked").into()),
    };
    Sink::new(awake)?.run()
}

struct Sink {
    poll: Poll,
    listener: TcpListener,
    commands: Receiver<String>,
    /// Kept, because what it has said is lost when nobody has it anymore.
    _waker: Arc<Waker>,
    connections: Vec<Connection>,
    /// When the next frame of a connection is due.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    frames: Vec<Vec<u8>>,
    behind_ms: Vec<f32>,
    awake: bool,
    told: Instant,
    told_cpu_ns: u64,
    /// Awake, with nothing to do, since then.
    idle: Duration,
    buffer: Vec<u8>,
}

impl Sink {
    fn new(awake: bool) -> Result<Self, Fault> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), COMMANDS)?);
        say(&json!({"port": listener.local_addr()?.port()}).to_string())?;
        Ok(Self {
            poll,
            listener,
            commands: read_commands(Arc::clone(&waker)),
            _waker: waker,
            connections: Vec::new(),
            due: BinaryHeap::new(),
            frames: Vec::new(),
            behind_ms: Vec::new(),
            awake,
            told: Instant::now(),
            told_cpu_ns: own_cpu_ns()?,
            idle: Duration::ZERO,
            buffer: vec![0; 1 << 18],
        })
    }

    /// Until the standard input ends.
    fn run(&mut self) -> Result<(), Fault> {
        let mut events = Events::with_capacity(1024);
        loop {
            let begun = Instant::now();
            let next = self.due.peek().map(|Reverse((due, _))| *due);
            let wait = if self.awake {
                Some(Duration::ZERO)
            } else {
                next.map(|due| due.saturating_duration_since(begun))
            };
            self.poll.poll(&mut events, wait)?;
            if self.awake && events.is_empty() {
                let now = Instant::now();
                if next.is_none_or(|due| due > now) {
                    self.idle += now - begun;
                    continue;
                }
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    COMMANDS => {
                        if !self.obey_all()? {
                            return Ok(());
                        }
                    }
                    Token(index) => {
                        self.connections[index].read(&mut self.buffer)?;
                        // Reading is no reason to look at the clock: what is listed has its time.
                        if event.is_writable() && !self.connections[index].listed {
                            self.send_due(index)?;
                        }
                    }
                }
            }
            self.send_all_due()?;
        }
    }

    fn accept(&mut self) -> Result<(), Fault> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            self.poll.registry().register(
                &mut stream,
                Token(self.connections.len()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.connections.push(Connection::new(stream));
        }
    }

    fn send_all_due(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        while let Some(&Reverse((due, index))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            self.connections[index].listed = false;
            self.send_due(index)?;
        }
        Ok(())
    }

    fn send_due(&mut self, index: usize) -> Result<(), Fault> {
        let connection = &mut self.connections[index];
        if let Some(due) = connection.send_due(&self.frames, &mut self.behind_ms)? {
            connection.listed = true;
            self.due.push(Reverse((due, index)));
        }
        Ok(())
    }

    /// False: there will be no more.
    fn obey_all(&mut self) -> Result<bool, Fault> {
        loop {
            match self.commands.try_recv() {
                Ok(line) => self.obey(&line)?,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    fn obey(&mut self, line: &str) -> Result<(), Fault> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<&str> = rest.split(' ').collect();
        match (word, numbers.as_slice()) {
            ("frame", _) => {
                let text: String = serde_json::from_str(rest)?;
                self.frames.push(frames::plain(BINARY, text.as_bytes()));
            }
            ("play", [index, count, rate, after @ ..]) => {
                let rate: f64 = rate.parse()?;
                let every = if rate > 0.0 { rate.recip() } else { 0.0 };
                let after: f64 = after.first().unwrap_or(&"0").parse()?;
                if self.frames.is_empty() {
                    return Err("there are no frames to play".into());
                }
                let index: usize = index.parse()?;
                let connection = self.connection(index)?;
                connection.play(
                    count.parse()?,
                    Duration::from_secs_f64(every),
                    Instant::now() + Duration::from_secs_f64(after),
                );
                if !connection.listed {
                    self.send_due(index)?;
                }
            }
            ("keep", [index, count]) => {
                self.connection(index.parse()?)?.keep = count.parse()?;
            }
            ("stats", _) => self.tell()?,
            _ => return Err(format!("{line:?} is no command").into()),
        }
        Ok(())
    }

    fn connection(&mut self, index: usize) -> Result<&mut Connection, Fault> {
        let number = self.connections.len();
        let error = || format!("there is no connection {index}: there are {number}").into();
        self.connections.get_mut(index).ok_or_else(error)
    }

    /// What there was since the last time.
    fn tell(&mut self) -> Result<(), Fault> {
        let (now, cpu_ns) = (Instant::now(), own_cpu_ns()?);
        let since = now - self.told;
        let spent = if self.awake {
            since.saturating_sub(std::mem::take(&mut self.idle))
        } else {
            Duration::from_nanos(cpu_ns - self.told_cpu_ns)
        };
        let busy = spent.as_secs_f64() / since.as_secs_f64();
        (self.told, self.told_cpu_ns) = (now, cpu_ns);
        let mut late_ms = Vec::new();
        let mut connections = Vec::with_capacity(self.connections.len());
        for each in &mut self.connections {
            each.grid.take_lateness(&mut late_ms);
            connections.push(json!({
                "messages": std::mem::take(&mut each.messages),
                "bytes": std::mem::take(&mut each.bytes),
                "kept": std::mem::take(&mut each.kept),
            }));
        }
        let mut behind_ms = std::mem::take(&mut self.behind_ms);
        let stats = json!({
            "busy": busy,
            "late_p50_ms": percentile(&mut late_ms, 50),
            "late_p99_ms": percentile(&mut late_ms, 99),
            "late_max_ms": percentile(&mut late_ms, 100),
            "behind_p99_ms": percentile(&mut behind_ms, 99),
            "connections": connections,
        });
        say(&stats.to_string())
    }
}

/// A thread waits for the lines, because a pipe may not.
fn read_commands(waker: Arc<Waker>) -> Receiver<String> {
    let (sender, commands) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        // Who does not hear it has ended.
        let _ = waker.wake();
    });
    commands
}
