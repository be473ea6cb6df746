//! Where a voice repeats itself: the search behind every splice.
//!
//! A normalized cross-correlation between a piece of signal and the same signal some time before
//! or after it, over the lags of a pitch period: first on every fourth sample or so (6 kHz are
//! enough to find the period), then sample by sample around the best place. This is the search of
//! WSOLA (Verhelst and Roelands, "An overlap-add technique based on waveform similarity", ICASSP
//! 1993), bounded so that it costs the same few microseconds each time.

/// Rate at which the search begins.
const COARSE_HZ: u32 = 6_000;
/// Of two lags that are as good the shorter one is better, whatever rounding says.
const CLEARLY: f32 = 1e-4;
/// Sums are kept in as many parts, in a fixed order: the same result on every machine, and one
/// that compilers turn into vector instructions.
const LANES: usize = 8;

/// A lag, and how alike the signal is there: 1 the same but for its level, 0 unrelated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// Frames.
    pub(crate) lag: usize,
    /// -1.0..=1.0.
    pub(crate) correlation: f32,
}

/// Which way to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// With what came before.
    Back,
    /// With what comes after.
    Ahead,
}

/// The search, and the memory it works in.
#[derive(Debug)]
pub(crate) struct LagSearch {
    factor: usize,
    fine: Box<[f32]>,
    coarse: Box<[f32]>,
}

impl LagSearch {
    /// A search in signals of `rate_hz`, over stretches of at most `max_frames`, template and
    /// largest lag together.
    pub(crate) fn new(rate_hz: u32, max_frames: usize) -> Self {
        let factor = (rate_hz.div_ceil(COARSE_HZ).max(1)) as usize;
        Self {
            factor,
            fine: vec![0.0; max_frames].into(),
            coarse: vec![0.0; max_frames / factor + 1].into(),
        }
    }

    /// The lag of `lags` at which `x[template]` is most like `x` that far back or ahead; `None`
    /// if the signal does not reach that far, or is silent.
    pub(crate) fn best(
        &mut self,
        x: &[i16],
        template: std::ops::Range<usize>,
        direction: Direction,
        lags: std::ops::RangeInclusive<usize>,
    ) -> Option<Match> {
        let (min, max) = (*lags.start(), *lags.end());
        let length = template.len();
        // The stretch that is looked at, with the template at one of its ends.
        let from = match direction {
            Direction::Back => template.start.checked_sub(max)?,
            Direction::Ahead => template.start,
        };
        let stretch = x.get(from..from + length + max)?;
        if min > max || length < self.factor || stretch.len() > self.fine.len() {
            return None;
        }
        let fine = &mut self.fine[..stretch.len()];
        for (value, &sample) in fine.iter_mut().zip(stretch) {
            *value = f32::from(sample);
        }
        let rough = self.coarse_best(stretch.len(), length, direction, min, max)?;
        let near = rough.saturating_sub(self.factor).max(min)..=(rough + self.factor).min(max);
        best_of(&self.fine[..stretch.len()], length, direction, near)
    }

    fn coarse_best(
        &mut self,
        stretch: usize,
        length: usize,
        direction: Direction,
        min: usize,
        max: usize,
    ) -> Option<usize> {
        let factor = self.factor;
        if factor == 1 {
            let found = best_of(&self.fine[..stretch], length, direction, min..=max)?;
            return Some(found.lag);
        }
        // Means of `factor` samples each, counted from the template's end of the stretch.
        let count = stretch / factor;
        let first = match direction {
            Direction::Back => stretch - count * factor,
            Direction::Ahead => 0,
        };
        let coarse = &mut self.coarse[..count];
        for (value, group) in coarse
            .iter_mut()
            .zip(self.fine[first..stretch].chunks_exact(factor))
        {
            *value = group.iter().sum();
        }
        let lags = min.div_ceil(factor)..=(count - length / factor).min(max / factor);
        let found = best_of(coarse, length / factor, direction, lags)?;
        Some((found.lag * factor).clamp(min, max))
    }
}

/// The best of all `lags`, each looked at. `x` has the template at the end that `direction`
/// leads away from.
fn best_of(
    x: &[f32],
    length: usize,
    direction: Direction,
    lags: std::ops::RangeInclusive<usize>,
) -> Option<Match> {
    let base = match direction {
        Direction::Back => x.len() - length,
        Direction::Ahead => 0,
    };
    let template = &x[base..base + length];
    let own = energy(template);
    let mut best: Option<Match> = None;
    for lag in lags {
        let from = match direction {
            Direction::Back => base - lag,
            Direction::Ahead => base + lag,
        };
        let Some(other) = x.get(from..from + length) else {
            break;
        };
        let scale = own * energy(other);
        if scale <= 0.0 {
            continue;
        }
        let correlation = dot(template, other) / scale.sqrt();
        if best.is_none_or(|best| correlation > best.correlation + CLEARLY) {
            best = Some(Match { lag, correlation });
        }
    }
    best
}

fn energy(x: &[f32]) -> f32 {
    dot(x, x)
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (left_chunks, right_chunks) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest: f32 = left_chunks
        .remainder()
        .iter()
        .zip(right_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in left_chunks.zip(right_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buzz of so many frames per period.
    fn buzz(period: usize, frames: usize) -> Vec<i16> {
        (0..frames)
            .map(|k| {
                let phase = k % period;
                i16::try_from(8_000 / (1 + phase)).expect("small") - 400
            })
            .collect()
    }

    #[test]
    fn finds_the_period_both_ways_at_every_rate() {
        for rate_hz in [8_000, 11_025, 16_000, 24_000, 44_100, 48_000] {
            let ms = |tenths: usize| rate_hz as usize * tenths / 10_000;
            let period = ms(73);
            let x = buzz(period, ms(600));
            let mut search = LagSearch::new(rate_hz, ms(300));
            let template = ms(300)..ms(450);
            for direction in [Direction::Back, Direction::Ahead] {
                let found = search
                    .best(&x, template.clone(), direction, ms(25)..=ms(140))
                    .expect("there is a period");
                assert_eq!(found.lag, period, "{rate_hz} {direction:?}");
                assert!(found.correlation > 0.999);
            }
        }
    }

    #[test]
    fn a_signal_that_does_not_reach_gives_nothing() {
        let x = buzz(100, 500);
        let mut search = LagSearch::new(24_000, 720);
        assert_eq!(search.best(&x, 300..480, Direction::Back, 60..=360), None);
        assert_eq!(search.best(&x, 0..180, Direction::Ahead, 60..=360), None);
        assert_eq!(
            search.best(&[0; 720], 360..720, Direction::Back, 60..=360),
            None
        );
        assert!(
            search
                .best(&x, 300..480, Direction::Back, 60..=300)
                .is_some()
        );
    }
}
