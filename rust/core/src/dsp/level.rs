//! Levels in decibels relative to full scale.

/// The root mean square of int16 samples in dBFS, where a full-scale square wave is 0 and a
/// full-scale sine is -3.01. Negative infinity for silence or no samples at all.
pub fn rms_dbfs(pcm: &[i16]) -> f64 {
    let energy: u64 = pcm
        .iter()
        .map(|&x| u64::from(x.unsigned_abs()).pow(2))
        .sum();
    dbfs(energy, pcm.len())
}

/// The level in dBFS of `samples` int16 samples whose squares sum to `energy`.
pub(crate) fn dbfs(energy: u64, samples: usize) -> f64 {
    if energy == 0 {
        return f64::NEG_INFINITY;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a relative error of 2^-53 is no error in dB"
    )]
    let mean_square = energy as f64 / samples as f64;
    10.0 * (mean_square / (32_768.0 * 32_768.0)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_and_silence_is_minus_infinity() {
        assert!(rms_dbfs(&[i16::MIN; 160]).abs() < 1e-12);
        assert!((rms_dbfs(&[16_384, -16_384]) + 6.020_6).abs() < 1e-4);
        assert!(rms_dbfs(&[0; 160]) < f64::MIN);
        assert!(rms_dbfs(&[]) < f64::MIN);
    }
}
