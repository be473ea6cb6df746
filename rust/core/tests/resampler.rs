//! The streaming resampler against a direct convolution in double precision, and its contract.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test may panic, and its numbers are small"
)]

use antiphon_core::dsp::resample::{Profile, Resampler};

const PROFILES: [Profile; 3] = [Profile::Voice, Profile::VoicePlus, Profile::Hq];
const RATES_HZ: [u32; 8] = [
    8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
];

/// Everything that comes out for `x` cut into blocks of these sizes, repeated.
fn stream(resampler: &mut Resampler, x: &[f32], blocks: &[usize]) -> Vec<f32> {
    let mut out = Vec::new();
    let mut sizes = blocks.iter().cycle();
    let mut rest = x;
    while !rest.is_empty() {
        let (block, tail) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        let mut ready = vec![0.0; resampler.max_output_frames(block.len())];
        let frames = resampler.process_into(block, &mut ready).unwrap();
        out.extend_from_slice(&ready[..frames]);
        rest = tail;
    }
    let mut tail = vec![0.0; resampler.flush_frames()];
    let frames = resampler.flush_into(&mut tail).unwrap();
    out.extend_from_slice(&tail[..frames]);
    out
}

/// Reproducible noise, uniform in ±0.9.
fn noise(frames: usize) -> Vec<f32> {
    let mut state = 0x2545_f491_u32;
    (0..frames)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (f64::from(state) / f64::from(u32::MAX) * 1.8 - 0.9) as f32
        })
        .collect()
}

fn reduced(in_hz: u32, out_hz: u32) -> (usize, usize) {
    let divisor = (1..=in_hz.min(out_hz))
        .rev()
        .find(|d| in_hz.is_multiple_of(*d) && out_hz.is_multiple_of(*d))
        .unwrap();
    ((out_hz / divisor) as usize, (in_hz / divisor) as usize)
}

/// The filter as the outside sees it: the answers to unit impulses, one per input phase, merged
/// into one response at the virtual rate. Independent of how the bank is laid out.
fn impulse_response(in_hz: u32, out_hz: u32, profile: Profile) -> (Vec<f64>, i64) {
    let (up, down) = reduced(in_hz, out_hz);
    let mut resampler = Resampler::new(in_hz, out_hz, profile).unwrap();
    let (ahead, _) = resampler.delay_frames();
    let half = i64::try_from(ahead).unwrap();
    let mut response = vec![0.0; 2 * ahead + 1];
    let lead = 2 * ahead / up + down; // room for the whole response before the impulse
    for offset in 0..down {
        let position = lead + offset;
        let mut x = vec![0.0; position + lead];
        x[position] = 1.0;
        for (k, y) in stream(&mut resampler, &x, &[997]).iter().enumerate() {
            let at =
                i64::try_from(k * down).unwrap() - i64::try_from(position * up).unwrap() + half;
            match usize::try_from(at).ok().and_then(|at| response.get_mut(at)) {
                Some(slot) => *slot = f64::from(*y),
                None => assert_eq!(*y, 0.0, "energy outside of the filter at {at}"),
            }
        }
    }
    (response, half)
}

#[test]
fn the_stream_equals_a_direct_convolution() {
    for (in_hz, out_hz) in [
        (48_000, 16_000),
        (24_000, 48_000),
        (24_000, 16_000),
        (44_100, 48_000),
    ] {
        for profile in PROFILES {
            let (up, down) = reduced(in_hz, out_hz);
            let (response, half) = impulse_response(in_hz, out_hz, profile);
            let x = noise(1_500);
            let mut resampler = Resampler::new(in_hz, out_hz, profile).unwrap();
            let got = stream(&mut resampler, &x, &[480]);
            assert_eq!(got.len(), (2 * x.len() * up + down) / (2 * down));
            for (k, y) in got.iter().enumerate() {
                let newest = (k * down) as i64 + half;
                let expected: f64 = (0..x.len())
                    .filter_map(|i| {
                        let tap = usize::try_from(newest - (i * up) as i64).ok()?;
                        Some(response.get(tap)? * f64::from(x[i]))
                    })
                    .sum();
                let error = (f64::from(*y) - expected).abs();
                assert!(
                    error < 1e-6,
                    "{in_hz}->{out_hz} {profile:?} frame {k}: {error}"
                );
            }
        }
    }
}

#[test]
fn the_response_is_symmetric() {
    let (response, _) = impulse_response(48_000, 16_000, Profile::Voice);
    assert!(
        response
            .iter()
            .zip(response.iter().rev())
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    // With several phases, each is scaled to unit gain of its own.
    let (response, _) = impulse_response(24_000, 16_000, Profile::Voice);
    let asymmetry = response
        .iter()
        .zip(response.iter().rev())
        .map(|(a, b)| (a - b).abs());
    assert!(asymmetry.fold(0.0, f64::max) < 1e-5);
}

#[test]
fn any_pair_of_usual_rates_keeps_length_and_ignores_cuts() {
    for in_hz in RATES_HZ {
        for out_hz in RATES_HZ {
            let (up, down) = reduced(in_hz, out_hz);
            let mut resampler = Resampler::new(in_hz, out_hz, Profile::Voice).unwrap();
            let x = noise(4_321);
            let whole = stream(&mut resampler, &x, &[x.len()]);
            assert_eq!(
                whole.len(),
                (2 * x.len() * up + down) / (2 * down),
                "{in_hz}->{out_hz}"
            );
            let cut = stream(&mut resampler, &x, &[137, 1, 511, 64, 3, 882]);
            assert!(
                whole
                    .iter()
                    .zip(&cut)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            );
            assert_eq!(whole.len(), cut.len());
            if in_hz == out_hz {
                assert_eq!(whole, x);
            }
        }
    }
}

#[test]
fn what_is_held_back_is_constant_and_is_the_delay() {
    for profile in PROFILES {
        for (in_hz, out_hz) in [(48_000_u32, 16_000_u32), (44_100, 16_000), (8_000, 16_000)] {
            let mut resampler = Resampler::new(in_hz, out_hz, profile).unwrap();
            let (numerator, denominator) = resampler.delay_frames();
            let block = vec![0.25_f32; in_hz as usize / 100];
            let mut out = vec![0.0_f32; resampler.max_output_frames(block.len())];
            let mut emitted = 0;
            for call in 1..=30 {
                emitted += resampler.process_into(&block, &mut out).unwrap();
                let due = call * out_hz as usize / 100;
                assert_eq!(
                    due - emitted,
                    due.min(numerator / denominator),
                    "{profile:?} {call}"
                );
            }
        }
    }
}

#[test]
fn delays_are_within_the_promise_at_sixteen_kilohertz() {
    for (profile, limit_s) in PROFILES.into_iter().zip([0.0026, 0.0041, 0.0061]) {
        for (in_hz, out_hz) in [
            (48_000, 16_000),
            (44_100, 16_000),
            (24_000, 16_000),
            (16_000, 24_000),
            (16_000, 48_000),
        ] {
            let delay_s = Resampler::new(in_hz, out_hz, profile).unwrap().delay_s();
            assert!(
                delay_s <= limit_s,
                "{in_hz}->{out_hz} {profile:?}: {delay_s}"
            );
        }
    }
}

#[test]
fn a_constant_stays_constant() {
    let mut resampler = Resampler::new(44_100, 48_000, Profile::Voice).unwrap();
    let out = stream(&mut resampler, &vec![0.5; 4_410], &[441]);
    assert!(out[300..4_400].iter().all(|y| (y - 0.5).abs() < 1e-6));
}

#[test]
fn filling_on_demand_equals_the_stream() {
    for (in_hz, out_hz) in [
        (24_000, 48_000),
        (24_000, 44_100),
        (48_000, 16_000),
        (16_000, 16_000),
    ] {
        let x = noise(6_000);
        let mut resampler = Resampler::new(in_hz, out_hz, Profile::Voice).unwrap();
        let expected = stream(&mut resampler, &x, &[x.len()]);
        let (mut position, mut got) = (0, Vec::new());
        for frames in [1, 1, 2, 0, 441, 7, 512, 3, 64, 256].iter().cycle() {
            let needed = resampler.input_frames_for(*frames);
            let Some(block) = x.get(position..position + needed) else {
                break;
            };
            let mut out = vec![0.0; *frames];
            resampler.fill_from(block, &mut out).unwrap();
            got.extend_from_slice(&out);
            position += needed;
        }
        assert!(got.len() > 1_000);
        assert_eq!(got, expected[..got.len()], "{in_hz}->{out_hz}");
        let wrong = vec![0.0_f32; resampler.input_frames_for(64) + 1];
        assert!(resampler.fill_from(&wrong, &mut [0.0_f32; 64]).is_err());
    }
}

#[test]
fn int16_is_the_rounded_float_stream_and_saturates() {
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Voice).unwrap();
    let square: Vec<i16> = (0..4_800)
        .map(|i| if i / 48 % 2 == 0 { i16::MAX } else { i16::MIN })
        .collect();
    let as_float: Vec<f32> = square.iter().map(|&x| f32::from(x) / 32_768.0).collect();
    let float = stream(&mut resampler, &as_float, &[480]);
    let mut out = vec![0_i16; resampler.max_output_frames(square.len())];
    let frames = resampler.process_into(&square, &mut out).unwrap();
    for (int, float) in out[..frames].iter().zip(&float) {
        let expected = (f64::from(*float) * 32_768.0)
            .round_ties_even()
            .clamp(-32_768.0, 32_767.0);
        assert_eq!(f64::from(*int), expected);
    }
    assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
}

#[test]
fn samples_that_are_not_finite_leave_no_trace_behind() {
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Voice).unwrap();
    let mut x = vec![0.0_f32; 9_600];
    x[100..103].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    x[2_000..2_010].fill(f32::MAX);
    let out = stream(&mut resampler, &x, &[480]);
    assert!(out.iter().all(|y| y.abs() <= 3.0));
    assert!(out[1_600..].iter().all(|y| *y == 0.0));
}

#[test]
fn reset_and_flush_both_forget() {
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Voice).unwrap();
    let x = noise(1_000);
    let first = stream(&mut resampler, &x, &[100]);
    let mut out = vec![0.0_f32; 400];
    resampler.process_into(&x, &mut out).unwrap();
    resampler.reset();
    assert_eq!(resampler.flush_frames(), 0);
    assert_eq!(stream(&mut resampler, &x, &[100]), first);
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    let message = |in_hz, out_hz| {
        Resampler::new(in_hz, out_hz, Profile::Voice)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(3_999, 16_000),
        "in_hz is 3999; it must be 4000 to 384000"
    );
    assert_eq!(
        message(16_000, 384_001),
        "out_hz is 384001; it must be 4000 to 384000"
    );
    assert!(message(44_101, 48_000).contains("48000, and at most 2000"));
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Voice).unwrap();
    let refused = resampler
        .process_into(&[0.0_f32; 480], &mut [0.0_f32; 159])
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "out holds 159 frames; it must hold at least 160"
    );
    assert_eq!(resampler.flush_frames(), 0, "nothing was consumed");
    assert!("best".parse::<Profile>().is_err());
}
