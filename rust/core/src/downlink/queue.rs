//! The samples between the two threads, in blocks of one second.
//!
//! The writer fills a block while the reader may already be reading its beginning: the samples
//! are atomics, and `Link::published_frames` says how far they may be read. Blocks travel to the
//! reader through one ring and, once read, back through another, so that the reader neither
//! allocates nor frees, and memory follows what is queued.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rtrb::{Consumer, Producer, RingBuffer};

use super::atomics::AtomicI16;

/// Empty blocks that the writer keeps instead of freeing them.
const SPARE_BLOCKS: usize = 2;

type Block = Arc<[AtomicI16]>;

/// A queue in blocks of `block_frames` that never holds more than `capacity_frames`.
pub(super) fn sample_queue(
    block_frames: u64,
    capacity_frames: u64,
) -> (SampleWriter, SampleReader) {
    let block_frames = usize::try_from(block_frames).unwrap_or(usize::MAX);
    let capacity_frames = usize::try_from(capacity_frames).unwrap_or(usize::MAX);
    // Two more than a full queue, because its first and its last block may be in part used.
    let blocks = capacity_frames.div_ceil(block_frames) + 2;
    let (filled_tx, filled_rx) = RingBuffer::new(blocks);
    // Room for every block there can be: handing one back cannot fail.
    let (returned_tx, returned_rx) = RingBuffer::new(blocks + SPARE_BLOCKS + 1);
    let writer = SampleWriter {
        block_frames,
        block: None,
        offset: 0,
        filled: filled_tx,
        returned: returned_rx,
        spare: Vec::with_capacity(SPARE_BLOCKS),
    };
    let reader = SampleReader {
        block: None,
        offset: 0,
        filled: filled_rx,
        returned: returned_tx,
    };
    (writer, reader)
}

/// The filling end.
#[derive(Debug)]
pub(super) struct SampleWriter {
    block_frames: usize,
    block: Option<Block>,
    /// Next sample of `block`.
    offset: usize,
    filled: Producer<Block>,
    returned: Consumer<Block>,
    spare: Vec<Block>,
}

impl SampleWriter {
    /// Appends samples; they may be read once their count has been published.
    ///
    /// The caller has checked that they fit into the capacity, and so into the ring.
    pub(super) fn write(&mut self, mut samples: &[i16]) {
        while !samples.is_empty() {
            if self.block.is_none() && !self.begin_block() {
                debug_assert!(false, "the ring of blocks holds a full queue");
                return;
            }
            let Some(block) = &self.block else { return };
            let count = samples.len().min(self.block_frames - self.offset);
            let (now, later) = samples.split_at(count);
            for (slot, &sample) in block[self.offset..].iter().zip(now) {
                slot.store(sample, Relaxed);
            }
            samples = later;
            self.offset += count;
            if self.offset == self.block_frames {
                self.block = None;
            }
        }
    }

    /// Takes back what the reader is done with and frees all but a few blocks.
    pub(super) fn reclaim(&mut self) {
        while let Ok(block) = self.returned.pop() {
            if self.spare.len() < SPARE_BLOCKS {
                self.spare.push(block);
            }
        }
    }

    fn begin_block(&mut self) -> bool {
        self.reclaim();
        let block = self.spare.pop().unwrap_or_else(|| {
            (0..self.block_frames)
                .map(|_| AtomicI16::new(0))
                .collect::<Block>()
        });
        self.offset = 0;
        self.block = Some(Arc::clone(&block));
        self.filled.push(block).is_ok()
    }
}

/// The emptying end.
#[derive(Debug)]
pub(super) struct SampleReader {
    block: Option<Block>,
    offset: usize,
    filled: Consumer<Block>,
    returned: Producer<Block>,
}

impl SampleReader {
    /// Takes the next `out.len()` samples, which must have been published.
    pub(super) fn read(&mut self, mut out: &mut [i16]) {
        while !out.is_empty() {
            let Some(block) = self.current() else {
                debug_assert!(false, "published samples lie in a block of the ring");
                out.fill(0);
                return;
            };
            let count = out.len().min(block.len() - self.offset);
            let (now, later) = out.split_at_mut(count);
            if let Some(block) = &self.block {
                for (sample, slot) in now.iter_mut().zip(&block[self.offset..]) {
                    *sample = slot.load(Relaxed);
                }
            }
            out = later;
            self.advance(count);
        }
    }

    /// The next sample, if it has been published.
    pub(super) fn peek(&mut self) -> Option<i16> {
        self.current()?;
        let block = self.block.as_ref()?;
        Some(block[self.offset].load(Relaxed))
    }

    /// Takes and forgets the next `frames` samples, which must have been published.
    pub(super) fn skip(&mut self, mut frames: u64) {
        while frames > 0 {
            let Some(block) = self.current() else {
                debug_assert!(false, "published samples lie in a block of the ring");
                return;
            };
            let left = block.len() - self.offset;
            let count = usize::try_from(frames).map_or(left, |frames| frames.min(left));
            frames -= count as u64;
            self.advance(count);
        }
    }

    fn current(&mut self) -> Option<&Block> {
        if self.block.is_none() {
            self.block = self.filled.pop().ok();
            self.offset = 0;
        }
        self.block.as_ref()
    }

    fn advance(&mut self, count: usize) {
        self.offset += count;
        if let Some(block) = self.block.take_if(|block| self.offset == block.len()) {
            let returned = self.returned.push(block);
            debug_assert!(returned.is_ok(), "the way back has room for every block");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(from: u64, frames: u64) -> Vec<i16> {
        (from..from + frames)
            .map(|k| i16::try_from(k % 30_011).unwrap_or(0))
            .collect()
    }

    #[test]
    fn samples_come_out_in_order_across_blocks_of_any_alignment() {
        let (mut writer, mut reader) = sample_queue(8, 100);
        let mut position = 0;
        for frames in [1, 7, 8, 9, 3, 24, 40, 5] {
            writer.write(&ramp(position, frames));
            let mut out = vec![0; usize::try_from(frames).expect("small")];
            reader.read(&mut out);
            assert_eq!(out, ramp(position, frames));
            position += frames;
        }
    }

    #[test]
    fn skipping_equals_reading() {
        let (mut writer, mut reader) = sample_queue(8, 100);
        writer.write(&ramp(0, 90));
        reader.skip(61);
        let mut out = [0; 29];
        reader.read(&mut out);
        assert_eq!(out.as_slice(), ramp(61, 29));
    }

    #[test]
    fn blocks_are_reused_and_the_surplus_is_freed() {
        let (mut writer, mut reader) = sample_queue(8, 80);
        writer.write(&ramp(0, 80));
        reader.skip(80);
        writer.reclaim();
        assert_eq!(writer.spare.len(), SPARE_BLOCKS);
        let spare = Arc::as_ptr(writer.spare.last().expect("kept"));
        writer.write(&[1]);
        let used = writer.block.as_ref().map(Arc::as_ptr).expect("in use");
        assert!(std::ptr::addr_eq(spare, used));
    }

    #[test]
    fn a_full_queue_fits_whatever_its_place_in_the_blocks() {
        for start in 0..8 {
            let (mut writer, mut reader) = sample_queue(8, 32);
            writer.write(&ramp(0, start));
            reader.skip(start);
            for round in 0..20 {
                writer.write(&ramp(start + round * 32, 32));
                let mut out = [0; 32];
                reader.read(&mut out);
                assert_eq!(out.as_slice(), ramp(start + round * 32, 32));
            }
        }
    }
}
