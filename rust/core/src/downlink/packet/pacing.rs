//! Bringing the delay to where it should be, by playing a little slower or faster.
//!
//! In pauses nobody hears it, so there it is done at once. In speech whole periods of the voice
//! are repeated or left out, and only when the delay is clearly off.

use crate::downlink::steps::Steps;
use crate::downlink::tape::Tape;

/// The delay may be so much too long or too short before anything is done in speech.
const TOO_LONG_US: i64 = 10_000;
const TOO_SHORT_US: i64 = 5_000;
/// In a pause, a delay too long by this is shortened: as much as the shortest splice and half
/// again, so that it does not have to be undone.
const TOO_LONG_IN_PAUSE_US: i64 = 8_000;
/// A delay this far off is urgent.
const FAR_US: u64 = 60_000;
/// How alike a voice must be on both sides of a splice, and how much if it is urgent.
const ALIKE: f32 = 0.9;
const ALIKE_URGENT: f32 = 0.75;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spliced {
    Nothing,
    Inserted(usize),
    Removed(usize),
}

/// Decides when to splice.
#[derive(Debug)]
pub(super) struct Pacing {
    rate_hz: u32,
    steps: Steps,
}

impl Pacing {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            steps: Steps::new(rate_hz),
        }
    }

    /// Playing begins or goes on after something else than media.
    pub(super) fn start(&mut self) {
        self.steps.start_apart();
    }

    /// Frames to play before the next decision; at 0 it is due.
    pub(super) fn until_due(&self) -> usize {
        self.steps.until_due()
    }

    pub(super) fn played(&mut self, frames: usize) {
        self.steps.played(frames);
    }

    pub(super) fn background_rms(&self) -> f32 {
        self.steps.background_rms()
    }

    /// The delay is too long by `excess_us`, or too short if that is negative: splices if it is
    /// worth it and the sound allows it.
    pub(super) fn decide(&mut self, tape: &mut Tape, excess_us: i64) -> Spliced {
        self.steps.take(tape);
        let right = -TOO_SHORT_US..=TOO_LONG_IN_PAUSE_US;
        if right.contains(&excess_us) || !self.steps.is_splice_allowed() {
            return Spliced::Nothing;
        }
        let pause = self.steps.is_pause(tape);
        let alike = if pause {
            -1.0
        } else if excess_us.unsigned_abs() > FAR_US {
            ALIKE_URGENT
        } else {
            ALIKE
        };
        let too_long_us = if pause {
            TOO_LONG_IN_PAUSE_US
        } else {
            TOO_LONG_US
        };
        if excess_us > too_long_us {
            self.shorten(tape, excess_us, alike)
        } else if excess_us < -TOO_SHORT_US {
            self.lengthen(tape, alike)
        } else {
            Spliced::Nothing
        }
    }

    fn shorten(&mut self, tape: &mut Tape, excess_us: i64, alike: f32) -> Spliced {
        let rate_hz = u64::from(self.rate_hz);
        let excess = excess_us.unsigned_abs().saturating_mul(rate_hz) / 1_000_000;
        let longest = usize::try_from(excess).unwrap_or(usize::MAX);
        match tape.best_cut(longest) {
            Some(found) if found.correlation >= alike => {
                tape.cut(found);
                self.steps.spliced();
                Spliced::Removed(found.lag)
            }
            _ => Spliced::Nothing,
        }
    }

    fn lengthen(&mut self, tape: &mut Tape, alike: f32) -> Spliced {
        match tape.best_repeat(0) {
            Some(found) if found.correlation >= alike => {
                tape.repeat(found);
                self.steps.spliced();
                Spliced::Inserted(found.lag)
            }
            _ => Spliced::Nothing,
        }
    }
}
