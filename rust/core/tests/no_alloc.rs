//! What runs in or near a device callback takes no memory after it was made.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{
    JitterBuffer, JitterBufferConfig, PacketBuffer, PacketConfig, Stats,
};
use antiphon_core::dsp::drift::{ClockDriftEstimator, DriftResampler};
use antiphon_core::dsp::g711::{G711Decoder, G711Encoder, Law};
use antiphon_core::dsp::resample::{Profile, Resampler};
use antiphon_core::uplink::{Packetizer, VadConfig, VoiceActivityDetector};
use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use support::voice::speech;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn the_resampler_allocates_nothing_from_its_first_call_on() {
    for (in_hz, out_hz) in [(48_000, 16_000), (24_000, 44_100), (16_000, 16_000)] {
        let mut resampler = Resampler::new(in_hz, out_hz, Profile::Hq).unwrap();
        let x = vec![0.1_f32; 10_000];
        let mut out = vec![0_i16; resampler.max_output_frames(x.len())];
        assert_no_alloc(|| {
            for frames in [0, 1, 480, 10_000, 7] {
                resampler.process_into(&x[..frames], &mut out).unwrap();
            }
            let needed = resampler.input_frames_for(512);
            resampler.fill_from(&x[..needed], &mut out[..512]).unwrap();
            resampler.skip_into(1_000_000, &mut out).unwrap();
            resampler.process_exact(&x, &mut out).unwrap();
            resampler.flush_into(&mut out).unwrap();
            resampler.reset();
        });
    }
}

#[test]
fn the_drift_resampler_and_its_loop_allocate_nothing() {
    let mut resampler = DriftResampler::new(24_000, 48_000, 1_000).unwrap();
    let mut estimator = ClockDriftEstimator::new(24_000, 480, 1_000).unwrap();
    let x = vec![0.1_f32; 10_000];
    let mut out = vec![0.0_f32; resampler.max_output_frames(x.len())];
    assert_no_alloc(|| {
        for (index, frames) in (0_i64..).zip([0, 1, 480, 10_000, 7]) {
            let ppm = estimator.update(500.0, index * 10_000);
            resampler.set_ppm(ppm).unwrap();
            resampler.process_into(&x[..frames], &mut out).unwrap();
        }
        let needed = resampler.input_frames_for(512);
        resampler.fill_from(&x[..needed], &mut out[..512]).unwrap();
        resampler.flush_into(&mut out).unwrap();
    });
}

#[test]
fn the_telephone_allocates_nothing() {
    let mut decoder = G711Decoder::new(Law::Ulaw, 24_000, Profile::Voice).unwrap();
    let mut encoder = G711Encoder::new(Law::Alaw, 24_000, Profile::Voice).unwrap();
    let codes = vec![0x55_u8; 2_000];
    let mut pcm = vec![0_i16; 6_000];
    let mut coded = vec![0_u8; 2_000];
    assert_no_alloc(|| {
        for frames in [0, 1, 160, 2_000] {
            let made = decoder.process_into(&codes[..frames], &mut pcm).unwrap();
            encoder.process_into(&pcm[..made], &mut coded).unwrap();
        }
    });
}

#[test]
fn the_packetizer_and_the_detector_allocate_nothing() {
    let mut packetizer = Packetizer::new(16_000, 20).unwrap();
    let mut detector = VoiceActivityDetector::new(VadConfig::default()).unwrap();
    let pcm = vec![8_000_i16; 5_003];
    let mut packets = 0;
    let mut events = 0;
    assert_no_alloc(|| {
        for frames in [0, 1, 319, 5_003, 320] {
            packetizer.push(&pcm[..frames], 0, |_| packets += 1);
            detector.push(&pcm[..frames], |_| events += 1);
        }
        packetizer.flush(true, |_| packets += 1);
    });
    assert_eq!(packets, 18);
    assert_eq!(events, 1);
}

/// A voice in chunks of 20 ms at the rate they are spoken, but for those that `is_late` holds
/// back; pulled in blocks of 10 ms.
fn play_stream(is_late: fn(usize) -> bool) -> Stats {
    let mut buffer = JitterBuffer::new(JitterBufferConfig::default()).unwrap();
    let voice = speech(24_000, 0, 24_000 * 8);
    let mut waiting = voice.chunks(480);
    let mut out = [0; 240];
    for chunk in 0..400 {
        let now_us = chunk as u64 * 20_000;
        if !is_late(chunk) {
            let due = chunk + 1 - (voice.len() / 480 - waiting.len());
            for pcm in waiting.by_ref().take(due) {
                buffer.push(pcm, now_us, None);
            }
        }
        for now_us in [now_us, now_us + 10_000] {
            assert_no_alloc(|| buffer.pull(&mut out, now_us));
        }
    }
    buffer.flush(None);
    assert_no_alloc(|| buffer.pull(&mut out, 8_000_000));
    assert!(out[120..].iter().all(|&sample| sample == 0));
    buffer.stats()
}

#[test]
fn a_stream_that_plays_slower_allocates_nothing() {
    let stats = play_stream(|chunk| chunk % 8 == 7);
    assert!(stats.inserted_samples_for_deceleration > 0);
    assert_eq!(stats.flush_count, 1);
}

#[test]
fn a_stream_that_runs_dry_and_goes_on_allocates_nothing() {
    // Each second nothing comes for 30 ms more than is there: short gaps, and long ones.
    let stats = play_stream(|chunk| chunk % 50 > 40 || chunk % 13 > 8);
    assert!(stats.concealment_events > 1);
    assert!(stats.silent_concealed_samples > 0);
    assert!(stats.silent_concealed_samples < stats.concealed_samples);
    assert!(stats.jitter_buffer_emitted_count > 24_000);
    assert!(stats.flushed_frames > 0);
}

#[test]
fn packets_that_are_lost_stretched_shortened_and_flushed_allocate_nothing() {
    let mut buffer = PacketBuffer::new(PacketConfig::default()).unwrap();
    let mut out = [0; 480];
    let mut seq = 0;
    for packet in 0..1_000_usize {
        let now_us = packet as u64 * 20_000;
        let is_late = packet % 7 == 6 && (200..500).contains(&packet);
        let sent = u16::try_from(packet).unwrap();
        while !is_late && seq <= sent {
            let pcm = speech(24_000, usize::from(seq) * 480, 480);
            if seq % 61 != 60 {
                buffer.push(seq, &pcm, now_us).unwrap();
            }
            seq += 1;
        }
        assert_no_alloc(|| buffer.pull(&mut out, now_us));
    }
    buffer.flush();
    assert_no_alloc(|| buffer.pull(&mut out, 20_000_000));
    let stats = buffer.stats();
    assert!(stats.inserted_samples_for_deceleration > 0);
    assert!(stats.removed_samples_for_acceleration > 0);
    assert!(stats.lost_frames > 0 && stats.flushed_frames > 0);
}
