//! The command line: `--name value`, all of them needed.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use live_load::Fault;
use live_load::frames::masked_text;

/// What one kind of client sends, as frames.
pub(crate) struct Script {
    pub(crate) setup: Vec<u8>,
    pub(crate) opening: Vec<u8>,
    pub(crate) packets: Vec<Vec<u8>>,
}

pub(crate) struct Args {
    /// `host:port`.
    pub(crate) address: String,
    /// Of the upgrade.
    pub(crate) path: String,
    pub(crate) sessions: usize,
    pub(crate) warm_up: Duration,
    /// How long to measure; 0: only connect, until standard input ends.
    pub(crate) measured: Duration,
    /// From one packet of a session to its next.
    pub(crate) packet: Duration,
    /// From one chunk of the server to its next.
    pub(crate) chunk: Duration,
    /// Sessions take them in turns.
    pub(crate) scripts: Vec<Rc<Script>>,
}

impl Args {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Fault> {
        let words: Vec<String> = words.collect();
        let given: HashMap<&str, &str> = words
            .chunks_exact(2)
            .map(|pair| (pair[0].as_str(), pair[1].as_str()))
            .collect();
        let value = |name: &str| given.get(name).copied().ok_or(format!("{name} is missing"));
        let ms = |name: &str| -> Result<Duration, Fault> {
            Ok(Duration::from_millis(value(name)?.parse()?))
        };
        let mut scripts = Vec::new();
        for path in value("--scripts")?.split(',') {
            scripts.push(Rc::new(Script::read(Path::new(path))?));
        }
        Ok(Self {
            address: value("--address")?.to_owned(),
            path: value("--path")?.to_owned(),
            sessions: value("--sessions")?.parse()?,
            warm_up: ms("--warm-up-ms")?,
            measured: ms("--measured-ms")?,
            packet: ms("--packet-ms")?,
            chunk: ms("--chunk-ms")?,
            scripts,
        })
    }

    /// Of one session.
    pub(crate) fn warm_up_packets(&self) -> usize {
        usize::try_from(self.warm_up.as_millis() / self.packet.as_millis()).unwrap_or(usize::MAX)
    }
}

impl Script {
    /// A message a line: the setup, what opens the talk, and the packets, again and again.
    fn read(path: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines().map(masked_text);
        let (Some(setup), Some(opening)) = (lines.next(), lines.next()) else {
            return Err(format!("{} has too few lines", path.display()).into());
        };
        Ok(Self {
            setup,
            opening,
            packets: lines.collect(),
        })
    }
}
