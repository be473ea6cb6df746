//! Any sequence of calls to the stream regime, and what must hold after each of them. The
//! property tests make such sequences by chance, the fuzzer by what it has not seen yet.

use antiphon_core::downlink::{JitterBuffer, JitterBufferConfig, Playhead, Stats};

use super::way::{Sound, UNTOUCHED, Way};

/// A buffer and what is done with it. Any numbers are legal: they are folded into range.
#[derive(Debug, Clone)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct StreamCase {
    pub rate: u16,
    pub cushion_ms: u8,
    pub max_wait_ms: u8,
    pub capacity_s: u8,
    pub sound: Sound,
    pub calls: Vec<StreamCall>,
}

#[derive(Debug, Clone)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum StreamCall {
    Push {
        frames: u16,
        turn: Option<u8>,
    },
    /// A model that speaks in real time, each fourth chunk late, and a device that plays.
    Live {
        chunks: u8,
        chunk_ms: u8,
        late_ms: u8,
        block: u16,
    },
    End {
        turn: Option<u8>,
    },
    Flush {
        turn: Option<u8>,
    },
    Pull {
        frames: u16,
    },
    Idle {
        us: u32,
    },
}

impl StreamCase {
    pub fn rate_hz(&self) -> u32 {
        8_000 + u32::from(self.rate) % 40_001
    }

    fn buffer(&self) -> JitterBuffer {
        JitterBuffer::new(JitterBufferConfig {
            sample_rate_hz: self.rate_hz(),
            cushion_ms: self.cushion_ms.into(),
            max_wait_ms: self.max_wait_ms.into(),
            capacity_s: 1 + u32::from(self.capacity_s % 60),
        })
        .expect("folded into range")
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    pub out: Vec<i16>,
    pub playhead: Playhead,
    pub stats: Stats,
}

/// Makes the calls, checks all that is promised for any calls, and gives what came out.
pub fn run_stream(case: &StreamCase, way: &Way) -> Played {
    let mut run = Run::new(case, way);
    for call in &case.calls {
        run.call(call);
    }
    // A last look, so that flushes that nobody pulled after are done, however pulls were cut.
    run.pull(1);
    Played {
        playhead: run.buffer.playhead(),
        stats: run.buffer.stats(),
        out: run.out,
    }
}

/// Of one [`StreamCall::Live`].
pub const MOST_PULLS: usize = 2_000;

struct Run<'a> {
    buffer: JitterBuffer,
    way: &'a Way,
    sound: Sound,
    rate_hz: u32,
    out: Vec<i16>,
    /// Frames of the source that were pushed, and how many of them were taken.
    offered: usize,
    accepted: u64,
    idle_us: u64,
    /// Nothing may sound from this frame on: all was flushed, and nothing came since.
    silent_from: Option<usize>,
    before: Playhead,
}

impl<'a> Run<'a> {
    fn new(case: &StreamCase, way: &'a Way) -> Self {
        Self {
            buffer: case.buffer(),
            way,
            sound: case.sound,
            rate_hz: case.rate_hz(),
            out: Vec::new(),
            offered: 0,
            accepted: 0,
            idle_us: way.start_us,
            silent_from: None,
            before: Playhead::default(),
        }
    }

    fn call(&mut self, call: &StreamCall) {
        let number = |turn: Option<u8>| turn.map(|turn| u32::from(turn % 16));
        match *call {
            StreamCall::Push { frames, turn } => {
                self.push(usize::from(frames % 8_192), number(turn));
            }
            StreamCall::Live {
                chunks,
                chunk_ms,
                late_ms,
                block,
            } => {
                self.live(chunks % 32, 5 + chunk_ms % 64, late_ms, 1 + block % 4_096);
            }
            StreamCall::End { turn } => self.buffer.end_of_turn(number(turn)),
            StreamCall::Flush { turn } => self.flush(number(turn)),
            StreamCall::Pull { frames } => self.pull((frames % 4_097).into()),
            StreamCall::Idle { us } => self.idle_us += u64::from(us % 700_000),
        }
        self.check();
    }

    fn live(&mut self, chunks: u8, chunk_ms: u8, late_ms: u8, block: u16) {
        let start = self.out.len();
        // A few thousand pulls are enough.
        let all = self.frames(u64::from(chunks) * u64::from(chunk_ms));
        let block = usize::from(block).max(all / MOST_PULLS);
        for chunk in 0..chunks {
            let late = if chunk % 4 == 3 { late_ms } else { 0 };
            let due = start + self.frames(u64::from(chunk) * u64::from(chunk_ms) + u64::from(late));
            while self.out.len() < due {
                self.pull((due - self.out.len()).min(block));
            }
            // As much as there is of it, so that no chunk is shorter than it lasts.
            let spoken = |chunks: u8| self.frames(u64::from(chunks) * u64::from(chunk_ms));
            self.push(spoken(chunk + 1) - spoken(chunk), None);
            self.check();
        }
    }

    fn push(&mut self, frames: usize, turn: Option<u32>) {
        let pcm = self.sound.samples(self.rate_hz, self.offered, frames);
        for piece in pcm.chunks(self.way.push_cut) {
            let now_us = self.now_us();
            let taken = self.buffer.push(piece, now_us, turn);
            assert!(taken == 0 || taken == piece.len(), "all or none");
            self.accepted += taken as u64;
            if taken > 0 {
                self.silent_from = None;
            }
        }
        self.offered += frames;
    }

    fn flush(&mut self, turn: Option<u32>) {
        self.buffer.flush(turn);
        if turn.is_none() {
            let fade = self.frames(5);
            self.silent_from.get_or_insert(self.out.len() + fade);
        }
    }

    fn pull(&mut self, frames: usize) {
        let begun = self.out.len();
        let mut left = frames;
        while left > 0 {
            let piece = left.min(self.way.pull_cut);
            let (from, now_us) = (self.out.len(), self.now_us());
            self.out.resize(from + piece, UNTOUCHED);
            let (buffer, out) = (&mut self.buffer, &mut self.out[from..]);
            (self.way.around_pull)(&mut || buffer.pull(out, now_us));
            assert!(!out.contains(&UNTOUCHED), "all of it is filled");
            left -= piece;
        }
        if let Some(silent_from) = self.silent_from {
            let behind = &self.out[silent_from.max(begun).min(self.out.len())..];
            assert!(behind.iter().all(|&x| x == 0), "flushed, and still there");
        }
    }

    fn check(&mut self) {
        let (playhead, stats) = (self.buffer.playhead(), self.buffer.stats());
        let played = stats.jitter_buffer_emitted_count;
        assert_eq!(stats.pushed_frames, self.accepted);
        assert_eq!(
            stats.pushed_frames + stats.refused_frames + stats.dropped_late_frames,
            self.offered as u64,
            "offered"
        );
        assert_eq!(
            played + stats.flushed_frames + playhead.queued_frames,
            stats.pushed_frames,
            "pushed"
        );
        assert_eq!(playhead.emitted_frames, self.out.len() as u64);
        // What leads over into what came at last is counted when it is made: a period at most.
        let ahead = stats.concealment_events * (self.frames(15) as u64 + 1);
        assert!(played + stats.concealed_samples <= playhead.emitted_frames + ahead);
        assert!(stats.silent_concealed_samples <= stats.concealed_samples);
        assert_eq!(
            stats.removed_samples_for_acceleration, 0,
            "backlog is content"
        );
        assert!(playhead.turn >= self.before.turn, "turns only grow");
        if playhead.turn == self.before.turn {
            assert!(playhead.media_frames >= self.before.media_frames);
        }
        self.before = playhead;
    }

    fn frames(&self, ms: u64) -> usize {
        usize::try_from(ms * u64::from(self.rate_hz) / 1_000).expect("small")
    }

    fn now_us(&self) -> u64 {
        self.idle_us + self.out.len() as u64 * 1_000_000 / u64::from(self.rate_hz)
    }
}
