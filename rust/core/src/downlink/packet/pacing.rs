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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downlink::steps::sounds::{Source, buzz, noise};

    fn pause(k: usize) -> i16 {
        noise(k) / 400
    }

    /// Like its past, but not very much.
    fn rough(k: usize) -> i16 {
        buzz(k) + noise(k) / 14
    }

    /// Plays so many steps of 10 ms; what was done at each.
    fn play(sound: fn(usize) -> i16, steps: usize, excess_us: i64) -> Vec<Spliced> {
        let (mut tape, mut pacing) = (Tape::new(24_000), Pacing::new(24_000));
        pacing.start();
        let mut source = Source::new(sound);
        (0..steps)
            .map(|_| {
                source.fill(&mut tape);
                while pacing.until_due() > 0 {
                    let mut out = vec![0; pacing.until_due()];
                    let taken = tape.take(&mut out);
                    pacing.played(taken.media + taken.made_up);
                }
                pacing.decide(&mut tape, excess_us)
            })
            .collect()
    }

    /// What is done first, if anything.
    fn first(sound: fn(usize) -> i16, excess_us: i64) -> Spliced {
        let mut done = play(sound, 100, excess_us).into_iter();
        done.find(|done| *done != Spliced::Nothing)
            .unwrap_or(Spliced::Nothing)
    }

    #[test]
    fn speech_is_shortened_above_10_ms_and_stretched_below_5() {
        assert_eq!(first(buzz, 10_000), Spliced::Nothing);
        assert_eq!(first(buzz, 10_001), Spliced::Removed(192));
        assert_eq!(first(buzz, -5_000), Spliced::Nothing);
        assert_eq!(first(buzz, -5_001), Spliced::Inserted(192));
    }

    #[test]
    fn a_pause_is_shortened_above_8_ms_whatever_it_is_like() {
        assert_eq!(first(pause, 8_000), Spliced::Nothing);
        assert!(matches!(first(pause, 8_001), Spliced::Removed(_)));
        assert!(matches!(first(pause, -5_001), Spliced::Inserted(_)));
    }

    #[test]
    fn no_more_is_removed_than_is_too_much() {
        assert!(matches!(first(pause, 8_001), Spliced::Removed(frames) if frames <= 192));
    }

    #[test]
    fn speech_that_is_not_like_its_past_stays_as_it_is() {
        assert_eq!(first(noise, 500_000), Spliced::Nothing);
        assert_eq!(first(noise, -500_000), Spliced::Nothing);
    }

    #[test]
    fn if_it_is_urgent_speech_need_not_be_as_alike() {
        for sign in [1, -1] {
            assert_eq!(first(rough, sign * 60_000), Spliced::Nothing);
            assert_ne!(first(rough, sign * 60_001), Spliced::Nothing);
        }
    }

    #[test]
    fn between_two_splices_30_ms_are_played_as_they_are() {
        for excess_us in [100_000, -100_000] {
            let done = play(buzz, 100, excess_us);
            let splices: Vec<usize> = (0..100)
                .filter(|&step| done[step] != Spliced::Nothing)
                .collect();
            assert!(splices.len() > 20 && splices[0] >= 2, "{splices:?}");
            assert!(splices.is_sorted_by(|a, b| a + 3 <= *b), "{splices:?}");
        }
    }
}
