//! Many channels to one, by their average; and many of one channel to one block.

use super::convert::Sample;
use super::kernels::Backend;
use crate::error::{FormatError, in_range};

/// Most channels of a frame.
const CHANNELS_MAX: u16 = 256;

/// `channels` as the number of channels of a frame.
///
/// # Errors
/// It is not 1 to 256.
pub fn check_channels(channels: u32) -> Result<u16, FormatError> {
    in_range("channels", channels, 1, CHANNELS_MAX.into())?;
    Ok(u16::try_from(channels).unwrap_or(CHANNELS_MAX))
}

/// Averages interleaved frames of `channels` samples; yields `out.len()` mono frames.
///
/// The mean is taken in float32 from exact samples, so the sum of int16 samples is exact; an
/// int16 mean is the nearest to the exact one, of two the even one.
///
/// # Panics
/// If `x` does not hold `channels` samples for each frame of `out`.
pub fn downmix<I: Sample, O: Sample>(x: &[I], channels: u16, out: &mut [O]) {
    let width = usize::from(channels);
    assert_eq!(x.len(), out.len() * width, "downmix: {channels} channels");
    Backend::current().downmix(x, channels, out);
}

/// Interleaves `channels.len()` channels, each of as many samples, into frames.
///
/// # Panics
/// If a channel is of another length, or `out` does not hold all of them.
pub fn interleave<S: Sample>(channels: &[&[S]], out: &mut [S]) {
    for (offset, channel) in channels.iter().enumerate() {
        assert_eq!(
            channel.len() * channels.len(),
            out.len(),
            "interleave: channel {offset}"
        );
        let slots = out.iter_mut().skip(offset).step_by(channels.len());
        for (slot, sample) in slots.zip(*channel) {
            *slot = *sample;
        }
    }
}
