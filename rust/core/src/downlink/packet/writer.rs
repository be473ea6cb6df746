//! The pushing end.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::Producer;

use super::Packets;
use super::delay::{DelayEstimator, SharedDelay};
use crate::downlink::link::{Flush, Link, count};
use crate::downlink::monitor::Monitor;
use crate::downlink::queue::SampleWriter;
use crate::error::FormatError;

/// A jump of the numbers by more than this is another stream.
const ANOTHER_STREAM: u16 = 3_000;
/// Two packets that are this far apart are of one stream. The same one twice confirms nothing.
const NEIGHBOURS: RangeInclusive<u16> = 1..=8;

/// What the writer says, in order. The samples of a packet are published before its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A packet, and when it was pushed. Numbers go on without wrapping around, and across
    /// streams; `joint` if another stream begins with it, whose sound does not follow from what
    /// was before.
    Packet {
        number: u64,
        joint: bool,
        now_us: u64,
    },
    /// No more comes for now: silence is no loss.
    End,
}

/// The end of a packet jitter buffer into which packets are pushed. It may allocate; it never
/// waits.
#[derive(Debug)]
pub struct PacketWriter {
    packets: Packets,
    link: Arc<Link>,
    delay: Arc<SharedDelay>,
    samples: SampleWriter,
    notes: Producer<Note>,
    estimator: DelayEstimator,
    written_frames: u64,
    /// The highest number so far, of 16 bits and counted on.
    newest: Option<(u16, u64)>,
    /// The last packet, if it seems to be of another stream: a second one must confirm it.
    stray: Option<Stray>,
    /// Nothing belongs to what was before.
    ended: bool,
    flush: Flush,
}

/// What is pushed.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    seq: u16,
    pcm: &'a [i16],
    now_us: u64,
}

#[derive(Debug)]
struct Stray {
    seq: u16,
    pcm: Box<[i16]>,
    now_us: u64,
}

impl Stray {
    fn packet(&self) -> Packet<'_> {
        Packet {
            seq: self.seq,
            pcm: &self.pcm,
            now_us: self.now_us,
        }
    }
}

impl PacketWriter {
    pub(super) fn new(
        packets: Packets,
        link: Arc<Link>,
        delay: Arc<SharedDelay>,
        samples: SampleWriter,
        notes: Producer<Note>,
    ) -> Self {
        let estimator = DelayEstimator::new(&packets);
        estimator.publish(&delay);
        Self {
            packets,
            link,
            delay,
            samples,
            notes,
            estimator,
            written_frames: 0,
            newest: None,
            stray: None,
            ended: true,
            flush: Flush::default(),
        }
    }

    /// Queues a packet; returns the frames accepted: all, or none if 1,024 packets wait for a
    /// pull already (counted). `seq` counts packets and wraps around at 65,536; they may come in
    /// any order and more than once. A jump of more than 3,000, or of two seconds between number
    /// and clock, begins anew behind what is queued, once a second packet confirms it (RFC 3550,
    /// appendix A.1); a single one is dropped and counted as late.
    ///
    /// # Errors
    /// A packet that is not as long as all are.
    pub fn push(&mut self, seq: u16, pcm: &[i16], now_us: u64) -> Result<usize, FormatError> {
        if pcm.len() != self.packets.frames {
            return Err(FormatError::Length {
                name: "packet",
                frames: pcm.len(),
                relation: "exactly",
                needed: self.packets.frames,
            });
        }
        self.samples.reclaim();
        // A stray packet may have to go first.
        if self.notes.slots() < 2 {
            count(&self.link.refused_frames, pcm.len());
            return Ok(0);
        }
        count(&self.link.accepted_frames, pcm.len());
        let confirms = |stray: &mut Stray| NEIGHBOURS.contains(&distance(stray.seq, seq));
        if let Some(number) = self.number(seq, now_us) {
            self.drop_stray();
            self.enter(Packet { seq, pcm, now_us }, number, false);
        } else if let Some(stray) = self.stray.take_if(confirms) {
            self.begin_anew(stray.packet(), Packet { seq, pcm, now_us });
        } else {
            self.drop_stray();
            self.stray = Some(Stray {
                seq,
                pcm: pcm.into(),
                now_us,
            });
        }
        self.publish_stray();
        Ok(pcm.len())
    }

    /// Says that no more packets will come for now: what follows the last one is silence, not
    /// loss. The next packet begins anew.
    pub fn end(&mut self) {
        self.samples.reclaim();
        self.drop_stray();
        self.publish_stray();
        self.ended = true;
        let _ = self.notes.push(Note::End);
    }

    /// Drops what is queued; what is sounding fades out in the next pull. Packets up to the
    /// newest one are dropped when they come.
    pub fn flush(&mut self) {
        self.samples.reclaim();
        self.drop_stray();
        self.publish_stray();
        // 2^32 packets are months.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "numbers are compared as 32 bits"
        )]
        let through = self.newest.map(|(_, number)| number as u32);
        self.flush = Flush {
            count: self.flush.count + 1,
            through_turn: through,
        };
        self.link.publish_flush(self.flush);
    }

    /// A handle for reading playhead and counters.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(Arc::clone(&self.link))
    }

    /// The number of a packet, without wrapping around; none if it seems to be of another stream.
    fn number(&self, seq: u16, now_us: u64) -> Option<u64> {
        let Some((newest_seq, newest)) = self.newest else {
            // Room below it for packets that come after it but were sent before.
            return Some(1 << 16 | u64::from(seq));
        };
        let near = distance(newest_seq, seq) <= ANOTHER_STREAM;
        let number = newest.saturating_add_signed(i64::from(ahead(newest_seq, seq)));
        if self.ended {
            // Whatever it is, it is the next; or it was on its way when the end was told.
            return Some(if near { number } else { newest + 1 });
        }
        (near && self.estimator.fits(number, now_us)).then_some(number)
    }

    /// Another stream, of which two packets have come, in any order.
    fn begin_anew(&mut self, one: Packet, other: Packet) {
        let (first, second) = if ahead(one.seq, other.seq) > 0 {
            (one, other)
        } else {
            (other, one)
        };
        let next = self.newest.map_or(1 << 16, |(_, newest)| newest + 1);
        let apart = u64::from(distance(first.seq, second.seq));
        self.estimator.restart();
        self.enter(first, next, true);
        self.enter(second, next + apart, false);
    }

    /// Hands a packet over.
    fn enter(&mut self, packet: Packet, number: u64, joint: bool) {
        let Packet { seq, pcm, now_us } = packet;
        if self.newest.is_none_or(|(_, newest)| number > newest) {
            self.newest = Some((seq, number));
            if self.ended {
                self.ended = false;
                self.estimator.restart();
            }
        }
        if !self.ended {
            self.estimator.arrived(number, now_us);
            self.estimator.publish(&self.delay);
        }
        self.samples.write(pcm);
        self.written_frames += pcm.len() as u64;
        self.link.publish_frames(self.written_frames);
        let note = Note::Packet {
            number,
            joint,
            now_us,
        };
        let sent = self.notes.push(note);
        debug_assert!(sent.is_ok(), "there was a slot");
    }

    fn drop_stray(&mut self) {
        if let Some(stray) = self.stray.take() {
            count(&self.link.late_frames, stray.pcm.len());
        }
    }

    /// What is held back is queued all the same.
    fn publish_stray(&self) {
        let frames = self.stray.as_ref().map_or(0, |stray| stray.pcm.len());
        self.link
            .held_back_frames
            .store(frames as u64, Ordering::Relaxed);
    }
}

/// How far `to` is ahead of `from`, around the circle of 16-bit numbers.
#[expect(clippy::cast_possible_wrap, reason = "the distance around a circle")]
fn ahead(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from) as i16
}

fn distance(one: u16, other: u16) -> u16 {
    ahead(one, other).unsigned_abs()
}
