//! Both ends of a jitter buffer in one hand.

use std::sync::Arc;

use rtrb::RingBuffer;

use super::config::{JitterBufferConfig, MAX_TURNS};
use super::link::Link;
use super::monitor::{Monitor, Playhead, Stats};
use super::queue::sample_queue;
use super::stream::reader::Reader;
use super::stream::writer::Writer;
use crate::error::FormatError;

/// A playout buffer for int16 mono in the *stream* regime: audio comes in order, turn by turn,
/// often much faster than it plays. Backlog is content: nothing is dropped or sped up.
///
/// Time is an argument: all `now_us` are microseconds of one monotonic clock.
#[derive(Debug)]
pub struct JitterBuffer {
    writer: Writer,
    reader: Reader,
}

impl JitterBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn new(config: JitterBufferConfig) -> Result<Self, FormatError> {
        let sizes = config.sizes()?;
        let link = Arc::new(Link::new(sizes));
        let (samples_in, samples_out) = sample_queue(u64::from(sizes.rate_hz), sizes.capacity);
        let (notes_in, notes_out) = RingBuffer::new(2 * MAX_TURNS);
        Ok(Self {
            writer: Writer::new(Arc::clone(&link), samples_in, notes_in),
            reader: Reader::new(link, samples_out, notes_out),
        })
    }

    /// The two ends, for two threads.
    pub fn split(self) -> (Writer, Reader) {
        (self.writer, self.reader)
    }

    /// See [`Writer::push`].
    pub fn push(&mut self, pcm: &[i16], now_us: u64, turn: Option<u32>) -> usize {
        self.writer.push(pcm, now_us, turn)
    }

    /// See [`Writer::end_of_turn`].
    pub fn end_of_turn(&mut self, turn: Option<u32>) {
        self.writer.end_of_turn(turn);
    }

    /// See [`Writer::flush`].
    pub fn flush(&mut self, turn: Option<u32>) {
        self.writer.flush(turn);
    }

    /// See [`Reader::pull`].
    pub fn pull(&mut self, out: &mut [i16], now_us: u64) {
        self.reader.pull(out, now_us);
    }

    /// A handle for reading playhead and counters.
    pub fn monitor(&self) -> Monitor {
        self.writer.monitor()
    }

    /// See [`Monitor::playhead`].
    pub fn playhead(&self) -> Playhead {
        self.monitor().playhead()
    }

    /// See [`Monitor::stats`].
    pub fn stats(&self) -> Stats {
        self.monitor().stats()
    }
}
