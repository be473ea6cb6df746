//! What a device says about a block of frames.

use std::ffi::c_ulong;

/// PortAudio's `PaStreamCallbackTimeInfo`: seconds of the device's own clock.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StreamTime {
    /// When the first frame of the input was captured; 0 where the host does not know.
    pub input_adc: f64,
    /// When the callback was called.
    pub current: f64,
    /// When the first frame of the output will be heard; 0 where the host does not know.
    pub output_dac: f64,
}

/// PortAudio's `PaStreamCallbackFlags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFlags(pub c_ulong);

impl StreamFlags {
    const INPUT_OVERFLOW: c_ulong = 0x2;
    const OUTPUT_UNDERFLOW: c_ulong = 0x4;

    /// Whether input was lost before this block.
    pub fn input_overflowed(self) -> bool {
        self.0 & Self::INPUT_OVERFLOW != 0
    }

    /// Whether there was a gap in the output before this block.
    pub fn output_underflowed(self) -> bool {
        self.0 & Self::OUTPUT_UNDERFLOW != 0
    }
}

/// Seconds as microseconds; 0 for what is no time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer saturates, and NaN becomes 0"
)]
pub fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_microseconds_and_nonsense_becomes_a_number() {
        assert_eq!(micros(1.234_567), 1_234_567);
        assert_eq!(
            [micros(-1.0), micros(f64::NAN), micros(f64::INFINITY)],
            [0, 0, u64::MAX]
        );
    }
}
