//! Many channels to one, by their average.

use super::convert::Sample;

/// Averages interleaved frames of `channels` samples; yields `out.len()` mono frames.
///
/// The mean is taken in float32 from exact samples, so int16 means are exact up to 256 channels
/// and then rounded to nearest even.
///
/// # Panics
/// If `x` does not hold `channels` samples for each frame of `out`.
pub fn downmix<I: Sample, O: Sample>(x: &[I], channels: u16, out: &mut [O]) {
    let width = usize::from(channels);
    assert_eq!(x.len(), out.len() * width, "downmix: {channels} channels");
    let scale = 1.0 / f32::from(channels);
    for (out, frame) in out.iter_mut().zip(x.chunks_exact(width.max(1))) {
        let sum: f32 = frame.iter().map(|sample| sample.to_f32()).sum();
        *out = O::from_f32(sum * scale);
    }
}
