//! Playing slower instead of running dry.
//!
//! At 0.75 of its speed a voice still sounds like itself, and the queue gets a quarter of the
//! time that passes to recover. A slower voice is built from pieces of itself that are played
//! twice: pauses first, where nobody hears it, and in speech whole periods of the voice.

use crate::downlink::config::{frames_in, to_i64};
use crate::downlink::steps::Steps;
use crate::downlink::tape::Tape;

/// Most that is repeated, of what comes out: a speed of 0.75.
const MOST_ADDED: (u64, u64) = (1, 4);
/// The full slowness is reached with three quarters of the limit queued.
const FULL_AT: (u64, u64) = (3, 4);
/// In a pause the limit is half as much again: better to slow down there than in a word.
const PAUSE_FACTOR: (u64, u64) = (3, 2);
/// At the beginning so much is played as it is.
const FIRST_AFTER_US: u64 = 50_000;
/// How alike a voice must be to its past to be played again.
const ALIKE: f32 = 0.8;

/// Decides when a piece is played twice.
#[derive(Debug)]
pub(super) struct Slowing {
    steps: Steps,
    first_after: usize,
    /// Frames by which the sound is to be made longer, in thirds.
    owed: i64,
}

impl Slowing {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self {
            steps: Steps::new(rate_hz),
            first_after: frames_in(FIRST_AFTER_US, rate_hz),
            owed: 0,
        }
    }

    /// Playing begins, after silence.
    pub(super) fn start(&mut self) {
        self.steps.start(self.first_after);
        self.owed = 0;
    }

    /// Frames to play before the next decision; at 0 it is due.
    pub(super) fn until_due(&self) -> usize {
        self.steps.until_due()
    }

    pub(super) fn played(&mut self, frames: usize) {
        self.steps.played(frames);
    }

    /// With `queued` frames queued, plays a piece twice if there should be `slow_below` and the
    /// sound allows it. Returns the frames added.
    pub(super) fn decide(&mut self, tape: &mut Tape, queued: u64, slow_below: u64) -> usize {
        self.steps.take(tape);
        let limit_in_pause = slow_below * PAUSE_FACTOR.0 / PAUSE_FACTOR.1;
        let pause = queued < limit_in_pause && self.steps.is_pause(tape);
        let limit = if pause { limit_in_pause } else { slow_below };
        if queued >= limit {
            self.owed = 0;
            return 0;
        }
        self.owed += self.added_thirds(queued, limit);
        let least = 3 * to_i64(tape.lengths.min_lag as u64);
        if self.owed < least || !self.steps.is_splice_allowed() {
            return 0;
        }
        // Rather two short periods at once than one: fewer splices for the same length.
        let shortest = 2 * tape.lengths.min_lag;
        let Some(found) = tape.best_repeat(shortest) else {
            return 0;
        };
        if !pause && found.correlation < ALIKE {
            return 0;
        }
        tape.repeat(found);
        self.owed -= 3 * to_i64(found.lag as u64);
        self.steps.spliced();
        found.lag
    }

    /// What to add for a step that was played with so little queued: nothing at the limit, most
    /// below a part of it.
    fn added_thirds(&self, queued: u64, limit: u64) -> i64 {
        let full_at = limit * FULL_AT.0 / FULL_AT.1;
        let below = limit - queued.max(full_at);
        let (added, of) = MOST_ADDED;
        let most = self.steps.frames() as u64 * 3 * added / of;
        to_i64(most * below / (limit - full_at).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downlink::steps::sounds::{Source, buzz, noise};

    /// 280 ms at 24 kHz.
    const LIMIT: u64 = 6_720;

    /// Plays so many steps of 10 ms; what was added in each.
    fn play(sound: fn(usize) -> i16, steps: usize, queued: u64) -> Vec<usize> {
        let (mut tape, mut slowing) = (Tape::new(24_000), Slowing::new(24_000));
        slowing.start();
        let mut source = Source::new(sound);
        (0..steps)
            .map(|_| {
                source.fill(&mut tape);
                while slowing.until_due() > 0 {
                    let mut out = vec![0; slowing.until_due()];
                    let taken = tape.take(&mut out);
                    slowing.played(taken.media + taken.made_up);
                }
                slowing.decide(&mut tape, queued, LIMIT)
            })
            .collect()
    }

    #[test]
    fn with_enough_queued_nothing_is_played_twice() {
        assert_eq!(play(buzz, 100, LIMIT), [0; 100]);
        assert_eq!(play(buzz, 100, 2 * LIMIT), [0; 100]);
    }

    #[test]
    fn with_little_queued_a_quarter_of_what_comes_out_is_repeated() {
        let steps = 400;
        let low = |k| buzz(k * 192 / 240);
        let added: usize = play(low, steps, 0).iter().sum();
        let quarter = steps * 240 / 4;
        assert!(
            added.abs_diff(quarter) < quarter / 50,
            "{added} of {quarter}"
        );
    }

    #[test]
    fn the_less_is_queued_the_slower_it_gets() {
        let added = |queued| play(buzz, 400, queued).iter().sum::<usize>();
        assert_eq!(
            added(0),
            added(LIMIT * 3 / 4),
            "in full from three quarters of the limit on"
        );
        assert!(added(LIMIT * 3 / 4) > added(LIMIT * 7 / 8));
        assert!(added(LIMIT * 3 / 4) > 0);
    }

    #[test]
    fn the_first_50_ms_are_played_as_they_are_and_so_are_30_ms_between_repetitions() {
        let added = play(buzz, 100, 0);
        let repeats: Vec<usize> = (0..100).filter(|&step| added[step] > 0).collect();
        assert!(repeats[0] >= 4, "{repeats:?}");
        assert!(repeats.is_sorted_by(|a, b| a + 3 <= *b), "{repeats:?}");
    }

    #[test]
    fn two_short_periods_are_repeated_rather_than_one() {
        let short = |k| buzz(2 * k);
        let added = play(short, 100, 0);
        assert!(
            added.iter().all(|&added| added == 0 || added >= 120),
            "{added:?}"
        );
        assert!(added.contains(&192), "two of 96: {added:?}");
    }

    #[test]
    fn what_is_not_like_its_past_is_not_repeated() {
        assert_eq!(play(noise, 100, 0), [0; 100]);
    }

    #[test]
    fn a_pause_is_repeated_whatever_it_is_like_and_sooner_than_a_voice() {
        let pause = |k| noise(k) / 400;
        assert!(play(pause, 100, LIMIT).iter().any(|&added| added > 0));
        assert_eq!(play(pause, 100, LIMIT * 3 / 2), [0; 100]);
    }
}
