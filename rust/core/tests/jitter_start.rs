//! When a turn begins to sound.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::State;
use support::*;

#[test]
fn waits_for_the_cushion_and_then_plays_from_the_very_first_sample() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(59)), 0, None);
    assert_eq!(pull(&mut buffer, ms(10), 0), silence(ms(10)));
    assert_eq!(buffer.playhead().state, State::Prebuffer);
    assert_eq!(buffer.playhead().turn, None);
    buffer.push(&source(ms(59), ms(1)), 10_000, None);
    assert_eq!(pull(&mut buffer, ms(10), 10_000), source(0, ms(10)));
    let playhead = buffer.playhead();
    assert_eq!((playhead.turn, playhead.media_frames), (Some(1), 240));
    assert_eq!(
        (playhead.state, playhead.queued_frames),
        (State::Playing, 1200)
    );
    assert_eq!(buffer.stats().first_sound_delay_us, 10_000);
}

#[test]
fn a_known_end_starts_a_short_reply_at_once_and_plays_it_unfaded() {
    let mut buffer = buffer();
    buffer.push(&soft_ended(0, 50), 0, Some(7));
    buffer.end_of_turn(Some(7));
    assert_eq!(
        pull(&mut buffer, 100, 0),
        [soft_ended(0, 50), silence(50)].concat()
    );
    assert_eq!(buffer.stats().concealment_events, 0);
    assert_eq!(buffer.playhead().state, State::Idle);
    assert_eq!(buffer.playhead().turn, Some(7));
}

#[test]
fn never_waits_longer_than_max_wait_since_the_first_audio() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(20)), 1_000_000, None);
    // The pull of 1.1 s finds 20 ms left to wait.
    assert_eq!(pull(&mut buffer, ms(10), 1_100_000), silence(ms(10)));
    buffer.push(&source(ms(20), ms(20)), 1_109_000, None);
    let out = pull(&mut buffer, ms(20), 1_110_000);
    assert_eq!(out, [silence(ms(10)), source(0, ms(10))].concat());
    assert_eq!(buffer.stats().first_sound_delay_us, 120_000);
}

#[test]
fn a_device_that_stood_still_does_not_wait_again() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(20)), 0, None);
    assert_eq!(pull(&mut buffer, ms(10), 0), silence(ms(10)));
    assert_eq!(pull(&mut buffer, ms(10), 500_000), source(0, ms(10)));
}

#[test]
fn a_clock_that_never_moves_only_counts_frames() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(20)), 0, None);
    let out: Vec<i16> = (0..13).flat_map(|_| pull(&mut buffer, ms(10), 0)).collect();
    assert_eq!(out, [silence(ms(120)), source(0, ms(10))].concat());
}

#[test]
fn the_next_turn_follows_without_a_gap_if_it_is_ready() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(10)), 0, Some(1));
    buffer.push(&source(ms(10), ms(70)), 0, Some(2));
    assert_eq!(pull(&mut buffer, ms(40), 0), source(0, ms(40)));
    let playhead = buffer.playhead();
    assert_eq!((playhead.turn, playhead.media_frames), (Some(2), 720));
}

#[test]
fn turns_without_a_number_count_up_from_one() {
    let mut buffer = buffer();
    for turn in 1..=3 {
        buffer.push(&source(0, 30), 0, None);
        buffer.push(&source(30, 30), 0, None);
        buffer.end_of_turn(None);
        assert_eq!(pull(&mut buffer, 60, 0), source(0, 60));
        assert_eq!(buffer.playhead().turn, Some(turn));
    }
}

#[test]
fn settings_out_of_range_are_refused_with_their_values() {
    use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig};
    let config = JitterBufferConfig {
        sample_rate_hz: 7_999,
        ..JitterBufferConfig::default()
    };
    let error = JitterBuffer::new(config)
        .expect_err("below the range")
        .to_string();
    assert_eq!(error, "sample_rate_hz is 7999; it must be 8000 to 48000");
}
