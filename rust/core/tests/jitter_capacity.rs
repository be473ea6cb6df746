//! What does not fit is refused whole, counted, and nothing else suffers.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig};
use support::*;

#[test]
fn a_full_buffer_refuses_whole_pushes_and_counts_them() {
    let config = JitterBufferConfig {
        capacity_s: 1,
        ..JitterBufferConfig::default()
    };
    let mut buffer = JitterBuffer::new(config).expect("valid");
    assert_eq!(buffer.push(&source(0, 23_999), 0, None), 23_999);
    assert_eq!(buffer.push(&source(0, 2), 0, None), 0);
    assert_eq!(buffer.push(&source(23_999, 1), 0, None), 1);
    assert_eq!(buffer.stats().refused_frames, 2);
    assert_eq!(pull(&mut buffer, 1_000, 0), source(0, 1_000));
    assert_eq!(buffer.push(&source(24_000, 1_000), 0, None), 1_000);
    buffer.end_of_turn(None);
    assert_eq!(pull(&mut buffer, 24_000, 0), source(1_000, 24_000));
}

#[test]
fn a_new_turn_is_refused_when_256_wait() {
    let mut buffer = buffer();
    for turn in 0..256 {
        assert_eq!(buffer.push(&source(0, 10), 0, Some(turn)), 10);
        buffer.end_of_turn(None);
    }
    assert_eq!(buffer.push(&source(0, 10), 0, Some(256)), 0);
    assert_eq!(buffer.stats().refused_frames, 10);
    assert_eq!(pull(&mut buffer, 10, 0), source(0, 10));
    assert_eq!(buffer.push(&source(0, 10), 0, Some(256)), 10);
    assert_eq!(pull(&mut buffer, 10, 0), source(0, 10));
}

#[test]
fn minutes_of_backlog_are_content_and_come_out_whole() {
    let mut buffer = buffer();
    for second in 0..300 {
        assert_eq!(
            buffer.push(&source(second * 24_000, 24_000), 0, None),
            24_000
        );
    }
    for second in 0..299 {
        assert_eq!(
            pull(&mut buffer, 24_000, 0),
            source(second * 24_000, 24_000)
        );
    }
}

#[test]
fn empty_pushes_and_pulls_are_nothing() {
    let mut buffer = buffer();
    assert_eq!(buffer.push(&[], 0, Some(9)), 0);
    buffer.end_of_turn(None);
    assert_eq!(pull(&mut buffer, 0, 0), silence(0));
    assert_eq!(
        buffer.playhead(),
        antiphon_core::downlink::Playhead::default()
    );
}

#[test]
fn a_turn_that_goes_on_after_its_end_counts_as_one_more() {
    let mut buffer = buffer();
    for piece in 0..300 {
        let taken = buffer.push(&source(0, 10), 0, Some(1));
        assert_eq!(taken == 10, piece < 256);
        buffer.end_of_turn(Some(1));
    }
    assert_eq!(buffer.stats().refused_frames, 440);
    pull(&mut buffer, 2_560, 0);
    assert_eq!(buffer.playhead().media_frames, 2_560);
    assert_eq!(buffer.push(&source(0, 10), 0, Some(1)), 10);
}
