//! One client: a socket, what it says next, and what it has heard.

use std::io::{ErrorKind, Read as _, Write as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use live_load::Fault;
use live_load::frames::{self, BINARY, CLOSE, PING, PONG};
use live_load::grid::Grid;
use mio::net::TcpStream;

use crate::args::{Args, Script};

/// Messages with 40 ms of audio are larger than any other.
const AUDIO_BYTES: usize = 1_500;
const END_OF_AUDIO: &[u8] = b"generationComplete";

pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) grid: Grid,
    pub(crate) messages: usize,
    /// How often the socket did not take a whole packet.
    pub(crate) stalls: usize,
    script: Rc<Script>,
    next: usize,
    /// Packets before it opens the talk; None when it has.
    opens_after: Option<usize>,
    unsent: Vec<u8>,
    /// The beginning of a frame.
    unread: Vec<u8>,
}

impl Session {
    /// Connect, upgrade, and send the setup.
    pub(crate) fn connect(
        address: &str,
        path: &str,
        script: Rc<Script>,
        chunk: Duration,
    ) -> Result<Self, Fault> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(String::from_utf8_lossy(&head).into());
        }
        stream.write_all(&script.setup)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            grid: Grid::new(chunk),
            messages: 0,
            stalls: 0,
            script,
            next: 0,
            opens_after: Some(0),
            unsent: Vec::new(),
            unread: Vec::new(),
        })
    }

    /// Speak at other times than the others, and be answered at other times: sessions open their
    /// talks one after the other in the first half of the warm-up.
    pub(crate) fn desynchronize(&mut self, index: usize, args: &Args) {
        let openings = args.warm_up_packets() / 2;
        self.next = index * self.script.packets.len() / args.sessions;
        self.opens_after = Some(index * openings / args.sessions);
    }

    pub(crate) fn begin_measuring(&mut self) {
        self.grid.begin_measuring();
        self.stalls = 0;
    }

    /// Send the next packet, and what opens the talk when it is time.
    pub(crate) fn send_next(&mut self) -> Result<(), Fault> {
        let script = Rc::clone(&self.script);
        if self.opens_after == Some(0) {
            self.send(&script.opening)?;
        }
        self.opens_after = self.opens_after.and_then(|left| left.checked_sub(1));
        self.send(&script.packets[self.next])?;
        self.next = (self.next + 1) % script.packets.len();
        Ok(())
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Fault> {
        if self.unsent.is_empty() {
            let sent = self.write(frame)?;
            self.unsent.extend_from_slice(&frame[sent..]);
        } else {
            self.unsent.extend_from_slice(frame);
            let waiting = std::mem::take(&mut self.unsent);
            let sent = self.write(&waiting)?;
            self.unsent.extend_from_slice(&waiting[sent..]);
        }
        self.stalls += usize::from(!self.unsent.is_empty());
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, Fault> {
        match self.stream.write(data) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            sent => Ok(sent?),
        }
    }

    /// Take what has come. A read that does not fill the buffer has emptied the socket.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err("the server has ended a connection".into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            if self.unread.is_empty() {
                let used = self.take(&buffer[..count], now)?;
                self.unread.extend_from_slice(&buffer[used..count]);
            } else {
                let mut data = std::mem::take(&mut self.unread);
                data.extend_from_slice(&buffer[..count]);
                let used = self.take(&data, now)?;
                data.drain(..used);
                self.unread = data;
            }
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Take every whole frame; returns how many bytes they are.
    fn take(&mut self, data: &[u8], now: Instant) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some((kind, payload, length)) = frames::first(&data[used..]) {
            match kind {
                BINARY if payload.len() > AUDIO_BYTES => self.grid.arrived(now),
                BINARY if contains(payload, END_OF_AUDIO) => self.grid.end_turn(),
                BINARY => {}
                PING => self.send(&frames::masked(PONG, payload))?,
                CLOSE => {
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                    return Err(format!("the server has closed a connection: {reason}").into());
                }
                other => return Err(format!("a frame that begins with {other:#x}").into()),
            }
            self.messages += usize::from(kind == BINARY);
            used += length;
        }
        Ok(used)
    }
}

fn contains(data: &[u8], word: &[u8]) -> bool {
    data.windows(word.len()).any(|window| window == word)
}
