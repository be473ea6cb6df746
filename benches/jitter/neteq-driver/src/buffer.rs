//! One `neteq` buffer that takes and gives 16 bit samples, told the time, and timed inside.

use std::time::{Duration, Instant};

use neteq::{AudioPacket, NetEq, NetEqConfig, NetEqError, RtpHeader};

/// Any number will do: no decoder is registered, so the payload is taken as f32 samples.
const PAYLOAD_TYPE: u8 = 96;
const SSRC: u32 = 1;

/// Settings besides the crate's defaults.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Of what goes in and comes out.
    pub sample_rate_hz: u32,
    /// Most packets that can wait.
    pub max_packets: usize,
    /// 0: no bound.
    pub min_delay_ms: u32,
    /// 0: no bound.
    pub max_delay_ms: u32,
    /// Of the "smart flush"; 0: the crate's own.
    pub flush_threshold_ms: u32,
}

/// How long calls took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timed {
    /// Together.
    pub total: Duration,
    /// How many.
    pub calls: u64,
}

impl Timed {
    fn add(&mut self, since: Instant) -> Duration {
        let taken = since.elapsed();
        self.total += taken;
        self.calls += 1;
        taken
    }
}

/// The crate's buffer.
pub struct Buffer {
    neteq: NetEq,
    sample_rate_hz: u32,
    /// Time in [`Buffer::push`]: the conversion to its payload and the insertion.
    pub pushes: Timed,
    /// Time in the crate's `get_audio` alone.
    pub pulls: Timed,
    /// Errors of the crate, either way.
    pub errors: u64,
}

impl Buffer {
    /// An empty one.
    ///
    /// # Errors
    /// The crate's own.
    pub fn new(settings: Settings) -> Result<Self, NetEqError> {
        let mut config = NetEqConfig {
            sample_rate: settings.sample_rate_hz,
            channels: 1,
            max_packets_in_buffer: settings.max_packets,
            min_delay_ms: settings.min_delay_ms,
            max_delay_ms: settings.max_delay_ms,
            ..NetEqConfig::default()
        };
        if settings.flush_threshold_ms > 0 {
            config.smart_flush_config.target_level_threshold_ms = settings.flush_threshold_ms;
        }
        web_time::set_now_us(0);
        Ok(Self {
            neteq: NetEq::new(config)?,
            sample_rate_hz: settings.sample_rate_hz,
            pushes: Timed::default(),
            pulls: Timed::default(),
            errors: 0,
        })
    }

    /// A packet has arrived. `timestamp` counts samples, as in RTP.
    pub fn push(&mut self, seq: u16, timestamp: u32, pcm: &[i16], now_us: u64) {
        web_time::set_now_us(now_us);
        let start = Instant::now();
        let payload = pcm
            .iter()
            .flat_map(|&sample| (f32::from(sample) / 32_768.0).to_le_bytes())
            .collect();
        let header = RtpHeader::new(seq, timestamp, SSRC, PAYLOAD_TYPE, false);
        let frames = u32::try_from(pcm.len()).unwrap_or(u32::MAX);
        let duration_ms = frames.saturating_mul(1_000) / self.sample_rate_hz;
        let packet = AudioPacket::new(header, payload, self.sample_rate_hz, 1, duration_ms);
        let result = self.neteq.insert_packet(packet);
        self.pushes.add(start);
        self.errors += u64::from(result.is_err());
    }

    /// The next 10 ms, which must be the length of `out`. Returns how long the crate took.
    pub fn pull(&mut self, out: &mut [i16], now_us: u64) -> Duration {
        web_time::set_now_us(now_us);
        let start = Instant::now();
        let result = self.neteq.get_audio();
        let taken = self.pulls.add(start);
        out.fill(0);
        match result {
            Ok(frame) => {
                for (out, sample) in out.iter_mut().zip(&frame.samples) {
                    // The cast saturates.
                    #[expect(clippy::cast_possible_truncation)]
                    let quantized = (sample * 32_768.0).round() as i16;
                    *out = quantized;
                }
            }
            Err(_) => self.errors += 1,
        }
        taken
    }

    /// Frames in 10 ms.
    pub fn frames_per_pull(&self) -> usize {
        self.sample_rate_hz as usize / 100
    }

    /// Drop everything.
    pub fn flush(&mut self) {
        self.neteq.flush();
    }

    /// What the crate says of itself, and how long the calls took: see `nq_stats`.
    #[expect(clippy::cast_precision_loss)]
    pub fn numbers(&self) -> [f64; 10] {
        let stats = self.neteq.get_statistics();
        [
            f64::from(stats.target_delay_ms),
            f64::from(stats.current_buffer_size_ms),
            stats.lifetime.concealed_samples as f64,
            stats.lifetime.concealment_events as f64,
            stats.lifetime.removed_samples_for_acceleration as f64,
            stats.lifetime.inserted_samples_for_deceleration as f64,
            self.pushes.total.as_secs_f64(),
            self.pushes.calls as f64,
            self.pulls.total.as_secs_f64(),
            self.pulls.calls as f64,
        ]
    }
}
