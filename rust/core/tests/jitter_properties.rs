//! What holds for any sequence of calls.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig, Playhead, State, Stats};
use proptest::prelude::*;
use support::*;

#[derive(Debug, Clone)]
enum Call {
    Push { frames: usize, turn: Option<u32> },
    End { turn: Option<u32> },
    Flush { turn: Option<u32> },
    Pull { frames: usize },
    Idle { us: u64 },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let turn = || prop_oneof![3 => Just(None), 1 => (0_u32..12).prop_map(Some)];
    let push = (0_usize..4_000, turn()).prop_map(|(frames, turn)| Call::Push { frames, turn });
    let call = prop_oneof![
        4 => push,
        1 => turn().prop_map(|turn| Call::End { turn }),
        1 => turn().prop_map(|turn| Call::Flush { turn }),
        8 => (0_usize..=4_096).prop_map(|frames| Call::Pull { frames }),
        1 => (0_u64..700_000).prop_map(|us| Call::Idle { us }),
    ];
    proptest::collection::vec(call, 0..60)
}

fn small_buffer() -> JitterBuffer {
    JitterBuffer::new(JitterBufferConfig {
        capacity_s: 1,
        ..JitterBufferConfig::default()
    })
    .expect("valid")
}

/// Runs the calls, cutting each pull after `cut` frames, and gives output and outcome. The
/// clock stands at `start_us` first and moves by what is pulled.
fn run(calls: &[Call], start_us: u64, cut: usize) -> (Vec<i16>, Playhead, Stats) {
    let mut buffer = small_buffer();
    let (mut out, mut pushed, mut pulled, mut idle_us) = (Vec::new(), 0, 0, start_us);
    for call in calls {
        let now_us = idle_us + micros(pulled);
        match *call {
            Call::Push { frames, turn } => {
                buffer.push(&source(pushed, frames), now_us, turn);
                pushed += frames;
            }
            Call::End { turn } => buffer.end_of_turn(turn),
            Call::Flush { turn } => buffer.flush(turn),
            Call::Pull { frames } => {
                let mut left = frames;
                while left > 0 {
                    let piece = left.min(cut);
                    out.extend(pull(&mut buffer, piece, idle_us + micros(pulled)));
                    pulled += piece;
                    left -= piece;
                }
            }
            Call::Idle { us } => idle_us += us,
        }
    }
    // A last look, so that flushes that nobody pulled after are done, however pulls were cut.
    out.extend(pull(&mut buffer, 1, idle_us + micros(pulled)));
    (out, buffer.playhead(), buffer.stats())
}

/// Where two outputs differ: easier to read than both.
fn first_difference(left: &[i16], right: &[i16]) -> Option<usize> {
    let differs = left
        .iter()
        .zip(right)
        .position(|(left, right)| left != right);
    differs.or((left.len() != right.len()).then_some(left.len().min(right.len())))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_slicing_of_the_pulls_gives_the_same(calls in calls(), cut in 1_usize..700) {
        let (whole, sliced) = (run(&calls, 0, usize::MAX), run(&calls, 0, cut));
        prop_assert_eq!(first_difference(&whole.0, &sliced.0), None);
        prop_assert_eq!(whole.1, sliced.1);
        // A time in whole microseconds is rounded at another place in each.
        let delays = [whole.2.first_sound_delay_us, sliced.2.first_sound_delay_us];
        prop_assert!(delays[0].abs_diff(delays[1]) <= 1, "{:?}", delays);
        let first_sound_delay_us = 0;
        prop_assert_eq!(
            Stats { first_sound_delay_us, ..whole.2 },
            Stats { first_sound_delay_us, ..sliced.2 }
        );
    }

    #[test]
    fn a_shift_of_the_clock_changes_nothing(calls in calls(), shift_us in 0_u64..1 << 52) {
        let (plain, shifted) = (run(&calls, 0, usize::MAX), run(&calls, shift_us, usize::MAX));
        prop_assert_eq!(first_difference(&plain.0, &shifted.0), None);
        prop_assert_eq!((plain.1, plain.2), (shifted.1, shifted.2));
    }

    #[test]
    fn played_and_dropped_and_queued_is_what_was_pushed(calls in calls()) {
        let mut buffer = small_buffer();
        let (mut offered, mut accepted, mut emitted, mut played) = (0, 0, 0, 0);
        let mut now_us = 0;
        let mut pieces = 0;
        let mut before = buffer.playhead();
        for call in calls {
            match call {
                Call::Push { frames, turn } => {
                    let taken = buffer.push(&source(0, frames), now_us, turn);
                    prop_assert!(taken == 0 || taken == frames);
                    pieces += 1;
                    offered += frames as u64;
                    accepted += taken as u64;
                }
                Call::End { turn } => buffer.end_of_turn(turn),
                Call::Flush { turn } => buffer.flush(turn),
                Call::Pull { frames } => {
                    let out = pull(&mut buffer, frames, now_us);
                    emitted += frames as u64;
                    // The source has no zeros; a fade may make some.
                    played += out.iter().filter(|&&sample| sample != 0).count() as u64;
                }
                Call::Idle { us } => now_us += us,
            }
            let (playhead, stats) = (buffer.playhead(), buffer.stats());
            prop_assert_eq!(stats.pushed_frames, accepted);
            prop_assert_eq!(stats.pushed_frames + stats.refused_frames + stats.dropped_late_frames,
                offered);
            prop_assert_eq!(
                stats.jitter_buffer_emitted_count + stats.flushed_frames + playhead.queued_frames,
                accepted
            );
            prop_assert_eq!(playhead.emitted_frames, emitted);
            // Besides what was pushed: repeated, going on, played once more after a silence, and
            // dying away before one.
            let made_up = stats.inserted_samples_for_deceleration
                + stats.concealed_samples
                + stats.concealment_events * FADE as u64
                + stats.flush_count * FADE as u64
                + pieces * FADE as u64;
            prop_assert!(played <= stats.jitter_buffer_emitted_count + made_up);
            prop_assert!(playhead.turn >= before.turn, "turns only grow");
            if playhead.turn == before.turn {
                prop_assert!(playhead.media_frames >= before.media_frames);
            }
            before = playhead;
        }
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
