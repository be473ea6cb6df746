//! Holds many Live sessions in real time on little of one core: what `benches.emulator` loads the
//! local server with.
//!
//! Every session sends prepared messages, one per packet time, and counts what comes. Each sends at
//! a moment of its own, and says something else than the others at that moment: sessions that begin
//! to speak all at once are not what a server meets. A line `measuring` on standard output says that the warm-up is over;
//! one line of JSON says what came of it.

mod args;
mod session;

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use live_load::grid::percentile;
use live_load::{Fault, own_cpu_ns, say};
use mio::{Events, Interest, Poll, Token};

use args::Args;
use session::Session;

/// Connects that may take longer than this are given up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Fault> {
    let args = Args::parse(std::env::args().skip(1))?;
    let mut load = Load::connect(&args)?;
    load.wait_for_setups()?;
    if args.measured.is_zero() {
        say("idle")?;
        // Whoever started this has what it wants when it closes the pipe.
        io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let measured = load.run(&args)?;
    say(&measured)
}

struct Load {
    poll: Poll,
    sessions: Vec<Session>,
    buffer: Vec<u8>,
}

impl Load {
    fn connect(args: &Args) -> Result<Self, Fault> {
        let poll = Poll::new()?;
        let mut sessions = Vec::with_capacity(args.sessions);
        for index in 0..args.sessions {
            let script = args.scripts[index % args.scripts.len()].clone();
            let mut session = Session::connect(&args.address, &args.path, script, args.chunk)?;
            session.desynchronize(index, args);
            let token = Token(index);
            poll.registry()
                .register(&mut session.stream, token, Interest::READABLE)?;
            sessions.push(session);
        }
        Ok(Self {
            poll,
            sessions,
            buffer: vec![0; 1 << 18],
        })
    }

    /// Until every session was accepted.
    fn wait_for_setups(&mut self) -> Result<(), Fault> {
        let mut events = Events::with_capacity(1024);
        let began = Instant::now();
        while !self.sessions.iter().all(|session| session.messages > 0) {
            if began.elapsed() > SETUP_TIMEOUT {
                return Err("not every setup was accepted within a minute".into());
            }
            self.poll
                .poll(&mut events, Some(Duration::from_millis(100)))?;
            self.read(&events)?;
        }
        Ok(())
    }

    /// Talk, and return what came of it as JSON.
    fn run(&mut self, args: &Args) -> Result<String, Fault> {
        let count = u32::try_from(self.sessions.len())?;
        let mut events = Events::with_capacity(1024);
        let start = Instant::now() + Duration::from_millis(10);
        let from = start + args.warm_up;
        let until = from + args.measured;
        let mut behind: Vec<f32> = Vec::new();
        let mut cpu_ns = None;
        // The next packet is that of session `turn % count`, `turn / count` packets after its first.
        let mut turn: u32 = 0;
        loop {
            let now = Instant::now();
            if now >= until {
                break;
            }
            if cpu_ns.is_none() && now >= from {
                cpu_ns = Some(own_cpu_ns()?);
                self.sessions.iter_mut().for_each(Session::begin_measuring);
                say("measuring")?;
            }
            let due = loop {
                let due =
                    start + args.packet * (turn / count) + args.packet * (turn % count) / count;
                if due > now {
                    break due;
                }
                self.sessions[(turn % count) as usize].send_next()?;
                if cpu_ns.is_some() {
                    behind.push((now - due).as_secs_f32() * 1e3);
                }
                turn += 1;
            };
            self.poll.poll(&mut events, Some(due - now))?;
            self.read(&events)?;
        }
        let cpu_s = Duration::from_nanos(own_cpu_ns()? - cpu_ns.unwrap_or(0)).as_secs_f64();
        Ok(self.report(args.measured.as_secs_f64(), cpu_s, &mut behind))
    }

    fn read(&mut self, events: &Events) -> Result<(), Fault> {
        for event in events {
            self.sessions[event.token().0].read(&mut self.buffer)?;
        }
        Ok(())
    }

    fn report(&mut self, seconds: f64, cpu_s: f64, behind: &mut [f32]) -> String {
        let mut late: Vec<f32> = Vec::new();
        for session in &mut self.sessions {
            session.grid.take_lateness(&mut late);
        }
        let stalls: usize = self.sessions.iter().map(|session| session.stalls).sum();
        format!(
            "{{\"seconds\": {seconds}, \"cpu_share\": {:.4}, \"packets\": {}, \"stalls\": {stalls}, \
             \"behind_p99_ms\": {:.3}, \"chunks\": {}, \"late_p50_ms\": {:.3}, \
             \"late_p99_ms\": {:.3}, \"late_max_ms\": {:.3}}}",
            cpu_s / seconds,
            behind.len(),
            percentile(behind, 99),
            late.len(),
            percentile(&mut late, 50),
            percentile(&mut late, 99),
            percentile(&mut late, 100),
        )
    }
}
