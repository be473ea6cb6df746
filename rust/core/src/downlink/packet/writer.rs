//! The pushing end.

use std::sync::Arc;

use rtrb::Producer;

use super::Packets;
use super::delay::{DelayEstimator, SharedDelay};
use crate::downlink::link::{Flush, Link, count};
use crate::downlink::monitor::Monitor;
use crate::downlink::queue::SampleWriter;
use crate::error::FormatError;

/// A jump of the numbers by more than this is another stream.
const ANOTHER_STREAM: i16 = 3_000;

/// What the writer says, in order. The samples of a packet are published before its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A packet, counted without wrapping around; `restart` if nothing before it belongs to it.
    Packet { number: u64, restart: bool },
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
    flush: Flush,
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
            flush: Flush::default(),
        }
    }

    /// Queues a packet; returns the frames accepted: all, or none if 1,024 packets wait for a
    /// pull already (counted). `seq` counts packets and wraps around at 65,536; they may come in
    /// any order and more than once. A jump of more than 3,000, or of two seconds between number
    /// and clock, begins anew behind what is queued.
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
        if self.notes.slots() == 0 {
            count(&self.link.refused_frames, pcm.len());
            return Ok(0);
        }
        let (number, jumped) = self.number(seq);
        let restart = if jumped || self.estimator.arrived(number, now_us) {
            self.estimator.restart();
            self.estimator.arrived(number, now_us);
            true
        } else {
            self.newest.is_none()
        };
        self.estimator.publish(&self.delay);
        if self.newest.is_none_or(|(_, newest)| number > newest) {
            self.newest = Some((seq, number));
        }
        self.samples.write(pcm);
        self.written_frames += pcm.len() as u64;
        self.link.publish_frames(self.written_frames);
        let sent = self.notes.push(Note::Packet { number, restart });
        debug_assert!(sent.is_ok(), "there was a slot");
        Ok(pcm.len())
    }

    /// Says that no more packets will come for now: what follows the last one is silence, not
    /// loss. The next packet begins anew.
    pub fn end(&mut self) {
        self.samples.reclaim();
        let _ = self.notes.push(Note::End);
    }

    /// Drops what is queued; what is sounding fades out in the next pull. Packets up to the
    /// newest one are dropped when they come.
    pub fn flush(&mut self) {
        self.samples.reclaim();
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

    /// The number without wrapping around, and whether it is far from the others.
    fn number(&self, seq: u16) -> (u64, bool) {
        // The first has room below it, for packets that come after it but were sent before.
        let Some((newest_seq, newest)) = self.newest else {
            return (1 << 16 | u64::from(seq), false);
        };
        #[expect(clippy::cast_possible_wrap, reason = "the distance around a circle")]
        let ahead = seq.wrapping_sub(newest_seq) as i16;
        if (-ANOTHER_STREAM..=ANOTHER_STREAM).contains(&ahead) {
            (newest.saturating_add_signed(i64::from(ahead)), false)
        } else {
            // On the same circle, so that later ones are counted on.
            (
                newest + u64::from(seq.wrapping_sub(newest_seq)).max(1),
                true,
            )
        }
    }
}
