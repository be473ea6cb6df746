//! The filter's memory: the newest input, contiguous, in a buffer of fixed size.

use crate::dsp::convert::Sample;

/// Frames that fit beyond one window before old input must be moved out of the way.
const SLACK_FRAMES: usize = 2_048;

/// A sliding window of `taps` frames over a stream that begins with silence.
#[derive(Debug)]
pub(super) struct Window {
    taps: usize,
    frames: Vec<f32>,
    /// First frame of the window.
    start: usize,
    /// End of the input in `frames`.
    end: usize,
}

impl Window {
    pub(super) fn new(taps: usize) -> Self {
        Self {
            taps,
            frames: vec![0.0; taps + SLACK_FRAMES],
            start: 0,
            end: 0,
        }
    }

    /// Begins anew, with silence as the past and `newest` as the last input frame of the first
    /// window.
    pub(super) fn reset(&mut self, newest: usize) {
        self.end = self.taps - 1;
        self.start = newest;
        self.frames[..self.end].fill(0.0);
    }

    /// Takes as much of `x` as fits, at least one frame; returns how much.
    #[inline]
    pub(super) fn extend<S: Sample>(&mut self, x: &[S]) -> usize {
        if self.frames.len() - self.end < x.len() {
            self.frames.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let taken = x.len().min(self.frames.len() - self.end);
        let slots = &mut self.frames[self.end..self.end + taken];
        for (slot, x) in slots.iter_mut().zip(x) {
            *slot = x.to_f32();
        }
        self.end += taken;
        taken
    }

    /// The window, if all of it is there.
    #[inline]
    pub(super) fn current(&self) -> Option<&[f32]> {
        self.frames[..self.end].get(self.start..self.start + self.taps)
    }

    /// Moves the window on.
    #[inline]
    pub(super) fn advance(&mut self, frames: usize) {
        self.start += frames;
    }

    /// Where the input must end for the window to be complete, in the terms of
    /// [`end`](Self::end).
    pub(super) fn needed_end(&self) -> usize {
        self.start + self.taps
    }

    /// Where the input ends, counted from an origin that moves with [`extend`](Self::extend).
    pub(super) fn end(&self) -> usize {
        self.end
    }
}
