//! Turning a linear-phase filter into the minimum-phase one of the same gain.
//!
//! The homomorphic method: the logarithm of a minimum-phase spectrum is the spectrum of a causal
//! sequence, the cepstrum. So the gain alone decides it: take the cepstrum of the gain, fold its
//! past onto its future, and go back.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Sub};

/// Room around the filter, in lengths of it, so that the cepstrum of the zeros in the stop band
/// dies away before it wraps around.
const PADDING: usize = 16;
/// The gain in a zero of the stop band, where the logarithm has no value, relative to the peak.
const FLOOR: f64 = 1e-7;

/// The taps of the minimum-phase filter with the gain of `taps`: as many, and the first is
/// the newest.
pub(super) fn minimum_phase(taps: &[f64]) -> Vec<f64> {
    let size = (PADDING * taps.len()).next_power_of_two();
    let fft = Fft::new(size);
    let mut work: Vec<_> = taps.iter().copied().map(Complex::real).collect();
    work.resize(size, Complex::ZERO);

    fft.forward(&mut work);
    let peak = work.iter().map(|x| x.magnitude()).fold(0.0, f64::max);
    for x in &mut work {
        *x = Complex::real(x.magnitude().max(FLOOR * peak).ln());
    }
    // A real and symmetric spectrum: the forward transform is the inverse but for the scale.
    fft.forward(&mut work);
    let scale = scale(size);
    for (index, x) in work.iter_mut().enumerate() {
        let fold = match index {
            0 => 1.0,
            _ if index == size / 2 => 1.0,
            _ if index < size / 2 => 2.0,
            _ => 0.0,
        };
        *x = Complex::real(x.re * scale * fold);
    }
    fft.forward(&mut work);
    for x in &mut work {
        *x = Complex::unit(x.im) * x.re.exp();
    }
    // The inverse, by the conjugate; the result is real.
    for x in &mut work {
        x.im = -x.im;
    }
    fft.forward(&mut work);
    work.iter().take(taps.len()).map(|x| x.re * scale).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a power of two")]
fn scale(size: usize) -> f64 {
    1.0 / size as f64
}

/// `taps`, zero before and after, read at every `step` of a sample, by the polynomial through
/// the eight taps around each point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "positions are below 2^24"
)]
pub(super) fn interpolate(taps: &[f64], step: f64) -> Vec<f64> {
    const POINTS: usize = 8;
    let mut padded = vec![0.0; POINTS / 2 - 1];
    padded.extend_from_slice(taps);
    padded.resize(taps.len() + POINTS, 0.0);
    let frames = (taps.len() as f64 / step) as usize;
    (0..frames)
        .map(|frame| {
            let position = frame as f64 * step;
            let around = &padded[position as usize..][..POINTS];
            // The point, counted from the first of its neighbours.
            let x = position.fract() + (POINTS / 2 - 1) as f64;
            let mut sum = 0.0;
            for (i, tap) in around.iter().enumerate() {
                let others = (0..POINTS).filter(|j| *j != i);
                let weight: f64 = others
                    .map(|j| (x - j as f64) / (i as f64 - j as f64))
                    .product();
                sum += weight * tap;
            }
            sum
        })
        .collect()
}

/// A complex number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) const ZERO: Self = Self { re: 0.0, im: 0.0 };

    fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    /// Of magnitude one.
    pub(super) fn unit(angle: f64) -> Self {
        let (im, re) = angle.sin_cos();
        Self { re, im }
    }

    fn magnitude(self) -> f64 {
        self.re.hypot(self.im)
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (re, im) = (self.re + other.re, self.im + other.im);
        Self { re, im }
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let (re, im) = (self.re - other.re, self.im - other.im);
        Self { re, im }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

impl Mul<f64> for Complex {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        let (re, im) = (self.re * factor, self.im * factor);
        Self { re, im }
    }
}

/// The discrete Fourier transform of one size, a power of two; radix 2, in place. It runs a few
/// times when a filter is designed.
struct Fft {
    twiddles: Vec<Complex>,
}

impl Fft {
    #[expect(clippy::cast_precision_loss, reason = "an index below 2^24")]
    fn new(size: usize) -> Self {
        let twiddles = (0..size / 2)
            .map(|k| Complex::unit(-2.0 * PI * k as f64 * scale(size)))
            .collect();
        Self { twiddles }
    }

    fn forward(&self, x: &mut [Complex]) {
        let bits = x.len().trailing_zeros();
        for index in 0..x.len() {
            let mirrored = index.reverse_bits() >> (usize::BITS - bits);
            if index < mirrored {
                x.swap(index, mirrored);
            }
        }
        let mut half = 1;
        while half < x.len() {
            let stride = x.len() / (2 * half);
            for block in x.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                let twiddles = self.twiddles.iter().step_by(stride);
                for ((a, b), twiddle) in low.iter_mut().zip(high).zip(twiddles) {
                    let turned = *b * *twiddle;
                    (*a, *b) = (*a + turned, *a - turned);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_equals_its_definition() {
        let x: Vec<_> = (0..32_u32)
            .map(|k| Complex {
                re: f64::from(k * 7 % 11),
                im: f64::from(k * 5 % 13),
            })
            .collect();
        let mut fast = x.clone();
        Fft::new(32).forward(&mut fast);
        for (k, fast) in (0_u32..).zip(&fast) {
            let slow = (0_u32..).zip(&x).fold(Complex::ZERO, |sum, (n, x)| {
                sum + *x * Complex::unit(-2.0 * PI * f64::from(k * n) / 32.0)
            });
            assert!((slow - *fast).magnitude() < 1e-10, "bin {k}");
        }
    }

    #[test]
    fn a_zero_outside_of_the_unit_circle_is_reflected() {
        // (1 - 2z)(1 - z/3), its larger zero reflected: -2 (1 - z/2)(1 - z/3).
        let made = minimum_phase(&[1.0, -2.0 - 1.0 / 3.0, 2.0 / 3.0]);
        for (made, expected) in made.iter().zip([2.0, -5.0 / 3.0, 1.0 / 3.0]) {
            assert!((made.abs() - f64::abs(expected)).abs() < 1e-6, "{made}");
        }
    }

    #[test]
    fn polynomials_are_interpolated_exactly() {
        let taps: Vec<f64> = (0..20_u8).map(|x| f64::from(x).powi(3) / 100.0).collect();
        let made = interpolate(&taps, 0.25);
        for (index, made) in (0_u8..).zip(&made).take(15 * 4).skip(4 * 4) {
            let x = f64::from(index) / 4.0;
            assert!((made - x.powi(3) / 100.0).abs() < 1e-9, "{x}: {made}");
        }
    }
}
