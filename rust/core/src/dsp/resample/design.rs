//! The prototype low-pass filter: a windowed sinc, in double precision.

use std::f64::consts::PI;

use super::minimum_phase::{Complex, interpolate, minimum_phase};
use super::profile::Profile;

/// Frames per frame of the faster rate at which a minimum-phase filter is designed, if its
/// virtual rate is higher still.
const COARSE: u32 = 16;

/// A low-pass at the virtual rate `in_hz * L = out_hz * M`, with unit gain after the insertion of
/// `L - 1` zeros between input samples.
pub(super) struct Prototype {
    pub(super) taps: Vec<f64>,
    /// Taps after the centre; zeros if the phase is minimal.
    pub(super) look_ahead: usize,
}

/// The prototype of a profile at the ratio `up / down`.
pub(super) fn design(profile: Profile, up: u32, down: u32) -> Prototype {
    let resolution = up.max(down);
    if profile != Profile::LowLatency {
        let taps = low_pass(profile, up.into(), resolution.into());
        let look_ahead = taps.len() / 2;
        return Prototype { taps, look_ahead };
    }
    let causal = if resolution <= COARSE {
        minimum_phase(&low_pass(profile, up.into(), resolution.into()))
    } else {
        // Nothing is left of the signal at the coarse grid's own Nyquist frequency, far above;
        // so the taps in between are found from their neighbours.
        let step = f64::from(COARSE) / f64::from(resolution);
        let coarse = low_pass(profile, f64::from(up) * step, COARSE.into());
        interpolate(&minimum_phase(&coarse), step)
    };
    // A frame belongs to a stream that goes on for half a step beyond it, and not before that is
    // known may it come out.
    let look_ahead = (down as usize - 1) / 2;
    let mut taps = vec![0.0; look_ahead];
    taps.extend(causal);
    Prototype { taps, look_ahead }
}

impl Prototype {
    /// The group delay of the taps from the centre on, in virtual samples, at `frequency` in cycles per virtual sample.
    pub(super) fn group_delay(&self, frequency: f64) -> f64 {
        let (mut gain, mut moment) = (Complex::ZERO, Complex::ZERO);
        let mut time = 0.0;
        for tap in &self.taps[self.look_ahead..] {
            let term = Complex::unit(-2.0 * PI * frequency * time) * *tap;
            gain = gain + term;
            moment = moment + term * time;
            time += 1.0;
        }
        (moment.re * gain.re + moment.im * gain.im) / (gain.re * gain.re + gain.im * gain.im)
    }
}

/// An odd-length, symmetric low-pass at `resolution` samples per frame of the slower rate; it
/// stops at the Nyquist frequency of that rate, and its taps sum to `gain`. The centre is the
/// middle tap.
pub(in crate::dsp) fn low_pass(profile: Profile, gain: f64, resolution: f64) -> Vec<f64> {
    let nyquist = 0.5 / resolution; // in cycles per sample
    let cutoff = nyquist * (1.0 - profile.transition() / 2.0);
    let (attenuation_db, order) = profile.window();
    let window = Window::new(attenuation_db, order);
    let half_width = f64::from(profile.half_frames()) * resolution;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 2^20"
    )]
    let half = half_width.ceil() as u32 - 1; // at the width itself the window is nothing

    let mut taps = vec![0.0; 2 * half as usize + 1];
    for distance in 0..=half {
        let x = f64::from(distance);
        let tap = gain * 2.0 * cutoff * sinc(2.0 * cutoff * x) * window.at(x / half_width);
        taps[(half - distance) as usize] = tap;
        taps[(half + distance) as usize] = tap;
    }
    taps
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The Kaiser window, order 0, or the one of order 1 from the same family, which ends in zeros
/// and therefore decays faster in frequency: `z^order * I_order(beta * z)` with
/// `z = sqrt(1 - x^2)`.
struct Window {
    beta: f64,
    order: u32,
    peak: f64,
}

impl Window {
    /// `attenuation_db` is above 50, and of order 0.
    fn new(attenuation_db: f64, order: u32) -> Self {
        let beta = 0.1102 * (attenuation_db - 8.7);
        let peak = bessel(order, beta * beta / 4.0);
        Self { beta, order, peak }
    }

    /// `x` is the distance from the centre, 1 at the ends.
    fn at(&self, x: f64) -> f64 {
        let square = 1.0 - x * x;
        let power = if self.order == 0 { 1.0 } else { square };
        power * bessel(self.order, self.beta * self.beta / 4.0 * square) / self.peak
    }
}

/// The modified Bessel function of the first kind `I_order(x)` over `(x / 2)^order`, at
/// `x^2 / 4`, by its power series: exact to the last digits for `x` up to 15, which is more
/// than any window here needs. Order 0 or 1.
fn bessel(order: u32, quarter_square: f64) -> f64 {
    const TERMS: u32 = 36;
    (1..=TERMS).rev().fold(1.0, |sum, k| {
        1.0 + sum * (quarter_square * (1.0 / f64::from(k * (k + order))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_equals_tabulated_values() {
        for (order, x, expected) in [
            (0, 0.0, 1.0),
            (0, 1.0, 1.266_065_877_752_008_4),
            (0, 5.0, 27.239_871_823_604_447),
            (0, 12.0, 18_948.925_349_296_31),
            (1, 1.0, 0.565_159_103_992_485),
            (1, 12.0, 18_141.348_781_638_833),
        ] {
            let made = bessel(order, x * x / 4.0) * if order == 1 { x / 2.0 } else { 1.0 };
            assert!(
                (made / expected - 1.0).abs() < 1e-14,
                "I{order}({x}) = {made}"
            );
        }
    }

    /// The gain at `frequency`, in parts of the lower Nyquist frequency.
    fn gain_db(taps: &[f64], up: u32, down: u32, frequency: f64) -> f64 {
        let omega = PI * frequency / f64::from(up.max(down));
        let half = taps.len() / 2;
        let side: f64 = (1_u32..)
            .zip(&taps[half + 1..])
            .map(|(k, tap)| 2.0 * tap * (omega * f64::from(k)).cos())
            .sum();
        20.0 * ((taps[half] + side) / f64::from(up))
            .abs()
            .max(1e-12)
            .log10()
    }

    #[test]
    fn each_profile_is_flat_where_it_says_and_stops_at_nyquist() {
        for (profile, flat_to, flat_db, stop_db) in [
            (Profile::Voice, 0.85, 0.009, 86.5),
            (Profile::VoicePlus, 0.85, 0.001, 98.0),
            (Profile::VoicePlus, 0.90, 0.025, 98.0),
            (Profile::Hq, 0.913, 0.009, 125.0),
        ] {
            for (up, down) in [(1, 3), (2, 1), (3, 2), (160, 441)] {
                let Prototype { taps, .. } = design(profile, up, down);
                for step in 0..=1_000_u32 {
                    let pass = flat_to * f64::from(step) / 1_000.0;
                    let gain = gain_db(&taps, up, down, pass);
                    assert!(
                        gain.abs() < flat_db,
                        "{profile:?} {up}/{down} at {pass}: {gain} dB"
                    );
                    let stop = 1.0 + f64::from(step) / 1_000.0;
                    let gain = gain_db(&taps, up, down, stop);
                    assert!(
                        gain <= -stop_db,
                        "{profile:?} {up}/{down} at {stop}: {gain} dB"
                    );
                }
            }
        }
    }
}
