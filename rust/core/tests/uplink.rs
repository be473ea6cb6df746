//! From blocks to messages, stage by stage.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use antiphon_core::dsp::resample::{Profile, Resampler};
use antiphon_core::uplink::{Packetizer, Uplink, encode};

type Sent = Vec<(u64, i64, Vec<i16>)>;

fn push(packetizer: &mut Packetizer, pcm: &[i16], now_us: i64) -> Sent {
    let mut sent = Vec::new();
    packetizer.push(pcm, now_us, |p| {
        sent.push((p.sequence, p.capture_us, p.pcm.to_vec()));
    });
    sent
}

fn ramp(frames: usize) -> Vec<i16> {
    (0..frames)
        .map(|i| i16::try_from(i * 31 % 20_011).unwrap())
        .collect()
}

#[test]
fn packets_carry_sequence_and_the_time_of_their_first_frame() {
    let mut packetizer = Packetizer::new(16_000, 20).unwrap();
    let pcm = ramp(1_000);
    assert_eq!(push(&mut packetizer, &pcm[..100], 50_000), []);
    let sent = push(&mut packetizer, &pcm[100..1_000], 50_000 + 6_250);
    assert_eq!(sent.len(), 3);
    for (i, (packet, expected)) in (0_i32..).zip(sent.iter().zip(pcm.chunks(320))) {
        let capture_us = i64::from(50_000 + 20_000 * i);
        assert_eq!(
            *packet,
            (u64::from(i.unsigned_abs()), capture_us, expected.to_vec())
        );
    }
    assert_eq!(packetizer.pending_frames(), 40);
}

#[test]
fn jitter_of_the_clock_does_not_show_but_a_gap_does() {
    let mut packetizer = Packetizer::new(16_000, 20).unwrap();
    let pcm = ramp(320);
    assert_eq!(push(&mut packetizer, &pcm, 1_000_000)[0].1, 1_000_000);
    assert_eq!(
        push(&mut packetizer, &pcm, 1_020_000 + 19_999)[0].1,
        1_020_000
    );
    assert_eq!(
        push(&mut packetizer, &pcm, 1_040_000 - 20_000)[0].1,
        1_040_000
    );
    assert_eq!(
        push(&mut packetizer, &pcm, 1_060_000 + 20_001)[0].1,
        1_080_001
    );
    assert_eq!(push(&mut packetizer, &pcm[..160], 1_100_001), []);
    // The packet that straddles a gap keeps its time; the next one has the new time.
    let sent = push(
        &mut packetizer,
        &[&pcm[..], &pcm[..160]].concat(),
        5_000_000,
    );
    assert_eq!((sent[0].1, sent[1].1), (1_100_001, 5_010_000));
    assert_eq!((sent[0].0, sent[1].0), (4, 5));
}

#[test]
fn flush_pads_or_drops_and_the_sequence_goes_on() {
    let mut packetizer = Packetizer::new(8_000, 10).unwrap();
    push(&mut packetizer, &[7; 30], 0);
    let mut last = Vec::new();
    packetizer.flush(true, |p| last = p.pcm.to_vec());
    assert_eq!(last, [&[7; 30][..], &[0; 50]].concat());
    push(&mut packetizer, &[7; 30], 0);
    packetizer.flush(false, |p| panic!("{p:?}"));
    packetizer.flush(true, |p| panic!("{p:?}"));
    assert_eq!(push(&mut packetizer, &[1; 80], 9)[0], (1, 9, vec![1; 80]));
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut packetizer = Packetizer::new(16_000, 20).unwrap();
    for now_us in [i64::MAX, i64::MIN, i64::MAX, 0] {
        assert_eq!(push(&mut packetizer, &[0; 400], now_us).len(), 1);
        packetizer.flush(false, |_| ());
    }
    let mut uplink = Uplink::new(48_000, 1, 16_000, 20, Profile::Voice).unwrap();
    for now_us in [i64::MAX, i64::MIN, 0] {
        uplink.push(&[0_i16; 480], now_us, |_| ()).unwrap();
    }
}

#[test]
fn a_packet_is_a_whole_number_of_frames() {
    assert_eq!(Packetizer::new(22_050, 20).unwrap().packet_frames(), 441);
    let refused = Packetizer::new(22_050, 10).unwrap_err().to_string();
    assert!(
        refused.starts_with("10 ms at 22050 Hz is not a whole number of frames"),
        "{refused}"
    );
    assert!(Packetizer::new(16_000, 9).is_err());
    assert!(Packetizer::new(16_000, 101).is_err());
    assert!(Packetizer::new(3_999, 20).is_err());
}

#[test]
fn int16_at_the_rate_of_the_wire_passes_bit_for_bit() {
    let pcm: Vec<i16> = (i16::MIN..=i16::MAX).collect(); // not a whole number of packets
    let mut uplink = Uplink::new(16_000, 1, 16_000, 20, Profile::Voice).unwrap();
    let mut sent = Vec::new();
    for block in pcm.chunks(777) {
        uplink.push(block, 0, |message| sent.push(message)).unwrap();
    }
    uplink.flush(true, |message| sent.push(message)).unwrap();
    let mut padded = pcm;
    padded.resize(sent.len() * 320, 0);
    let expected: Vec<_> = padded
        .chunks(320)
        .map(|p| encode::realtime_audio(p, 16_000))
        .collect();
    assert_eq!(sent, expected);
    assert_eq!(uplink.packets(), 205);
}

#[test]
fn the_pipeline_is_the_sum_of_its_stages() {
    let stereo: Vec<f32> = (0..2 * 5_000_u16)
        .map(|i| (f32::from(i) * 0.37).sin() * 0.7)
        .collect();
    let mono: Vec<f32> = stereo.chunks(2).map(|f| (f[0] + f[1]) * 0.5).collect();
    let mut resampler = Resampler::new(44_100, 16_000, Profile::Hq).unwrap();
    let mut wire = vec![0_i16; 4_000];
    let made = resampler.process_into(&mono, &mut wire).unwrap();
    let made = made + resampler.flush_into(&mut wire[made..]).unwrap();
    wire.resize(made.next_multiple_of(640), 0);
    wire[made..].fill(0);
    let expected: Vec<_> = wire
        .chunks(640)
        .map(|p| encode::realtime_audio(p, 16_000))
        .collect();

    let mut uplink = Uplink::new(44_100, 2, 16_000, 40, Profile::Hq).unwrap();
    for blocks in [1, 441, 5_000] {
        let mut sent = Vec::new();
        for block in stereo.chunks(2 * blocks) {
            uplink.push(block, 0, |message| sent.push(message)).unwrap();
        }
        uplink.flush(true, |message| sent.push(message)).unwrap();
        assert_eq!(sent, expected);
    }
    assert!(
        (uplink.level_dbfs() + 8.0).abs() < 6.0,
        "{}",
        uplink.level_dbfs()
    );
    assert!((uplink.delay_s() - resampler.delay_s()).abs() < 1e-12);
}

#[test]
fn a_broken_frame_is_refused_and_nothing_is_consumed() {
    let mut uplink = Uplink::new(16_000, 2, 16_000, 10, Profile::Voice).unwrap();
    let refused = uplink
        .push(&[0_i16; 321], 0, |_| panic!())
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "321 samples are not a whole number of frames of 2 channels"
    );
    uplink
        .flush(true, |_| panic!("something was consumed"))
        .unwrap();
    for (channels, packet_ms) in [(0, 20), (257, 20), (1, 5)] {
        assert!(Uplink::new(16_000, channels, 16_000, packet_ms, Profile::Voice).is_err());
    }
}

#[test]
fn samples_that_are_not_finite_reach_the_wire_as_samples() {
    let mut uplink = Uplink::new(16_000, 1, 16_000, 10, Profile::Voice).unwrap();
    let mut block = vec![0.0_f32; 160];
    block[..3].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let mut sent = Vec::new();
    uplink
        .push(&block, 0, |message| sent.push(message))
        .unwrap();
    let mut expected = vec![0_i16; 160];
    expected[1..3].copy_from_slice(&[i16::MAX, i16::MIN]);
    assert_eq!(sent, [encode::realtime_audio(&expected, 16_000)]);
}
