//! What holds for any sequence of calls, in both regimes. `support::stream_calls` and
//! `support::packet_calls` check conservation and the rest after every call.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{PacketBuffer, PacketConfig, State, Stats};
use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use proptest::prelude::*;
use support::packet_calls::{Network, PacketCall, PacketCase, run_packets};
use support::stream_calls::{Played, StreamCall, StreamCase, run_stream};
use support::voice::speech;
use support::way::{Sound, Way};
use support::*;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Another time of day, and no pull may allocate. To be run behind the plain way, which does the
/// same and reports a panic better than an allocator that must not be used.
fn shifted(start_us: u64) -> Way {
    Way {
        start_us,
        around_pull: |pull| assert_no_alloc(pull),
        ..Way::default()
    }
}

fn sound() -> impl Strategy<Value = Sound> {
    prop_oneof![1 => Just(Sound::Noise), 2 => Just(Sound::Voice)]
}

fn stream_call() -> impl Strategy<Value = StreamCall> {
    let turn = || prop_oneof![3 => Just(None), 1 => (0_u8..12).prop_map(Some)];
    let live = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>());
    prop_oneof![
        4 => (0_u16..4_000, turn()).prop_map(|(frames, turn)| StreamCall::Push { frames, turn }),
        2 => live.prop_map(|(chunks, chunk_ms, late_ms, block)| {
            StreamCall::Live { chunks, chunk_ms, late_ms, block }
        }),
        1 => turn().prop_map(|turn| StreamCall::End { turn }),
        1 => turn().prop_map(|turn| StreamCall::Flush { turn }),
        8 => (0_u16..=4_096).prop_map(|frames| StreamCall::Pull { frames }),
        1 => (0_u32..700_000).prop_map(|us| StreamCall::Idle { us }),
    ]
}

prop_compose! {
    fn stream_case(capacity_s: impl Strategy<Value = u8>)(
        rate in any::<u16>(),
        cushion_ms in any::<u8>(),
        max_wait_ms in any::<u8>(),
        capacity_s in capacity_s,
        sound in sound(),
        calls in proptest::collection::vec(stream_call(), 0..40),
    ) -> StreamCase {
        StreamCase { rate, cushion_ms, max_wait_ms, capacity_s, sound, calls }
    }
}

prop_compose! {
    fn network()(
        seed in any::<u32>(),
        lost in 0_u8..64,
        doubled in 0_u8..64,
        late_ms in any::<u8>(),
        drift_permille in any::<i8>(),
    ) -> Network {
        Network { seed, lost, doubled, late_ms, drift_permille }
    }
}

fn packet_call() -> impl Strategy<Value = PacketCall> {
    let live = (any::<u8>(), network(), any::<u16>());
    prop_oneof![
        6 => (-12_i16..60).prop_map(|ahead| PacketCall::Push { ahead }),
        1 => any::<i16>().prop_map(|ahead| PacketCall::Push { ahead }),
        3 => live.prop_map(|(packets, network, block)| PacketCall::Live { packets, network, block }),
        6 => (0_u16..=4_096).prop_map(|frames| PacketCall::Pull { frames }),
        1 => Just(PacketCall::End),
        1 => Just(PacketCall::Flush),
        1 => (0_u32..3_000_000).prop_map(|us| PacketCall::Idle { us }),
    ]
}

prop_compose! {
    fn packet_case()(
        rate in any::<u8>(),
        packet_ms in prop_oneof![1 => any::<u8>(), 2 => Just(18)],
        smoothness in any::<u8>(),
        first_seq in any::<u16>(),
        sound in sound(),
        calls in proptest::collection::vec(packet_call(), 0..40),
    ) -> PacketCase {
        PacketCase { rate, packet_ms, smoothness, first_seq, sound, calls }
    }
}

/// Where two outputs differ: easier to read than both.
fn first_difference(left: &[i16], right: &[i16]) -> Option<usize> {
    let differs = left
        .iter()
        .zip(right)
        .position(|(left, right)| left != right);
    differs.or((left.len() != right.len()).then_some(left.len().min(right.len())))
}

/// The counters, but for a time in whole microseconds, which is rounded at another place if
/// pulls are cut otherwise.
fn exact(stats: Stats) -> Stats {
    let first_sound_delay_us = 0;
    Stats {
        first_sound_delay_us,
        ..stats
    }
}

fn assert_same(left: &Played, right: &Played) -> Result<(), TestCaseError> {
    prop_assert_eq!(first_difference(&left.out, &right.out), None);
    prop_assert_eq!(left.playhead, right.playhead);
    prop_assert_eq!(exact(left.stats), exact(right.stats));
    let delays = [left, right].map(|it| it.stats.first_sound_delay_us);
    prop_assert!(delays[0].abs_diff(delays[1]) <= 1, "{:?}", delays);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_slicing_of_the_pulls_of_a_stream_gives_the_same(
        case in stream_case(any::<u8>()),
        pull_cut in 1_usize..700,
    ) {
        let sliced = Way { pull_cut, ..Way::default() };
        assert_same(&run_stream(&case, &Way::default()), &run_stream(&case, &sliced))?;
    }

    /// As long as all fits: what does not fit is refused in whole pieces.
    #[test]
    fn any_slicing_of_the_pushes_of_a_stream_gives_the_same(
        case in stream_case(Just(59)),
        push_cut in 1_usize..700,
    ) {
        let sliced = Way { push_cut, ..Way::default() };
        assert_same(&run_stream(&case, &Way::default()), &run_stream(&case, &sliced))?;
    }

    #[test]
    fn a_shift_of_the_clock_changes_nothing_in_a_stream(
        case in stream_case(any::<u8>()),
        start_us in 0_u64..1 << 52,
    ) {
        let plain = run_stream(&case, &Way::default());
        prop_assert_eq!(plain, run_stream(&case, &shifted(start_us)));
    }

    #[test]
    fn a_shift_of_the_clock_changes_nothing_for_packets(
        case in packet_case(),
        start_us in 0_u64..1 << 40,
    ) {
        let plain = run_packets(&case, &Way::default());
        prop_assert_eq!(plain, run_packets(&case, &shifted(start_us)));
    }
}

/// A stream that hesitates at each fourth chunk, and a device that pulls in blocks.
fn hesitating(rate: u16, chunk_ms: u8, late_ms: u8, block: u16) -> StreamCase {
    StreamCase {
        rate,
        cushion_ms: 60,
        max_wait_ms: 120,
        capacity_s: 59,
        sound: Sound::Voice,
        calls: vec![
            StreamCall::Live {
                chunks: 31,
                chunk_ms: chunk_ms - 5,
                late_ms,
                block
            };
            3
        ],
    }
}

/// Packets over a network that only delays them.
fn live(seed: u32, late_ms: u8, block: u16) -> PacketCall {
    let network = Network {
        seed,
        lost: 0,
        doubled: 0,
        late_ms,
        drift_permille: 0,
    };
    PacketCall::Live {
        packets: 63,
        network,
        block,
    }
}

/// Packets over a network that grows worse and better again.
fn changing(rate: u8, seed: u32, block: u16) -> PacketCase {
    let far = |late_ms| vec![live(seed, late_ms, block); 4];
    PacketCase {
        rate,
        packet_ms: 18,
        smoothness: 127,
        first_seq: 65_400,
        sound: Sound::Voice,
        calls: [far(0), far(100), far(0), far(0), far(0), far(0)].concat(),
    }
}

fn frames(case: &StreamCase, ms: usize) -> usize {
    case.rate_hz() as usize * ms / 1_000
}

/// As loud as a turn is that is told apart from the one before it.
const WHISPER: i16 = 3;

/// What comes behind the silence at the beginning.
fn heard(out: &[i16]) -> &[i16] {
    let start = out.iter().position(|&x| x != 0).unwrap_or(out.len());
    &out[start..]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_voice_that_is_slowed_down_is_the_same_in_any_pieces_at_any_time(
        rate in any::<u16>(),
        (chunk_ms, late_ms) in (15_u8..40, 40_u8..80),
        block in 1_u16..4_096,
        (push_cut, pull_cut) in (1_usize..700, 1_usize..700),
        start_us in 0_u64..1 << 52,
    ) {
        let case = hesitating(rate, chunk_ms, late_ms, block);
        let whole = run_stream(&case, &Way::default());
        prop_assert!(whole.stats.inserted_samples_for_deceleration > 0);
        let pieces = Way { push_cut, pull_cut, ..shifted(start_us) };
        assert_same(&whole, &run_stream(&case, &pieces))?;
    }

    #[test]
    fn a_voice_in_packets_is_stretched_and_shortened_the_same_at_any_time(
        rate in 0_u8..41,
        seed in any::<u32>(),
        block in 1_u16..800,
        start_us in 0_u64..1 << 40,
    ) {
        let case = changing(rate, seed, block);
        let plain = run_packets(&case, &Way::default());
        prop_assert!(plain.stats.inserted_samples_for_deceleration > 0);
        prop_assert!(plain.stats.removed_samples_for_acceleration > 0);
        prop_assert_eq!(plain, run_packets(&case, &shifted(start_us)));
    }

    #[test]
    fn a_voice_that_comes_as_it_is_spoken_comes_out_bit_for_bit(
        rate in any::<u16>(),
        chunk_ms in 5_u8..40,
        block in 1_u16..400,
    ) {
        let case = hesitating(rate, chunk_ms, 0, block);
        let out = run_stream(&case, &Way::default()).out;
        let heard = heard(&out);
        prop_assert!(heard.len() + frames(&case, 130) > out.len());
        prop_assert_eq!(first_difference(heard, &speech(case.rate_hz(), 0, heard.len())), None);
    }

    /// In the middle of a voice that is slowed down, runs dry and goes on.
    #[test]
    fn behind_the_fade_of_a_flush_only_the_new_turn_is_heard(
        ticks in 1_usize..400,
        late in 0_usize..20,
        block in 1_usize..=240,
    ) {
        let mut buffer = buffer();
        for tick in 0..ticks {
            let now_us = micros(tick * 240);
            // 20 ms of audio every 20 ms, of which each tenth waits.
            if tick == 0 || tick % 2 == 0 && tick % 20 >= late {
                let due = speech(24_000, 0, (tick + 2) * 240);
                let pushed = buffer.stats().pushed_frames;
                buffer.push(&due[usize::try_from(pushed).expect("small")..], now_us, Some(1));
            }
            pull(&mut buffer, 240, now_us);
        }
        let now_us = micros(ticks * 240);
        buffer.flush(None);
        buffer.push(&speech(24_000, 0, 480), now_us, Some(1));
        buffer.push(&vec![WHISPER; 24_000], now_us, Some(2));
        let out: Vec<i16> = (0..24_000 / block)
            .flat_map(|_| pull(&mut buffer, block, now_us))
            .collect();
        let old = out[FADE..].iter().position(|x| x.abs() > 2 * WHISPER);
        prop_assert_eq!(old, None);
        prop_assert!(out.contains(&WHISPER), "the new turn is heard");
    }

    #[test]
    fn behind_the_fade_of_a_flush_only_new_packets_are_heard(
        packets in 1_u16..200,
        network in network(),
        block in 1_usize..=240,
    ) {
        let mut buffer = PacketBuffer::new(PacketConfig::default()).expect("valid");
        let mut now_us = 0;
        let mut out = vec![0; 240];
        let mut seq = 0;
        for (due_us, late) in network.arrivals(u8::try_from(packets).expect("small"), 20_000) {
            while now_us < due_us {
                buffer.pull(&mut out, now_us);
                now_us += 10_000;
            }
            seq = seq.max(late);
            let pcm = speech(24_000, usize::from(late) * 480, 480);
            buffer.push(late, &pcm, now_us).expect("a whole packet");
        }
        buffer.flush();
        let old = speech(24_000, 12_000, 480);
        let mut heard = Vec::new();
        for packet in 0..50 {
            buffer.push(seq, &old, now_us).expect("a whole packet");
            buffer.push(seq + 1 + packet, &[WHISPER; 480], now_us).expect("a whole packet");
            for _ in 0..480 / block {
                let mut out = vec![i16::MAX; block];
                buffer.pull(&mut out, now_us);
                heard.extend(out);
            }
            now_us += 20_000;
        }
        let old = heard[FADE..].iter().position(|x| x.abs() > 2 * WHISPER);
        prop_assert_eq!(old, None);
        prop_assert!(heard.contains(&WHISPER), "the new packets are heard");
    }

    /// Once the delay is where it should be: it begins longer, in case the network needs it.
    #[test]
    fn packets_without_jitter_come_out_bit_for_bit(
        rate in 0_u8..41,
        block in 1_u16..160,
        first_seq in any::<u16>(),
    ) {
        let begun = PacketCase {
            first_seq,
            calls: vec![live(0, 0, block); 6],
            ..changing(rate, 0, 0)
        };
        let later = PacketCase { calls: vec![live(0, 0, block); 10], ..begun.clone() };
        let (begun, later) = (
            run_packets(&begun, &Way::default()),
            run_packets(&later, &Way::default()),
        );
        let settled = begun.out.len();
        let from = begun.stats.jitter_buffer_emitted_count
            + begun.stats.removed_samples_for_acceleration;
        let expected = speech(
            8_000 + 1_000 * u32::from(rate),
            usize::try_from(from).expect("small"),
            later.out.len() - settled,
        );
        prop_assert_eq!(first_difference(&later.out[settled..], &expected), None);
    }

    /// Whole turns that come whenever they like, with their ends known in time.
    #[test]
    fn without_jitter_every_turn_comes_out_bit_for_bit(
        turns in proptest::collection::vec(1_usize..9_000, 1..6),
        chunk in 480_usize..5_000,
        block in 1_usize..481,
    ) {
        let mut buffer = buffer();
        let (mut out, mut expected, mut from) = (Vec::new(), Vec::new(), 0);
        for frames in turns {
            let turn = soft_ended(from, frames);
            from += frames;
            for chunk in turn.chunks(chunk) {
                buffer.push(chunk, 0, None);
            }
            buffer.end_of_turn(None);
            expected.extend(turn);
            while buffer.playhead().queued_frames > 0 {
                out.extend(pull(&mut buffer, block, 0));
            }
            prop_assert_eq!(buffer.playhead().state, State::Idle);
            out.retain(|&sample| sample != 0);
            prop_assert_eq!(first_difference(&out, &expected), None);
        }
        prop_assert_eq!(buffer.stats().concealment_events, 0);
    }
}

/// Chunks that arrive as they are spoken, 20 ms at a time, against a device that pulls 10 ms.
#[test]
fn a_real_time_stream_comes_out_bit_for_bit_behind_its_cushion() {
    let mut buffer = buffer();
    let mut out = Vec::new();
    for tick in 0..500 {
        if tick % 2 == 0 {
            buffer.push(&source(tick * ms(10), ms(20)), micros(tick * ms(10)), None);
        }
        out.extend(pull(&mut buffer, ms(10), micros(tick * ms(10))));
    }
    let wait = ms(40);
    assert_eq!(out[..wait], silence(wait));
    assert_eq!(out[wait..], source(0, out.len() - wait));
}
