//! What a jitter buffer is made with, and the sizes that follow from it.

use crate::error::{FormatError, in_range};

/// How many turns may wait at once. With at most two notes per turn, the ring that carries
/// them can never be full.
pub(super) const MAX_TURNS: usize = 256;

/// Length of every fade, and of the audio kept back to have something real to fade.
const FADE_MS: u32 = 5;
/// With less than this queued a turn that comes hesitatingly is played slower.
const SLOW_BELOW_MS: u32 = 280;
/// After running dry for this long the turn is taken to be over, though nobody said so.
const IDLE_TAIL_MS: u32 = 400;

/// Concealment this long is an interruption, as webrtc-stats counts them.
pub(super) const INTERRUPTION_US: u64 = 150_000;

/// Settings of a jitter buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterBufferConfig {
    /// Rate of what is pushed and pulled, 8,000..=48,000.
    pub sample_rate_hz: u32,
    /// Audio to wait for at the start of a turn and after running dry, 0..=10,000.
    pub cushion_ms: u32,
    /// But never longer than this, 0..=60,000.
    pub max_wait_ms: u32,
    /// Most audio that can wait, 1..=3,600.
    pub capacity_s: u32,
}

impl Default for JitterBufferConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: 24_000,
            cushion_ms: 60,
            max_wait_ms: 120,
            capacity_s: 600,
        }
    }
}

impl JitterBufferConfig {
    /// Lowest rate.
    pub const MIN_RATE_HZ: u32 = 8_000;
    /// Highest rate.
    pub const MAX_RATE_HZ: u32 = 48_000;

    /// Whether each setting is in its range.
    ///
    /// # Errors
    /// One is not.
    pub fn check(self) -> Result<(), FormatError> {
        self.sizes().map(drop)
    }

    /// The same settings in frames.
    pub(super) fn sizes(self) -> Result<Sizes, FormatError> {
        let (min_hz, max_hz) = (Self::MIN_RATE_HZ, Self::MAX_RATE_HZ);
        let rate_hz = in_range("sample_rate_hz", self.sample_rate_hz, min_hz, max_hz)?;
        let cushion_ms = in_range("cushion_ms", self.cushion_ms, 0, 10_000)?;
        let max_wait_ms = in_range("max_wait_ms", self.max_wait_ms, 0, 60_000)?;
        let capacity_s = in_range("capacity_s", self.capacity_s, 1, 3_600)?;
        let frames = |ms: u32| u64::from(ms) * u64::from(rate_hz) / 1_000;
        let fade = frames(FADE_MS);
        Ok(Sizes {
            rate_hz,
            fade,
            // With less, playing would begin with the fade of running dry.
            cushion: frames(cushion_ms).max(fade + 1),
            max_wait: frames(max_wait_ms),
            idle_tail: frames(IDLE_TAIL_MS),
            slow_below: frames(SLOW_BELOW_MS),
            capacity: frames(1_000) * u64::from(capacity_s),
        })
    }
}

/// Frames of a duration at a rate, rounded down.
pub(super) fn frames_in(us: u64, rate_hz: u32) -> usize {
    to_usize(us * u64::from(rate_hz) / 1_000_000)
}

/// For differences; what is longer than any is the longest.
pub(super) fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// As a length of something in memory.
pub(super) fn to_usize(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX)
}

/// [`JitterBufferConfig`] in frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rate_hz: u32,
    pub(super) fade: u64,
    pub(super) cushion: u64,
    pub(super) max_wait: u64,
    pub(super) idle_tail: u64,
    pub(super) slow_below: u64,
    pub(super) capacity: u64,
}

impl Sizes {
    /// Duration of so many frames, rounded down.
    pub(super) fn micros(&self, frames: u64) -> u64 {
        frames * 1_000_000 / u64::from(self.rate_hz)
    }

    /// Frames that last at least so long.
    pub(super) fn frames_covering(&self, micros: u64) -> u64 {
        micros
            .saturating_mul(u64::from(self.rate_hz))
            .div_ceil(1_000_000)
    }
}
