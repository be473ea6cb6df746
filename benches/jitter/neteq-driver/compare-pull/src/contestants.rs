//! The two buffers, in one form.

use std::error::Error;
use std::time::{Duration, Instant};

use antiphon_core::downlink::{PacketBuffer, PacketConfig};
use neteq_driver::{Buffer, Settings};

use crate::case::Case;

/// A jitter buffer that is timed.
pub(crate) trait Contestant {
    /// A packet has arrived.
    fn push(&mut self, seq: usize, pcm: &[i16], now_us: u64);
    /// Fill `out`, and say how long that took.
    fn pull(&mut self, out: &mut [i16], now_us: u64) -> Duration;
}

/// Ours as the benchmark uses it.
pub(crate) fn new_ours(case: &Case) -> Result<Ours, Box<dyn Error>> {
    Ok(Ours(PacketBuffer::new(PacketConfig {
        sample_rate_hz: case.rate_hz,
        packet_ms: case.packet_ms,
        ..PacketConfig::default()
    })?))
}

/// Both ends of our buffer.
pub(crate) struct Ours(PacketBuffer);

impl Contestant for Ours {
    #[expect(clippy::cast_possible_truncation, reason = "it wraps, as in RTP")]
    fn push(&mut self, seq: usize, pcm: &[i16], now_us: u64) {
        // Every packet of a case is as long as the next; `run` checks that sound comes out.
        let _ = self.0.push(seq as u16, pcm, now_us);
    }

    fn pull(&mut self, out: &mut [i16], now_us: u64) -> Duration {
        let start = Instant::now();
        self.0.pull(out, now_us);
        start.elapsed()
    }
}

/// The crate with its default settings, as the judge makes it.
pub(crate) fn new_crate(case: &Case) -> Result<Crate, Box<dyn Error>> {
    let settings = Settings {
        sample_rate_hz: case.rate_hz,
        max_packets: 200,
        min_delay_ms: 0,
        max_delay_ms: 0,
        flush_threshold_ms: 0,
    };
    Ok(Crate(Buffer::new(settings)?))
}

/// Timed without the conversion of its f32 samples to int16, which is to its advantage.
pub(crate) struct Crate(Buffer);

impl Contestant for Crate {
    #[expect(clippy::cast_possible_truncation, reason = "both wrap, as in RTP")]
    fn push(&mut self, seq: usize, pcm: &[i16], now_us: u64) {
        let timestamp = (seq * pcm.len()) as u32;
        self.0.push(seq as u16, timestamp, pcm, now_us);
    }

    fn pull(&mut self, out: &mut [i16], now_us: u64) -> Duration {
        self.0.pull(out, now_us)
    }
}
