//! The pushing end.

use std::sync::Arc;

use rtrb::Producer;

use super::pace::Pace;
use crate::downlink::config::MAX_TURNS;
use crate::downlink::link::{Flush, Link, Note, count};
use crate::downlink::monitor::Monitor;
use crate::downlink::queue::SampleWriter;

/// The end of a jitter buffer into which audio is pushed. It may allocate; it never waits.
#[derive(Debug)]
pub struct Writer {
    link: Arc<Link>,
    samples: SampleWriter,
    notes: Producer<Note>,
    written_frames: u64,
    started_turns: u64,
    newest: Option<Newest>,
    flush: Flush,
    pace: Pace,
}

/// The turn with the highest number so far.
#[derive(Debug, Clone, Copy)]
struct Newest {
    turn: u32,
    ended: bool,
}

impl Writer {
    pub(in crate::downlink) fn new(
        link: Arc<Link>,
        samples: SampleWriter,
        notes: Producer<Note>,
    ) -> Self {
        let pace = Pace::new(&link.sizes);
        link.advice.publish(pace.advice());
        Self {
            link,
            pace,
            samples,
            notes,
            written_frames: 0,
            started_turns: 0,
            newest: None,
            flush: Flush::default(),
        }
    }

    /// Queues audio of `turn`, or of the current turn; returns the frames accepted: all or none.
    ///
    /// The current turn is the newest one; once that has ended or was flushed, a new one, one
    /// higher. The first is 1. Audio of a flushed turn, or of one older than the newest, is
    /// dropped and counted as late. Audio of the newest turn after its end was announced is played
    /// all the same, without a cushion. Audio beyond the capacity is refused and counted; and so
    /// is audio of a turn that is new, or had ended, while 256 turns wait, each time that one goes
    /// on after its end counting as one more. Behind turn `u32::MAX` there is no other.
    pub fn push(&mut self, pcm: &[i16], now_us: u64, turn: Option<u32>) -> usize {
        self.samples.reclaim();
        if pcm.is_empty() {
            return 0;
        }
        let turn = turn.unwrap_or_else(|| self.current_turn());
        if self.is_past(turn) {
            count(&self.link.late_frames, pcm.len());
            return 0;
        }
        let is_new = self.newest.is_none_or(|newest| newest.turn != turn);
        if !self.has_room(pcm.len()) || !self.open_turn(turn, now_us) {
            count(&self.link.refused_frames, pcm.len());
            return 0;
        }
        self.pace.arrived(pcm.len() as u64, now_us, is_new);
        self.link.advice.publish(self.pace.advice());
        self.samples.write(pcm);
        self.written_frames += pcm.len() as u64;
        count(&self.link.accepted_frames, pcm.len());
        self.link.publish_frames(self.written_frames);
        pcm.len()
    }

    /// Says that no more audio of `turn`, or of the newest turn, will come. The end of a turn
    /// that is not the newest, was flushed or has ended already is known; saying it again does
    /// nothing.
    pub fn end_of_turn(&mut self, turn: Option<u32>) {
        self.samples.reclaim();
        let Some(newest) = &mut self.newest else {
            return;
        };
        if newest.ended || turn.is_some_and(|turn| turn != newest.turn) {
            return;
        }
        newest.ended = true;
        if self.flush.through_turn < Some(newest.turn) {
            let at_frame = self.written_frames;
            let sent = self.notes.push(Note::EndOfTurn { at_frame });
            debug_assert!(sent.is_ok(), "the ring has room for two notes per turn");
        }
    }

    /// Drops what is queued of `turn`, or of the newest turn, and of all before it; what is
    /// sounding of them fades out in the next pull. Later audio of these turns will be dropped
    /// when it comes. Newer turns stay.
    pub fn flush(&mut self, turn: Option<u32>) {
        self.samples.reclaim();
        let turn = turn.or(self.newest.map(|newest| newest.turn));
        self.flush = Flush {
            count: self.flush.count + 1,
            through_turn: self.flush.through_turn.max(turn),
        };
        self.link.publish_flush(self.flush);
    }

    /// A handle for reading playhead and counters.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(Arc::clone(&self.link))
    }

    fn current_turn(&self) -> u32 {
        let newest = self.newest.map(|newest| newest.turn);
        match self.newest {
            Some(newest) if !newest.ended && !self.is_past(newest.turn) => newest.turn,
            _ => newest
                .max(self.flush.through_turn)
                .map_or(1, |turn| turn.saturating_add(1)),
        }
    }

    /// Whether audio of this turn comes too late.
    fn is_past(&self, turn: u32) -> bool {
        self.flush.through_turn >= Some(turn) || self.newest.is_some_and(|it| it.turn > turn)
    }

    fn has_room(&self, frames: usize) -> bool {
        let queued = self.written_frames - self.link.consumed_frames();
        queued + frames as u64 <= self.link.sizes.capacity
    }

    /// Announces `turn` if its audio does not simply continue.
    fn open_turn(&mut self, turn: u32, now_us: u64) -> bool {
        let reopened = match self.newest {
            Some(newest) if newest.turn == turn && !newest.ended => return true,
            newest => newest.is_some_and(|newest| newest.turn == turn),
        };
        if self.started_turns - self.link.finished_turns() >= MAX_TURNS as u64 {
            return false;
        }
        let note = Note::TurnStart {
            turn,
            at_frame: self.written_frames,
            now_us,
            reopened,
        };
        if self.notes.push(note).is_err() {
            return false;
        }
        self.started_turns += 1;
        let ended = false;
        self.newest = Some(Newest { turn, ended });
        true
    }
}
