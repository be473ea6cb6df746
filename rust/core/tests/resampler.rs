//! The streaming resampler against a direct convolution in double precision, and its contract.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "a test may panic, and its numbers are small"
)]

use antiphon_core::dsp::kernels::Backend;
use antiphon_core::dsp::resample::{Profile, Resampler, Skipped, resample};

/// The profiles that look ahead, and come out in time.
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
fn every_backend_makes_the_same_stream_but_for_the_last_bit() {
    let x = noise(3_000);
    let names = Backend::NAMES.into_iter();
    for backend in names.filter_map(|name| Backend::named(name).ok()) {
        for (in_hz, out_hz) in [(48_000, 16_000), (16_000, 24_000), (44_100, 16_000)] {
            let make = |backend| {
                let mut resampler =
                    Resampler::with_backend(in_hz, out_hz, Profile::Hq, backend).unwrap();
                stream(&mut resampler, &x, &[480])
            };
            let (made, expected) = (make(backend), make(Backend::SCALAR));
            assert_eq!(made.len(), expected.len());
            assert!(
                made.iter()
                    .zip(&expected)
                    .all(|(a, b)| (a - b).abs() < 1e-6)
            );
        }
    }
}

/// Gain in dB of a tone, and how much later it comes out than in time, in seconds.
fn heard(resampler: &mut Resampler, hz: f64) -> (f64, f64) {
    let (in_hz, out_hz) = (resampler.in_hz(), resampler.out_hz());
    let turn =
        |frame: usize, rate_hz: u32| std::f64::consts::TAU * hz * frame as f64 / f64::from(rate_hz);
    let x: Vec<f32> = (0..in_hz as usize / 2)
        .map(|frame| turn(frame, in_hz).sin() as f32)
        .collect();
    let made = stream(resampler, &x, &[1_000]);
    let steady = out_hz as usize / 10..out_hz as usize / 10 * 4; // whole turns of a multiple of 10 Hz
    let (mut sine, mut cosine) = (0.0, 0.0);
    for frame in steady.clone() {
        sine += f64::from(made[frame]) * turn(frame, out_hz).sin();
        cosine += f64::from(made[frame]) * turn(frame, out_hz).cos();
    }
    let amplitude = 2.0 * sine.hypot(cosine) / steady.len() as f64;
    let late_s = (-cosine).atan2(sine) / (std::f64::consts::TAU * hz);
    (20.0 * amplitude.log10(), late_s)
}

#[test]
fn low_latency_is_the_voice_filter_without_its_delay() {
    for (in_hz, out_hz, limit_s) in [
        (48_000, 16_000, 0.000_6),
        (44_100, 16_000, 0.000_6),
        (24_000, 16_000, 0.000_6),
        (16_000, 24_000, 0.000_6),
        (24_000, 48_000, 0.000_6),
        (8_000, 16_000, 0.001_8),
        (24_000, 8_000, 0.001_8),
    ] {
        let nyquist_hz = f64::from(in_hz.min(out_hz)) / 2.0;
        let mut resampler = Resampler::new(in_hz, out_hz, Profile::LowLatency).unwrap();
        assert_eq!(resampler.delay_frames(), (0, 1));
        for part in [0.05, 0.2, 0.4, 0.6, 0.8, 0.85] {
            let hz = (part * nyquist_hz / 10.0).floor() * 10.0;
            let (gain_db, late_s) = heard(&mut resampler, hz);
            assert!(
                gain_db.abs() < 0.01,
                "{in_hz}->{out_hz} {hz} Hz: {gain_db} dB"
            );
            let group_delay_s = resampler.group_delay_s(hz).unwrap();
            assert!(
                group_delay_s < limit_s || part > 0.8, // it rises towards the edge
                "{in_hz}->{out_hz} {hz} Hz: {group_delay_s}"
            );
            if part <= 0.2 {
                // Far from the edge the phase is nearly linear: both delays are one.
                assert!((late_s - group_delay_s).abs() < 0.05 * group_delay_s + 2e-6);
            }
        }
        if out_hz < in_hz {
            for part in [1.02, 1.1, 1.3] {
                let hz = (part * nyquist_hz / 10.0).ceil() * 10.0;
                let x: Vec<f32> = (0..in_hz)
                    .map(|k| {
                        (std::f64::consts::TAU * hz * f64::from(k) / f64::from(in_hz)).sin() as f32
                    })
                    .collect();
                let made = stream(&mut resampler, &x, &[480]);
                let loudest = made[500..made.len() - 500]
                    .iter()
                    .fold(0.0_f32, |a, b| a.max(b.abs()));
                assert!(loudest < 1.26e-4, "{in_hz}->{out_hz} {hz} Hz: {loudest}"); // -78 dB
            }
        }
    }
}

#[test]
fn the_group_delay_of_linear_phase_is_the_delay() {
    for profile in PROFILES {
        let resampler = Resampler::new(48_000, 16_000, profile).unwrap();
        for hz in [0.0, 997.0, 8_000.0] {
            assert_eq!(resampler.group_delay_s(hz).unwrap(), resampler.delay_s());
        }
    }
    let same = Resampler::new(16_000, 16_000, Profile::LowLatency).unwrap();
    assert_eq!(same.group_delay_s(1_000.0).unwrap(), 0.0);
    for hz in [-1.0, 8_000.1, f64::NAN, f64::INFINITY] {
        let refused = Resampler::new(48_000, 16_000, Profile::Voice)
            .unwrap()
            .group_delay_s(hz);
        let text = refused.unwrap_err().to_string();
        assert_eq!(
            text,
            format!("hz is {hz}; it must be 0 to 8000, half of the lower rate")
        );
    }
}

#[test]
fn lengths_are_exact_in_every_profile() {
    for profile in Profile::ALL {
        for (in_hz, out_hz) in [
            (48_000, 16_000),
            (16_000, 48_000),
            (44_100, 16_000),
            (24_000, 44_100),
        ] {
            let (up, down) = reduced(in_hz, out_hz);
            for frames in [0, 1, 2, 3, 5, 441, 1_000_001] {
                let made: Vec<f32> =
                    resample(&vec![0.5_f32; frames], in_hz, out_hz, profile).unwrap();
                assert_eq!(
                    made.len(),
                    (2 * frames * up + down) / (2 * down),
                    "{in_hz}->{out_hz} {profile:?} {frames}"
                );
            }
        }
    }
}

#[test]
fn one_shot_takes_the_ratios_that_a_stream_takes() {
    // Terms whose factors are small, so that transforms could do it.
    for (in_hz, out_hz) in [(7_203, 6_400), (4_096, 6_561)] {
        for profile in Profile::ALL {
            let refused = Resampler::new(in_hz, out_hz, profile).unwrap_err();
            for frames in [0, 1, 100_000] {
                let made: Result<Vec<f32>, _> = resample(&noise(frames), in_hz, out_hz, profile);
                assert_eq!(made.unwrap_err(), refused, "{frames} frames");
            }
        }
    }
}

#[test]
fn one_shot_is_near_the_stream_at_full_scale_too() {
    let signs = noise(200_000)
        .iter()
        .map(|x| 1.0_f32.copysign(*x))
        .collect();
    let square = |period: usize| {
        let sign = |k: usize| {
            if (k / period).is_multiple_of(2) {
                1.0
            } else {
                -1.0
            }
        };
        (0..200_000).map(sign).collect::<Vec<f32>>()
    };
    let signals: [Vec<f32>; 5] = [
        signs,
        square(3),
        square(37),
        square(333),
        vec![1.0; 200_000],
    ];
    for (in_hz, out_hz) in [
        (48_000, 16_000),
        (24_000, 48_000),
        (8_000, 48_000),
        (44_100, 48_000),
        (48_000, 44_100),
    ] {
        for x in &signals {
            let made: Vec<f32> = resample(x, in_hz, out_hz, Profile::Hq).unwrap();
            let mut resampler = Resampler::new(in_hz, out_hz, Profile::Hq).unwrap();
            let expected: Vec<f32> = resampler.process(x, true).unwrap();
            let loudest = expected.iter().fold(0.0, |most: f32, y| most.max(y.abs()));
            let pairs = made.iter().zip(&expected);
            let error = pairs.fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs()));
            assert!(
                error < 1.4e-6 * loudest,
                "{in_hz}->{out_hz}: {error} of {loudest}"
            );
        }
    }
}

#[test]
fn one_shot_is_the_stream() {
    for profile in Profile::ALL {
        for (in_hz, out_hz) in [
            (48_000, 16_000),
            (24_000, 48_000),
            (16_000, 24_000),
            (44_100, 16_000),
            (24_000, 44_100),
            (32_000, 44_000),
            (16_000, 16_000),
        ] {
            for frames in [100, 7_056, 50_000] {
                let x = noise(frames);
                let made: Vec<f32> = resample(&x, in_hz, out_hz, profile).unwrap();
                let mut resampler = Resampler::new(in_hz, out_hz, profile).unwrap();
                let expected = stream(&mut resampler, &x, &[480]);
                assert_eq!(made.len(), expected.len());
                let error = made
                    .iter()
                    .zip(&expected)
                    .fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs()));
                let what = format!("{in_hz}->{out_hz} {profile:?} {frames}: {error}");
                assert!(error < 1e-6, "{what}"); // -120 dBFS
                assert!(profile == Profile::Hq || error == 0.0, "{what}");
            }
        }
    }
    let pcm: Vec<i16> = noise(50_000)
        .iter()
        .map(|x| (x * 32_768.0) as i16)
        .collect();
    let made: Vec<i16> = resample(&pcm, 48_000, 16_000, Profile::Hq).unwrap();
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Hq).unwrap();
    let expected: Vec<i16> = resampler.process(&pcm, true).unwrap();
    assert!(
        made.iter()
            .zip(&expected)
            .all(|(a, b)| (i32::from(*a) - i32::from(*b)).abs() <= 1)
    );
    assert!(resample::<f32, f32>(&[], 3_999, 16_000, Profile::Hq).is_err());
    assert!(resample::<f32, f32>(&[], 44_101, 48_000, Profile::Hq).is_err());
}

#[test]
fn a_long_gap_costs_no_more_than_the_filter() {
    let mut resampler = Resampler::new(44_100, 16_000, Profile::Hq).unwrap();
    let before = noise(1_000);
    let mut out = vec![0.0_f32; 1_000];
    resampler.process_into(&before, &mut out).unwrap();
    // A day. The silence is counted, and the stream goes on where it would.
    let gap = 86_400 * 44_100 / 441 * 441;
    let made = resampler.skip_into(gap, &mut out).unwrap();
    assert!(made.frames < 300);
    assert_eq!(made.frames + made.silent_frames, gap / 441 * 160);
    assert!(out[..made.frames].iter().any(|y| *y != 0.0));
    let after: Vec<f32> = resampler.process(&before, false).unwrap();
    let fresh: Vec<f32> = {
        let mut fresh = Resampler::new(44_100, 16_000, Profile::Hq).unwrap();
        // As far into a period of 441 as the other one is.
        fresh
            .process::<f32, f32>(&[0.0; 2_205 + 118], false)
            .unwrap();
        fresh.process(&before, false).unwrap()
    };
    assert_eq!(after, fresh);
}

#[test]
fn a_gap_at_equal_rates_is_all_silence_and_too_long_a_gap_is_refused() {
    let mut resampler = Resampler::new(16_000, 16_000, Profile::Voice).unwrap();
    let skipped = resampler.skip_into::<f32>(1_000, &mut []).unwrap();
    assert_eq!(
        skipped,
        Skipped {
            frames: 0,
            silent_frames: 1_000
        }
    );
    let mut resampler = Resampler::new(48_000, 16_000, Profile::Voice).unwrap();
    let refused = resampler.skip_into::<f32>(48_000, &mut []).unwrap_err();
    let needed = resampler.max_skip_frames(48_000);
    assert_eq!(
        refused.to_string(),
        format!("out holds 0 frames; it must hold at least {needed}")
    );
    #[cfg(target_pointer_width = "64")]
    {
        let refused = resampler
            .skip_into(1 << 32, &mut [0.0_f32; 1_000])
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "frames is 4294967296; it must be 0 to 4294967295"
        );
    }
    assert_eq!(resampler.flush_frames(), 0, "nothing happened");
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
    for profile in Profile::ALL {
        assert_eq!(profile.name().parse(), Ok(profile));
    }
    let text = "best".parse::<Profile>().unwrap_err().to_string();
    assert!(text.ends_with("'voice', 'voice_plus', 'hq' or 'lowlatency'"));
}
