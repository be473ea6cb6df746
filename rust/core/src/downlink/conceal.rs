//! Sound for a time in which there is none: packet loss concealment.
//!
//! What was heard last goes on: its last pitch periods are repeated, at first at full level,
//! then fading into a noise as loud as the background. The principle is that of ITU-T G.711
//! Appendix I: a voice is nearly periodic for some tens of milliseconds, and an ear forgives a
//! repetition more easily than a hole.

use super::config::frames_in;
use super::tape::{CrossFade, MAX_LAG_US, MIN_LAG_US, Tape};
use crate::dsp::lag::{Direction, LagSearch};

/// How long a voice goes on: at full level until `hold_us`, then fading until `gone_us`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Going {
    pub(super) hold_us: u64,
    pub(super) gone_us: u64,
}

impl Going {
    /// Behind an end, a voice only dies away.
    pub(super) const ENDING: Self = Self {
        hold_us: 0,
        gone_us: 8_000,
    };
}

/// What follows is led over into within so long.
const MERGE_US: u64 = 5_000;
/// Compared to find the period.
const TEMPLATE_US: u64 = 10_000;
/// Repeated is a multiple of the period, and at least this: single periods sound like a buzzer.
const MIN_CYCLE_US: u64 = 8_000;
/// The end of a cycle leads over into its beginning.
const JOIN_US: u64 = 2_000;
/// A step at the very beginning is smoothed over so long.
const STEP_US: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Concealer {
    search: LagSearch,
    cycle: Box<[i16]>,
    /// Frames of `cycle` in use; 0 if there was nothing to go on with.
    cycle_frames: usize,
    /// Frames put out since the start.
    done: usize,
    /// What the first frame would jump by, and over how many frames that is smoothed.
    step: f32,
    step_frames: usize,
    rate_hz: u32,
    hold: usize,
    gone: usize,
    template: usize,
    min_period: usize,
    max_period: usize,
    min_cycle: usize,
    join: usize,
    merge: usize,
    /// Where going on and what follows are compared.
    scratch: Box<[i16]>,
    background_rms: f32,
    noise: u32,
}

impl Concealer {
    pub(super) fn new(rate_hz: u32) -> Self {
        let frames = |us| frames_in(us, rate_hz);
        let (template, max_period) = (frames(TEMPLATE_US), frames(MAX_LAG_US));
        let merge = frames(MERGE_US);
        Self {
            search: LagSearch::new(rate_hz, (template + max_period).max(2 * merge + max_period)),
            cycle: vec![0; 2 * max_period].into(),
            cycle_frames: 0,
            done: 0,
            step: 0.0,
            step_frames: frames(STEP_US),
            rate_hz,
            hold: 0,
            gone: 0,
            template,
            min_period: frames(MIN_LAG_US),
            max_period,
            min_cycle: frames(MIN_CYCLE_US),
            join: frames(JOIN_US),
            merge,
            scratch: vec![0; 2 * merge + max_period].into(),
            background_rms: 0.0,
            noise: 1,
        }
    }

    /// Begins to go on from `past`, over a background of this level.
    pub(super) fn start(&mut self, past: &[i16], going: Going, background_rms: f32) {
        self.hold = frames_in(going.hold_us, self.rate_hz);
        self.gone = frames_in(going.gone_us, self.rate_hz);
        self.done = 0;
        self.step = 0.0;
        self.cycle_frames = 0;
        self.background_rms = background_rms;
        let len = past.len();
        // Until a period is found, what was last heard dies away at once.
        self.step = past.last().copied().map_or(0.0, f32::from);
        // Of little past, little is compared.
        let compared = self.template.min(len / 2);
        let longest = (len - compared).min(self.max_period);
        let lags = self.min_period..=longest;
        let found = self
            .search
            .best(past, len - compared..len, Direction::Back, lags);
        let Some(found) = found else { return };
        let period = found.lag;
        let mut cycle = period * self.min_cycle.div_ceil(period);
        if cycle + self.join + 1 > len {
            cycle = period;
        }
        if cycle > self.cycle.len() || cycle <= self.join || cycle + self.join + 1 > len {
            return;
        }
        self.cycle_frames = cycle;
        self.cycle[..cycle].copy_from_slice(&past[len - cycle..]);
        let join = CrossFade::new(self.join, found.correlation);
        for k in 0..self.join {
            let place = cycle - self.join + k;
            let before = past[len - cycle - self.join + k];
            self.cycle[place] = join.mix(k, self.cycle[place], before);
        }
        self.step = f32::from(past[len - 1]) - f32::from(past[len - cycle - 1]);
    }

    /// Frames since the start.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Frames until the voice is gone.
    pub(super) fn left(&self) -> usize {
        self.gone.saturating_sub(self.done)
    }

    /// Frames of a cross-fade into what follows.
    pub(super) fn merge_frames(&self) -> usize {
        self.merge
    }

    /// Leads over into `media`, which follows: continues until the two fit, for at most a period,
    /// and cross-fades. Puts what is made up and the cross-faded media on the tape, which holds
    /// nothing that comes next; the rest of the media is to follow there. `media` must have
    /// [`Self::merge_frames`], or the cross-fade is as long as it.
    pub(super) fn merge(&mut self, tape: &mut Tape, media: &[i16]) {
        let merge = self.merge.min(media.len());
        let voiced = self.cycle_frames > 0 && self.left() > 0;
        let most = if voiced { self.max_period } else { 0 };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch[..merge].copy_from_slice(&media[..merge]);
        self.fill(&mut scratch[merge..2 * merge + most]);
        let x = &scratch[..2 * merge + most];
        let found = if most > 0 && merge >= self.join {
            self.search
                .best(x, 0..merge, Direction::Ahead, merge..=merge + most)
        } else {
            None
        };
        let (at, correlation) = found.map_or((merge, 0.0), |it| (it.lag, it.correlation));
        tape.append_made_up(&scratch[merge..at]);
        let fade = CrossFade::new(merge, correlation);
        for k in 0..merge {
            scratch[k] = fade.mix(k, scratch[at + k], scratch[k]);
        }
        tape.append_media(merge, |room| room.copy_from_slice(&scratch[..merge]));
        self.scratch = scratch;
    }

    /// The next frames.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.next();
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "thousands of frames; the cast saturates"
    )]
    fn next(&mut self) -> i16 {
        let gain = self.gain();
        let left = self.step_frames.saturating_sub(self.done + 1) as f32;
        let step = self.step * (left / self.step_frames.max(1) as f32);
        let voice = if self.cycle_frames > 0 {
            gain * (f32::from(self.cycle[self.done % self.cycle_frames]) + step)
        } else {
            step
        };
        let noise = self.background_rms * (1.0 - gain * gain).sqrt() * self.unit_noise();
        self.done += 1;
        (voice + noise).round() as i16
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands of frames")]
    fn gain(&self) -> f32 {
        if self.cycle_frames == 0 || self.done >= self.gone {
            return 0.0;
        }
        let fading = self.done.saturating_sub(self.hold);
        1.0 - fading as f32 / (self.gone - self.hold) as f32
    }

    /// White noise of root mean square 1, the same in every run.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    fn unit_noise(&mut self) -> f32 {
        self.noise = self
            .noise
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let uniform = (self.noise >> 8) as f32 / 8_388_608.0 - 1.0;
        uniform * 1.732
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOING: Going = Going {
        hold_us: 20_000,
        gone_us: 120_000,
    };

    fn tone(frames: usize) -> Vec<i16> {
        (0..frames)
            .map(|k| {
                let phase =
                    std::f64::consts::TAU * 0.005 * f64::from(u32::try_from(k).expect("small"));
                #[expect(clippy::cast_possible_truncation, reason = "below 8,000")]
                let sample = (8_000.0 * phase.sin()).round() as i16;
                sample
            })
            .collect()
    }

    #[test]
    fn a_tone_goes_on_without_a_step_and_fades_into_the_background() {
        let past = tone(1_200);
        let mut concealer = Concealer::new(24_000);
        concealer.start(&past, GOING, 30.0);
        let mut out = vec![0; 4_800];
        concealer.fill(&mut out);
        let expected = &tone(1_200 + 480)[1_200..];
        let error = out.iter().zip(expected).map(|(a, b)| (a - b).abs()).max();
        assert!(error < Some(300), "{error:?}");
        assert_eq!(concealer.left(), 0);
        let rms = |x: &[i16]| {
            let sum: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            (sum / f64::from(u32::try_from(x.len()).expect("small"))).sqrt()
        };
        assert!((rms(&out[3_600..]) - 30.0).abs() < 3.0);
        assert!(rms(&out[1_200..1_440]) > rms(&out[2_160..2_400]));
    }

    #[test]
    fn nothing_to_go_on_with_is_the_background() {
        let mut concealer = Concealer::new(8_000);
        concealer.start(&[100; 20], GOING, 0.0);
        let mut out = [1; 800];
        concealer.fill(&mut out);
        assert!(out[..8].is_sorted_by(|a, b| a > b), "dies away");
        assert_eq!(out[8..], [0; 792]);
    }
}
