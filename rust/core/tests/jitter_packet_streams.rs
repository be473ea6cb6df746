//! The packet regime where streams of packets begin, pause, end, break off and begin anew.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a few thousand samples"
)]
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{PacketBuffer, PacketConfig, State};
use support::*;

const PACKET: usize = 480;
const PACKET_US: u64 = 20_000;

/// A buffer, a clock, and all that came out.
struct Line {
    buffer: PacketBuffer,
    now_us: u64,
    out: Vec<i16>,
}

impl Line {
    fn new() -> Self {
        let buffer = PacketBuffer::new(PacketConfig::default()).expect("the defaults are valid");
        Self {
            buffer,
            now_us: 1_000_000,
            out: Vec::new(),
        }
    }

    fn push(&mut self, seq: u16) {
        let pcm = tone(usize::from(seq) * PACKET, PACKET);
        let taken = self.buffer.push(seq, &pcm, self.now_us);
        assert_eq!(taken, Ok(PACKET));
    }

    fn pull(&mut self, frames: usize) {
        let start = self.out.len();
        self.out.resize(start + frames, i16::MAX);
        self.buffer.pull(&mut self.out[start..], self.now_us);
        self.now_us += micros(frames);
    }

    /// Packets that come when they are complete.
    fn play(&mut self, seqs: impl IntoIterator<Item = u16>) {
        for seq in seqs {
            self.push(seq);
            self.pull(PACKET);
        }
    }

    fn drain(&mut self) {
        for _ in 0..200 {
            self.pull(PACKET);
        }
    }

    fn queued(&self) -> u64 {
        self.buffer.playhead().queued_frames
    }

    /// Media that came out or was left out to play faster, in packets.
    fn used(&self) -> u64 {
        let stats = self.buffer.stats();
        let frames = stats.jitter_buffer_emitted_count + stats.removed_samples_for_acceleration;
        frames / PACKET as u64
    }
}

/// 225 Hz, so that any packet may follow any: half periods fit into none.
fn tone(from: usize, frames: usize) -> Vec<i16> {
    let sample = |k: usize| {
        let angle = std::f64::consts::TAU * 225.0 * (k as f64) / 24_000.0;
        (8_000.0 * angle.sin()).round() as i16
    };
    (from..from + frames).map(sample).collect()
}

/// Steepest slope of the tone.
const SLOPE: i32 = 472;

#[test]
fn pulls_of_any_length_find_the_packets_of_a_clean_link() {
    for frames in [240, 480, 768, 1_024, 1_536, 2_048, 4_096] {
        let mut line = Line::new();
        let mut seq = 0;
        let begun_us = line.now_us;
        while seq < 1_500 {
            while begun_us + u64::from(seq) * PACKET_US <= line.now_us {
                line.push(seq);
                seq += 1;
            }
            line.pull(frames);
        }
        let stats = line.buffer.stats();
        assert!(
            stats.concealed_samples <= frames as u64,
            "{frames}: {stats:?}"
        );
        assert!(
            stats.removed_samples_for_acceleration < 2_400,
            "{frames}: {stats:?}"
        );
    }
}

#[test]
fn a_single_long_pull_is_not_taken_for_a_habit() {
    let mut line = Line::new();
    line.play(0..100);
    let before = line.queued();
    let mut pause = vec![0; 24_000];
    line.buffer.pull(&mut pause, line.now_us);
    line.play(100..600);
    assert!(line.queued() <= before + 480, "{} {before}", line.queued());
}

#[test]
fn a_pause_between_two_ends_is_no_delay() {
    let mut line = Line::new();
    for spurt in 0..12 {
        line.play(spurt * 100..(spurt + 1) * 100);
        assert!(line.queued() <= 1_200, "{spurt}: {}", line.queued());
        line.buffer.end();
        for _ in 0..50 {
            line.pull(PACKET);
        }
    }
    let stats = line.buffer.stats();
    assert_eq!(line.used(), 1_200);
    assert_eq!((stats.lost_frames, stats.concealed_samples), (0, 0));
}

#[test]
fn a_change_of_route_costs_its_delay_only_once() {
    let mut line = Line::new();
    line.play(0..500);
    let before = line.queued();
    // All later packets take 100 ms longer.
    for _ in 0..5 {
        line.pull(PACKET);
    }
    line.play(500..1_400);
    assert!(line.queued() <= before + 480, "{} {before}", line.queued());
    assert_eq!(line.buffer.stats().lost_frames, 0);
}

#[test]
fn another_stream_plays_behind_what_is_queued() {
    for first in [4_900, 100, 40_000] {
        let mut line = Line::new();
        line.play(5_000..5_100);
        (5_100..5_180).for_each(|seq| line.push(seq));
        line.play(first..first + 200);
        line.drain();
        let stats = line.buffer.stats();
        assert_eq!(line.used(), 380, "{first}: {stats:?}");
        assert_eq!(stats.duplicate_frames + stats.dropped_late_frames, 0);
        assert_eq!(line.queued(), 0);
        assert_eq!(line.buffer.playhead().state, State::Idle);
        let step = largest_step(&line.out);
        assert!(
            step < 2 * SLOPE,
            "{first}: a step of {step} where they meet"
        );
    }
}

#[test]
fn another_stream_is_heard_after_a_flush() {
    let mut line = Line::new();
    line.play(5_000..5_200);
    line.buffer.flush();
    let before = line.used();
    line.play(4_000..4_200);
    line.drain();
    assert_eq!(line.used() - before, 200);
}

#[test]
fn a_packet_from_nowhere_changes_nothing() {
    let play = |stray: Option<u16>| {
        let mut line = Line::new();
        line.play(200..400);
        if let Some(seq) = stray {
            line.push(seq);
        }
        line.play(400..600);
        let late = line.buffer.stats().dropped_late_frames;
        (line.out, late)
    };
    let (out, none) = play(None);
    assert_eq!(none, 0);
    for seq in [30_000, 210] {
        assert_eq!(play(Some(seq)), (out.clone(), PACKET as u64), "{seq}");
    }
}

#[test]
fn a_packet_from_nowhere_does_not_confirm_itself() {
    let mut line = Line::new();
    line.play(200..400);
    line.push(30_000);
    line.push(30_000);
    line.play(400..600);
    line.drain();
    let stats = line.buffer.stats();
    assert_eq!(line.used(), 400, "{stats:?}");
    assert_eq!(stats.dropped_late_frames, 2 * PACKET as u64);
}

#[test]
fn the_first_packets_of_every_stream_may_come_out_of_order() {
    let mut line = Line::new();
    for spurt in 0..3 {
        let first = spurt * 100;
        line.push(first + 1);
        line.push(first);
        line.pull(PACKET);
        line.play(first + 2..first + 100);
        line.buffer.end();
        line.drain();
    }
    assert_eq!(line.used(), 300);
}

#[test]
fn a_flush_with_nothing_left_loses_nothing_of_what_follows() {
    let mut line = Line::new();
    line.play(0..20);
    line.pull(2 * PACKET);
    line.buffer.flush();
    line.play(20..40);
    line.drain();
    let stats = line.buffer.stats();
    assert_eq!((stats.dropped_late_frames, stats.lost_frames), (0, 0));
    assert!(stats.flushed_frames < FADE as u64, "{stats:?}");
    let used = stats.jitter_buffer_emitted_count + stats.removed_samples_for_acceleration;
    assert_eq!(used + stats.flushed_frames, 40 * PACKET as u64);
}

#[test]
fn a_flush_fades_however_little_is_left() {
    for left in [0, 1, 5, 10, 50, 119, 120, 121] {
        let mut line = Line::new();
        (0..10).for_each(|seq| line.push(seq));
        line.pull(ms(20) + 10 * PACKET - left);
        line.buffer.flush();
        line.pull(PACKET);
        let step = largest_step(&line.out);
        assert!(step <= SLOPE + 20, "{left} left: a step of {step}");
        assert_eq!(
            line.out[line.out.len() - PACKET + FADE..],
            silence(PACKET - FADE)
        );
    }
}

#[test]
fn a_voice_that_comes_back_after_an_outage_is_faded_in() {
    let mut line = Line::new();
    line.play(0..50);
    for _ in 0..150 {
        line.pull(PACKET);
    }
    // In the middle of a period.
    let pcm = tone(27, PACKET);
    for seq in 50..60 {
        line.buffer
            .push(seq, &pcm, line.now_us)
            .expect("a whole packet");
        line.pull(PACKET);
    }
    let back = 200 * PACKET..206 * PACKET;
    let first = line.out[back.clone()].iter().position(|&x| x != 0);
    let first = back.start + first.expect("it comes back");
    assert!(line.out[first].abs() < 500, "{}", line.out[first]);
}

#[test]
fn digital_silence_stays_silent() {
    let mut line = Line::new();
    for seq in 0..200 {
        let taken = line.buffer.push(seq, &[0; PACKET], line.now_us);
        assert_eq!(taken, Ok(PACKET));
        line.pull(PACKET);
    }
    line.drain();
    assert_eq!(line.out, silence(line.out.len()));
}

#[test]
fn the_counters_tell_delay_and_aim() {
    let mut line = Line::new();
    line.play(0..500);
    let stats = line.buffer.stats();
    let frames = stats.jitter_buffer_emitted_count as f64;
    let (delay_s, aim_s) = (
        stats.jitter_buffer_delay_s / frames,
        stats.jitter_buffer_target_delay_s / frames,
    );
    assert!((0.02..0.06).contains(&delay_s), "{delay_s}");
    assert!((0.002..0.06).contains(&aim_s), "{aim_s}");
    assert_eq!(stats.first_sound_delay_us, 20_000);
}
