//! Which turn each queued frame belongs to.

use std::collections::VecDeque;

use crate::downlink::config::MAX_TURNS;
use crate::downlink::link::Note;

/// The audio of one turn in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) turn: u32,
    pub(super) first_frame: u64,
    /// When its first audio was pushed.
    pub(super) first_us: u64,
    /// It has waited long enough when so many frames have come out of the buffer.
    pub(super) due: u64,
    /// Frame behind the last one, once the turn is known to be complete.
    pub(super) end_frame: Option<u64>,
    /// See [`Note::TurnStart`]: running dry in it is no underrun, since it should have ended.
    pub(super) reopened: bool,
}

/// The turns that are playing or waiting, oldest first. Its memory is fixed.
#[derive(Debug)]
pub(super) struct Timeline {
    segments: VecDeque<Segment>,
    /// Turns that are done with, ever.
    finished: u64,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self {
            segments: VecDeque::with_capacity(MAX_TURNS),
            finished: 0,
        }
    }

    /// Enters a note. The writer never announces more than [`MAX_TURNS`] turns at once.
    pub(super) fn note(&mut self, note: Note, due: impl Fn(u64) -> u64) {
        match note {
            Note::TurnStart {
                turn,
                at_frame,
                now_us,
                reopened,
            } => {
                // Turns follow each other: where one begins, the one before it has ended.
                self.end_newest(at_frame);
                if self.segments.len() < MAX_TURNS {
                    self.segments.push_back(Segment {
                        turn,
                        first_frame: at_frame,
                        first_us: now_us,
                        due: due(now_us),
                        end_frame: None,
                        reopened,
                    });
                }
            }
            Note::EndOfTurn { at_frame } => self.end_newest(at_frame),
        }
    }

    fn end_newest(&mut self, at_frame: u64) {
        if let Some(newest) = self.segments.back_mut() {
            newest.end_frame.get_or_insert(at_frame);
        }
    }

    pub(super) fn front(&self) -> Option<&Segment> {
        self.segments.front()
    }

    /// Makes up for a device that stood still: brings `due` forward where the clock, in
    /// `due_now`, is ahead of the frames by more than `tolerance`.
    pub(super) fn hasten(&mut self, tolerance: u64, due_now: impl Fn(u64) -> u64) {
        for segment in &mut self.segments {
            let due = due_now(segment.first_us);
            if due + tolerance < segment.due {
                segment.due = due;
            }
        }
    }

    /// Forgets the first segment if it is complete and ends at `position`.
    pub(super) fn finish_front(&mut self, position: u64) -> bool {
        let finished = self
            .front()
            .is_some_and(|it| it.end_frame == Some(position));
        if finished {
            self.pop();
        }
        finished
    }

    /// Forgets all up to and including `turn`; returns where the rest begins, if there is one.
    pub(super) fn drop_through(&mut self, turn: u32) -> Option<u64> {
        while self.front().is_some_and(|it| it.turn <= turn) {
            self.pop();
        }
        self.front().map(|it| it.first_frame)
    }

    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    fn pop(&mut self) {
        self.segments.pop_front();
        self.finished += 1;
    }
}
