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
const MIN_LAG_US: u64 = 2_500;
const MAX_LAG_US: u64 = 15_000;
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
