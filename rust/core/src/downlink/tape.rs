//! The sound around the play position, and the splices that are made in it.
//!
//! A tape holds what was played in the last tens of milliseconds and what comes next. Time is
//! stretched by splicing in a piece of the past, or compressed by cutting out a piece of what
//! comes; both at a place where the voice is alike before and after, so that its pitch stays.
//! What is on the tape besides plain media is known to the frame.
//!
//! ```text
//!            history           ▼ play position
//!   ├──────────────────────────┼──── made up ────┼──── media ───┤
//! ```

use super::config::frames_in;
use crate::dsp::lag::{Direction, LagSearch, Match};

/// Shortest and longest piece that is cut out or repeated: the periods of voices, 67 to 400 Hz.
pub(super) const MIN_LAG_US: u64 = 2_500;
pub(super) const MAX_LAG_US: u64 = 15_000;
/// What is compared on each side of a splice.
const COMPARED_US: u64 = 7_500;
/// Longest cross-fade of a splice.
const MAX_OVERLAP_US: u64 = 8_000;
/// Shortest one: less would be heard.
const MIN_OVERLAP_US: u64 = 2_500;
/// What is remembered of the past: two of the longest periods and a template.
const HISTORY_US: u64 = 50_000;
/// Most that lies ahead: a cut needs a period and what is compared behind it.
const AHEAD_US: u64 = 24_000;

/// Frames of the durations above at one rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    pub(super) min_lag: usize,
    pub(super) max_lag: usize,
    pub(super) compared: usize,
    pub(super) max_overlap: usize,
    pub(super) min_overlap: usize,
    pub(super) history: usize,
    pub(super) ahead: usize,
}

impl Lengths {
    fn new(rate_hz: u32) -> Self {
        let frames = |us| frames_in(us, rate_hz);
        Self {
            min_lag: frames(MIN_LAG_US),
            max_lag: frames(MAX_LAG_US),
            compared: frames(COMPARED_US),
            max_overlap: frames(MAX_OVERLAP_US),
            min_overlap: frames(MIN_OVERLAP_US),
            history: frames(HISTORY_US),
            ahead: frames(AHEAD_US),
        }
    }
}

/// What [`Tape::take`] has put out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Frames of media, each the next one.
    pub(super) media: usize,
    /// Frames that stand for no media: repeated, or made up.
    pub(super) made_up: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) lengths: Lengths,
    samples: Box<[i16]>,
    /// Oldest sample of the sound that is played without a break.
    from: usize,
    /// Plays next.
    at: usize,
    end: usize,
    /// Of what comes next, so much is not media.
    made_up: usize,
    search: LagSearch,
}

impl Tape {
    pub(super) fn new(rate_hz: u32) -> Self {
        let lengths = Lengths::new(rate_hz);
        // Twice what it has to hold, so that moving the past along is rare.
        let capacity = 2 * (lengths.history + 4 * lengths.ahead);
        Self {
            lengths,
            samples: vec![0; capacity].into(),
            from: 0,
            at: 0,
            end: 0,
            made_up: 0,
            search: LagSearch::new(rate_hz, 3 * lengths.compared + 2 * lengths.max_lag),
        }
    }

    /// Frames that come next, made up or not.
    pub(super) fn ahead(&self) -> usize {
        self.end - self.at
    }

    /// Frames of media that come next, behind what is made up.
    pub(super) fn media(&self) -> usize {
        self.ahead() - self.made_up
    }

    /// Frames that come next and are no media.
    pub(super) fn made_up(&self) -> usize {
        self.made_up
    }

    /// The sound so far, up to the play position.
    pub(super) fn past(&self) -> &[i16] {
        &self.samples[self.from..self.at]
    }

    /// What comes next.
    pub(super) fn coming(&self) -> &[i16] {
        &self.samples[self.at..self.end]
    }

    /// What was played and what comes next.
    pub(super) fn sound(&self) -> &[i16] {
        &self.samples[self.from..self.end]
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.from, self.at, self.end, self.made_up) = (0, 0, 0, 0);
    }

    /// Forgets what comes next.
    pub(super) fn drop_coming(&mut self) {
        (self.end, self.made_up) = (self.at, 0);
    }

    /// Adds `frames` of media at the end, which `read` fills in.
    pub(super) fn append_media(&mut self, frames: usize, read: impl FnOnce(&mut [i16])) {
        read(self.extend(frames));
    }

    /// Adds sound at the end that stands for no media; there must be no media before it.
    pub(super) fn append_made_up(&mut self, sound: &[i16]) {
        debug_assert_eq!(self.media(), 0, "what is made up lies before the media");
        self.extend(sound.len()).copy_from_slice(sound);
        self.made_up += sound.len();
    }

    /// Takes note of sound that is played now and stands for no media; nothing may come next.
    pub(super) fn played(&mut self, sound: &[i16]) {
        debug_assert_eq!(self.ahead(), 0, "what comes next would come too late");
        self.extend(sound.len()).copy_from_slice(sound);
        self.at = self.end;
    }

    /// Plays the beginning of what comes next into `out`, which must not be longer than that.
    pub(super) fn take(&mut self, out: &mut [i16]) -> Taken {
        let frames = out.len().min(self.ahead());
        out[..frames].copy_from_slice(&self.samples[self.at..self.at + frames]);
        self.at += frames;
        let made_up = frames.min(self.made_up);
        self.made_up -= made_up;
        Taken {
            media: frames - made_up,
            made_up,
        }
    }

    /// The best place to repeat a piece of the past, of at least `shortest` frames.
    pub(super) fn best_repeat(&mut self, shortest: usize) -> Option<Match> {
        let overlap = self.overlap(usize::MAX)?;
        let template = self.template(overlap)?;
        let lags = shortest.max(self.lengths.min_lag)..=self.lengths.max_lag;
        let x = &self.samples[self.from..self.end];
        self.search.best(x, template, Direction::Back, lags)
    }

    /// Repeats the last `found.lag` frames: they come again before what comes next.
    pub(super) fn repeat(&mut self, found: Match) {
        let Some(overlap) = self.overlap(found.lag) else {
            return;
        };
        let lag = found.lag;
        if self.past().len() < lag {
            return;
        }
        let moved = self.ahead();
        self.extend(lag);
        let at = self.at;
        self.samples.copy_within(at..at + moved, at + lag);
        let fade = CrossFade::new(overlap, found.correlation);
        for k in 0..lag {
            let old = self.samples[at + k - lag];
            self.samples[at + k] = if k < overlap {
                fade.mix(k, self.samples[at + lag + k], old)
            } else {
                old
            };
        }
        self.made_up += lag;
    }

    /// The best place to leave out a piece of what comes, of at most `longest` frames.
    pub(super) fn best_cut(&mut self, longest: usize) -> Option<Match> {
        let overlap = self.lengths.min_overlap.max(self.lengths.max_overlap / 2);
        let reach = self.media().checked_sub(overlap)?;
        if self.made_up > 0 {
            return None;
        }
        let template = self.template(overlap)?;
        let lags = self.lengths.min_lag..=self.lengths.max_lag.min(reach).min(longest);
        let x = &self.samples[self.from..self.end];
        self.search.best(x, template, Direction::Ahead, lags)
    }

    /// Leaves the next `found.lag` frames of media out.
    pub(super) fn cut(&mut self, found: Match) {
        let lag = found.lag;
        let Some(room) = self.media().checked_sub(lag) else {
            return;
        };
        let overlap = self.lengths.max_overlap.min(room);
        let at = self.at;
        let fade = CrossFade::new(overlap, found.correlation);
        for k in 0..overlap {
            let new = self.samples[at + lag + k];
            self.samples[at + lag + k] = fade.mix(k, self.samples[at + k], new);
        }
        self.samples.copy_within(at + lag..self.end, at);
        self.end -= lag;
    }

    /// What is compared on both sides of a splice at the play position, from `from` on.
    fn template(&self, overlap: usize) -> Option<std::ops::Range<usize>> {
        let at = self.at - self.from;
        Some(at.checked_sub(self.lengths.compared)?..at + overlap)
    }

    /// Frames of a cross-fade from what comes next into something else.
    fn overlap(&self, most: usize) -> Option<usize> {
        let overlap = self.lengths.max_overlap.min(self.ahead()).min(most);
        (self.made_up == 0 && overlap >= self.lengths.min_overlap).then_some(overlap)
    }

    /// Room for `frames` at the end, which are on the tape then.
    fn extend(&mut self, frames: usize) -> &mut [i16] {
        if self.end + frames > self.samples.len() {
            let kept = (self.at - self.from).min(self.lengths.history);
            self.from = self.at - kept;
            self.samples.copy_within(self.from..self.end, 0);
            self.at -= self.from;
            self.end -= self.from;
            self.from = 0;
        }
        let start = self.end;
        self.end = (start + frames).min(self.samples.len());
        debug_assert_eq!(self.end - start, frames, "the tape is long enough");
        &mut self.samples[start..self.end]
    }
}

/// A cross-fade that keeps the level, whatever the two sides have in common.
///
/// Raised cosines sum to one, which keeps the level of equal signals; of unrelated ones it would
/// fall by 3 dB in the middle. Dividing by the level that two signals of this correlation
/// sum up to serves both.
#[derive(Debug, Clone, Copy)]
pub(super) struct CrossFade {
    frames: usize,
    correlation: f32,
}

impl CrossFade {
    pub(super) fn new(frames: usize, correlation: f32) -> Self {
        Self {
            frames,
            correlation: correlation.clamp(0.0, 1.0),
        }
    }

    /// Sample `k` of the way from `old` to `new`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a few hundred frames; the cast saturates"
    )]
    pub(super) fn mix(&self, k: usize, old: i16, new: i16) -> i16 {
        let phase = (k as f32 + 1.0) / (self.frames as f32 + 1.0);
        // Smoothstep: within 1 % of the raised cosine, without a library's idea of a cosine.
        let rise = phase * phase * (3.0 - 2.0 * phase);
        let fall = 1.0 - rise;
        let level = (rise * rise + fall * fall + 2.0 * rise * fall * self.correlation).sqrt();
        ((fall * f32::from(old) + rise * f32::from(new)) / level).round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 24_000;

    /// A buzz of so many frames per period.
    fn buzz(period: usize, from: usize, frames: usize) -> Vec<i16> {
        (from..from + frames)
            .map(|k| i16::try_from(8_000 / (1 + k % period)).expect("small") - 300)
            .collect()
    }

    fn append(tape: &mut Tape, media: &[i16]) {
        tape.append_media(media.len(), |room| room.copy_from_slice(media));
    }

    /// In the middle of a buzz: 50 ms of it are played, 24 ms come next.
    fn in_a_buzz(period: usize) -> Tape {
        let mut tape = Tape::new(RATE_HZ);
        append(&mut tape, &buzz(period, 0, 1_776));
        tape.take(&mut [0; 1_200]);
        tape
    }

    #[test]
    fn media_comes_out_as_it_went_in_however_long_the_tape_runs() {
        let mut tape = Tape::new(RATE_HZ);
        let (mut out, mut from) = (Vec::new(), 0);
        for frames in [1, 576, 7, 300].repeat(20) {
            append(&mut tape, &buzz(1_009, from, frames));
            from += frames;
            let mut piece = vec![0; frames.min(tape.ahead())];
            let taken = tape.take(&mut piece);
            assert_eq!((taken.media, taken.made_up), (piece.len(), 0));
            out.extend(piece);
        }
        assert_eq!(out, buzz(1_009, 0, from));
        let past = tape.past().len();
        assert!(past >= tape.lengths.history);
        assert_eq!(tape.past(), &out[from - past..]);
    }

    #[test]
    fn what_is_made_up_comes_before_the_media_and_is_told_apart() {
        let mut tape = Tape::new(RATE_HZ);
        tape.append_made_up(&[1; 30]);
        append(&mut tape, &[2; 50]);
        assert_eq!((tape.made_up(), tape.media()), (30, 50));
        let mut out = [0; 40];
        let taken = tape.take(&mut out);
        assert_eq!((taken.made_up, taken.media), (30, 10));
        assert_eq!(out[29..31], [1, 2]);
        assert_eq!((tape.made_up(), tape.media()), (0, 40));
    }

    #[test]
    fn a_repeat_adds_a_period_and_keeps_all_media() {
        let mut tape = in_a_buzz(200);
        let found = tape.best_repeat(0).expect("a period");
        assert_eq!(found.lag, 200);
        tape.repeat(found);
        assert_eq!((tape.made_up(), tape.media()), (200, 576));
        assert_eq!(tape.coming(), buzz(200, 1_200, 776));
        let mut out = [0; 776];
        let taken = tape.take(&mut out);
        assert_eq!((taken.made_up, taken.media), (200, 576));
    }

    #[test]
    fn a_short_period_is_repeated_as_often_as_asked() {
        let mut tape = in_a_buzz(80);
        assert_eq!(tape.best_repeat(0).map(|it| it.lag), Some(80));
        assert_eq!(tape.best_repeat(120).map(|it| it.lag), Some(160));
    }

    #[test]
    fn a_cut_leaves_out_a_period_of_media() {
        let mut tape = in_a_buzz(200);
        let found = tape.best_cut(usize::MAX).expect("a period");
        assert_eq!(found.lag, 200);
        tape.cut(found);
        assert_eq!((tape.made_up(), tape.media()), (0, 376));
        assert_eq!(tape.coming(), buzz(200, 1_200, 376));
    }

    #[test]
    fn no_more_is_cut_than_asked() {
        let mut tape = in_a_buzz(80);
        assert_eq!(tape.best_cut(100).map(|it| it.lag), Some(80));
        assert_eq!(tape.best_cut(59), None);
    }

    #[test]
    fn nothing_is_spliced_next_to_what_is_made_up() {
        let mut tape = in_a_buzz(200);
        let found = tape.best_repeat(0).expect("a period");
        tape.repeat(found);
        assert_eq!(
            (tape.best_repeat(0), tape.best_cut(usize::MAX)),
            (None, None)
        );
    }

    #[test]
    fn nothing_is_spliced_without_a_past_or_too_close_to_the_end() {
        let mut tape = Tape::new(RATE_HZ);
        append(&mut tape, &buzz(200, 0, 576));
        assert_eq!(
            (tape.best_repeat(0), tape.best_cut(usize::MAX)),
            (None, None)
        );
        let mut tape = in_a_buzz(200);
        tape.take(&mut [0; 576 - 59]);
        assert_eq!(
            (tape.best_repeat(0), tape.best_cut(usize::MAX)),
            (None, None)
        );
    }

    #[test]
    fn a_cross_fade_keeps_the_level_of_what_is_alike_and_of_what_is_not() {
        let (alike, unrelated) = (CrossFade::new(100, 1.0), CrossFade::new(100, 0.0));
        for k in 0..100 {
            assert_eq!(alike.mix(k, 10_000, 10_000), 10_000);
            // Unrelated signals add up by their energies.
            let energy = |sample: i16| f64::from(sample).powi(2);
            let sum = energy(unrelated.mix(k, 10_000, 0)) + energy(unrelated.mix(k, 0, 10_000));
            assert!((sum.sqrt() - 10_000.0).abs() < 2.0, "{sum} at {k}");
        }
        assert!(alike.mix(0, 10_000, 0) > 9_900 && alike.mix(99, 10_000, 0) < 100);
    }
}
