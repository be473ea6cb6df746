//! Running dry in the middle of a turn.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{JitterBuffer, State};
use support::*;

/// A constant signal shows the gain of every sample.
fn push_level(buffer: &mut JitterBuffer, frames: usize) {
    assert_eq!(buffer.push(&vec![10_000; frames], 0, Some(1)), frames);
}

/// How long a turn that runs dry goes on by itself, and until when at full level.
const GOING: usize = 20;
const HOLDING: usize = 12;

#[test]
fn a_turn_that_runs_dry_goes_on_for_a_moment_and_resumes_where_it_was() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    let dry = pull(&mut buffer, ms(100), 0);
    let held = ms(60 + HOLDING);
    assert_eq!(dry[..held], vec![10_000; held]);
    assert!(dry[held..ms(60 + GOING)].is_sorted_by(|a, b| a >= b));
    assert!(largest_step(&dry) < 200, "{}", largest_step(&dry));
    assert_eq!(dry[ms(60 + GOING)..], silence(ms(40 - GOING)));
    assert_eq!(buffer.playhead().state, State::Starved);

    push_level(&mut buffer, ms(59));
    let out = pull(&mut buffer, ms(10), 0);
    assert_eq!(out, silence(ms(10)), "cushion again");
    push_level(&mut buffer, ms(1));
    let resumed = pull(&mut buffer, ms(25), 0);
    assert!(resumed[..FADE].is_sorted_by(|a, b| a < b));
    assert!(largest_step(&resumed) < 200 && resumed[0] < 200);
    assert_eq!(resumed[FADE..], vec![10_000; ms(20)]);

    let (stats, playhead) = (buffer.stats(), buffer.playhead());
    assert_eq!(stats.concealment_events, 1);
    assert_eq!(stats.concealed_samples, ms(50) as u64);
    assert_eq!(stats.silent_concealed_samples, ms(50 - GOING) as u64);
    assert_eq!((stats.underrun_us, stats.interruption_count), (50_000, 0));
    // The fade is of sound that was played already: nothing is lost in it, and nothing counted.
    assert_eq!(stats.jitter_buffer_emitted_count, ms(80) as u64);
    assert_eq!(playhead.media_frames, ms(80) as u64);
    assert_eq!(stats.total_samples_received, ms(130) as u64);
}

#[test]
fn more_that_comes_while_a_turn_goes_on_is_led_over_to_without_a_step() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    let mut out = pull(&mut buffer, ms(70), 0);
    push_level(&mut buffer, ms(20));
    out.extend(pull(&mut buffer, ms(20), 70_000));
    let (least, most) = (out.iter().min(), out.iter().max());
    assert!(
        least >= Some(&9_500) && most <= Some(&10_050),
        "{least:?} {most:?}"
    );
    let stats = buffer.stats();
    assert_eq!(stats.concealment_events, 1);
    assert_eq!(stats.concealed_samples, ms(10) as u64);
    assert_eq!(stats.silent_concealed_samples, 0);
}

#[test]
fn recovery_waits_no_longer_than_max_wait() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    pull(&mut buffer, ms(60 + GOING + 1), 0);
    push_level(&mut buffer, ms(20));
    let out = pull(&mut buffer, ms(130), 81_000);
    assert_eq!(out[..ms(120)], silence(ms(120)));
    assert!(out[ms(120)] > 0);
}

#[test]
fn an_end_that_is_known_in_time_is_no_underrun() {
    let mut buffer = buffer();
    buffer.push(&soft_ended(0, ms(60)), 0, None);
    pull(&mut buffer, ms(55), 0);
    buffer.end_of_turn(None);
    let end = &soft_ended(0, ms(60))[ms(55)..];
    assert_eq!(
        pull(&mut buffer, ms(10), 0),
        [end, &silence(ms(5))].concat()
    );
    assert_eq!(buffer.stats().concealment_events, 0);
    assert_eq!(buffer.playhead().state, State::Idle);
}

#[test]
fn an_end_in_the_middle_of_a_sound_dies_away_behind_its_last_sample() {
    let mut buffer = buffer();
    buffer.push(&tone(0, ms(60)), 0, Some(1));
    buffer.end_of_turn(None);
    let out = pull(&mut buffer, ms(100), 0);
    assert_eq!(out[..ms(60)], tone(0, ms(60)));
    assert!(largest_step(&out) < TONE_STEP, "{}", largest_step(&out));
    assert_eq!(out[ms(65)..], silence(ms(35)));
    // More of it all the same, a piece that stands alone.
    buffer.push(&tone(ms(60), ms(10)), 0, Some(1));
    let out = pull(&mut buffer, ms(30), 0);
    assert!(largest_step(&out) < TONE_STEP, "{}", largest_step(&out));
    let stats = buffer.stats();
    assert_eq!(stats.jitter_buffer_emitted_count, ms(70) as u64);
    assert_eq!((stats.concealment_events, stats.underrun_us), (0, 0));
}

#[test]
fn whatever_ends_a_turn_that_goes_on_by_itself_lets_it_die_away() {
    let rest = [silence(1), vec![1; ms(80)]].concat();
    for going in [1, 48, ms(5), ms(10), ms(15)] {
        for next in [0, 24, rest.len()] {
            let mut buffer = buffer();
            buffer.push(&tone(0, ms(60)), 0, Some(1));
            let mut out = pull(&mut buffer, ms(50), 0);
            buffer.push(&tone(ms(60), 17), 0, Some(1));
            out.extend(pull(&mut buffer, ms(10) + 17 + going, 0));
            let played = out.len();
            if next == 0 {
                buffer.end_of_turn(None);
            } else {
                buffer.push(&rest[..next], 0, Some(2));
            }
            out.extend(pull(&mut buffer, ms(30), 0));
            assert!(
                largest_step(&out) < TONE_STEP,
                "{} after {going}, {next}",
                largest_step(&out)
            );
            assert_eq!(out[played + FADE], 0, "as short as a fade");
            assert_eq!(buffer.stats().concealed_samples, going as u64);
        }
    }
}

#[test]
fn a_late_end_stops_the_count() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    pull(&mut buffer, ms(160), 0);
    buffer.end_of_turn(None);
    pull(&mut buffer, ms(100), 0);
    assert_eq!(buffer.stats().concealed_samples, ms(100) as u64);
    assert_eq!(buffer.playhead().state, State::Idle);
}

#[test]
fn after_400_ms_dry_nothing_is_counted_and_a_residual_chunk_plays_all_the_same() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    pull(&mut buffer, ms(60 + 3_000), 0);
    let stats = buffer.stats();
    assert_eq!((stats.underrun_us, stats.concealment_events), (400_000, 1));
    assert_eq!(stats.interruption_count, 1);
    assert_eq!(buffer.playhead().state, State::Idle);
    // It may be the beginning of a turn that nobody announced, so it waits like one.
    push_level(&mut buffer, ms(20));
    let out = pull(&mut buffer, ms(150), 3_060_000);
    assert_eq!(out[..ms(120)], silence(ms(120)));
    assert!(
        out[ms(120)] > 0 && largest_step(&out) < 500,
        "{} {}",
        out[ms(120)],
        largest_step(&out)
    );
    let onset = ms(2);
    assert_eq!(out[ms(120) + onset..ms(140)], vec![10_000; ms(20) - onset]);
    assert_eq!(buffer.playhead().media_frames, ms(80) as u64);
}

#[test]
fn a_turn_that_nobody_announced_and_that_begins_softly_is_not_faded() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    pull(&mut buffer, ms(60 + 3_000), 0);
    let mut turn = vec![128; 3];
    turn.extend(source(0, ms(80)));
    buffer.push(&turn, 3_060_000, Some(1));
    assert_eq!(pull(&mut buffer, turn.len(), 3_060_000), turn);
}

#[test]
fn a_turn_to_which_nothing_was_added_for_long_does_not_go_on() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(80));
    let out = pull(&mut buffer, ms(100), 0);
    assert_eq!(out[..ms(80)], vec![10_000; ms(80)]);
    let dying = &out[ms(80)..ms(88)];
    assert!(dying.is_sorted_by(|a, b| a >= b) && dying[ms(4)] < 7_000);
    assert!(largest_step(&out) < 200, "{}", largest_step(&out));
    assert_eq!(out[ms(88)..], silence(ms(12)));
}

#[test]
fn a_turn_that_follows_an_unfinished_one_waits_for_its_own_cushion() {
    let mut buffer = buffer();
    push_level(&mut buffer, ms(60));
    pull(&mut buffer, ms(100), 0);
    buffer.push(&source(0, ms(20)), 100_000, Some(2));
    assert_eq!(pull(&mut buffer, ms(120), 100_000), silence(ms(120)));
    assert_eq!(buffer.stats().concealed_samples, ms(40) as u64);
    assert_eq!(pull(&mut buffer, ms(10), 220_000), source(0, ms(10)));
}

#[test]
fn audio_after_the_announced_end_plays_unfaded_if_it_comes_in_time() {
    let mut buffer = buffer();
    buffer.push(&source(0, ms(20)), 0, Some(1));
    buffer.end_of_turn(None);
    assert_eq!(pull(&mut buffer, ms(10), 0), source(0, ms(10)));
    buffer.push(&source(ms(20), ms(10)), 0, Some(1));
    buffer.push(&soft_ended(ms(30), ms(10)), 0, Some(1));
    let rest = [source(ms(10), ms(20)), soft_ended(ms(30), ms(10))].concat();
    assert_eq!(
        pull(&mut buffer, ms(40), 0),
        [rest, silence(ms(10))].concat()
    );
    assert_eq!(buffer.playhead().media_frames, ms(40) as u64);
    assert_eq!(buffer.stats().concealment_events, 0);
    buffer.end_of_turn(Some(1));
    pull(&mut buffer, 1, 0);
    assert_eq!(buffer.playhead().state, State::Idle);
}

/// A turn that comes in pieces shorter than a lead-over and slower than it plays, so that it runs
/// dry behind each: no piece begins or ends with a click.
#[test]
fn a_turn_that_drips_in_goes_on_from_what_was_heard_before() {
    for (chunk, every) in [(120, 192), (48, 72), (24, 36)] {
        let (mut buffer, sound) = (buffer(), tone(0, ms(4_000)));
        let (mut out, mut chunks, mut due) = (Vec::new(), sound.chunks(chunk), 0);
        while out.len() < sound.len() * every / chunk {
            while due <= out.len() {
                buffer.push(chunks.next().unwrap_or_default(), micros(due), Some(1));
                due += every;
            }
            let now_us = micros(out.len());
            out.extend(pull(&mut buffer, ms(1), now_us));
        }
        // The tone itself bends by 27; from silence it begins with its own first step.
        let start = out.iter().position(|&sample| sample != 0).expect("sounds");
        let bend = |x: &[i16]| (i32::from(x[0]) - 2 * i32::from(x[1]) + i32::from(x[2])).abs();
        let largest = out[start..].windows(3).map(bend).max();
        assert!(largest < Some(90), "{largest:?} in pieces of {chunk}");
    }
}

/// Plays a tone that comes in chunks of `chunk` frames, one every `every_us`, until the last of
/// them is queued.
fn play_at_pace(chunk: usize, every_us: u64, start_us: impl Fn(u64) -> u64) -> JitterBuffer {
    let (mut buffer, sound, mut played) = (buffer(), tone(0, ms(10_000)), 0);
    for (k, chunk) in (0..).zip(sound.chunks(chunk)) {
        let due_us = k * every_us;
        while micros(played) < due_us {
            pull(&mut buffer, 48, start_us(micros(played)));
            played += 48;
        }
        buffer.push(chunk, start_us(due_us), Some(1));
    }
    buffer
}

#[test]
fn a_turn_that_is_slower_than_its_sound_by_a_little_with_each_chunk_is_played_slower() {
    for (chunk_ms, every_us) in [(10, 12_000), (20, 22_000), (100, 101_900), (40, 44_000)] {
        let stats = play_at_pace(ms(chunk_ms), every_us, |us| us).stats();
        assert!(stats.concealment_events <= 1, "{stats:?}");
        assert!(stats.inserted_samples_for_deceleration > ms(100) as u64);
    }
    for chunk_ms in [10, 20, 40, 100] {
        let stats = play_at_pace(ms(chunk_ms), chunk_ms as u64 * 1_000, |us| us).stats();
        assert_eq!(stats.concealment_events, 0);
        assert_eq!(stats.inserted_samples_for_deceleration, 0);
    }
}

#[test]
fn a_clock_that_jumps_changes_little_and_breaks_nothing() {
    let inserted = |start_us: &dyn Fn(u64) -> u64| {
        let stats = play_at_pace(ms(20), 22_000, start_us).stats();
        stats.inserted_samples_for_deceleration
    };
    let plain = inserted(&|us| us);
    // Before anybody can know how slow it is: an hour back, and ahead as far as it goes.
    let jump_us = 20_000;
    for (before_us, after_us) in [(3_600_000_000, 0), (0, 1 << 63), (0, u64::MAX - 12_000_000)] {
        let jumping = inserted(&|us| us + if us < jump_us { before_us } else { after_us });
        assert!(jumping > plain * 3 / 4, "{jumping} {plain}");
    }
    for last_us in [u64::MAX, u64::MAX - 5_000_000] {
        play_at_pace(ms(20), 22_000, |us| last_us.saturating_add(us));
    }
}
