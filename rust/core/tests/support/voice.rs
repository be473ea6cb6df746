//! A voice that is made up: a pitch that glides, syllables, and pauses between them.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "8,000 at most; hours of frames"
)]

use std::f64::consts::TAU;
use std::sync::OnceLock;

/// The pitch swings between 80 and 300 Hz.
const PITCH_HZ: f64 = 190.0;
const SWING_HZ: f64 = 110.0;
const SWING_S: f64 = 3.0;
/// A syllable, and how much of it is a pause.
const SYLLABLE_S: f64 = 0.4;
const PAUSE: f64 = 0.25;
const LOUDEST: f64 = 8_000.0;

/// One period, sampled so finely that nothing between the samples matters.
const PERIOD: usize = 512;

fn period() -> &'static [f64; PERIOD] {
    static TABLE: OnceLock<[f64; PERIOD]> = OnceLock::new();
    TABLE.get_or_init(|| {
        std::array::from_fn(|k| {
            let phase = TAU * k as f64 / PERIOD as f64;
            let sum: f64 = (1..=8)
                .map(|n| (f64::from(n) * phase).cos() / f64::from(n))
                .sum();
            sum / 2.72
        })
    })
}

/// Sample `k` of the voice, about 8,000 at most.
pub fn voice(rate_hz: u32, k: usize) -> i16 {
    let seconds = k as f64 / f64::from(rate_hz);
    // The integral of the pitch.
    let swing = SWING_HZ * SWING_S / TAU * (1.0 - (TAU * seconds / SWING_S).cos());
    let cycles = PITCH_HZ * seconds + swing;
    let sound = period()[(cycles.fract() * PERIOD as f64) as usize % PERIOD];
    let place = (seconds / SYLLABLE_S).fract();
    let level = if place < PAUSE {
        0.0
    } else {
        ((place - PAUSE) / (1.0 - PAUSE) * TAU / 2.0).sin().sqrt()
    };
    // A room that hums a little in the pauses.
    let hum = (k * 7_919 % 23) as f64 - 11.5;
    (LOUDEST * level * sound + hum) as i16
}

/// Samples `from..from + frames` of the voice.
pub fn speech(rate_hz: u32, from: usize, frames: usize) -> Vec<i16> {
    (from..from + frames).map(|k| voice(rate_hz, k)).collect()
}
