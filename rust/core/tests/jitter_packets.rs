//! The packet regime: order, loss, and what is counted. Any calls: `jitter_properties.rs`.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{PacketBuffer, PacketConfig};
use support::*;

const PACKET: usize = 480;

fn packets() -> PacketBuffer {
    PacketBuffer::new(PacketConfig::default()).expect("the defaults are valid")
}

/// A voice: a buzz of 125 Hz.
fn voice(from: usize, frames: usize) -> Vec<i16> {
    (from..from + frames)
        .map(|k| i16::try_from(12_000 / (1 + k % 192)).expect("small") - 300)
        .collect()
}

fn pull_packets(buffer: &mut PacketBuffer, frames: usize, now_us: u64) -> Vec<i16> {
    let mut out = vec![i16::MAX; frames];
    buffer.pull(&mut out, now_us);
    out
}

/// Packets that arrive when they are complete, each 10 ms a pull.
fn run(seqs: &[u16], first_seq: u16) -> Vec<i16> {
    let mut buffer = packets();
    let mut out = Vec::new();
    for tick in 0..400_usize {
        let now_us = 1_000_000 + tick as u64 * 10_000;
        if tick % 2 == 0 {
            let packet = tick / 2;
            if let Some(&seq) = seqs.get(packet) {
                let pcm = voice(packet * PACKET, PACKET);
                let taken = buffer.push(first_seq.wrapping_add(seq), &pcm, now_us);
                assert_eq!(taken, Ok(PACKET));
            }
        }
        out.extend(pull_packets(&mut buffer, 240, now_us));
    }
    out
}

/// Its pitch does not move, so it is the same where it is stretched by a period.
#[test]
fn a_steady_buzz_without_jitter_comes_out_as_it_was_and_soon() {
    let seqs: Vec<u16> = (0..200).collect();
    let out = run(&seqs, 0);
    let start = out.iter().position(|&x| x != 0).expect("sound");
    assert!(start <= ms(30), "{start}");
    let heard = out.len() - start - ms(40);
    assert_eq!(out[start..start + heard], voice(0, heard));
}

#[test]
fn numbers_wrap_around() {
    let seqs: Vec<u16> = (0..200).collect();
    assert_eq!(run(&seqs, 65_500), run(&seqs, 0));
}

#[test]
fn a_lost_packet_is_bridged_and_counted() {
    let mut buffer = packets();
    for tick in 0..200_usize {
        let now_us = tick as u64 * 10_000;
        if tick % 2 == 0 && tick != 100 {
            let packet = tick / 2;
            let seq = u16::try_from(packet).expect("small");
            buffer
                .push(seq, &voice(packet * PACKET, PACKET), now_us)
                .expect("a whole packet");
        }
        let out = pull_packets(&mut buffer, 240, now_us);
        let silent = out.iter().filter(|&&x| x == 0).count();
        assert!(tick < 4 || silent < 60, "{tick}");
    }
    let stats = buffer.stats();
    assert_eq!(stats.lost_frames, PACKET as u64);
    assert_eq!(stats.concealment_events, 1);
    assert!(stats.concealed_samples <= PACKET as u64 + 360);
}

#[test]
fn duplicates_and_late_packets_are_dropped_and_counted() {
    let mut buffer = packets();
    let pcm = voice(0, PACKET);
    for seq in [0, 1, 1, 2] {
        buffer.push(seq, &pcm, 0).expect("a whole packet");
    }
    pull_packets(&mut buffer, ms(70), 0);
    buffer.push(0, &pcm, 70_000).expect("a whole packet");
    pull_packets(&mut buffer, 240, 70_000);
    let stats = buffer.stats();
    assert_eq!(stats.duplicate_frames, PACKET as u64);
    assert_eq!(stats.dropped_late_frames, PACKET as u64);
}

#[test]
fn after_a_flush_nothing_old_sounds_longer_than_its_fade() {
    let mut buffer = packets();
    for seq in 0..10 {
        buffer
            .push(seq, &[10_000; PACKET], 0)
            .expect("a whole packet");
    }
    pull_packets(&mut buffer, ms(50), 0);
    buffer.flush();
    let out = pull_packets(&mut buffer, ms(20), 50_000);
    assert!(out[..FADE].is_sorted_by(|a, b| a >= b));
    assert_eq!(out[FADE..], silence(ms(15)));
    buffer
        .push(9, &[10_000; PACKET], 70_000)
        .expect("a whole packet");
    assert_eq!(pull_packets(&mut buffer, ms(100), 70_000), silence(ms(100)));
    assert_eq!(buffer.playhead().flushes, 1);
}

#[test]
fn a_packet_of_another_length_is_refused_with_both_lengths() {
    let error = packets().push(0, &[0; 479], 0).expect_err("too short");
    let text = error.to_string();
    assert!(text.contains("479") && text.contains("480"), "{text}");
}

#[test]
fn a_packet_that_waits_for_a_second_one_of_its_stream_is_queued() {
    let mut buffer = packets();
    let pcm = voice(0, PACKET);
    let queued = |buffer: &PacketBuffer| buffer.playhead().queued_frames / PACKET as u64;
    for (seq, expected) in [(100, 1), (40_000, 2), (40_001, 3), (100, 4)] {
        buffer.push(seq, &pcm, 0).expect("a whole packet");
        assert_eq!(queued(&buffer), expected, "behind {seq}");
    }
    buffer.end();
    let stats = buffer.stats();
    assert_eq!(stats.dropped_late_frames, PACKET as u64, "it came alone");
    assert_eq!(queued(&buffer), 3);
}
