//! The program as a client and a benchmark meet it.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use live_load::frames::{self, BINARY, CLOSE, PING, PONG, TEXT};
use serde_json::{Value, json};

type Tested = Result<(), Box<dyn Error>>;

struct Sink {
    process: Child,
    answers: BufReader<ChildStdout>,
    port: u64,
}

impl Sink {
    fn start() -> Result<Self, Box<dyn Error>> {
        Self::start_with(&[])
    }

    fn start_with(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_live-sink"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut sink = Self {
            process,
            answers,
            port: 0,
        };
        sink.port = sink.answer()?["port"].as_u64().ok_or("no port")?;
        Ok(sink)
    }

    fn tell(&mut self, line: &str) -> Tested {
        let input = self.process.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(input, "{line}")?)
    }

    fn answer(&mut self) -> Result<Value, Box<dyn Error>> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn stats(&mut self) -> Result<Value, Box<dyn Error>> {
        self.tell("stats")?;
        self.answer()
    }

    fn end(mut self) -> Tested {
        drop(self.process.stdin.take());
        assert!(self.process.wait()?.success());
        Ok(())
    }
}

struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// Upgraded, and its setup is accepted.
    fn connect(port: u64) -> Result<Self, Box<dyn Error>> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nHost: here\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let mut client = Self {
            stream,
            unread: Vec::new(),
        };
        client.send(TEXT, b"{\"setup\": {}}")?;
        let (kind, text) = client.next()?;
        assert_eq!(kind, BINARY);
        let message: Value = serde_json::from_slice(&text)?;
        assert_eq!(message, json!({"setupComplete": {}}));
        Ok(client)
    }

    fn send(&mut self, kind: u8, payload: &[u8]) -> Tested {
        Ok(self.stream.write_all(&frames::masked(kind, payload))?)
    }

    fn next(&mut self) -> Result<(u8, Vec<u8>), Box<dyn Error>> {
        loop {
            if let Some((kind, payload, length)) = frames::first(&self.unread) {
                let found = (kind, payload.to_vec());
                self.unread.drain(..length);
                return Ok(found);
            }
            let mut buffer = vec![0; 65_536];
            let count = self.stream.read(&mut buffer)?;
            assert!(count > 0, "the sink has hung up");
            self.unread.extend(&buffer[..count]);
        }
    }
}

#[test]
fn what_clients_send_is_counted_and_kept_as_far_as_asked() -> Tested {
    let mut sink = Sink::start()?;
    let mut first = Client::connect(sink.port)?;
    let mut second = Client::connect(sink.port)?;
    sink.tell("keep 1 2")?;
    sink.stats()?; // it is obeyed by now
    for text in ["one", "two \"quoted\"", "three"] {
        second.send(TEXT, text.as_bytes())?;
    }
    first.send(BINARY, b"only")?;
    // Its answer comes after what was sent before.
    for client in [&mut first, &mut second] {
        client.send(PING, b"?")?;
        assert_eq!(client.next()?, (PONG, b"?".to_vec()));
    }
    let stats = sink.stats()?;
    assert_eq!(
        stats["connections"],
        json!([
            {"messages": 1, "bytes": 4, "kept": []},
            {"messages": 3, "bytes": 20, "kept": ["one", "two \"quoted\""]},
        ])
    );
    assert_eq!(sink.stats()?["connections"][1]["messages"], 0);
    second.send(CLOSE, b"")?;
    assert_eq!(second.next()?, (CLOSE, Vec::new()));
    sink.end()
}

#[test]
fn frames_come_in_order_again_and_again_though_nobody_reads_for_long() -> Tested {
    const FRAMES: usize = 3_000; // more than sockets hold
    let mut sink = Sink::start()?;
    let mut client = Client::connect(sink.port)?;
    let texts: Vec<String> = (0..3)
        .map(|number| format!("{number}\n").repeat(9_000))
        .collect();
    for text in &texts {
        sink.tell(&format!("frame {}", json!(text)))?;
    }
    sink.tell(&format!("play 0 {FRAMES} 0"))?;
    sink.stats()?; // it waits for nobody
    for number in 0..FRAMES {
        let (kind, payload) = client.next()?;
        assert_eq!((kind, payload), (BINARY, texts[number % 3].clone().into()));
    }
    sink.tell("play 0 2 100 0.01")?;
    for number in FRAMES..FRAMES + 2 {
        assert_eq!(client.next()?.1, texts[number % 3].as_bytes());
    }
    sink.end()
}

#[test]
fn awake_it_works_as_well_and_counts_what_it_waits_as_idle() -> Tested {
    let mut sink = Sink::start_with(&["awake"])?;
    let mut client = Client::connect(sink.port)?;
    sink.tell("frame \"again\"")?;
    sink.stats()?;
    sink.tell("play 0 3 100 0.01")?;
    for _ in 0..3 {
        assert_eq!(client.next()?, (BINARY, b"again".to_vec()));
        client.send(TEXT, b"heard")?;
    }
    client.send(PING, b"?")?;
    client.next()?;
    let stats = sink.stats()?;
    assert_eq!(stats["connections"][0]["messages"], 3);
    let busy = stats["busy"].as_f64().ok_or("no share")?;
    assert!(0.0 < busy && busy < 1.0, "{busy}");
    sink.end()
}

#[test]
fn what_is_no_command_ends_it() -> Tested {
    let mut sink = Sink::start()?;
    sink.tell("play 7 1 0")?;
    assert!(!sink.process.wait()?.success());
    Ok(())
}
