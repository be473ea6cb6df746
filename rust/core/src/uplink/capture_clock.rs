//! The capture time of resampled audio.

/// Follows a time-aligned resampler: its output frame `k` belongs to input time `k / out_hz`,
/// whenever it comes out.
#[derive(Debug)]
pub(super) struct CaptureClock {
    in_hz: u32,
    out_hz: u32,
    /// When the first frame of the current block was captured.
    block_us: i64,
    /// Input frames before the current block, and in all.
    block_frames: u64,
    in_frames: u64,
    out_frames: u64,
}

impl CaptureClock {
    pub(super) fn new(in_hz: u32, out_hz: u32) -> Self {
        Self {
            in_hz,
            out_hz,
            block_us: 0,
            block_frames: 0,
            in_frames: 0,
            out_frames: 0,
        }
    }

    /// Begins a stream anew.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.in_hz, self.out_hz);
    }

    /// The next input frame was captured at `now_us`.
    pub(super) fn begin_block(&mut self, now_us: i64) {
        self.block_us = now_us;
        self.block_frames = self.in_frames;
    }

    /// Counts frames that went into the resampler and came out of it.
    pub(super) fn count(&mut self, in_frames: usize, out_frames: usize) {
        self.in_frames += in_frames as u64;
        self.out_frames += out_frames as u64;
    }

    /// When the next output frame was captured.
    pub(super) fn next_output_us(&self) -> i64 {
        let (in_hz, out_hz) = (i128::from(self.in_hz), i128::from(self.out_hz));
        let ahead = i128::from(self.out_frames) * in_hz - i128::from(self.block_frames) * out_hz;
        let ahead_us = (ahead * 1_000_000).div_euclid(in_hz * out_hz);
        self.block_us
            .saturating_add(i64::try_from(ahead_us).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_back_frame_keeps_its_own_time() {
        let mut clock = CaptureClock::new(48_000, 16_000);
        clock.begin_block(5_000_000);
        assert_eq!(clock.next_output_us(), 5_000_000);
        clock.count(480, 127); // 33 frames are still in the filter
        clock.begin_block(5_010_000);
        assert_eq!(clock.next_output_us(), 5_000_000 + 127_000 / 16);
        clock.begin_block(6_000_000); // a gap in capture moves what comes after it
        assert_eq!(clock.next_output_us(), 6_000_000 - 2_063);
        clock.reset();
        clock.begin_block(0);
        assert_eq!(clock.next_output_us(), 0);
    }
}
