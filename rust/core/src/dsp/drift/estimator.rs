//! Which deviation of the ratio keeps a ring filled.

use crate::error::{FormatError, check_rate_hz, in_range};

/// Blocks make the fill jump; what is slower than this is drift.
const SMOOTHING_S: f64 = 0.5;
/// How quickly the loop follows: its natural frequency, critically damped.
const OMEGA_PER_S: f64 = 0.4;
/// Time between two updates beyond this tells nothing about what happened within.
const GAP_MAX_S: f64 = 1.0;
/// A fill further than this from its target tells no more: the answer is at its limit at 6 ms.
const EXCESS_MAX_S: f64 = 1.0;

/// Finds how much faster one clock runs than another, from the fill of the ring between them.
///
/// A proportional-integral loop: the writer's clock fills the ring, a
/// [`DriftResampler`](super::DriftResampler) that takes [`update`](Self::update)'s answer empties
/// it. The integral is the drift; the proportional part brings the fill back to its target.
#[derive(Debug, Clone)]
pub struct ClockDriftEstimator {
    rate_hz: f64,
    target_frames: f64,
    max_ppm: f64,
    last_us: Option<i64>,
    /// Seconds of audio above the target.
    excess_s: f64,
    drift_ppm: f64,
    ppm: f64,
}

impl ClockDriftEstimator {
    /// A loop for a ring of `rate_hz` that should hold `target_frames`.
    ///
    /// # Errors
    /// A rate outside of 4,000..=384,000 Hz, or `max_ppm` outside of 1..=5,000.
    pub fn new(rate_hz: u32, target_frames: u32, max_ppm: u32) -> Result<Self, FormatError> {
        check_rate_hz("rate_hz", rate_hz)?;
        in_range("max_ppm", max_ppm, 1, super::PPM_MAX)?;
        Ok(Self {
            rate_hz: rate_hz.into(),
            target_frames: target_frames.into(),
            max_ppm: max_ppm.into(),
            last_us: None,
            excess_s: 0.0,
            drift_ppm: 0.0,
            ppm: 0.0,
        })
    }

    /// Takes the frames in the ring at `now_us`, and answers by how many ppm to use them up
    /// faster than nominally.
    ///
    /// Call it at one point of the loop, such as before each read, some 10 to 1,000 times a
    /// second. Time that stands still or runs backwards changes nothing, nor does a fill that
    /// is no number; one that is more than a second from its target counts as a second, so that
    /// an absurd one is forgotten within seconds.
    ///
    /// This is for a writer of single frames, or of blocks of a millisecond or so. Longer blocks
    /// make the fill a sawtooth, and as two clocks slide past each other it looks like drift: the
    /// answer swings by hundreds of ppm, up to the limit, and the fill by up to a block. Use
    /// [`update_written`](Self::update_written) there.
    pub fn update(&mut self, fill_frames: f64, now_us: i64) -> f64 {
        let excess_s = (fill_frames - self.target_frames) / self.rate_hz;
        if !excess_s.is_finite() {
            return self.ppm;
        }
        let excess_s = excess_s.clamp(-EXCESS_MAX_S, EXCESS_MAX_S);
        let Some(last_us) = self.last_us.replace(now_us) else {
            self.excess_s = excess_s;
            return self.ppm;
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "of long gaps only the first second counts"
        )]
        let passed_s = (now_us.saturating_sub(last_us) as f64 / 1e6).clamp(0.0, GAP_MAX_S);
        if passed_s == 0.0 {
            self.last_us = Some(last_us.max(now_us));
            return self.ppm;
        }
        self.excess_s += (excess_s - self.excess_s) * passed_s / (SMOOTHING_S + passed_s);

        let proportional_ppm = 2.0 * OMEGA_PER_S * self.excess_s * 1e6;
        let integral_ppm = OMEGA_PER_S * OMEGA_PER_S * self.excess_s * passed_s * 1e6;
        let wanted_ppm = proportional_ppm + self.drift_ppm + integral_ppm;
        self.ppm = wanted_ppm.clamp(-self.max_ppm, self.max_ppm);
        // At the limit the integral would run away from what is done.
        if self.ppm.total_cmp(&wanted_ppm).is_eq() || integral_ppm * self.ppm < 0.0 {
            self.drift_ppm = (self.drift_ppm + integral_ppm).clamp(-self.max_ppm, self.max_ppm);
        }
        self.ppm
    }

    /// As [`update`](Self::update), where the last block was written at `written_us`: the frames
    /// since then count as if they had come one by one, and so does the target.
    pub fn update_written(&mut self, fill_frames: f64, now_us: i64, written_us: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "beyond a second it is a second")]
        let since_s = now_us.saturating_sub(written_us) as f64 / 1e6;
        let since_frames = since_s.clamp(0.0, EXCESS_MAX_S) * self.rate_hz;
        self.update(fill_frames + since_frames, now_us)
    }

    /// Forgets everything, as if newly made.
    pub fn reset(&mut self) {
        (self.last_us, self.excess_s, self.drift_ppm, self.ppm) = (None, 0.0, 0.0, 0.0);
    }

    /// The last answer.
    pub fn ppm(&self) -> f64 {
        self.ppm
    }

    /// By how much the writer's clock runs faster than the reader's, as far as is known.
    pub fn drift_ppm(&self) -> f64 {
        self.drift_ppm
    }

    /// The frames that the ring should hold.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was a u32"
    )]
    pub fn target_frames(&self) -> u32 {
        self.target_frames as u32
    }
}
