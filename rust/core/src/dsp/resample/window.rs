//! The filter's memory: the newest input, contiguous, in a buffer of fixed size.

use crate::dsp::convert::Sample;
use crate::dsp::kernels::Backend;

/// Frames that fit beyond one window before old input must be moved out of the way.
const SLACK_FRAMES: usize = 4_096;

/// The newest input of a stream that begins with silence.
///
/// Positions count frames from an origin that [`Window::make_room`] moves on.
#[derive(Debug)]
pub(in crate::dsp) struct Window {
    frames: Vec<f32>,
    /// Silence before the first input.
    history: usize,
    /// Position of `frames[0]`.
    start: usize,
    /// Position after the newest input.
    pub(in crate::dsp) end: usize,
}

impl Window {
    /// A window that can be read from `history` frames before its end to `beyond` frames after.
    pub(in crate::dsp) fn new(history: usize, beyond: usize) -> Self {
        Self {
            frames: vec![0.0; history + SLACK_FRAMES + beyond],
            history,
            start: 0,
            end: history,
        }
    }

    /// Begins anew, with silence as the past.
    pub(in crate::dsp) fn reset(&mut self) {
        self.frames[..self.history].fill(0.0);
        (self.start, self.end) = (0, self.history);
    }

    /// Frames that fit before there must be room made.
    pub(in crate::dsp) fn room(&self) -> usize {
        self.history + SLACK_FRAMES - (self.end - self.start)
    }

    /// Forgets what lies before `keep`. Returns by how much positions became smaller, which is
    /// at most `anchor`.
    pub(in crate::dsp) fn make_room(&mut self, keep: usize, anchor: usize) -> usize {
        self.frames
            .copy_within(keep - self.start..self.end - self.start, 0);
        let moved = keep.min(anchor);
        self.start = keep - moved;
        self.end -= moved;
        moved
    }

    /// Takes all of `x`, for which there must be room.
    #[inline]
    pub(in crate::dsp) fn extend<S: Sample>(&mut self, backend: Backend, x: &[S]) {
        let slots = &mut self.frames[self.end - self.start..];
        backend.load(x, &mut slots[..x.len()]);
        self.end += x.len();
    }

    /// Takes any number of frames of silence after as many as a window has.
    pub(in crate::dsp) fn skip(&mut self, frames: usize) {
        self.end += frames;
        self.start = self.end - self.history;
        self.frames[..self.history].fill(0.0);
    }

    /// The frames from `position` on, and beyond the end.
    #[inline]
    pub(in crate::dsp) fn from(&self, position: usize) -> &[f32] {
        &self.frames[position - self.start..]
    }
}
