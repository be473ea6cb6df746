//! The *packet* regime: numbered packets of one duration, some late, lost, twice or out of order.
//! Delay is what it costs to lose little; what a network does to the packets decides how much.

mod blocks;
mod delay;
mod pacing;
mod reader;
mod store;
mod writer;

use std::sync::Arc;

use rtrb::RingBuffer;

use super::link::Link;
use super::monitor::{Monitor, Playhead, Stats};
use super::queue::sample_queue;
use crate::error::{FormatError, in_range};

use delay::SharedDelay;
pub use reader::PacketReader;
pub use writer::PacketWriter;

/// Packets that may wait between two pulls.
const MAX_WAITING_PACKETS: usize = 1_024;
/// Audio that is kept ahead of what plays.
const STORE_MS: u32 = 5_000;

/// Settings of a packet jitter buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacketConfig {
    /// Rate of what is pushed and pulled, 8,000..=48,000.
    pub sample_rate_hz: u32,
    /// Duration of every packet, 2..=120, in whole frames.
    pub packet_ms: u32,
    /// What matters: 0.0 little delay, 1.0 few gaps.
    pub smoothness: f32,
}

impl Default for PacketConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: 24_000,
            packet_ms: 20,
            smoothness: 0.5,
        }
    }
}

/// [`PacketConfig`] in frames and microseconds.
#[derive(Debug, Clone, Copy)]
struct Packets {
    rate_hz: u32,
    frames: usize,
    us: i64,
    smoothness: f32,
    /// How many are kept ahead of what plays.
    stored: usize,
}

impl PacketConfig {
    fn packets(self) -> Result<Packets, FormatError> {
        let rate_hz = in_range("sample_rate_hz", self.sample_rate_hz, 8_000, 48_000)?;
        let packet_ms = in_range("packet_ms", self.packet_ms, 2, 120)?;
        if !(0.0..=1.0).contains(&self.smoothness) {
            return Err(FormatError::Level {
                name: "smoothness",
                value: self.smoothness.to_string(),
                min: 0,
                max: 1,
            });
        }
        let samples = rate_hz * packet_ms;
        if samples % 1_000 != 0 {
            return Err(FormatError::PacketFrames { rate_hz, packet_ms });
        }
        Ok(Packets {
            rate_hz,
            frames: (samples / 1_000) as usize,
            us: i64::from(packet_ms) * 1_000,
            smoothness: self.smoothness,
            stored: (STORE_MS / packet_ms) as usize,
        })
    }
}

/// A playout buffer for int16 mono in the *packet* regime (RTP, WebRTC, telephony).
///
/// Time is an argument: all `now_us` are microseconds of one monotonic clock.
#[derive(Debug)]
pub struct PacketBuffer {
    writer: PacketWriter,
    reader: PacketReader,
}

impl PacketBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    /// A setting out of its range, or packets that are no whole number of frames.
    pub fn new(config: PacketConfig) -> Result<Self, FormatError> {
        let packets = config.packets()?;
        let sizes = super::JitterBufferConfig {
            sample_rate_hz: packets.rate_hz,
            ..super::JitterBufferConfig::default()
        }
        .sizes()?;
        let link = Arc::new(Link::new(sizes));
        let delay = Arc::new(SharedDelay::default());
        let capacity = packets.frames * MAX_WAITING_PACKETS;
        let (samples_in, samples_out) = sample_queue(u64::from(packets.rate_hz), capacity as u64);
        let (notes_in, notes_out) = RingBuffer::new(MAX_WAITING_PACKETS);
        Ok(Self {
            writer: PacketWriter::new(
                packets,
                Arc::clone(&link),
                Arc::clone(&delay),
                samples_in,
                notes_in,
            ),
            reader: PacketReader::new(packets, link, delay, samples_out, notes_out),
        })
    }

    /// The two ends, for two threads.
    pub fn split(self) -> (PacketWriter, PacketReader) {
        (self.writer, self.reader)
    }

    /// See [`PacketWriter::push`].
    ///
    /// # Errors
    /// A packet of another length.
    pub fn push(&mut self, seq: u16, pcm: &[i16], now_us: u64) -> Result<usize, FormatError> {
        self.writer.push(seq, pcm, now_us)
    }

    /// See [`PacketWriter::end`].
    pub fn end(&mut self) {
        self.writer.end();
    }

    /// See [`PacketWriter::flush`].
    pub fn flush(&mut self) {
        self.writer.flush();
    }

    /// See [`PacketReader::pull`].
    pub fn pull(&mut self, out: &mut [i16], now_us: u64) {
        self.reader.pull(out, now_us);
    }

    /// A handle for reading playhead and counters.
    pub fn monitor(&self) -> Monitor {
        self.writer.monitor()
    }

    /// See [`Monitor::playhead`].
    pub fn playhead(&self) -> Playhead {
        self.monitor().playhead()
    }

    /// See [`Monitor::stats`].
    pub fn stats(&self) -> Stats {
        self.monitor().stats()
    }
}
