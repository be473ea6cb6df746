//! What the two threads tell each other about the samples.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::atomics::AtomicU64;
use super::config::Sizes;
use super::published::Published;
use super::stream::pace::Advice;

/// What the writer says about turns, each at an exact frame. Notes travel through a ring, in
/// order; there are at most two per turn, however many pieces its audio comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Audio of `turn` begins at `at_frame`, and was pushed at `now_us`.
    TurnStart {
        turn: u32,
        at_frame: u64,
        now_us: u64,
        /// The end of this turn had been announced; this is audio that came all the same.
        reopened: bool,
    },
    /// The newest turn is complete and ends before `at_frame`.
    EndOfTurn { at_frame: u64 },
}

/// The last flush. It is one number, so that it needs no room in a ring: it gets through at
/// once, and several before the next pull are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flush {
    /// How many there have been.
    pub(super) count: u32,
    /// Everything up to and including this turn is to go.
    pub(super) through_turn: Option<u32>,
}

impl Flush {
    /// The count in the upper 31 bits, then whether there is a turn, then the turn.
    fn pack(self) -> u64 {
        let turn = self
            .through_turn
            .map_or(0, |turn| 1 << 32 | u64::from(turn));
        u64::from(self.count) << 33 | turn
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "each part is taken as packed"
    )]
    fn unpack(word: u64) -> Self {
        Self {
            count: (word >> 33) as u32,
            through_turn: (word >> 32 & 1 == 1).then_some(word as u32),
        }
    }
}

/// [`Advice`] from the writer to the reader. Each number stands for itself.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the unit is in the name")]
pub(super) struct SharedAdvice {
    cushion_frames: AtomicU64,
    slow_below_frames: AtomicU64,
    over_after_frames: AtomicU64,
}

impl SharedAdvice {
    pub(super) fn publish(&self, advice: Advice) {
        self.cushion_frames.store(advice.cushion_frames, Relaxed);
        self.slow_below_frames
            .store(advice.slow_below_frames, Relaxed);
        self.over_after_frames
            .store(advice.over_after_frames, Relaxed);
    }

    pub(super) fn read(&self) -> Advice {
        Advice {
            cushion_frames: self.cushion_frames.load(Relaxed),
            slow_below_frames: self.slow_below_frames.load(Relaxed),
            over_after_frames: self.over_after_frames.load(Relaxed),
        }
    }
}

/// How many numbers the reader publishes.
pub(super) const RECORD_LEN: usize = 23;

/// The part of a jitter buffer that all its handles share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sizes: Sizes,
    /// Frames that may be read, ever.
    published_frames: AtomicU64,
    /// Frames that the reader is done with, ever.
    consumed_frames: AtomicU64,
    /// Turn starts that the reader is done with, ever.
    finished_turns: AtomicU64,
    flush: AtomicU64,
    /// How the writer sees the arrivals.
    pub(super) advice: SharedAdvice,
    /// Frames that were taken, ever.
    pub(super) accepted_frames: AtomicU64,
    /// Frames that were taken, and that the writer has not let the reader see yet.
    pub(super) held_back_frames: AtomicU64,
    /// Frames of flushed or past turns that came late.
    pub(super) late_frames: AtomicU64,
    /// Frames that found the queue full.
    pub(super) refused_frames: AtomicU64,
    /// What the reader did, as of its last pull.
    pub(super) record: Published<RECORD_LEN>,
}

impl Link {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            published_frames: AtomicU64::new(0),
            consumed_frames: AtomicU64::new(0),
            finished_turns: AtomicU64::new(0),
            flush: AtomicU64::new(Flush::default().pack()),
            advice: SharedAdvice::default(),
            accepted_frames: AtomicU64::new(0),
            held_back_frames: AtomicU64::new(0),
            late_frames: AtomicU64::new(0),
            refused_frames: AtomicU64::new(0),
            record: Published::default(),
        }
    }

    /// Writer: lets the reader see samples and notes up to here.
    pub(super) fn publish_frames(&self, frames: u64) {
        self.published_frames.store(frames, Release);
    }

    pub(super) fn published_frames(&self) -> u64 {
        self.published_frames.load(Acquire)
    }

    /// Reader: tells what it is done with.
    pub(super) fn publish_consumed(&self, frames: u64, turns: u64) {
        self.finished_turns.store(turns, Relaxed);
        self.consumed_frames.store(frames, Release);
    }

    pub(super) fn consumed_frames(&self) -> u64 {
        self.consumed_frames.load(Acquire)
    }

    pub(super) fn finished_turns(&self) -> u64 {
        self.finished_turns.load(Relaxed)
    }

    /// Writer: replaces the last flush.
    pub(super) fn publish_flush(&self, flush: Flush) {
        self.flush.store(flush.pack(), Release);
    }

    pub(super) fn flush(&self) -> Flush {
        Flush::unpack(self.flush.load(Acquire))
    }
}

/// Adds to a counter that only one thread changes.
pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.store(counter.load(Relaxed) + by as u64, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_survive_packing() {
        for count in [0, 1, 0x7fff_ffff] {
            for through_turn in [None, Some(0), Some(1), Some(u32::MAX)] {
                let flush = Flush {
                    count,
                    through_turn,
                };
                assert_eq!(Flush::unpack(flush.pack()), flush);
            }
        }
    }
}
