//! How audio comes: what a turn must wait for, and when it is worth playing slower.
//!
//! A turn that comes in bursts, faster than it plays, needs neither. One that comes at about the
//! speed of speech runs dry when the network or the service hesitates; how much, the session
//! teaches.

use crate::downlink::config::Sizes;

/// A turn starts at the latest with as much as this share of the last turns would have needed.
const ENOUGH_FOR_TURNS: (usize, usize) = (4, 5);
/// How many turns are remembered.
const TURNS: usize = 8;
/// A hesitation below the first counts for nothing, from the second on in full: between them lie
/// the differences that a scheduler makes.
const HESITATION_US: (u64, u64) = (2_000, 10_000);
/// What was seen in earlier turns fades by this much with each turn, as a fraction.
const FADING: (u64, u64) = (3, 4);
/// A turn may be over if nothing came for so many times the mean pause between chunks,
const OVER_AFTER_GAPS: u64 = 3;
/// and for at least so long.
const OVER_AFTER_US: u64 = 60_000;
/// Chunks that come closer together are one.
const SAME_CHUNK_US: u64 = 1_000;

/// What the way in which audio comes means for playing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit is in the name")]
pub(in crate::downlink) struct Advice {
    /// Audio to have before a turn starts.
    pub(in crate::downlink) cushion_frames: u64,
    /// With less than this queued, play slower.
    pub(in crate::downlink) slow_below_frames: u64,
    /// With nothing new for so long, a turn is likely complete.
    pub(in crate::downlink) over_after_frames: u64,
}

/// Watches the arrivals of all turns. Time is that of the caller.
#[derive(Debug)]
pub(in crate::downlink) struct Pace {
    rate_hz: u64,
    most_cushion_us: u64,
    slow_below_frames: u64,
    idle_tail_us: u64,
    turn: Option<Turn>,
    /// What the last turns lacked, in microseconds, newest last.
    shortfalls_us: [u64; TURNS],
    /// Longest hesitation: of a chunk beyond the duration of the one before it, or of all chunks
    /// of a turn together; and mean pause between chunks.
    hesitation_us: u64,
    gap_us: u64,
}

/// The turn that is coming.
#[derive(Debug, Clone, Copy)]
struct Turn {
    first_us: u64,
    last_us: u64,
    /// All of it so far, and the chunk that came last.
    frames: u64,
    chunk_frames: u64,
    /// By when it would all have been played, without waiting anywhere.
    played_us: u64,
    shortfall_us: u64,
}

impl Pace {
    pub(in crate::downlink) fn new(sizes: &Sizes) -> Self {
        let cushion_us = sizes.micros(sizes.cushion);
        Self {
            rate_hz: u64::from(sizes.rate_hz),
            most_cushion_us: cushion_us,
            slow_below_frames: sizes.slow_below,
            idle_tail_us: sizes.micros(sizes.idle_tail),
            turn: None,
            shortfalls_us: [cushion_us; TURNS],
            hesitation_us: 0,
            gap_us: 0,
        }
    }

    /// Audio came. `is_new` if it is of another turn than the audio before it; a turn whose end
    /// nobody announced ends by its silence. Where the clock went back far, what comes is
    /// measured like a new turn.
    pub(in crate::downlink) fn arrived(&mut self, frames: u64, now_us: u64, is_new: bool) {
        let after = |us: u64| us.saturating_add(self.idle_tail_us);
        let over = |turn: &Turn| now_us > after(turn.played_us) || after(now_us) < turn.last_us;
        if is_new || self.turn.as_ref().is_none_or(over) {
            self.begin(frames, now_us);
            return;
        }
        let duration_us = |frames: u64| frames * 1_000_000 / self.rate_hz;
        let Some(turn) = &mut self.turn else { return };
        let gap_us = now_us.saturating_sub(turn.last_us);
        if gap_us < SAME_CHUNK_US {
            turn.chunk_frames += frames;
        } else {
            let hesitation_us = gap_us.saturating_sub(duration_us(turn.chunk_frames));
            self.hesitation_us = self.hesitation_us.max(hesitation_us);
            self.gap_us = if self.gap_us == 0 {
                gap_us
            } else {
                (7 * self.gap_us + gap_us) / 8
            };
            turn.last_us = now_us;
            turn.chunk_frames = frames;
        }
        let elapsed_us = now_us.saturating_sub(turn.first_us);
        let lacking_us = elapsed_us.saturating_sub(duration_us(turn.frames));
        turn.shortfall_us = turn.shortfall_us.max(lacking_us);
        // A turn that is slower than its sound, if only by a little with each chunk, runs dry too.
        self.hesitation_us = self.hesitation_us.max(lacking_us);
        turn.frames += frames;
        let from_us = turn.played_us.max(now_us);
        turn.played_us = from_us.saturating_add(duration_us(frames));
    }

    pub(in crate::downlink) fn advice(&self) -> Advice {
        let frames = |us: u64| us * self.rate_hz / 1_000_000;
        let mut lacking_us = self.shortfalls_us;
        lacking_us.sort_unstable();
        let (share, of) = ENOUGH_FOR_TURNS;
        let cushion_us = lacking_us[(TURNS * share / of).min(TURNS - 1)].min(self.most_cushion_us);
        let (none_us, full_us) = HESITATION_US;
        let worth_us = self.hesitation_us.clamp(none_us, full_us) - none_us;
        Advice {
            cushion_frames: frames(cushion_us),
            slow_below_frames: self.slow_below_frames * worth_us / (full_us - none_us),
            over_after_frames: frames((OVER_AFTER_GAPS * self.gap_us).max(OVER_AFTER_US)),
        }
    }

    fn begin(&mut self, frames: u64, now_us: u64) {
        if let Some(turn) = self.turn {
            self.shortfalls_us.rotate_left(1);
            self.shortfalls_us[TURNS - 1] = turn.shortfall_us;
            let (kept, of) = FADING;
            self.hesitation_us = self.hesitation_us * kept / of;
        }
        self.turn = Some(Turn {
            first_us: now_us,
            last_us: now_us,
            frames,
            chunk_frames: frames,
            played_us: now_us.saturating_add(frames * 1_000_000 / self.rate_hz),
            shortfall_us: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downlink::config::JitterBufferConfig;

    /// 20 ms.
    const CHUNK: u64 = 480;

    /// At 24 kHz, with a cushion of 60 ms.
    fn pace() -> Pace {
        Pace::new(&JitterBufferConfig::default().sizes().expect("valid"))
    }

    /// A turn that begins at `first_us`, of which chunks come after these pauses.
    fn turn(pace: &mut Pace, first_us: u64, pauses_us: &[u64]) {
        pace.arrived(CHUNK, first_us, true);
        let mut now_us = first_us;
        for pause_us in pauses_us {
            now_us += pause_us;
            pace.arrived(CHUNK, now_us, false);
        }
    }

    #[test]
    fn at_first_the_cushion_is_what_was_asked_and_nothing_is_slowed() {
        let advice = pace().advice();
        assert_eq!(
            (advice.cushion_frames, advice.slow_below_frames),
            (1_440, 0)
        );
    }

    #[test]
    fn turns_that_come_in_bursts_need_no_cushion_once_most_did() {
        let mut pace = pace();
        for k in 0..8 {
            assert_eq!(pace.advice().cushion_frames, 1_440);
            turn(&mut pace, k * 10_000_000, &[0; 20]);
        }
        // The last one is not over: seven are known.
        assert_eq!(pace.advice().cushion_frames, 0);
    }

    #[test]
    fn the_cushion_is_what_turns_lacked_and_never_more_than_was_asked() {
        for (pause_us, cushion_frames) in [(50_000, 720), (200_000, 1_440)] {
            let mut pace = pace();
            for k in 0..9 {
                turn(&mut pace, k * 10_000_000, &[pause_us]);
            }
            assert_eq!(pace.advice().cushion_frames, cushion_frames);
        }
    }

    #[test]
    fn a_hesitation_counts_from_2_ms_on_and_in_full_from_10() {
        for (hesitation_us, slow_below) in
            [(2_000, 0), (6_000, 3_360), (10_000, 6_720), (90_000, 6_720)]
        {
            let mut pace = pace();
            turn(&mut pace, 0, &[20_000 + hesitation_us]);
            assert_eq!(
                pace.advice().slow_below_frames,
                slow_below,
                "{hesitation_us}"
            );
        }
    }

    #[test]
    fn a_turn_that_falls_behind_by_little_with_each_chunk_hesitates() {
        let mut pace = pace();
        turn(&mut pace, 0, &[21_000; 12]);
        assert_eq!(pace.advice().slow_below_frames, 6_720);
    }

    #[test]
    fn a_hesitation_is_forgotten_over_some_turns() {
        let mut pace = pace();
        turn(&mut pace, 0, &[30_000]);
        for k in 1..6 {
            turn(&mut pace, k * 10_000_000, &[0]);
        }
        // 10 ms, five times three quarters of it.
        assert_eq!(pace.hesitation_us, 2_372);
    }

    #[test]
    fn pieces_of_a_chunk_are_one() {
        let mut pace = pace();
        pace.arrived(CHUNK / 2, 0, true);
        pace.arrived(CHUNK / 2, 999, false);
        pace.arrived(CHUNK, 20_999, false);
        assert_eq!((pace.hesitation_us, pace.gap_us), (999, 20_999));
    }

    #[test]
    fn a_turn_may_be_over_after_three_of_its_pauses_and_60_ms_at_least() {
        for (pause_us, over_after) in [(10_000, 1_440), (20_000, 1_440), (40_000, 2_880)] {
            let mut pace = pace();
            turn(&mut pace, 0, &[pause_us; 50]);
            assert_eq!(pace.advice().over_after_frames, over_after, "{pause_us}");
        }
    }

    #[test]
    fn a_turn_that_nobody_ended_ends_by_its_silence() {
        // 20 ms of sound and 400 ms: until there it is a hesitation.
        for (pause_us, hesitation_us) in [(420_000, 400_000), (420_001, 0)] {
            let mut pace = pace();
            turn(&mut pace, 0, &[pause_us]);
            assert_eq!(pace.hesitation_us, hesitation_us);
        }
    }

    #[test]
    fn where_the_clock_went_back_far_a_turn_is_measured_anew() {
        for (back_us, first_us) in [(400_000, 10_000_000), (400_001, 9_599_999)] {
            let mut pace = pace();
            turn(&mut pace, 10_000_000, &[]);
            pace.arrived(CHUNK, 10_000_000 - back_us, false);
            assert_eq!(pace.turn.map(|turn| turn.first_us), Some(first_us));
        }
    }
}
