//! When to look at the sound, and when to change its speed.

use super::config::frames_in;
use super::loudness::Loudness;
use super::tape::Tape;

/// How often it is looked at.
const STEP_US: u64 = 10_000;
/// Between two splices so much is played as it is.
const APART_US: u64 = 30_000;

/// Steps of 10 ms of playing, with the level of the background at each.
#[derive(Debug)]
pub(super) struct Steps {
    step: usize,
    apart: usize,
    until_due: usize,
    until_allowed: usize,
    loudness: Loudness,
}

impl Steps {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self {
            step: frames_in(STEP_US, rate_hz),
            apart: frames_in(APART_US, rate_hz),
            until_due: 0,
            until_allowed: 0,
            loudness: Loudness::new(),
        }
    }

    /// Playing begins or goes on after something else than media: so many frames are played as
    /// they are.
    pub(super) fn start(&mut self, until_allowed: usize) {
        self.until_due = self.step;
        self.until_allowed = until_allowed;
    }

    /// Like `start`, as after a splice.
    pub(super) fn start_apart(&mut self) {
        self.start(self.apart);
    }

    /// Frames to play before the next step; at 0 it is due.
    pub(super) fn until_due(&self) -> usize {
        self.until_due
    }

    pub(super) fn played(&mut self, frames: usize) {
        self.until_due -= frames.min(self.until_due);
        self.until_allowed = self.until_allowed.saturating_sub(frames);
    }

    /// A step is taken: takes in what was played in it.
    pub(super) fn take(&mut self, tape: &Tape) {
        self.until_due = self.step;
        self.loudness.observe(self.recent(tape));
    }

    /// Whether the last splice is long enough ago for another.
    pub(super) fn is_splice_allowed(&self) -> bool {
        self.until_allowed == 0
    }

    pub(super) fn spliced(&mut self) {
        self.until_allowed = self.apart;
    }

    /// Whether the play position lies in a pause.
    pub(super) fn is_pause(&self, tape: &Tape) -> bool {
        let coming = tape.coming();
        let near = &coming[..coming.len().min(self.step)];
        self.loudness.is_pause(self.recent(tape)) && self.loudness.is_pause(near)
    }

    pub(super) fn background_rms(&self) -> f32 {
        self.loudness.background_rms()
    }

    /// Frames in a step.
    pub(super) fn frames(&self) -> usize {
        self.step
    }

    fn recent<'a>(&self, tape: &'a Tape) -> &'a [i16] {
        let past = tape.past();
        &past[past.len().saturating_sub(self.step)..]
    }
}

/// What the unit tests of both regimes play.
#[cfg(test)]
pub(super) mod sounds {
    use crate::downlink::tape::Tape;

    /// A buzz of 125 Hz.
    pub(in crate::downlink) fn buzz(k: usize) -> i16 {
        i16::try_from(8_000 / (1 + k % 192)).expect("small") - 300
    }

    /// Like nothing before it.
    pub(in crate::downlink) fn noise(k: usize) -> i16 {
        let mixed = (k as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        i16::try_from((mixed ^ mixed >> 17) % 16_000).expect("small") - 8_000
    }

    /// A sound that never ends, and how much of it was put on a tape.
    pub(in crate::downlink) struct Source {
        sound: fn(usize) -> i16,
        at: usize,
    }

    impl Source {
        pub(in crate::downlink) fn new(sound: fn(usize) -> i16) -> Self {
            Self { sound, at: 0 }
        }

        /// Fills the tape.
        pub(in crate::downlink) fn fill(&mut self, tape: &mut Tape) {
            let room = tape.lengths.ahead - tape.media();
            tape.append_media(room, |room| {
                for (k, x) in room.iter_mut().enumerate() {
                    *x = (self.sound)(self.at + k);
                }
            });
            self.at += room;
        }
    }
}
