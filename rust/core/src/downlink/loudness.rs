//! How loud it is, and how loud the pauses are.

/// Mean square below which everything counts as a pause: -55 dBFS.
const ALWAYS_QUIET: f32 = 32_768.0 * 32_768.0 * 3.2e-6;
/// Mean square above which nothing does: -40 dBFS.
const NEVER_QUIET: f32 = 32_768.0 * 32_768.0 * 1e-4;
/// A pause is at most so much louder, as a ratio of mean squares (9 dB), than the background.
const ABOVE_BACKGROUND: f32 = 8.0;
/// The estimate of the background rises by so much per observation, about 2 dB a second at one
/// every 10 ms, so that it follows a background that gets louder.
const RISE: f32 = 1.005;

/// The estimate falls to this and can rise again; below twice of it there is nothing to hear.
const LEAST: f32 = 1.0;
const SILENCE: f32 = 2.0 * LEAST;

/// Follows the level of the background.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loudness {
    background: f32,
}

impl Loudness {
    pub(super) fn new() -> Self {
        Self {
            background: NEVER_QUIET,
        }
    }

    /// Takes in what was played in the last 10 ms.
    pub(super) fn observe(&mut self, sound: &[i16]) {
        self.background = (self.background * RISE).min(mean_square(sound)).max(LEAST);
    }

    /// Whether `sound` is of a pause.
    pub(super) fn is_pause(self, sound: &[i16]) -> bool {
        let limit = (self.background * ABOVE_BACKGROUND).clamp(ALWAYS_QUIET, NEVER_QUIET);
        mean_square(sound) <= limit
    }

    /// Root mean square of the background; 0 where it is digital silence, or unknown because
    /// there was no pause yet.
    pub(super) fn background_rms(self) -> f32 {
        if (SILENCE..NEVER_QUIET).contains(&self.background) {
            self.background.sqrt()
        } else {
            0.0
        }
    }
}

/// Mean square of int16 samples; 0 of none.
#[expect(clippy::cast_precision_loss, reason = "a level, not a count")]
fn mean_square(sound: &[i16]) -> f32 {
    let energy: u64 = sound
        .iter()
        .map(|&x| u64::from(x.unsigned_abs()).pow(2))
        .sum();
    energy as f32 / sound.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_near_the_background_and_speech_is_not() {
        let mut loudness = Loudness::new();
        let (hum, voice) = ([150_i16; 240], [4_000_i16; 240]);
        assert!(loudness.is_pause(&[0; 240]) && !loudness.is_pause(&voice));
        for _ in 0..100 {
            loudness.observe(&voice);
        }
        for _ in 0..10 {
            loudness.observe(&hum);
        }
        assert!(loudness.is_pause(&hum) && !loudness.is_pause(&voice));
        assert!((loudness.background_rms() - 150.0).abs() < 10.0);
        assert!(loudness.is_pause(&[]));
    }
}
