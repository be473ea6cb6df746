//! What holds for every stream of blocks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use antiphon_core::dsp::resample::Profile;
use antiphon_core::uplink::{Packetizer, Uplink, VadConfig, VadEvent, VoiceActivityDetector};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn packets_are_the_stream_in_order(
        blocks in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..900), 0..8),
        times in prop::collection::vec(any::<i64>(), 8),
        packet_ms in prop::sample::select(&[10_u32, 20, 60, 100][..]),
    ) {
        let mut packetizer = Packetizer::new(8_000, packet_ms).unwrap();
        let (mut got, mut next) = (Vec::new(), 0);
        for (block, now_us) in blocks.iter().zip(times) {
            packetizer.push(block, now_us, |packet| {
                assert_eq!(packet.sequence, next);
                next += 1;
                got.extend_from_slice(packet.pcm);
            });
        }
        let pending = packetizer.pending_frames();
        prop_assert!(pending < packetizer.packet_frames());
        packetizer.flush(true, |packet| got.extend_from_slice(&packet.pcm[..pending]));
        prop_assert_eq!(got, blocks.concat());
    }

    #[test]
    fn messages_do_not_depend_on_the_blocks(
        samples in prop::collection::vec(any::<u32>().prop_map(f32::from_bits), 0..4_000),
        channels in 1_u32..4,
        in_hz in prop::sample::select(&[8_000_u32, 16_000, 44_100, 48_000][..]),
        block in 1_usize..1_500,
    ) {
        let width = channels as usize;
        let samples = &samples[..samples.len() / width * width];
        let mut uplink = Uplink::new(in_hz, channels, 16_000, 20, Profile::Voice).unwrap();
        let mut whole = Vec::new();
        uplink.push(samples, 0, |message| whole.push(message)).unwrap();
        uplink.flush(true, |message| whole.push(message)).unwrap();
        let mut cut = Vec::new();
        for block in samples.chunks(block * width) {
            uplink.push(block, 0, |message| cut.push(message)).unwrap();
        }
        uplink.flush(true, |message| cut.push(message)).unwrap();
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn speech_starts_before_it_ends_and_never_in_the_future(
        levels in prop::collection::vec(any::<i16>(), 0..400),
        cut in 1_usize..500,
        prefix_padding_ms in 0_u32..300,
        silence_duration_ms in 10_u32..300,
    ) {
        let config = VadConfig {
            sample_rate_hz: 8_000,
            prefix_padding_ms,
            silence_duration_ms,
            ..VadConfig::default()
        };
        let pcm: Vec<i16> = levels.iter().flat_map(|level| [*level; 80]).collect();
        let mut detector = VoiceActivityDetector::new(config).unwrap();
        let mut last = None;
        for block in pcm.chunks(cut) {
            let mut events = Vec::new();
            detector.push(block, |event| events.push(event));
            for event in events {
                let at = match event {
                    VadEvent::Start(at) | VadEvent::End(at) => at,
                };
                let expected_start = !matches!(last, Some(VadEvent::Start(_)));
                prop_assert_eq!(matches!(event, VadEvent::Start(_)), expected_start);
                if let Some(VadEvent::Start(before) | VadEvent::End(before)) = last {
                    prop_assert!(before <= at);
                }
                prop_assert!(at <= detector.frames());
                last = Some(event);
            }
        }
    }
}
