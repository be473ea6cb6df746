//! The resampler of variable ratio, and the loop that steers it.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test may panic, and its numbers are small"
)]

use std::f64::consts::TAU;

use antiphon_core::dsp::drift::{ClockDriftEstimator, DriftResampler};
use antiphon_core::dsp::kernels::Backend;
use proptest::prelude::*;

fn backends() -> impl Iterator<Item = Backend> {
    Backend::NAMES
        .into_iter()
        .filter_map(|name| Backend::named(name).ok())
}

fn tone(frames: usize, hz: f64, rate_hz: f64) -> Vec<f32> {
    (0..frames)
        .map(|k| (TAU * hz * k as f64 / rate_hz).sin() as f32)
        .collect()
}

fn feed(resampler: &mut DriftResampler, x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; resampler.max_output_frames(x.len())];
    let frames = resampler.process_into(x, &mut out).unwrap();
    out.truncate(frames);
    out
}

/// Signal-to-noise ratio in dB of a tone of `turns` per frame: what is left when the best sine
/// is taken away.
fn snr_db(y: &[f32], turns: f64) -> f64 {
    let [mut ss, mut sc, mut cc, mut ys, mut yc] = [0.0; 5];
    for (k, y) in y.iter().enumerate() {
        let (sine, cosine) = (TAU * turns * k as f64).sin_cos();
        ss += sine * sine;
        sc += sine * cosine;
        cc += cosine * cosine;
        ys += f64::from(*y) * sine;
        yc += f64::from(*y) * cosine;
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = (
        (ys * cc - yc * sc) / determinant,
        (yc * ss - ys * sc) / determinant,
    );
    let noise: f64 = y
        .iter()
        .enumerate()
        .map(|(k, y)| {
            let (sine, cosine) = (TAU * turns * k as f64).sin_cos();
            (f64::from(*y) - a * sine - b * cosine).powi(2)
        })
        .sum();
    10.0 * (f64::midpoint(a * a, b * b) * y.len() as f64 / noise).log10()
}

#[test]
fn a_tone_stays_a_tone_at_any_fixed_ratio() {
    for backend in backends() {
        for (in_hz, out_hz) in [
            (48_000, 48_000),
            (24_000, 48_000),
            (48_000, 16_000),
            (24_000, 44_100),
            (44_100, 16_000),
            (16_000, 24_000),
        ] {
            for ppm in [0.0, 500.0, -1_000.0, 37.3] {
                let mut resampler =
                    DriftResampler::with_backend(in_hz, out_hz, 1_000, backend).unwrap();
                resampler.set_ppm(ppm).unwrap();
                for hz in [997.0, 6_000.7] {
                    feed(&mut resampler, &tone(in_hz as usize, hz, in_hz.into()));
                    assert_eq!(resampler.ppm(), ppm, "settled after a second");
                    let y = feed(&mut resampler, &tone(in_hz as usize, hz, in_hz.into()));
                    let settled = &y[1_000..];
                    let turns = hz / f64::from(out_hz) * (1.0 + ppm * 1e-6);
                    let snr = snr_db(settled, turns);
                    assert!(
                        snr >= 110.0,
                        "{backend:?} {in_hz}->{out_hz} {ppm} ppm, {hz} Hz: {snr:.1} dB"
                    );
                }
            }
        }
    }
}

#[test]
fn output_is_aligned_in_time_and_counted_by_the_ratio() {
    let mut resampler = DriftResampler::new(48_000, 48_000, 1_000).unwrap();
    let x = tone(480_000, 440.0, 48_000.0);
    let y = feed(&mut resampler, &x);
    assert_eq!(x.len() - y.len(), 40, "the look-ahead");
    assert_eq!(resampler.delay_s(), 40.0 / 48_000.0);
    let late = x[200..]
        .iter()
        .zip(&y[200..])
        .fold(0.0, |worst: f32, (x, y)| worst.max((x - y).abs()));
    assert!(late < 1e-3);

    let mut resampler = DriftResampler::new(48_000, 48_000, 1_000).unwrap();
    resampler.set_ppm(1_000.0).unwrap();
    let frames = feed(&mut resampler, &x).len() + resampler.flush_frames();
    // 480,000 / 1.001, and the slew of 100 ms took half of its 4.8 frames.
    assert!((479_520..=479_524).contains(&frames), "{frames}");
}

#[test]
fn a_change_of_ratio_is_no_click() {
    // The second difference of a slow sine is small everywhere; a click would stand out.
    let mut resampler = DriftResampler::new(48_000, 48_000, 1_000).unwrap();
    let x = tone(96_000, 200.0, 48_000.0);
    let mut y = Vec::new();
    for (index, block) in x.chunks(480).enumerate() {
        let ppm = [0.0, 1_000.0, -1_000.0, 300.0][index / 7 % 4];
        resampler.set_ppm(ppm).unwrap();
        y.extend(feed(&mut resampler, block));
    }
    let steady = (TAU * 200.0 / 48_000.0).powi(2);
    for (k, w) in y[200..].windows(3).enumerate() {
        let bend = f64::from(w[0] - 2.0 * w[1] + w[2]).abs();
        assert!(
            bend < steady * 1.01 + 1e-6,
            "frame {k}: {bend} and not {steady}"
        );
    }
}

#[test]
fn filling_on_demand_equals_the_stream() {
    let x = tone(60_000, 997.0, 24_000.0);
    let mut stream = DriftResampler::new(24_000, 48_000, 1_000).unwrap();
    stream.set_ppm(-800.0).unwrap();
    let expected = feed(&mut stream, &x);
    let mut resampler = DriftResampler::new(24_000, 48_000, 1_000).unwrap();
    resampler.set_ppm(-800.0).unwrap();
    let (mut position, mut made) = (0, Vec::new());
    for frames in [1, 0, 480, 441, 7, 1_024].iter().cycle() {
        let needed = resampler.input_frames_for(*frames);
        let Some(block) = x.get(position..position + needed) else {
            break;
        };
        let mut out = vec![0.0_f32; *frames];
        resampler.fill_from(block, &mut out).unwrap();
        made.extend(out);
        position += needed;
    }
    assert!(made.len() > 100_000);
    assert_eq!(made, expected[..made.len()]);
    let wrong = vec![0.0_f32; resampler.input_frames_for(64) + 1];
    let refused = resampler.fill_from(&wrong, &mut [0.0_f32; 64]).unwrap_err();
    assert!(refused.to_string().contains("the input holds"));
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    let message = |in_hz, out_hz, ppm| {
        DriftResampler::new(in_hz, out_hz, ppm)
            .unwrap_err()
            .to_string()
    };
    assert!(message(3_999, 48_000, 1).starts_with("nominal_in_hz is 3999"));
    assert!(message(48_000, 400_000, 1).starts_with("nominal_out_hz is 400000"));
    assert_eq!(
        message(48_000, 48_000, 0),
        "max_ppm is 0; it must be 1 to 5000"
    );
    assert!(ClockDriftEstimator::new(0, 1, 1).is_err());
    assert!(ClockDriftEstimator::new(48_000, 1, 5_001).is_err());
    let mut resampler = DriftResampler::new(48_000, 48_000, 100).unwrap();
    assert!(resampler.set_ppm(f64::NAN).is_err());
    resampler.set_ppm(f64::INFINITY).unwrap(); // the limit
    feed(&mut resampler, &tone(9_600, 50.0, 48_000.0));
    assert_eq!(resampler.ppm(), 100.0);
    let refused = resampler.process_into(&[0.0_f32; 480], &mut [0.0_f32; 480]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "out holds 480 frames; it must hold at least 481"
    );
    assert!(resampler.flush_into(&mut [0.0_f32; 3]).is_err());
}

/// A writer and a reader with clocks of their own, a ring between them, and the loop.
struct World {
    resampler: DriftResampler,
    estimator: ClockDriftEstimator,
    ring_frames: f64,
    written_frames: f64,
    now_us: i64,
    /// Whether the loop is told when the last block was written.
    told: bool,
}

impl World {
    fn new(target_frames: u32) -> Self {
        Self {
            resampler: DriftResampler::new(48_000, 48_000, 1_000).unwrap(),
            estimator: ClockDriftEstimator::new(48_000, target_frames, 1_000).unwrap(),
            ring_frames: f64::from(target_frames),
            written_frames: 0.0,
            now_us: 0,
            told: false,
        }
    }

    /// Runs for a second at the reader's clock; gives the extremes of the fill seen by the loop.
    fn second(&mut self, writer_ppm: f64, block_frames: f64, read_frames: usize) -> (f64, f64) {
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        for _ in 0..48_000 / read_frames {
            let passed_us = read_frames as i64 * 1_000_000 / 48_000;
            self.now_us += passed_us;
            self.written_frames += passed_us as f64 * 0.048 * (1.0 + writer_ppm * 1e-6);
            while self.written_frames >= block_frames {
                self.written_frames -= block_frames;
                self.ring_frames += block_frames;
            }
            let ppm = if self.told {
                let written_us = self.now_us - (self.written_frames / 0.048) as i64;
                self.estimator
                    .update_written(self.ring_frames, self.now_us, written_us)
            } else {
                self.estimator.update(self.ring_frames, self.now_us)
            };
            (least, most) = (least.min(self.ring_frames), most.max(self.ring_frames));
            self.resampler.set_ppm(ppm).unwrap();
            let needed = self.resampler.input_frames_for(read_frames);
            let mut out = vec![0.0_f32; read_frames];
            self.resampler
                .fill_from(&vec![0.0_f32; needed], &mut out)
                .unwrap();
            self.ring_frames -= needed as f64;
        }
        (least, most)
    }
}

#[test]
fn the_loop_settles_within_twenty_seconds_and_keeps_the_fill() {
    for writer_ppm in [200.0, -200.0, 0.0, 35.0] {
        let mut world = World::new(1_920);
        for _ in 0..20 {
            world.second(writer_ppm, 1.0, 48);
        }
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        for _ in 0..100 {
            let (low, high) = world.second(writer_ppm, 1.0, 48);
            (least, most) = (least.min(low), most.max(high));
            let error = world.estimator.drift_ppm() - writer_ppm;
            assert!(error.abs() < 10.0, "{writer_ppm} ppm: off by {error}");
        }
        let limit = 0.002 * 48_000.0;
        assert!(
            most - 1_920.0 <= limit && 1_920.0 - least <= limit,
            "{writer_ppm} ppm: the fill went from {least} to {most}"
        );
    }
}

#[test]
fn blocks_shake_the_fill_but_not_the_loop() {
    let mut world = World::new(3_840);
    for _ in 0..30 {
        world.second(-150.0, 480.0, 256);
    }
    for _ in 0..200 {
        let (least, most) = world.second(-150.0, 480.0, 256);
        assert!(most - least <= 480.0 + 256.0 + 96.0, "{least} to {most}");
        assert!(least > 3_840.0 - 480.0 - 96.0 && most < 3_840.0 + 480.0 + 96.0);
        assert!(
            (world.estimator.ppm() + 150.0).abs() < 400.0,
            "{}",
            world.estimator.ppm()
        );
    }
}

#[test]
fn a_loop_that_is_told_of_the_blocks_does_not_follow_them() {
    for (block_frames, read_frames) in [(480.0, 240), (960.0, 96), (1_920.0, 480)] {
        let mut world = World::new(3_840);
        world.told = true;
        for _ in 0..30 {
            world.second(-150.0, block_frames, read_frames);
        }
        for _ in 0..100 {
            world.second(-150.0, block_frames, read_frames);
            let ppm = world.estimator.ppm();
            assert!(
                (ppm + 150.0).abs() < 20.0,
                "blocks of {block_frames}: {ppm} ppm"
            );
        }
        // As the loop sees it: before the last read.
        let fill = world.ring_frames + world.written_frames + read_frames as f64;
        assert!(
            (fill - 3_840.0).abs() < 48.0,
            "blocks of {block_frames}: {fill}"
        );
    }
    // A time of writing that is still to come, or long ago, is no harm.
    let mut estimator = ClockDriftEstimator::new(48_000, 480, 1_000).unwrap();
    for step in 1..1_000 {
        let written_us = if step % 2 == 0 { i64::MIN } else { i64::MAX };
        estimator.update_written(480.0, step * 10_000, written_us);
    }
    assert!(estimator.ppm().is_finite());
}

#[test]
fn an_absurd_fill_is_soon_forgotten() {
    for absurd in [1e300, -1e300, f64::MAX, 1e12] {
        let mut world = World::new(1_920);
        for _ in 0..20 {
            world.second(100.0, 1.0, 48);
        }
        world.now_us += 1_000;
        world.estimator.update(absurd, world.now_us);
        for _ in 0..30 {
            world.second(100.0, 1.0, 48);
        }
        let ppm = world.estimator.ppm();
        assert!((ppm - 100.0).abs() < 10.0, "{ppm} ppm after {absurd}");
    }
}

#[test]
fn the_loop_stays_within_its_limit_and_comes_back() {
    let mut estimator = ClockDriftEstimator::new(48_000, 480, 300).unwrap();
    for step in 0..10_000 {
        assert!(estimator.update(48_000.0, step * 10_000).abs() <= 300.0);
    }
    assert_eq!(estimator.ppm(), 300.0);
    // The fill is back: so is the loop, soon.
    let mut answers = (0..1_000).map(|step| estimator.update(480.0, 100_000_000 + step * 10_000));
    assert!(answers.any(|ppm| ppm.abs() < 310.0 && ppm < 300.0));
    assert_eq!(estimator.target_frames(), 480);
    let ppm = estimator.ppm();
    assert_eq!(
        estimator.update(0.0, 0),
        ppm,
        "time that runs backwards changes nothing"
    );
    for fill in [f64::NAN, f64::INFINITY] {
        assert_eq!(estimator.update(fill, 200_000_000), ppm, "no fill at all");
    }
    estimator.reset();
    assert_eq!((estimator.ppm(), estimator.drift_ppm()), (0.0, 0.0));
}

#[test]
fn at_the_nominal_ratio_the_length_is_that_of_a_resampler() {
    for (in_hz, out_hz) in [
        (48_000, 48_000),
        (48_000, 16_000),
        (44_100, 48_000),
        (48_000, 44_100),
        (24_000, 11_025),
        (11_025, 96_000),
        (384_000, 4_000),
        (4_000, 384_000),
        (47_999, 48_000),
    ] {
        let mut resampler = DriftResampler::new(in_hz, out_hz, 1_000).unwrap();
        for frames in [
            0, 1, 2, 3, 5, 48, 97, 147, 441, 4_410, 44_100, 47_999, 96_000,
        ] {
            let made: Vec<f32> = resampler.process(&vec![0.0_f32; frames], true).unwrap();
            let (up, down) = (out_hz as usize, in_hz as usize);
            let expected = (2 * frames * up + down) / (2 * down);
            assert_eq!(made.len(), expected, "{in_hz}->{out_hz}, {frames} frames");
        }
    }
}

#[test]
fn any_number_of_frames_can_be_asked_for() {
    let mut resampler = DriftResampler::new(44_100, 48_000, 5_000).unwrap();
    resampler.set_ppm(5_000.0).unwrap();
    let needed = resampler.input_frames_for(1_000_000);
    let taken: usize = (0..1_000)
        .map(|_| {
            let block = vec![0.0_f32; resampler.input_frames_for(1_000)];
            resampler.fill_from(&block, &mut [0.0_f32; 1_000]).unwrap();
            block.len()
        })
        .sum();
    assert_eq!(taken, needed);
    let exact = f64::from(u32::MAX) * 44_100.0 / 48_000.0 * 1.005;
    let needed = resampler.input_frames_for(u32::MAX as usize) as f64;
    assert!((needed - exact).abs() < 100.0, "{needed} {exact}");
    assert!(resampler.input_frames_for(usize::MAX) > 1 << 62);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cuts_do_not_show(
        in_hz in 4_000_u32..=96_000,
        out_hz in 4_000_u32..=96_000,
        x in prop::collection::vec(prop_oneof![9 => -1.5_f32..1.5, 1 => any::<f32>()], 0..3_000),
        cuts in prop::collection::vec(0_usize..700, 0..12),
        ppm in -1_200.0_f64..1_200.0,
    ) {
        let backends: Vec<_> = backends().collect();
        let backend = backends[x.len() % backends.len()];
        let mut resampler = DriftResampler::with_backend(in_hz, out_hz, 1_000, backend).unwrap();
        resampler.set_ppm(ppm).unwrap();
        let mut whole = feed(&mut resampler, &x);
        let mut tail = vec![0.0_f32; resampler.flush_frames()];
        resampler.flush_into(&mut tail).unwrap();
        whole.extend(tail);
        prop_assert!(whole.iter().all(|y| y.is_finite()));
        let exact = x.len() as f64 * f64::from(out_hz) / f64::from(in_hz);
        prop_assert!((whole.len() as f64 - exact).abs() <= exact * 0.0011 + 1.0);

        resampler.set_ppm(ppm).unwrap();
        let (mut made, mut rest) = (Vec::new(), &x[..]);
        for cut in cuts {
            let (block, after) = rest.split_at(cut.min(rest.len()));
            made.extend(feed(&mut resampler, block));
            rest = after;
        }
        made.extend(feed(&mut resampler, rest));
        let mut tail = vec![0.0_f32; resampler.flush_frames()];
        resampler.flush_into(&mut tail).unwrap();
        made.extend(tail);
        prop_assert_eq!(
            made.into_iter().map(f32::to_bits).collect::<Vec<_>>(),
            whole.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        );
    }
}
