//! Conversion between int16 and float32 samples.
//!
//! Full scale is ±1.0 and ±32768. int16 to float32 is exact; the way back rounds to nearest
//! even and saturates, so a round trip of int16 is the identity.

use super::kernels::Backend;

/// Adding 1.5 * 2^23 to a float of magnitude below 2^22 leaves its integer part, rounded to
/// nearest even by the adder, in the low bits of the mantissa.
const ROUND_TO_LOW_BITS: f32 = 12_582_912.0;

/// Beyond this a float32 sample is treated as infinite, so that no sum of products overflows.
pub const LARGEST_SAMPLE: f32 = 1e30;

/// A sample type that the stages of the core read and write.
pub trait Sample: Copy + Default + private::Sealed {
    /// As float32, full scale ±1.0. Always finite: NaN gives 0, infinities (anything beyond
    /// ±[`LARGEST_SAMPLE`]) give ±1.0.
    fn to_f32(self) -> f32;
    /// From a float32: int16 rounds to nearest even and saturates, float32 is the identity.
    fn from_f32(x: f32) -> Self;
    /// [`from_f32`](Self::from_f32) of each sample, up to the shorter slice.
    fn store(backend: Backend, x: &[f32], out: &mut [Self]);
}

mod private {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for f32 {}
    impl Sealed for [u8; 2] {}
    impl Sealed for [u8; 4] {}
}

impl Sample for i16 {
    #[inline]
    fn to_f32(self) -> f32 {
        f32::from(self) * (1.0 / 32_768.0)
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is the rounded sample"
    )]
    fn from_f32(x: f32) -> Self {
        let scaled = if x.is_nan() { 0.0 } else { x * 32_768.0 };
        let rounded = scaled.clamp(-32_768.0, 32_767.0) + ROUND_TO_LOW_BITS;
        (rounded.to_bits() as u16).cast_signed()
    }

    fn store(backend: Backend, x: &[f32], out: &mut [Self]) {
        backend.store_i16(x, out);
    }
}

impl Sample for f32 {
    #[inline]
    fn to_f32(self) -> f32 {
        let saturated = if self.abs() <= LARGEST_SAMPLE {
            self
        } else {
            1.0_f32.copysign(self)
        };
        if self.is_nan() { 0.0 } else { saturated }
    }

    #[inline]
    fn from_f32(x: f32) -> Self {
        x
    }

    fn store(_: Backend, x: &[f32], out: &mut [Self]) {
        let frames = x.len().min(out.len());
        out[..frames].copy_from_slice(&x[..frames]);
    }
}

/// An int16 as little-endian bytes.
impl Sample for [u8; 2] {
    #[inline]
    fn to_f32(self) -> f32 {
        i16::from_le_bytes(self).to_f32()
    }

    #[inline]
    fn from_f32(x: f32) -> Self {
        i16::from_f32(x).to_le_bytes()
    }

    fn store(backend: Backend, x: &[f32], out: &mut [Self]) {
        backend.store_i16(x, out);
    }
}

/// A float32 as little-endian bytes.
impl Sample for [u8; 4] {
    #[inline]
    fn to_f32(self) -> f32 {
        f32::from_le_bytes(self).to_f32()
    }

    #[inline]
    fn from_f32(x: f32) -> Self {
        x.to_le_bytes()
    }

    fn store(_: Backend, x: &[f32], out: &mut [Self]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = x.to_le_bytes();
        }
    }
}

/// Converts float32 to int16: nearest even of `x * 32768`, saturating, NaN to 0.
///
/// # Panics
/// If the slices differ in length.
pub fn f32_to_i16(x: &[f32], out: &mut [i16]) {
    assert_eq!(x.len(), out.len(), "f32_to_i16: lengths differ");
    Backend::current().store_i16(x, out);
}

/// Converts int16 to float32: `x / 32768`, exact.
///
/// # Panics
/// If the slices differ in length.
pub fn i16_to_f32(x: &[i16], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "i16_to_f32: lengths differ");
    Backend::current().load(x, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_int16_survives_the_round_trip() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut floats = vec![0.0; all.len()];
        let mut back = vec![0; all.len()];
        i16_to_f32(&all, &mut floats);
        f32_to_i16(&floats, &mut back);
        assert_eq!(all, back);
    }

    #[test]
    fn halves_round_to_even_and_the_range_saturates() {
        let step = 1.0 / 32_768.0;
        let cases = [
            (0.5 * step, 0),
            (1.5 * step, 2),
            (2.5 * step, 2),
            (-0.5 * step, 0),
            (-1.5 * step, -2),
            (-2.5 * step, -2),
            (0.500_001 * step, 1),
            (1.0, 32_767),
            (-1.0, -32_768),
            (1.5, 32_767),
            (-1.5, -32_768),
            (f32::MAX, 32_767),
            (f32::MIN, -32_768),
            (f32::INFINITY, 32_767),
            (f32::NEG_INFINITY, -32_768),
            (f32::NAN, 0),
            (f32::from_bits(0x7fc0_1234), 0),
            (f32::from_bits(0xffff_ffff), 0),
            (1e-40, 0),
            (-0.0, 0),
        ];
        for (x, expected) in cases {
            assert_eq!(i16::from_f32(x), expected, "{x}");
        }
    }

    #[test]
    fn rounding_equals_the_library_function_around_every_half() {
        for k in -131_072_i32..131_072 {
            #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
            let x = k as f32 / 4.0 / 32_768.0;
            #[expect(clippy::cast_possible_truncation, reason = "saturates as intended")]
            let expected = (x * 32_768.0).round_ties_even() as i16;
            assert_eq!(i16::from_f32(x), expected, "{x}");
        }
    }

    #[test]
    fn a_float_that_is_not_finite_becomes_harmless() {
        for (x, expected) in [
            (f32::NAN, 0.0_f32),
            (f32::INFINITY, 1.0),
            (f32::NEG_INFINITY, -1.0),
            (f32::MIN, -1.0),
            (32_768.0, 32_768.0),
            (-0.0, -0.0),
        ] {
            assert_eq!(x.to_f32().to_bits(), expected.to_bits(), "{x}");
        }
    }
}
