//! Every backend against its definition, and against the scalar one.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "small numbers"
)]

use proptest::prelude::*;

use super::Backend;
use super::fir::{Bank, Coefs, Group, LANES};
use crate::dsp::convert::Sample;
use crate::dsp::g711::{to_alaw, to_ulaw};

/// The backends of this machine; those it has not are named in the output of the tests.
fn backends() -> Vec<Backend> {
    Backend::NAMES
        .into_iter()
        .filter_map(|name| {
            let backend = Backend::named(name).ok();
            if backend.is_none() {
                #[expect(clippy::print_stderr, reason = "so that a test not run is seen")]
                {
                    eprintln!("skipped: the {name} kernels are not for this machine");
                }
            }
            backend
        })
        .collect()
}

/// Coefficients and samples that look like neither sorted nor repeated.
fn scattered(frames: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    (0..frames)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
        })
        .collect()
}

/// As coefficients.
fn row(frames: &[f32]) -> Vec<Coefs> {
    frames.as_chunks().0.iter().copied().map(Coefs).collect()
}

/// A bank of groups of these sizes, whose windows lie `stride` apart.
fn some_bank(sizes: &[usize], taps: usize, stride: usize) -> Bank {
    let mut groups = Vec::new();
    let (mut first_out, mut coefs) = (0, 0);
    for (index, outs) in sizes.iter().copied().enumerate() {
        groups.push(Group {
            outs,
            first_out,
            window: index * stride,
            coefs: coefs / LANES,
        });
        first_out += outs;
        coefs += outs * taps;
    }
    Bank {
        coefs: row(&scattered(coefs, 11)),
        groups,
        taps,
        period_outs: first_out,
        period_ins: sizes.len() * stride,
    }
}

/// Output `out` of `group`, in double precision.
fn expected(bank: &Bank, group: Group, out: usize, x: &[f32]) -> f64 {
    let steps = &bank.coefs[group.coefs..][..group.outs * bank.taps / LANES];
    let row = steps.iter().skip(out).step_by(group.outs);
    row.flat_map(|coefs| coefs.0)
        .zip(x)
        .map(|(coef, x)| f64::from(coef) * f64::from(*x))
        .sum()
}

#[test]
fn a_filter_is_a_sum_of_products_whichever_tile_made_it() {
    for backend in backends() {
        for (sizes, taps, stride) in [
            (&[4][..], 8, 12),
            (&[4], 224, 3),
            (&[3], 40, 2),
            (&[4, 3, 3], 64, 5),
            (&[3, 3], 16, 1),
            (&[4, 4, 4, 3], 208, 11),
        ] {
            let bank = some_bank(sizes, taps, stride);
            let x = scattered(20 * stride * sizes.len() + 2 * taps, 5);
            for first in 0..sizes.len() {
                for count in [0, 1, 2, 3, 5, 11, 13] {
                    let mut out = vec![f32::NAN; 4 * count];
                    let made = backend.fir(&bank, &x, first, count, &mut out);
                    let mut at = 0;
                    for index in first..first + count {
                        let group = bank.groups[index % sizes.len()];
                        let start = (index - first) * stride;
                        let mut alone = [0.0; 4];
                        let one =
                            backend.fir(&bank, &x[start..], index % sizes.len(), 1, &mut alone);
                        assert_eq!(one, group.outs);
                        for (row, alone) in alone[..one].iter().enumerate() {
                            assert_eq!(out[at].to_bits(), alone.to_bits(), "{backend:?}");
                            let error =
                                f64::from(*alone) - expected(&bank, group, row, &x[start..]);
                            assert!(error.abs() < 1e-5, "{backend:?} {sizes:?}: {error}");
                            at += 1;
                        }
                    }
                    assert_eq!(made, at);
                }
            }
        }
    }
}

#[test]
fn a_pair_of_rows_is_two_sums_of_products() {
    for backend in backends() {
        for taps in [0, 8, 16, 80, 552] {
            let (a, b, x) = (scattered(taps, 1), scattered(taps, 2), scattered(taps, 3));
            let [first, second] = backend.dot_pair([&row(&a), &row(&b)], &x);
            for (made, factors) in [(first, &a), (second, &b)] {
                let sum: f64 = factors
                    .iter()
                    .zip(&x)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum();
                assert!((f64::from(made) - sum).abs() < 1e-5, "{backend:?} {taps}");
            }
        }
    }
}

#[test]
fn a_sum_of_nothing_is_a_positive_zero() {
    for backend in backends() {
        // Products so small that they round to a negative zero.
        let [sum, _] = backend.dot_pair([&row(&[-1e-30; 8]), &row(&[0.0; 8])], &[1e-30; 8]);
        assert_eq!(sum.to_bits(), 0.0_f32.to_bits(), "{backend:?}");
    }
}

#[test]
fn every_int16_is_loaded_and_companded_alike() {
    let every: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    for backend in backends() {
        let mut floats = vec![f32::NAN; every.len()];
        backend.load(&every, &mut floats);
        assert!(
            every
                .iter()
                .zip(&floats)
                .all(|(x, y)| y.to_bits() == (f32::from(*x) / 32_768.0).to_bits())
        );
        let mut codes = vec![0; every.len()];
        backend.ulaw_encode(&every, &mut codes);
        assert!(every.iter().zip(&codes).all(|(x, y)| to_ulaw(*x) == *y));
        backend.alaw_encode(&every, &mut codes);
        assert!(every.iter().zip(&codes).all(|(x, y)| to_alaw(*x) == *y));
    }
}

#[test]
fn unknown_and_foreign_backends_are_refused_in_words() {
    let foreign = if cfg!(target_arch = "x86_64") {
        "neon"
    } else {
        "avx2"
    };
    for name in [foreign, "AVX2", ""] {
        let refused = Backend::named(name).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|text| text.contains(name) && text.contains("'scalar'")));
    }
    assert_eq!(Backend::named("scalar"), Ok(Backend::SCALAR));
    assert!(Backend::named(Backend::detect().name()).is_ok());
}

proptest! {
    #[test]
    fn floats_are_stored_as_the_definition_says(
        bits in prop::collection::vec(
            prop_oneof![any::<u32>(), (-1.1_f32..1.1).prop_map(f32::to_bits)], 0..70),
    ) {
        let x: Vec<f32> = bits.iter().copied().map(f32::from_bits).collect();
        let expected: Vec<i16> = x.iter().map(|x| {
            let scaled = f64::from(*x) * 32_768.0;
            if scaled.is_nan() { 0 } else { scaled.round_ties_even() as i16 }
        }).collect();
        for backend in backends() {
            let mut words = vec![77_i16; x.len()];
            backend.store_i16(&x, &mut words);
            prop_assert_eq!(&words, &expected);
            let mut bytes = vec![[7_u8; 2]; x.len()];
            backend.store_i16(&x, &mut bytes);
            let words: Vec<_> = bytes.into_iter().map(i16::from_le_bytes).collect();
            prop_assert_eq!(&words, &expected);
            let mut finite = vec![f32::NAN; x.len()];
            backend.load(&x, &mut finite);
            prop_assert!(x.iter().zip(&finite).all(|(x, y)| x.to_f32().to_bits() == y.to_bits()));
        }
    }

    #[test]
    fn channels_are_averaged_alike(
        x in prop::collection::vec(any::<i16>(), 0..200), channels in 1_u16..7,
    ) {
        let frames = x.len() / usize::from(channels);
        let x = &x[..frames * usize::from(channels)];
        let mut expected = vec![0_i16; frames];
        Backend::SCALAR.downmix(x, channels, &mut expected);
        for (mean, frame) in expected.iter().zip(x.chunks(channels.into())) {
            let sum: i64 = frame.iter().copied().map(i64::from).sum();
            prop_assert_eq!(i64::from(*mean), nearest_even(sum, channels.into()));
        }
        for backend in backends() {
            let mut mono = vec![0_i16; frames];
            backend.downmix(x, channels, &mut mono);
            prop_assert_eq!(&mono, &expected);
        }
    }
}

/// `sum / count`, rounded to nearest even.
fn nearest_even(sum: i64, count: i64) -> i64 {
    let (floor, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    let up = 2 * rest > count || (2 * rest == count && floor % 2 != 0);
    floor + i64::from(up)
}

#[test]
fn a_mean_of_any_number_of_channels_is_the_nearest() {
    for channels in 1..=256_u16 {
        let count = i64::from(channels);
        // Around a half, and the next sum, where a number is large and where it is small.
        for base in [-32_768_i64, -20_001, -1, 0, 1, 2, 3, 12_345, 32_766] {
            for sum in [count / 2, count / 2 + 1, (count + 1) / 2, count - 1] {
                let sum = base * count + sum;
                let (each, more) = (sum.div_euclid(count), sum.rem_euclid(count));
                let frame: Vec<i16> = (0..count)
                    .map(|k| i16::try_from(each + i64::from(k < more)).unwrap_or_default())
                    .collect();
                for backend in backends() {
                    let mut mean = [0_i16];
                    backend.downmix(&frame, channels, &mut mean);
                    let expected = nearest_even(sum, count);
                    assert_eq!(i64::from(mean[0]), expected, "{sum} / {channels}");
                }
            }
        }
    }
}
