//! A source whose every sample is known, and a jitter buffer that is fed from it.

pub mod messages;
pub mod packet_calls;
pub mod stream_calls;
pub mod voice;
pub mod way;

use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig};

pub const RATE_HZ: u64 = 24_000;
/// 5 ms.
pub const FADE: usize = 120;

/// Sample `k` of the source: never zero, so that silence is told apart, and loud.
pub fn sample(k: usize) -> i16 {
    let value = (k * 7_919 + 13) % 20_011;
    i16::try_from(value).expect("below 20,011") - 10_005 + i16::from(value == 10_005)
}

/// Samples `from..from + frames` of the source.
pub fn source(from: usize, frames: usize) -> Vec<i16> {
    (from..from + frames).map(sample).collect()
}

/// The same with an end as soft as a voice's, which needs no fade before silence.
pub fn soft_ended(from: usize, frames: usize) -> Vec<i16> {
    let mut samples = source(from, frames);
    if let Some(last) = samples.last_mut() {
        *last = 99;
    }
    samples
}

pub fn ms(ms: usize) -> usize {
    ms * 24
}

pub fn micros(frames: usize) -> u64 {
    frames as u64 * 1_000_000 / RATE_HZ
}

pub fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterBufferConfig::default()).expect("the defaults are valid")
}

pub fn pull(buffer: &mut JitterBuffer, frames: usize, now_us: u64) -> Vec<i16> {
    let mut out = vec![i16::MAX; frames];
    buffer.pull(&mut out, now_us);
    out
}

pub fn silence(frames: usize) -> Vec<i16> {
    vec![0; frames]
}

/// A tone of 223.7 Hz and 8,000 at most: no whole number of frames is a period of it, and its
/// steps are small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "8,000 at most; thousands of frames"
)]
pub fn tone(from: usize, frames: usize) -> Vec<i16> {
    let step = std::f64::consts::TAU * 223.7 / RATE_HZ as f64;
    (from..from + frames)
        .map(|k| (8_000.0 * (step * k as f64).sin()).round() as i16)
        .collect()
}

/// Most that a sound which is made of a tone may differ between neighbours: the tone's own steps
/// are below 469, and a fade adds little.
pub const TONE_STEP: i32 = 600;

/// The largest step between neighbours, which a fade keeps small on a constant signal.
pub fn largest_step(samples: &[i16]) -> i32 {
    samples
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
        .max()
        .unwrap_or(0)
}
