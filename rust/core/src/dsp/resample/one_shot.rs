//! A whole signal at once, by overlapping Fourier transforms: what the stream makes, but for what
//! the stop band lets through, in half the time where the filter is long.

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

use super::design::low_pass;
use super::profile::Profile;
use super::to_f32;
use crate::dsp::convert::Sample;
use crate::dsp::kernels::Backend;

/// Frames of the slower rate in one transform, about: a fit for the second-level cache.
const BLOCK_FRAMES: usize = 2_048;
/// Samples per frame of the slower rate at which the filter is designed.
const RESOLUTION: u8 = 4;
/// Largest prime factor of the terms of a ratio for which transforms are quick.
const FACTOR_MAX: usize = 7;

/// A resampler of whole signals at the ratio `up / down`.
///
/// A *unit* is the shortest time that is a whole number of frames at both rates: `up` of output,
/// `down` of input. A block is transformed, multiplied with the filter's gain, cut or extended to
/// the other rate's number of bins, and transformed back; the units at either end, into which the
/// filter wraps around, are left out.
pub(super) struct OneShot {
    up: usize,
    down: usize,
    /// Units of a block.
    units: usize,
    /// Units at either end of a block that are left out.
    guard: usize,
    /// Gain of the bins below the lower Nyquist frequency, scaled for both transforms.
    gains: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl OneShot {
    /// None where the stream is quicker, or where it would differ: that is, but for `hq`, whose
    /// stop band lets nothing through, and a signal of some length.
    pub(super) fn new(
        profile: Profile,
        up: usize,
        down: usize,
        frames: usize,
        backend: Backend,
    ) -> Option<Self> {
        let slower = up.min(down);
        let guard = (profile.half_frames() as usize).div_ceil(slower);
        let units = (BLOCK_FRAMES / slower)
            .next_power_of_two()
            .max((8 * guard).next_power_of_two());
        let quick = profile == Profile::Hq
            && backend != Backend::SCALAR
            && up != down
            && is_smooth(up)
            && is_smooth(down)
            && frames >= units * down;
        if !quick {
            return None;
        }
        let mut planner = RealFftPlanner::new();
        Some(Self {
            up,
            down,
            units,
            guard,
            gains: gains(profile, units * slower, units * down, &mut planner),
            forward: planner.plan_fft_forward(units * down),
            inverse: planner.plan_fft_inverse(units * up),
        })
    }

    /// Fills `out`, which has the length that a stream would.
    pub(super) fn run<I: Sample, O: Sample>(&self, backend: Backend, x: &[I], out: &mut [O]) {
        let mut input = self.forward.make_input_vec();
        let mut bins = self.forward.make_output_vec();
        let mut made_bins = self.inverse.make_input_vec();
        let mut made = self.inverse.make_output_vec();
        let scratch_size = self
            .forward
            .get_scratch_len()
            .max(self.inverse.get_scratch_len());
        let mut scratch = vec![Complex32::default(); scratch_size];

        let step = self.units - 2 * self.guard;
        for (index, out) in out.chunks_mut(step * self.up).enumerate() {
            self.read(backend, x, index * step, &mut input);
            let transformed =
                self.forward
                    .process_with_scratch(&mut input, &mut bins, &mut scratch);
            debug_assert!(transformed.is_ok(), "all buffers are the plan's own");
            for ((made, bin), gain) in made_bins.iter_mut().zip(&bins).zip(&self.gains) {
                *made = bin * gain;
            }
            made_bins[self.gains.len()..].fill(Complex32::default());
            let transformed =
                self.inverse
                    .process_with_scratch(&mut made_bins, &mut made, &mut scratch);
            debug_assert!(transformed.is_ok(), "the outer bins are real");
            O::store(backend, &made[self.guard * self.up..], out);
        }
    }

    /// Reads the block whose first kept unit is `unit`; silence lies around the signal.
    fn read<I: Sample>(&self, backend: Backend, x: &[I], unit: usize, input: &mut [f32]) {
        let before = (self.guard.saturating_sub(unit)) * self.down;
        let start = (unit.saturating_sub(self.guard) * self.down).min(x.len());
        let end = x.len().min(start + input.len() - before);
        let (silence, rest) = input.split_at_mut(before);
        let (signal, after) = rest.split_at_mut(end - start);
        silence.fill(0.0);
        backend.load(&x[start..end], signal);
        after.fill(0.0);
    }
}

/// The filter's gain in the bins of a block of `frames` of the slower rate but for the last one,
/// which is its Nyquist frequency; divided by `scale`.
fn gains(
    profile: Profile,
    frames: usize,
    scale: usize,
    planner: &mut RealFftPlanner<f32>,
) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
    let gain = 1.0 / scale as f64;
    let taps = low_pass(profile, gain, f64::from(RESOLUTION));
    let half = taps.len() / 2;
    let forward = planner.plan_fft_forward(usize::from(RESOLUTION) * frames);
    let mut input = forward.make_input_vec();
    let size = input.len();
    for (index, tap) in taps.iter().enumerate() {
        input[(size + index - half) % size] = to_f32(*tap);
    }
    let mut bins = forward.make_output_vec();
    let transformed = forward.process(&mut input, &mut bins);
    debug_assert!(transformed.is_ok(), "all buffers are the plan's own");
    // Symmetric taps: the gains are real.
    bins[..frames / 2].iter().map(|bin| bin.re).collect()
}

fn is_smooth(term: usize) -> bool {
    let rest = (2..=FACTOR_MAX).fold(term, |mut rest, factor| {
        while rest.is_multiple_of(factor) {
            rest /= factor;
        }
        rest
    });
    rest == 1
}
