//! Any sequence of calls to the packet regime, and what must hold after each of them. The
//! property tests make such sequences by chance, the fuzzer by what it has not seen yet.

use antiphon_core::downlink::{PacketBuffer, PacketConfig, Playhead};

use super::stream_calls::{MOST_PULLS, Played};
use super::way::{Sound, UNTOUCHED, Way};

/// A buffer and what is done with it. Any numbers are legal: they are folded into range.
#[derive(Debug, Clone)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct PacketCase {
    pub rate: u8,
    pub packet_ms: u8,
    pub smoothness: u8,
    pub first_seq: u16,
    pub sound: Sound,
    pub calls: Vec<PacketCall>,
}

#[derive(Debug, Clone)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum PacketCall {
    /// A packet, counted from where the stream stands.
    Push {
        ahead: i16,
    },
    /// A sender that speaks in real time, and a device that plays.
    Live {
        packets: u8,
        network: Network,
        block: u16,
    },
    End,
    Flush,
    Pull {
        frames: u16,
    },
    Idle {
        us: u32,
    },
}

/// What happens to packets on their way.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Network {
    pub seed: u32,
    /// Of 256 packets.
    pub lost: u8,
    pub doubled: u8,
    /// Longest delay; packets overtake each other.
    pub late_ms: u8,
    /// The sender's clock, against ours.
    pub drift_permille: i8,
}

impl Network {
    /// When each of `packets` packets arrives, in order of arrival.
    pub fn arrivals(self, packets: u8, packet_us: u64) -> Vec<(u64, u16)> {
        let mut random = self.seed;
        let mut next = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        let pace = u64::try_from(1_000 + i64::from(self.drift_permille)).expect("positive");
        let mut arrivals = Vec::new();
        for packet in 0..u16::from(packets) {
            let sent_us = u64::from(packet) * packet_us * pace / 1_000;
            let copies = 1 + u8::from(next(256) < self.doubled.into());
            let lost = next(256) < self.lost.into();
            for _ in 0..if lost { 0 } else { copies } {
                let late_us = next(1_000 * u32::from(self.late_ms) + 1);
                arrivals.push((sent_us + u64::from(late_us), packet));
            }
        }
        arrivals.sort_unstable();
        arrivals
    }
}

impl PacketCase {
    pub fn config(&self) -> PacketConfig {
        let kilohertz = u32::from(self.rate) % 42;
        let (sample_rate_hz, packet_ms) = match kilohertz {
            41 => (44_100, 10 + 10 * (u32::from(self.packet_ms) % 12)),
            _ => (
                8_000 + 1_000 * kilohertz,
                2 + u32::from(self.packet_ms) % 119,
            ),
        };
        PacketConfig {
            sample_rate_hz,
            packet_ms,
            smoothness: f32::from(self.smoothness) / 255.0,
        }
    }
}

/// Makes the calls, checks all that is promised for any calls, and gives what came out.
pub fn run_packets(case: &PacketCase, way: &Way) -> Played {
    let mut run = Run::new(case, way);
    for call in &case.calls {
        run.call(call);
    }
    run.pull(1);
    run.check();
    Played {
        playhead: run.buffer.playhead(),
        stats: run.buffer.stats(),
        out: run.out,
    }
}

struct Run<'a> {
    buffer: PacketBuffer,
    way: &'a Way,
    config: PacketConfig,
    sound: Sound,
    first_seq: u16,
    /// The next packet of the stream.
    next: u16,
    out: Vec<i16>,
    offered: u64,
    idle_us: u64,
    /// Nothing may sound from this frame on: all was flushed, and nothing came since.
    silent_from: Option<usize>,
    before: Playhead,
}

impl<'a> Run<'a> {
    fn new(case: &PacketCase, way: &'a Way) -> Self {
        let config = case.config();
        Self {
            buffer: PacketBuffer::new(config).expect("folded into range"),
            way,
            config,
            sound: case.sound,
            first_seq: case.first_seq,
            next: 0,
            out: Vec::new(),
            offered: 0,
            idle_us: way.start_us,
            silent_from: None,
            before: Playhead::default(),
        }
    }

    fn call(&mut self, call: &PacketCall) {
        match *call {
            PacketCall::Push { ahead } => self.push(self.next.wrapping_add_signed(ahead)),
            PacketCall::Live {
                packets,
                network,
                block,
            } => {
                self.live(packets % 64, network, 1 + usize::from(block) % 4_096);
            }
            PacketCall::End => self.buffer.end(),
            PacketCall::Flush => self.flush(),
            PacketCall::Pull { frames } => self.pull(usize::from(frames) % 4_097),
            PacketCall::Idle { us } => self.idle_us += u64::from(us % 3_000_000),
        }
        self.check();
    }

    fn live(&mut self, packets: u8, network: Network, block: usize) {
        let (start, first) = (self.out.len(), self.next);
        // A few thousand pulls are enough.
        let all = self.frames(u64::from(packets) * self.packet_us());
        let block = block.max(all / MOST_PULLS);
        for (due_us, packet) in network.arrivals(packets, self.packet_us()) {
            let due = start + self.frames(due_us);
            while self.out.len() < due {
                self.pull((due - self.out.len()).min(block));
                self.check();
            }
            self.push(first.wrapping_add(packet));
        }
        self.next = first.wrapping_add(packets.into());
    }

    fn push(&mut self, packet: u16) {
        let frames = self.packet_frames();
        let pcm = self.sound.samples(
            self.config.sample_rate_hz,
            usize::from(packet) * frames,
            frames,
        );
        let seq = self.first_seq.wrapping_add(packet);
        let taken = self
            .buffer
            .push(seq, &pcm, self.now_us())
            .expect("a whole packet");
        assert!(taken == 0 || taken == frames, "all or none");
        self.offered += frames as u64;
        self.silent_from = None;
    }

    fn flush(&mut self) {
        self.buffer.flush();
        let fade = self.frames(5_000);
        self.silent_from.get_or_insert(self.out.len() + fade);
    }

    fn pull(&mut self, frames: usize) {
        let (begun, now_us) = (self.out.len(), self.now_us());
        self.out.resize(begun + frames, UNTOUCHED);
        let (buffer, out) = (&mut self.buffer, &mut self.out[begun..]);
        (self.way.around_pull)(&mut || buffer.pull(out, now_us));
        assert!(!out.contains(&UNTOUCHED), "all of it is filled");
        if let Some(silent_from) = self.silent_from {
            let behind = &self.out[silent_from.max(begun).min(self.out.len())..];
            assert!(behind.iter().all(|&x| x == 0), "flushed, and still there");
        }
    }

    fn check(&mut self) {
        let (playhead, stats) = (self.buffer.playhead(), self.buffer.stats());
        let played = stats.jitter_buffer_emitted_count;
        assert_eq!(
            stats.pushed_frames + stats.refused_frames,
            self.offered,
            "offered"
        );
        assert_eq!(
            played
                + stats.removed_samples_for_acceleration
                + stats.flushed_frames
                + stats.dropped_late_frames
                + stats.duplicate_frames
                + playhead.queued_frames,
            stats.pushed_frames,
            "pushed"
        );
        assert_eq!(playhead.emitted_frames, self.out.len() as u64);
        // What leads over into what came at last is counted when it is made: a period at most.
        let ahead = stats.concealment_events * (self.frames(15_000) as u64 + 1);
        assert!(played + stats.concealed_samples <= playhead.emitted_frames + ahead);
        assert!(stats.silent_concealed_samples <= stats.concealed_samples);
        assert!(playhead.turn >= self.before.turn, "turns only grow");
        if playhead.turn == self.before.turn {
            assert!(playhead.media_frames >= self.before.media_frames);
        }
        self.before = playhead;
    }

    fn packet_us(&self) -> u64 {
        u64::from(self.config.packet_ms) * 1_000
    }

    fn packet_frames(&self) -> usize {
        self.frames(self.packet_us())
    }

    fn frames(&self, us: u64) -> usize {
        usize::try_from(us * u64::from(self.config.sample_rate_hz) / 1_000_000).expect("small")
    }

    fn now_us(&self) -> u64 {
        self.idle_us + self.out.len() as u64 * 1_000_000 / u64::from(self.config.sample_rate_hz)
    }
}
