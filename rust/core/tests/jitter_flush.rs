//! Flushing: heard as a 5 ms fade in the next pull, and final.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::State;
use support::*;

#[test]
fn what_is_sounding_fades_within_the_next_pull_and_the_rest_is_dropped() {
    let mut buffer = buffer();
    buffer.push(&vec![10_000; ms(1_000)], 0, Some(1));
    pull(&mut buffer, ms(10), 0);
    buffer.flush(None);
    let out = pull(&mut buffer, ms(10), 10_000);
    assert!(out[..FADE].is_sorted_by(|a, b| a > b));
    assert!(largest_step(&out) < 200 && out[0] > 9_800);
    assert_eq!(out[FADE..], silence(ms(5)));
    let playhead = buffer.playhead();
    assert_eq!((playhead.state, playhead.queued_frames), (State::Idle, 0));
    assert_eq!((playhead.flushes, playhead.flushed_turn), (1, Some(1)));
    assert_eq!(playhead.flushed_media_frames, ms(15) as u64);
    assert_eq!(buffer.stats().flushed_frames, ms(985) as u64);
}

#[test]
fn pulls_shorter_than_the_fade_share_it() {
    let mut buffer = buffer();
    buffer.push(&vec![10_000; ms(100)], 0, Some(1));
    pull(&mut buffer, ms(10), 0);
    buffer.flush(None);
    let mut out = pull(&mut buffer, 50, 0);
    assert_eq!(buffer.playhead().state, State::Fading);
    assert_eq!(buffer.playhead().flushed_media_frames, 290);
    buffer.flush(None); // again, before the first is over
    out.extend(pull(&mut buffer, 100, 0));
    assert!(out[..FADE].is_sorted_by(|a, b| a > b));
    assert_eq!(out[FADE..], silence(30));
    let playhead = buffer.playhead();
    assert_eq!((playhead.flushes, playhead.flushed_turn), (2, Some(1)));
    assert_eq!(playhead.flushed_media_frames, 360);
}

#[test]
fn late_audio_of_flushed_turns_never_returns() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(100)), 0, Some(5));
    pull(&mut buffer, ms(10), 0);
    buffer.flush(None);
    assert_eq!(buffer.push(&source(0, ms(100)), 0, Some(5)), 0);
    assert_eq!(buffer.push(&source(0, ms(100)), 0, Some(4)), 0);
    buffer.end_of_turn(Some(5));
    assert_eq!(pull(&mut buffer, ms(200), 0)[FADE..], silence(ms(195)));
    assert_eq!(buffer.stats().dropped_late_frames, ms(200) as u64);
    assert_eq!(buffer.push(&source(0, ms(100)), 0, Some(6)), ms(100));
    assert_eq!(pull(&mut buffer, ms(10), 0), source(0, ms(10)));
}

#[test]
fn audio_pushed_before_the_flush_was_seen_is_dropped_too_and_the_next_turn_is_not() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(100)), 0, Some(1));
    pull(&mut buffer, ms(10), 0);
    buffer.push(&source(0, ms(100)), 0, Some(1));
    buffer.flush(None);
    buffer.push(&source(0, ms(100)), 0, None);
    let out = pull(&mut buffer, ms(20), 0);
    assert_eq!(out[FADE..], source(0, ms(15)));
    let playhead = buffer.playhead();
    assert_eq!((playhead.turn, playhead.media_frames), (Some(2), 360));
    assert_eq!(playhead.flushed_media_frames, 360);
}

#[test]
fn an_older_turn_can_be_flushed_without_the_newer_one() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(100)), 0, Some(1));
    buffer.push(&source(5_000, ms(100)), 0, Some(2));
    pull(&mut buffer, ms(10), 0);
    buffer.flush(Some(1));
    assert_eq!(pull(&mut buffer, ms(20), 0)[FADE..], source(5_000, ms(15)));
}

#[test]
fn nothing_is_cut_if_nothing_plays() {
    let mut buffer = buffer();
    buffer.flush(None);
    pull(&mut buffer, 10, 0);
    assert_eq!(
        (buffer.playhead().flushes, buffer.playhead().flushed_turn),
        (1, None)
    );
    // Waiting for its cushion: dropped, but not cut, since nobody heard of it.
    buffer.push(&source(0, ms(20)), 0, Some(3));
    pull(&mut buffer, 10, 0);
    buffer.flush(None);
    assert_eq!(pull(&mut buffer, ms(200), 0), silence(ms(200)));
    assert_eq!(
        (buffer.playhead().flushes, buffer.playhead().flushed_turn),
        (2, None)
    );
    // Played to its known end.
    buffer.push(&soft_ended(0, ms(20)), 0, Some(4));
    buffer.end_of_turn(None);
    pull(&mut buffer, ms(20), 0);
    buffer.flush(None);
    assert_eq!(pull(&mut buffer, ms(10), 0), silence(ms(10)));
    assert_eq!(
        (buffer.playhead().flushes, buffer.playhead().flushed_turn),
        (3, None)
    );
}

#[test]
fn a_starved_turn_is_cut_where_it_ran_dry() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(60)), 0, Some(1));
    pull(&mut buffer, ms(100), 0);
    buffer.flush(None);
    assert_eq!(pull(&mut buffer, ms(10), 0), silence(ms(10)));
    let playhead = buffer.playhead();
    assert_eq!(
        (playhead.state, playhead.flushed_turn),
        (State::Idle, Some(1))
    );
    assert_eq!(playhead.flushed_media_frames, ms(60) as u64);
    assert_eq!(buffer.stats().concealed_samples, ms(40) as u64);
}

#[test]
fn several_flushes_before_a_pull_count_each_and_cut_once() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(100)), 0, Some(1));
    pull(&mut buffer, ms(10), 0);
    for _ in 0..1_000 {
        buffer.flush(None);
        buffer.push(&source(0, 1), 0, None);
    }
    buffer.flush(None);
    assert_eq!(pull(&mut buffer, ms(10), 0)[FADE..], silence(ms(5)));
    let playhead = buffer.playhead();
    assert_eq!((playhead.flushes, playhead.flushed_turn), (1_001, Some(1)));
    assert_eq!(playhead.queued_frames, 0);
}

#[test]
fn a_flush_in_the_tail_fades_what_is_left_of_it_going_on() {
    let mut buffer = buffer();
    buffer.push(&vec![10_000; ms(20)], 0, Some(1));
    buffer.end_of_turn(None);
    pull(&mut buffer, ms(18), 0);
    buffer.flush(None);
    let out = pull(&mut buffer, ms(10), 0);
    assert!(out[..FADE].is_sorted_by(|a, b| a > b) && largest_step(&out) < 200);
    assert_eq!(out[FADE..], silence(ms(5)));
    assert_eq!(buffer.playhead().flushed_media_frames, ms(20) as u64);
}

#[test]
fn a_flush_fades_for_5_ms_however_little_is_queued() {
    for is_ended in [false, true] {
        for left in [0, 1, 2, 5, 10, 60, 119, 120, 121] {
            let (mut buffer, frames) = (buffer(), ms(100) + 17);
            buffer.push(&tone(0, frames), 0, Some(1));
            if is_ended {
                buffer.end_of_turn(None);
            }
            let mut out = pull(&mut buffer, frames - left, 0);
            buffer.flush(None);
            // In pieces: an end that is reached on the way does not cut the fade short.
            out.extend((0..48).flat_map(|_| pull(&mut buffer, 10, 100_000)));
            let (step, sounding) = (largest_step(&out), &out[..frames - left + FADE]);
            assert!(step < TONE_STEP, "{step} with {left} left, {is_ended}");
            assert_eq!(out[sounding.len()..], silence(480 - FADE));
            let playhead = buffer.playhead();
            assert_eq!((playhead.state, playhead.queued_frames), (State::Idle, 0));
            assert_eq!(
                playhead.media_frames,
                (frames - left.saturating_sub(FADE)) as u64
            );
        }
    }
}
