//! What runs in or near a device callback takes no memory after it was made.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

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
            resampler.flush_into(&mut out).unwrap();
            resampler.reset();
        });
    }
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
