//! The packet regime: any order, any loss, any cut.
#[allow(dead_code, unreachable_pub)]
mod support;

use antiphon_core::downlink::{PacketBuffer, PacketConfig};
use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use proptest::prelude::*;
use support::*;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

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

#[test]
fn without_jitter_packets_come_out_bit_for_bit_and_soon() {
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

#[derive(Debug, Clone)]
enum Call {
    Push { seq: u16 },
    Pull { frames: usize },
    End,
    Flush,
    Idle { us: u64 },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        8 => (0_u16..60).prop_map(|seq| Call::Push { seq }),
        1 => any::<u16>().prop_map(|seq| Call::Push { seq }),
        8 => (0_usize..=4_096).prop_map(|frames| Call::Pull { frames }),
        1 => Just(Call::End),
        1 => Just(Call::Flush),
        1 => (0_u64..3_000_000).prop_map(|us| Call::Idle { us }),
    ];
    proptest::collection::vec(call, 0..120)
}

fn play(calls: &[Call], start_us: u64) -> Vec<i16> {
    let mut buffer = packets();
    let (mut out, mut now_us, mut offered) = (Vec::new(), start_us, 0);
    for call in calls {
        match *call {
            Call::Push { seq } => {
                let pcm = voice(usize::from(seq) * PACKET, PACKET);
                buffer.push(seq, &pcm, now_us).expect("a whole packet");
                offered += PACKET as u64;
            }
            Call::Pull { frames } => {
                let mut piece = vec![i16::MAX; frames];
                assert_no_alloc(|| buffer.pull(&mut piece, now_us));
                out.extend(piece);
                now_us += micros(frames);
            }
            Call::End => buffer.end(),
            Call::Flush => buffer.flush(),
            Call::Idle { us } => now_us += us,
        }
        let (stats, playhead) = (buffer.stats(), buffer.playhead());
        assert_eq!(stats.pushed_frames + stats.refused_frames, offered);
        assert!(playhead.queued_frames <= offered);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_calls_are_survived_and_a_shift_of_the_clock_changes_nothing(
        calls in calls(),
        shift_us in 0_u64..1 << 40,
    ) {
        prop_assert_eq!(play(&calls, 5_000_000), play(&calls, 5_000_000 + shift_us));
    }
}
