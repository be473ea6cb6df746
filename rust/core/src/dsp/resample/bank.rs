//! The prototype cut into phases, laid out for the dot product.

use super::design::prototype;
use super::profile::Profile;
use crate::dsp::kernels::LANES;

/// One row of coefficients per phase. A row is reversed, so that it is multiplied with a window
/// of input in memory order, newest sample last; zeros pad it at its old end.
#[derive(Debug)]
pub(super) struct Bank {
    rows: Vec<f32>,
    /// Length of a row: a multiple of [`LANES`].
    pub(super) row_taps: usize,
    /// Taps of the prototype after its centre, at the virtual rate.
    pub(super) look_ahead: usize,
}

impl Bank {
    pub(super) fn new(profile: Profile, up: u32, down: u32) -> Self {
        let taps = prototype(profile, up, down);
        let phases = up as usize;
        let row_taps = taps.len().div_ceil(phases).next_multiple_of(LANES);
        let mut rows = vec![0.0; phases * row_taps];
        for (phase, row) in rows.chunks_exact_mut(row_taps).enumerate() {
            let of_phase = || taps.iter().skip(phase).step_by(phases);
            // Each phase passes DC with the same gain, so a constant stays one.
            let gain: f64 = of_phase().sum();
            for (coefficient, tap) in row.iter_mut().rev().zip(of_phase()) {
                *coefficient = to_f32(tap / gain);
            }
        }
        Self {
            rows,
            row_taps,
            look_ahead: taps.len() / 2,
        }
    }

    #[inline]
    pub(super) fn row(&self, phase: usize) -> &[f32] {
        &self.rows[phase * self.row_taps..][..self.row_taps]
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "coefficients are rounded once, here"
)]
fn to_f32(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_unit_gain() {
        for (up, down) in [(1, 3), (2, 1), (160, 441)] {
            let bank = Bank::new(Profile::Voice, up, down);
            for phase in 0..up as usize {
                let gain: f64 = bank.row(phase).iter().copied().map(f64::from).sum();
                assert!(
                    (gain - 1.0).abs() < 1e-6,
                    "{up}/{down} phase {phase}: {gain}"
                );
            }
        }
    }
}
