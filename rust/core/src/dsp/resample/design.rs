//! The prototype low-pass filter: a windowed sinc, in double precision.

use std::f64::consts::PI;

use super::profile::Profile;

/// An odd-length, symmetric low-pass at the virtual rate `in_hz * L = out_hz * M`, with unit
/// gain after the insertion of `L - 1` zeros between input samples.
///
/// The centre is the middle tap, so the length is `2 * look-ahead + 1`.
pub(super) fn prototype(profile: Profile, up: u32, down: u32) -> Vec<f64> {
    let nyquist = 0.5 / f64::from(up.max(down)); // the lower one, in cycles per virtual sample
    let transition = nyquist * profile.transition();
    let cutoff = nyquist - transition / 2.0;
    let half = kaiser_half_length(profile.attenuation_db(), transition);
    let window = Kaiser::new(profile.attenuation_db());

    let mut taps = vec![0.0; 2 * half as usize + 1];
    for distance in 0..=half {
        let x = f64::from(distance);
        let tap =
            f64::from(up) * 2.0 * cutoff * sinc(2.0 * cutoff * x) * window.at(x / f64::from(half));
        taps[(half - distance) as usize] = tap;
        taps[(half + distance) as usize] = tap;
    }
    taps
}

/// Kaiser's estimate of the taps on each side of the centre; `transition` in cycles per sample.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 2^20"
)]
fn kaiser_half_length(attenuation_db: f64, transition: f64) -> u32 {
    ((attenuation_db - 7.95) / (2.285 * 2.0 * PI * transition) / 2.0).ceil() as u32
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The Kaiser window for attenuations above 50 dB.
struct Kaiser {
    beta: f64,
    peak: f64,
}

impl Kaiser {
    fn new(attenuation_db: f64) -> Self {
        let beta = 0.1102 * (attenuation_db - 8.7);
        Self {
            beta,
            peak: bessel_i0(beta),
        }
    }

    /// `x` is the distance from the centre, 1 at the ends.
    fn at(&self, x: f64) -> f64 {
        bessel_i0(self.beta * (1.0 - x * x).max(0.0).sqrt()) / self.peak
    }
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter_square = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_equals_tabulated_values() {
        for (x, expected) in [
            (0.0, 1.0),
            (1.0, 1.266_065_877_752_008_4),
            (5.0, 27.239_871_823_604_447),
            (12.0, 18_948.925_349_296_31),
        ] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-14, "I0({x})");
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
        for (profile, flat_to, stop_db) in [
            (Profile::Voice, 0.85, 89.0),
            (Profile::VoicePlus, 0.90, 96.0),
            (Profile::Hq, 0.913, 125.0),
        ] {
            for (up, down) in [(1, 3), (2, 1), (3, 2), (160, 441)] {
                let taps = prototype(profile, up, down);
                for step in 0..=1_000_u32 {
                    let pass = flat_to * f64::from(step) / 1_000.0;
                    let gain = gain_db(&taps, up, down, pass);
                    assert!(
                        gain.abs() < 0.009,
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
