//! G.711 against its definition, and the fused telephone path against its stages.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

use antiphon_core::dsp::downmix::interleave;
use antiphon_core::dsp::g711::{G711Decoder, G711Encoder, Law};
use antiphon_core::dsp::resample::{Profile, Resampler};
use proptest::prelude::*;

/// The positive half of a law as Recommendation G.711 tabulates it: for each of the 128
/// character signals the decision value at which it begins, and the value it is decoded to.
///
/// Segments are walked step by step: µ-law (14 bits) has one step of 1 and 15 of 2, then seven
/// segments of 16 steps, each twice as wide; A-law (13 bits) has two segments of 16 steps of 2,
/// then six of doubling steps.
fn table(law: Law) -> Vec<(i32, i32)> {
    let widths: Vec<i32> = match law {
        Law::Ulaw => std::iter::once(1)
            .chain([2; 15])
            .chain((1..8).flat_map(|segment| [2 << segment; 16]))
            .collect(),
        Law::Alaw => [2; 32]
            .into_iter()
            .chain((2..8).flat_map(|segment| [1 << segment; 16]))
            .collect(),
    };
    let mut begin = 0;
    let mut rows = Vec::new();
    for width in widths {
        let value = match (law, begin) {
            (Law::Ulaw, 0) => 0,
            _ => begin + width / 2,
        };
        rows.push((begin, value));
        begin += width;
    }
    assert_eq!(begin, if law == Law::Ulaw { 8_159 } else { 4_096 });
    rows
}

/// The character signal on the wire.
fn signal(law: Law, negative: bool, number: usize) -> u8 {
    let number = number as u8;
    match law {
        Law::Ulaw => !(number | if negative { 0x80 } else { 0 }),
        Law::Alaw => (number | if negative { 0 } else { 0x80 }) ^ 0x55,
    }
}

const LAWS: [Law; 2] = [Law::Ulaw, Law::Alaw];

#[test]
fn every_int16_is_encoded_as_tabulated() {
    let every: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    for law in LAWS {
        let table = table(law);
        let mut codes = vec![0; every.len()];
        law.encode(&every, &mut codes);
        for (x, code) in every.iter().zip(&codes) {
            let sample = i32::from(*x) >> if law == Law::Ulaw { 2 } else { 3 };
            let magnitude = match law {
                Law::Ulaw => sample.abs(),
                // A-law has no zero: -1 is the first negative value.
                Law::Alaw if sample < 0 => -sample - 1,
                Law::Alaw => sample,
            };
            let number = table
                .iter()
                .rposition(|(begin, _)| *begin <= magnitude)
                .unwrap();
            assert_eq!(*code, signal(law, sample < 0, number), "{law:?} {x}");
        }
    }
}

#[test]
fn every_code_is_decoded_as_tabulated() {
    for law in LAWS {
        for (number, (_, value)) in table(law).into_iter().enumerate() {
            for negative in [false, true] {
                let mut made = [77_i16];
                law.decode(&[signal(law, negative, number)], &mut made);
                let expected = value << if law == Law::Ulaw { 2 } else { 3 };
                let expected = if negative { -expected } else { expected };
                assert_eq!(i32::from(made[0]), expected, "{law:?} {number}");
            }
        }
    }
}

#[test]
fn every_code_survives_the_round_trip() {
    let every: Vec<u8> = (0..=255).collect();
    for law in LAWS {
        let mut pcm = vec![0; 256];
        let mut codes = vec![0; 256];
        law.decode(&every, &mut pcm);
        law.encode(&pcm, &mut codes);
        for (code, back) in every.iter().zip(&codes) {
            // µ-law has two zeros, and the positive one is meant.
            let negative_zero = law == Law::Ulaw && *code == 0x7f;
            assert_eq!(*back, if negative_zero { 0xff } else { *code }, "{law:?}");
        }
    }
}

#[test]
fn laws_have_names() {
    for law in LAWS {
        assert_eq!(law.name().parse(), Ok(law));
    }
    let refused = "mulaw".parse::<Law>().unwrap_err().to_string();
    assert_eq!(refused, "law is \"mulaw\"; it must be 'ulaw' or 'alaw'");
}

#[test]
fn a_telephone_cannot_have_any_rate_or_too_little_room() {
    assert!(G711Decoder::new(Law::Ulaw, 3_999, Profile::Voice).is_err());
    assert!(G711Encoder::new(Law::Ulaw, 44_101, Profile::Voice).is_err());
    let mut decoder = G711Decoder::new(Law::Ulaw, 24_000, Profile::Voice).unwrap();
    let refused = decoder
        .process_into(&[0; 160], &mut [0_i16; 479])
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "out holds 479 frames; it must hold at least 480"
    );
    assert_eq!(
        decoder.resampler().flush_frames(),
        0,
        "nothing was consumed"
    );
    let mut encoder = G711Encoder::new(Law::Alaw, 16_000, Profile::Voice).unwrap();
    assert!(encoder.process_into(&[0_i16; 320], &mut [0; 159]).is_err());
    encoder.process_into(&[0_i16; 320], &mut [0; 160]).unwrap();
    let left = encoder.resampler().flush_frames();
    assert!(encoder.flush_into(&mut vec![0; left - 1]).is_err());
    assert_eq!(encoder.flush_into(&mut vec![0; left]).unwrap(), left);
    assert_eq!((decoder.law(), encoder.law()), (Law::Ulaw, Law::Alaw));
}

#[test]
fn channels_are_interleaved() {
    let mut out = [0_i16; 6];
    interleave(&[&[1, 2, 3], &[-1, -2, -3]], &mut out);
    assert_eq!(out, [1, -1, 2, -2, 3, -3]);
    interleave::<i16>(&[], &mut []);
}

/// Rates at which a piece's output is a whole number of frames, and at which it is not.
const RATES_HZ: [u32; 9] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000,
];

/// The blocks that `sizes` cut `x` into, the last one being the rest.
fn cut<'a, T>(mut x: &'a [T], sizes: &[usize]) -> Vec<&'a [T]> {
    let mut blocks = Vec::new();
    for size in sizes {
        let (block, rest) = x.split_at((*size).min(x.len()));
        blocks.push(block);
        x = rest;
    }
    blocks.push(x);
    blocks
}

#[test]
fn a_call_of_many_codes_has_room_for_each_of_its_pieces() {
    let codes: Vec<u8> = (0..5 * 513_u32).map(|k| (k * 37 % 256) as u8).collect();
    for hz in RATES_HZ {
        let mut decoder = G711Decoder::new(Law::Ulaw, hz, Profile::Voice).unwrap();
        let mut out = vec![0_i16; decoder.resampler().max_output_frames(513)];
        for block in codes.chunks(513) {
            decoder.process_into(block, &mut out).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn the_fused_path_is_the_sum_of_its_stages(
        codes in prop::collection::vec(any::<u8>(), 0..12_000),
        sizes in prop::collection::vec(prop_oneof![0_usize..700, 500_usize..530, 0_usize..6_000], 0..8),
        law in prop::sample::select(&LAWS[..]),
        hz in prop::sample::select(&RATES_HZ[..]),
        profile in prop::sample::select(&Profile::ALL[..]),
    ) {
        let mut pcm = vec![0_i16; codes.len()];
        law.decode(&codes, &mut pcm);
        let expected: Vec<i16> =
            Resampler::new(8_000, hz, profile).unwrap().process(&pcm, true).unwrap();

        let mut decoder = G711Decoder::new(law, hz, profile).unwrap();
        let mut made = Vec::new();
        for block in cut(&codes, &sizes) {
            let mut out = vec![0_i16; decoder.resampler().max_output_frames(block.len())];
            let frames = decoder.process_into(block, &mut out).unwrap();
            made.extend(&out[..frames]);
        }
        let mut tail = vec![0_i16; decoder.resampler().flush_frames()];
        decoder.resampler().flush_into(&mut tail).unwrap();
        made.extend(tail);
        prop_assert_eq!(&made, &expected);
        prop_assert_eq!(decoder.process::<i16>(&codes, true).unwrap(), expected);

        let down: Vec<i16> =
            Resampler::new(hz, 8_000, profile).unwrap().process(&made, true).unwrap();
        let mut expected = vec![0; down.len()];
        law.encode(&down, &mut expected);
        let mut encoder = G711Encoder::new(law, hz, profile).unwrap();
        let mut coded = Vec::new();
        for block in cut(&made, &sizes) {
            let mut out = vec![0; encoder.resampler().max_output_frames(block.len())];
            let frames = encoder.process_into(block, &mut out).unwrap();
            coded.extend(&out[..frames]);
        }
        let mut tail = vec![0; encoder.resampler().flush_frames()];
        encoder.flush_into(&mut tail).unwrap();
        coded.extend(tail);
        prop_assert_eq!(&coded, &expected);
        prop_assert_eq!(encoder.process(&made, true).unwrap(), expected);
    }
}
