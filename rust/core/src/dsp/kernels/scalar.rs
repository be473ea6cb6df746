//! The portable kernels: plain Rust in lanes, for the compiler to vectorise.

use super::LANES;

/// The sum of `a[i] * b[i]`, in [`LANES`] interleaved partial sums added as a balanced tree.
///
/// Both slices must have the same length, a multiple of [`LANES`]; what is beyond is ignored.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_sum_exactly() {
        let a: Vec<f32> = (0_u8..48).map(f32::from).collect();
        let b: Vec<f32> = (0_u8..48).rev().map(f32::from).collect();
        let expected: u16 = (0..48).map(|i| i * (47 - i)).sum();
        assert_eq!(dot(&a, &b).to_bits(), f32::from(expected).to_bits());
        assert_eq!(dot(&[], &[]).to_bits(), 0.0_f32.to_bits());
    }
}
