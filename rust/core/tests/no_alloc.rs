//! What runs in or near a device callback takes no memory after it was made.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use antiphon_core::dsp::drift::{ClockDriftEstimator, DriftResampler};
use antiphon_core::dsp::g711::{G711Decoder, G711Encoder, Law};
use antiphon_core::dsp::resample::{Profile, Resampler};
use antiphon_core::uplink::{Packetizer, VadConfig, VoiceActivityDetector};
use assert_no_alloc::{AllocDisabler, assert_no_alloc};

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
