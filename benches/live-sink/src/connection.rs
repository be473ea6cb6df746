//! One client, from the upgrade on: what came of it, and what is still to be sent to it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use live_load::Fault;
use live_load::frames::{self, BINARY, CLOSE, Masked, PING, PONG, TEXT};
use live_load::grid::Grid;
use mio::net::TcpStream;

use crate::handshake;

const SETUP_COMPLETE: &[u8] = b"{\n  \"setupComplete\": {}\n}\n";

/// How a client spaces its messages.
const PACKET: Duration = Duration::from_millis(20);

/// Frames that one client is sent before it is somebody else's turn.
const AT_ONCE: usize = 64;

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The messages of the client, beside even times through the earliest of them.
    pub(crate) grid: Grid,
    pub(crate) messages: u64,
    pub(crate) bytes: usize,
    /// How many of the next messages are wanted in full.
    pub(crate) keep: u64,
    pub(crate) kept: Vec<String>,
    /// Whether it waits for its time in the sink's list.
    pub(crate) listed: bool,
    stage: Stage,
    play: Option<Play>,
    next_frame: usize,
    unsent: Vec<u8>,
    /// The beginning of a frame.
    unread: Vec<u8>,
}

/// What the client says next.
#[derive(PartialEq)]
enum Stage {
    Upgrade,
    Setup,
    Talk,
    Gone,
}

/// What is to be sent.
struct Play {
    began: Instant,
    every: Duration,
    sent: u32,
    frames: u32,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let mut grid = Grid::new(PACKET);
        grid.begin_measuring();
        Self {
            stream,
            grid,
            messages: 0,
            bytes: 0,
            keep: 0,
            kept: Vec::new(),
            listed: false,
            stage: Stage::Upgrade,
            play: None,
            next_frame: 0,
            unsent: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Have so many frames sent, the first at `began`; with no time between them, as fast as they
    /// are taken.
    pub(crate) fn play(&mut self, frames: u32, every: Duration, began: Instant) {
        self.play = Some(Play {
            began,
            every,
            sent: 0,
            frames,
        });
    }

    /// Send the frames whose time has come; returns when the next one's comes. None: all are sent,
    /// or the socket is full, and says so when it is not. `behind` takes how late each was, in ms.
    pub(crate) fn send_due(
        &mut self,
        frames: &[Vec<u8>],
        behind: &mut Vec<f32>,
    ) -> Result<Option<Instant>, Fault> {
        self.send(&[])?;
        let now = Instant::now();
        for _ in 0..AT_ONCE {
            let Some(play) = &mut self.play else { break };
            if play.sent == play.frames || self.stage == Stage::Gone {
                self.play = None;
                break;
            }
            if !self.unsent.is_empty() {
                return Ok(None);
            }
            let due = play.began + play.every * play.sent;
            if due > now {
                break;
            }
            if !play.every.is_zero() {
                behind.push((now - due).as_secs_f32() * 1e3);
            }
            play.sent += 1;
            self.next_frame %= frames.len();
            self.send(&frames[self.next_frame])?;
            self.next_frame += 1;
        }
        let next = |play: &Play| play.began + play.every * play.sent;
        Ok(self.play.as_ref().map(next))
    }

    /// Send this after what waits.
    fn send(&mut self, data: &[u8]) -> Result<(), Fault> {
        if self.unsent.is_empty() {
            let sent = self.write(data)?;
            self.unsent.extend_from_slice(&data[sent..]);
        } else {
            self.unsent.extend_from_slice(data);
            let waiting = std::mem::take(&mut self.unsent);
            let sent = self.write(&waiting)?;
            self.unsent.extend_from_slice(&waiting[sent..]);
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, Fault> {
        if data.is_empty() || self.stage == Stage::Gone {
            return Ok(data.len());
        }
        match self.stream.write(data) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) if is_end(error.kind()) => {
                self.stage = Stage::Gone;
                Ok(data.len())
            }
            sent => Ok(sent?),
        }
    }

    /// Take what has come. A read that does not fill the buffer has emptied the socket.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        while self.stage != Stage::Gone {
            let count = match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_end(error.kind()) => 0,
                count => count?,
            };
            if count == 0 {
                self.stage = Stage::Gone;
                break;
            }
            if self.unread.is_empty() {
                let used = self.take(&buffer[..count])?;
                self.unread.extend_from_slice(&buffer[used..count]);
            } else {
                let mut data = std::mem::take(&mut self.unread);
                data.extend_from_slice(&buffer[..count]);
                let used = self.take(&data)?;
                data.drain(..used);
                self.unread = data;
            }
            if count < buffer.len() {
                break;
            }
        }
        Ok(())
    }

    /// Take every whole frame; returns how many bytes they are.
    fn take(&mut self, data: &[u8]) -> Result<usize, Fault> {
        let now = Instant::now();
        let mut used = 0;
        if self.stage == Stage::Upgrade {
            let Some((answer, length)) = handshake::answer(data)? else {
                return Ok(0);
            };
            self.send(answer.as_bytes())?;
            self.stage = Stage::Setup;
            used = length;
        }
        while let Some(frame) = frames::first_masked(&data[used..]) {
            used += frame.length;
            match frame.kind {
                TEXT | BINARY => self.message(&frame, now)?,
                PING => self.send(&control(PONG, &frame))?,
                PONG => {}
                CLOSE => {
                    self.send(&control(CLOSE, &frame))?;
                    self.stream.shutdown(Shutdown::Write)?;
                }
                other => return Err(format!("a frame that begins with {other:#x}").into()),
            }
        }
        Ok(used)
    }

    fn message(&mut self, frame: &Masked<'_>, now: Instant) -> Result<(), Fault> {
        if self.stage == Stage::Setup {
            self.stage = Stage::Talk;
            return self.send(&frames::plain(BINARY, SETUP_COMPLETE));
        }
        self.messages += 1;
        self.bytes += frame.payload.len();
        self.grid.arrived(now);
        if self.keep > 0 {
            self.keep -= 1;
            let text = frames::unmasked(frame.key, frame.payload).collect();
            self.kept.push(String::from_utf8(text)?);
        }
        Ok(())
    }
}

fn control(kind: u8, frame: &Masked<'_>) -> Vec<u8> {
    let payload: Vec<u8> = frames::unmasked(frame.key, frame.payload).collect();
    frames::plain(kind, &payload)
}

/// Clients may hang up as they like.
fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
