//! Raised-cosine fades.

use super::config::frames_in;

/// One in Q15, the unit of the gains.
const UNITY: i32 = 1 << 15;

/// A sound that begins or ends no louder than this does so without a click: -48 dBFS.
const SOFT: u16 = 128;
/// What begins louder after silence is faded in within this, if it may not be its beginning.
const ONSET_US: u64 = 2_000;

/// Whether a sound may begin or end with this sample.
pub(super) fn is_soft(sample: i16) -> bool {
    sample.unsigned_abs() <= SOFT
}

/// Frames over which to fade in a sound that begins with `first` after silence.
pub(super) fn onset(first: i16, rate_hz: u32) -> u64 {
    if is_soft(first) {
        0
    } else {
        frames_in(ONSET_US, rate_hz) as u64
    }
}

/// The falling half of a raised cosine, in Q15. Integers, so that a fade is the same on every
/// machine.
#[derive(Debug)]
pub(super) struct FadeShape {
    falling: Box<[i32]>,
}

impl FadeShape {
    pub(super) fn new(frames: u64) -> Self {
        let count = u32::try_from(frames).unwrap_or(u32::MAX);
        let gain = |k: u32| {
            let phase = (f64::from(k) + 1.0) / (f64::from(count) + 1.0);
            let gain = 0.5 + 0.5 * (std::f64::consts::PI * phase).cos();
            #[expect(clippy::cast_possible_truncation, reason = "0.0 to 32768.0")]
            let gain = (gain * f64::from(UNITY)).round() as i32;
            gain
        };
        Self {
            falling: (0..count).map(gain).collect(),
        }
    }
}

/// Where a fade stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fade {
    rising: bool,
    at: usize,
    len: usize,
}

impl Fade {
    /// From silence to full level in `frames`.
    pub(super) fn rising(frames: u64) -> Self {
        Self::new(frames, true)
    }

    /// From full level to silence in `frames`.
    pub(super) fn falling(frames: u64) -> Self {
        Self::new(frames, false)
    }

    fn new(frames: u64, rising: bool) -> Self {
        let (at, len) = (0, usize::try_from(frames).unwrap_or(usize::MAX));
        Self { rising, at, len }
    }

    /// Frames that are not yet done.
    pub(super) fn left(&self) -> usize {
        self.len - self.at
    }

    /// Fades the next frames; what lies behind the fade's end stays as it is.
    pub(super) fn apply(&mut self, samples: &mut [i16], shape: &FadeShape) {
        let count = samples.len().min(self.left());
        for sample in &mut samples[..count] {
            let place = if self.rising {
                self.len - 1 - self.at
            } else {
                self.at
            };
            // A short fade takes the same curve in longer steps.
            let gain = shape.falling[(2 * place + 1) * shape.falling.len() / (2 * self.len)];
            let scaled = (i32::from(*sample) * gain + UNITY / 2) >> 15;
            *sample = i16::try_from(scaled).unwrap_or(*sample);
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faded(mut fade: Fade, pieces: &[usize]) -> Vec<i16> {
        let shape = FadeShape::new(120);
        let mut out = Vec::new();
        for &piece in pieces {
            let mut samples = vec![10_000; piece];
            fade.apply(&mut samples, &shape);
            out.extend(samples);
        }
        out
    }

    #[test]
    fn falls_monotonically_from_nearly_full_to_nearly_nothing() {
        let out = faded(Fade::falling(120), &[120]);
        assert!(out.is_sorted_by(|a, b| a >= b));
        assert!(out[0] > 9_990 && out[119] < 10, "{} {}", out[0], out[119]);
        assert!(out[59] > 4_900 && out[60] < 5_100);
    }

    #[test]
    fn rising_mirrors_falling() {
        let mut mirrored = faded(Fade::falling(120), &[120]);
        mirrored.reverse();
        assert_eq!(faded(Fade::rising(120), &[120]), mirrored);
    }

    #[test]
    fn is_the_same_in_pieces_and_ends_exactly() {
        assert_eq!(faded(Fade::rising(120), &[1, 40, 100, 9]), {
            let mut whole = faded(Fade::rising(120), &[120]);
            whole.extend([10_000; 30]);
            whole
        });
    }

    #[test]
    fn short_fades_use_the_whole_curve() {
        for frames in 1..120 {
            let out = faded(Fade::falling(frames), &[120]);
            let fade = &out[..usize::try_from(frames).expect("small")];
            assert!(fade.is_sorted_by(|a, b| a >= b));
            if frames > 10 {
                assert!(fade[0] > 9_500 && fade[fade.len() - 1] < 500);
            }
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let shape = FadeShape::new(240);
        let mut samples = [i16::MIN, i16::MAX];
        Fade::falling(240).apply(&mut samples, &shape);
        assert!(samples[0] < -32_000 && samples[1] > 32_000);
    }
}
