//! One thread pushes, another pulls, a third looks on.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig};
use support::*;

/// Every sample comes out once, in order, through hundreds of turns and thousands of blocks.
#[test]
fn samples_cross_in_order() {
    const TOTAL: usize = 3_000_000;
    let config = JitterBufferConfig {
        sample_rate_hz: 8_000,
        capacity_s: 3,
        ..JitterBufferConfig::default()
    };
    let buffer = JitterBuffer::new(config).expect("valid");
    let monitor = buffer.monitor();
    let (mut writer, mut reader) = buffer.split();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut at, mut size, mut turn) = (0, 1, 0);
            while at < TOTAL {
                size = size * 31 % 1_999;
                let frames = size.min(TOTAL - at);
                let accepted = writer.push(&source(at, frames), 0, Some(turn));
                at += accepted;
                if accepted == 0 {
                    // Full: from here to the next turn nothing may run dry.
                    writer.end_of_turn(None);
                    turn += 1;
                    thread::yield_now();
                }
            }
            writer.end_of_turn(None);
        });
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let playhead = monitor.playhead();
                assert!(playhead.media_frames <= playhead.emitted_frames);
                assert!(playhead.queued_frames <= 24_000);
                thread::yield_now();
            }
        });
        let (mut out, mut checked, mut differ) = ([0; 512], 0, 0);
        let mut at = 0;
        while at < TOTAL {
            reader.pull(&mut out, 0);
            let from = at;
            at = usize::try_from(monitor.stats().jitter_buffer_emitted_count).expect("small");
            // Where silence is mixed in, nobody can tell which sample is which.
            if at - from == out.len() {
                checked += out.len();
                let expected = source(from, out.len());
                differ += out.iter().zip(expected).filter(|(a, b)| **a != *b).count();
            }
        }
        done.store(true, Relaxed);
        let events = usize::try_from(monitor.stats().concealment_events).expect("few");
        assert_eq!(at, TOTAL);
        // Where the writer was slow, 5 ms faded out and 5 ms in.
        assert!(differ <= 80 * events, "{differ} differ, {events} fades");
        assert!(checked > TOTAL / 4, "only {checked} could be checked");
    });
}

/// Flushes at any moment: what follows is always the newest turn from its first sample.
#[test]
fn flushes_never_let_an_old_turn_through() {
    let (mut writer, mut reader) = buffer().split();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1..=2_000_u32 {
                let level = i16::try_from(turn).expect("small");
                for _ in 0..3 {
                    writer.push(&[level; 700], 0, Some(turn));
                }
                if turn % 3 == 0 {
                    thread::yield_now();
                }
                writer.flush(Some(turn));
            }
            done.store(true, Relaxed);
        });
        let monitor = reader.monitor();
        let (mut out, mut seen) = ([0; 256], 0);
        while !done.load(Relaxed) {
            let before = monitor.playhead().flushes;
            reader.pull(&mut out, 0);
            let after = monitor.playhead();
            assert!(after.flushes >= before);
            let loudest = out.iter().copied().max().unwrap_or(0);
            // Turn numbers are levels: within a pull they only grow, and fades only shrink them.
            let newest = after.turn.unwrap_or(0);
            assert!(newest >= seen && u32::from(loudest.unsigned_abs()) <= newest);
            seen = newest;
        }
        reader.pull(&mut out, 0);
        reader.pull(&mut out, 0);
        assert_eq!(out, [0; 256]);
        assert_eq!(monitor.playhead().queued_frames, 0);
        assert_eq!(monitor.playhead().flushes, 2_000);
    });
}
