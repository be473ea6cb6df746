//! What holds for every ratio, every signal and every cutting.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use antiphon_core::dsp::kernels::Backend;
use antiphon_core::dsp::resample::{Profile, Resampler};
use proptest::prelude::*;

const RATES_HZ: [u32; 9] = [
    4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000,
];

fn rate_hz() -> impl Strategy<Value = u32> {
    prop_oneof![
        prop::sample::select(&RATES_HZ[..]),
        (4_u32..=384).prop_map(|khz| khz * 1_000),
        4_000_u32..=384_000,
    ]
}

fn any_profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(&Profile::ALL[..])
}

/// One of the backends of this machine.
fn any_backend() -> impl Strategy<Value = Backend> {
    let here = Backend::NAMES
        .into_iter()
        .filter_map(|name| Backend::named(name).ok());
    prop::sample::select(here.collect::<Vec<_>>())
}

/// Any bit pattern at all, now and then; otherwise audio.
fn sample() -> impl Strategy<Value = f32> {
    prop_oneof![9 => -1.5_f32..1.5, 1 => any::<u32>().prop_map(f32::from_bits)]
}

fn stream(resampler: &mut Resampler, x: &[f32], cuts: &[usize]) -> Vec<u32> {
    let (mut out, mut rest) = (Vec::new(), x);
    let mut feed = |block: &[f32]| {
        let mut ready = vec![f32::NAN; resampler.max_output_frames(block.len())];
        let frames = resampler.process_into(block, &mut ready).unwrap();
        out.extend(ready[..frames].iter().map(|y| y.to_bits()));
    };
    for &cut in cuts {
        let (block, tail) = rest.split_at(cut.min(rest.len()));
        feed(block);
        rest = tail;
    }
    feed(rest);
    let mut tail = vec![f32::NAN; resampler.flush_frames()];
    resampler.flush_into(&mut tail).unwrap();
    out.extend(tail.iter().map(|y| y.to_bits()));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cuts_do_not_show_and_lengths_are_exact(
        in_hz in rate_hz(),
        out_hz in rate_hz(),
        profile in any_profile(),
        backend in any_backend(),
        x in prop::collection::vec(sample(), 0..3_000),
        cuts in prop::collection::vec(0_usize..700, 0..12),
    ) {
        let Ok(mut resampler) = Resampler::with_backend(in_hz, out_hz, profile, backend) else {
            return Ok(()); // the ratio is too odd, and was refused
        };
        let whole = stream(&mut resampler, &x, &[]);
        prop_assert_eq!(&whole, &stream(&mut resampler, &x, &cuts));
        let (n, up, down) = (x.len() as u64, u64::from(out_hz), u64::from(in_hz));
        prop_assert_eq!(whole.len() as u64, (2 * n * up + down) / (2 * down));
        prop_assert!(whole.iter().all(|bits| f32::from_bits(*bits).is_finite()));
    }

    #[test]
    fn a_gap_is_as_much_silence(
        in_hz in rate_hz(),
        out_hz in rate_hz(),
        profile in any_profile(),
        backend in any_backend(),
        before in prop::collection::vec(sample(), 0..1_500),
        gap in prop_oneof![0_usize..2_000, 0_usize..50_000],
        after in prop::collection::vec(sample(), 0..1_500),
    ) {
        let Ok(mut resampler) = Resampler::with_backend(in_hz, out_hz, profile, backend) else {
            return Ok(());
        };
        let mut fed = before.clone();
        fed.resize(before.len() + gap, 0.0);
        fed.extend(&after);
        let expected = stream(&mut resampler, &fed, &[]);

        let mut made: Vec<f32> = resampler.process(&before, false).unwrap();
        let mut tail = vec![f32::NAN; resampler.max_skip_frames(gap)];
        let skipped = resampler.skip_into(gap, &mut tail).unwrap();
        made.extend(&tail[..skipped.frames]);
        made.resize(made.len() + skipped.silent_frames, 0.0);
        made.extend(resampler.process::<f32, f32>(&after, true).unwrap());
        let made: Vec<u32> = made.into_iter().map(f32::to_bits).collect();
        prop_assert_eq!(made, expected);
    }

    #[test]
    fn what_will_be_made_is_known(
        in_hz in rate_hz(),
        out_hz in rate_hz(),
        profile in any_profile(),
        sizes in prop::collection::vec(0_usize..6_000, 1..8),
    ) {
        let Ok(mut resampler) = Resampler::new(in_hz, out_hz, profile) else {
            return Ok(());
        };
        for frames in sizes {
            let expected = resampler.output_frames(frames);
            prop_assert!(expected <= resampler.max_output_frames(frames));
            let made: Vec<i16> = resampler.process(&vec![0.25_f32; frames], false).unwrap();
            prop_assert_eq!(made.len(), expected);
        }
    }

    #[test]
    fn filling_needs_just_what_it_says(
        in_hz in prop::sample::select(&RATES_HZ[..]),
        out_hz in prop::sample::select(&RATES_HZ[..]),
        sizes in prop::collection::vec(0_usize..600, 1..20),
    ) {
        let mut resampler = Resampler::new(in_hz, out_hz, Profile::Voice).unwrap();
        let (mut fed, mut made) = (0_u64, 0_u64);
        for frames in sizes {
            let needed = resampler.input_frames_for(frames);
            let mut out = vec![0.0_f32; frames];
            resampler.fill_from(&vec![0.5_f32; needed], &mut out).unwrap();
            fed += needed as u64;
            made += frames as u64;
        }
        // Never more input than the look-ahead and the one frame under way ask for.
        let (numerator, denominator) = resampler.delay_frames();
        let owed = (made * denominator as u64 + numerator as u64) * u64::from(in_hz)
            / (u64::from(out_hz) * denominator as u64);
        prop_assert!(fed <= owed + 1, "{} fed, {} owed", fed, owed);
    }
}
