//! The pulling end: what comes out next.
//!
//! ```text
//!          audio            cushion, end or wait              last frame of the turn
//!  Idle ─────────▶ Prebuffer ──────────────────▶ Playing ────────────────────────────▶ Idle
//!                                                 │   ▲
//!                     all but 5 ms played,        ▼   │ cushion, end or wait: fade in
//!                     end not known           FadingDry ─▶ Starved ──▶ Idle after 400 ms
//!
//!  flush: Playing ──▶ Fading (5 ms) ──▶ Idle; in any other state ──▶ Idle at once
//! ```
//!
//! The start of a turn is not faded: its first samples are its own, and jitter-free input comes
//! out bit for bit. A fade-in follows only upon silence in the middle of a turn. While the end of
//! a turn is not known, its last 5 ms are kept back, so that there is something to fade if no
//! more comes; once the end is known it plays to its last sample as it is.
//!
//! When a turn has waited long enough is turned from microseconds into frames of output once, when
//! its first audio is seen. So the result does not depend on how the output is cut into pulls,
//! and a clock that jitters does no harm. Only when the device stood still, and `now_us` is
//! ahead of the frames by more than a millisecond, the clock decides.

use std::sync::Arc;

use rtrb::Consumer;

use super::config::Sizes;
use super::fade::{Fade, FadeShape};
use super::link::{Flush, Link, Note};
use super::monitor::{Monitor, Record, State};
use super::queue::SampleReader;
use super::timeline::{Segment, Timeline};

/// The end of a jitter buffer from which a device pulls. It never allocates, frees or waits.
#[derive(Debug)]
pub struct Reader {
    link: Arc<Link>,
    sizes: Sizes,
    samples: SampleReader,
    notes: Consumer<Note>,
    timeline: Timeline,
    /// Frame that comes next.
    position: u64,
    /// Frames that were there when this pull began.
    visible: u64,
    phase: Phase,
    flush: Flush,
    fade_shape: FadeShape,
    fade_in: Fade,
    fade_out: Fade,
    /// Whether what came out last ended in silence of ours.
    silent: bool,
    record: Record,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing to play, or nothing of a turn that should have ended.
    Idle,
    Prebuffer,
    Playing,
    /// Playing the last of what there is.
    FadingDry,
    /// `dry` frames of silence so far. Audio that has come since waits until `due`.
    Starved {
        dry: u64,
        due: Option<u64>,
    },
    /// Playing the last of what was flushed.
    Fading,
}

impl Reader {
    pub(super) fn new(link: Arc<Link>, samples: SampleReader, notes: Consumer<Note>) -> Self {
        let sizes = link.sizes;
        Self {
            link,
            sizes,
            samples,
            notes,
            timeline: Timeline::new(),
            position: 0,
            visible: 0,
            phase: Phase::Idle,
            flush: Flush::default(),
            fade_shape: FadeShape::new(sizes.fade),
            fade_in: Fade::rising(0),
            fade_out: Fade::falling(0),
            silent: true,
            record: Record::default(),
        }
    }

    /// Fills `out` with the next frames; silence where there is nothing to play. `now_us` is
    /// when its first frame is due, or any time that runs along with it.
    pub fn pull(&mut self, out: &mut [i16], now_us: u64) {
        self.observe(now_us);
        let mut filled = 0;
        while filled < out.len() {
            let at_us = now_us.saturating_add(self.sizes.micros(filled as u64));
            filled += self.advance(&mut out[filled..], at_us);
        }
        self.publish();
    }

    /// A handle for reading playhead and counters.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(Arc::clone(&self.link))
    }

    /// Rate of what comes out.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sizes.rate_hz
    }

    /// Takes in what the writer did since the last pull.
    ///
    /// In this order: a flush is seen with all that was pushed before it, and samples with the
    /// notes about them.
    fn observe(&mut self, now_us: u64) {
        let (sizes, emitted) = (self.sizes, self.record.emitted_frames);
        let due = |first_us: u64| {
            let waited_us = now_us.saturating_sub(first_us);
            let left_us = sizes.micros(sizes.max_wait).saturating_sub(waited_us);
            emitted + sizes.frames_covering(left_us)
        };
        let flush = self.link.flush();
        self.visible = self.link.published_frames();
        for _ in 0..self.notes.slots() {
            let Ok(note) = self.notes.pop() else { break };
            // The samples before a note were published before it was sent.
            let (Note::TurnStart { at_frame, .. } | Note::EndOfTurn { at_frame }) = note;
            self.visible = self.visible.max(at_frame);
            self.timeline.note(note, due);
        }
        self.timeline.hasten(u64::from(sizes.rate_hz / 1_000), due);
        if self.timeline.finish_front(self.position) {
            self.phase = Phase::Idle;
        }
        if flush != self.flush {
            self.flush = flush;
            self.cut();
        }
    }

    /// A flush takes effect.
    fn cut(&mut self) {
        self.record.flushes = self.flush.count;
        let flushed = |turn: u32| self.flush.through_turn >= Some(turn);
        let front = self.timeline.front().filter(|front| flushed(front.turn));
        let begun = front.filter(|front| self.is_begun(front));
        self.record.flushed_turn = begun.map(|front| front.turn);
        self.record.flushed_media_frames = begun.map_or(0, |_| self.record.media_frames);
        match self.phase {
            Phase::Playing if begun.is_some() => {
                self.fade_out = Fade::falling(self.available().min(self.sizes.fade));
                self.phase = Phase::Fading;
            }
            Phase::FadingDry if begun.is_some() => self.phase = Phase::Fading,
            Phase::Fading => {}
            _ => {
                if front.is_some() {
                    self.drop_flushed();
                }
            }
        }
    }

    /// Forgets the audio of flushed turns.
    fn drop_flushed(&mut self) {
        let rest = self
            .flush
            .through_turn
            .and_then(|turn| self.timeline.drop_through(turn));
        let dropped = rest.unwrap_or(self.visible) - self.position;
        self.samples.skip(dropped);
        self.position += dropped;
        self.record.dropped_frames += dropped;
        self.phase = Phase::Idle;
    }

    /// Fills the beginning of `out` and returns how far, or changes the phase and returns 0.
    fn advance(&mut self, out: &mut [i16], at_us: u64) -> usize {
        match self.phase {
            Phase::Idle => self.idle(out, at_us),
            Phase::Prebuffer => self.prebuffer(out, at_us),
            Phase::Playing => self.play(out),
            Phase::FadingDry => self.fade_dry(out),
            Phase::Starved { dry, due } => self.starve(out, dry, due, at_us),
            Phase::Fading => self.fade_flushed(out),
        }
    }

    fn idle(&mut self, out: &mut [i16], at_us: u64) -> usize {
        let Some(&front) = self.timeline.front() else {
            return self.emit_silence(out, u64::MAX);
        };
        if self.available() == 0 {
            return self.emit_silence(out, u64::MAX);
        }
        if self.is_begun(&front) {
            // A residual chunk, long after the turn ran dry, or after its announced end.
            self.start(at_us);
        } else {
            self.phase = Phase::Prebuffer;
        }
        0
    }

    fn prebuffer(&mut self, out: &mut [i16], at_us: u64) -> usize {
        let due = self.timeline.front().map_or(0, |front| front.due);
        let wait = due.saturating_sub(self.record.emitted_frames);
        if self.is_ready() || wait == 0 {
            self.start(at_us);
            return 0;
        }
        self.emit_silence(out, wait)
    }

    fn play(&mut self, out: &mut [i16]) -> usize {
        let available = self.available();
        if self.may_run_dry() {
            let playable = available.saturating_sub(self.sizes.fade);
            if playable == 0 {
                self.fade_out = Fade::falling(available);
                self.phase = Phase::FadingDry;
                return 0;
            }
            return self.emit_audio(out, playable);
        }
        if available == 0 {
            self.finish_segment();
            return 0;
        }
        let emitted = self.emit_audio(out, available);
        if self.available() == 0 {
            self.finish_segment();
        }
        emitted
    }

    fn fade_dry(&mut self, out: &mut [i16]) -> usize {
        let emitted = self.emit_faded(out);
        if self.fade_out.left() == 0 {
            self.silent = true;
            if self.available() == 0 && !self.may_run_dry() {
                self.finish_segment();
            } else {
                self.record.concealment_events += 1;
                let (dry, due) = (0, None);
                self.phase = Phase::Starved { dry, due };
            }
        }
        emitted
    }

    fn starve(&mut self, out: &mut [i16], dry: u64, due: Option<u64>, at_us: u64) -> usize {
        let (wait, due) = if self.available() > 0 {
            let emitted = self.record.emitted_frames;
            let due = due.unwrap_or(emitted + self.sizes.max_wait);
            (due.saturating_sub(emitted), Some(due))
        } else {
            (self.sizes.idle_tail.saturating_sub(dry), None)
        };
        if due.is_some() && (self.is_ready() || wait == 0) {
            self.start(at_us);
            return 0;
        }
        if wait == 0 {
            self.finish_segment();
            return 0;
        }
        let emitted = self.emit_silence(out, wait);
        self.record.concealed_frames += emitted as u64;
        let dry = dry + emitted as u64;
        self.phase = Phase::Starved { dry, due };
        emitted
    }

    fn fade_flushed(&mut self, out: &mut [i16]) -> usize {
        let emitted = self.emit_faded(out);
        self.record.flushed_media_frames = self.record.media_frames;
        if self.fade_out.left() == 0 {
            self.drop_flushed();
        }
        emitted
    }

    /// Begins or resumes the front segment.
    fn start(&mut self, at_us: u64) {
        let Some(&front) = self.timeline.front() else {
            return;
        };
        let begun = self.is_begun(&front);
        let fade = if begun && self.silent {
            self.sizes.fade
        } else {
            0
        };
        self.fade_in = Fade::rising(fade);
        if !begun {
            self.record.turn = Some(front.turn);
            self.record.media_frames = 0;
            self.record.first_sound_delay_us = at_us.saturating_sub(front.first_us);
        }
        self.phase = Phase::Playing;
    }

    /// The front segment has no more to play: it is complete, or nobody knows.
    fn finish_segment(&mut self) {
        self.timeline.finish_front(self.position);
        self.phase = Phase::Idle;
    }

    /// Whether frames of this segment's turn have come out, and it is still the last one.
    fn is_begun(&self, segment: &Segment) -> bool {
        self.record.turn == Some(segment.turn)
    }

    /// Whether there is enough of the front segment to begin.
    fn is_ready(&self) -> bool {
        !self.may_run_dry() || self.available() >= self.sizes.cushion
    }

    /// Whether more audio of the front segment is to be expected.
    fn may_run_dry(&self) -> bool {
        self.timeline
            .front()
            .is_some_and(|front| front.end_frame.is_none() && !front.reopened)
    }

    /// Frames of the front segment that are there.
    fn available(&self) -> u64 {
        self.timeline.front().map_or(0, |front| {
            let end = front.end_frame.unwrap_or(self.visible);
            end.min(self.visible) - self.position
        })
    }

    fn emit_audio(&mut self, out: &mut [i16], limit: u64) -> usize {
        let frames = out.len().min(to_usize(limit));
        let out = &mut out[..frames];
        self.count_emitted(frames as u64, true);
        self.samples.read(out);
        self.fade_in.apply(out, &self.fade_shape);
        self.position += frames as u64;
        self.record.media_frames += frames as u64;
        self.record.played_frames += frames as u64;
        self.silent = false;
        frames
    }

    fn emit_faded(&mut self, out: &mut [i16]) -> usize {
        let frames = self.emit_audio(out, self.fade_out.left() as u64);
        self.fade_out.apply(&mut out[..frames], &self.fade_shape);
        frames
    }

    fn emit_silence(&mut self, out: &mut [i16], limit: u64) -> usize {
        let frames = out.len().min(to_usize(limit));
        out[..frames].fill(0);
        self.count_emitted(frames as u64, false);
        self.silent = true;
        frames
    }

    /// Counts frames that come out, and adds up the lengths of the queue behind each.
    fn count_emitted(&mut self, frames: u64, shrinking: bool) {
        let queued = self.visible - self.position;
        let sum = if shrinking {
            (1..=frames).map(|k| queued - k).sum()
        } else {
            queued * frames
        };
        self.record.queue_frame_sum = self.record.queue_frame_sum.saturating_add(sum);
        self.record.emitted_frames += frames;
    }

    fn publish(&mut self) {
        let waiting = self.available() > 0;
        self.record.state = match self.phase {
            Phase::Idle if waiting => State::Prebuffer,
            Phase::Idle => State::Idle,
            Phase::Prebuffer => State::Prebuffer,
            Phase::Playing | Phase::FadingDry => State::Playing,
            Phase::Starved { .. } => State::Starved,
            Phase::Fading => State::Fading,
        };
        self.link.record.publish(&self.record.pack());
        self.link
            .publish_consumed(self.position, self.timeline.finished());
    }
}

fn to_usize(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX)
}
