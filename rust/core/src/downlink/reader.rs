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
//! A wait counts down in frames of output, so the result does not depend on how the output is
//! cut into pulls; `now_us` can only shorten it, when the device stood still.

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
    Prebuffer(Wait),
    Playing,
    /// Playing the last of what there is.
    FadingDry,
    /// `dry` frames without audio; a wait once there is some again.
    Starved {
        dry: u64,
        wait: Option<Wait>,
    },
    /// Playing the last of what was flushed.
    Fading,
}

/// How long audio may still be held back.
#[derive(Debug, Clone, Copy)]
struct Wait {
    deadline_us: u64,
    frames: u64,
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
        self.record.emitted_frames += out.len() as u64;
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
        let flush = self.link.flush();
        self.visible = self.link.published_frames();
        for _ in 0..self.notes.slots() {
            let Ok(note) = self.notes.pop() else { break };
            // The samples before a note were published before it was sent.
            let (Note::TurnStart { at_frame, .. } | Note::EndOfTurn { at_frame }) = note;
            self.visible = self.visible.max(at_frame);
            self.timeline.note(note);
        }
        if self.timeline.finish_front(self.position) {
            self.phase = Phase::Idle;
        }
        if flush != self.flush {
            self.flush = flush;
            self.cut();
        }
        self.shorten_wait(now_us);
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
            Phase::Prebuffer(wait) => self.prebuffer(out, wait, at_us),
            Phase::Playing => self.play(out),
            Phase::FadingDry => self.fade_dry(out),
            Phase::Starved { dry, wait } => self.starve(out, dry, wait, at_us),
            Phase::Fading => self.fade_flushed(out),
        }
    }

    fn idle(&mut self, out: &mut [i16], at_us: u64) -> usize {
        let Some(&front) = self.timeline.front() else {
            return self.emit_silence(out, out.len());
        };
        if self.available() == 0 {
            return self.emit_silence(out, out.len());
        }
        if self.is_begun(&front) {
            // A residual chunk, long after the turn ran dry, or after its announced end.
            self.start(at_us);
        } else {
            let max_wait_us = self.sizes.micros(self.sizes.max_wait);
            let deadline_us = front.first_us.saturating_add(max_wait_us);
            self.phase = Phase::Prebuffer(Wait {
                deadline_us,
                frames: self.frames_until(deadline_us, at_us),
            });
        }
        0
    }

    fn prebuffer(&mut self, out: &mut [i16], mut wait: Wait, at_us: u64) -> usize {
        if self.is_ready() || wait.frames == 0 {
            self.start(at_us);
            return 0;
        }
        let emitted = self.emit_silence(out, to_usize(wait.frames));
        wait.frames -= emitted as u64;
        self.phase = Phase::Prebuffer(wait);
        emitted
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
                let (dry, wait) = (0, None);
                self.phase = Phase::Starved { dry, wait };
            }
        }
        emitted
    }

    fn starve(&mut self, out: &mut [i16], dry: u64, wait: Option<Wait>, at_us: u64) -> usize {
        if self.available() == 0 {
            if dry >= self.sizes.idle_tail || !self.may_run_dry() {
                self.finish_segment();
                return 0;
            }
            let emitted = self.emit_concealment(out, self.sizes.idle_tail - dry);
            let dry = dry + emitted as u64;
            self.phase = Phase::Starved { dry, wait: None };
            return emitted;
        }
        let mut wait = wait.unwrap_or(Wait {
            deadline_us: at_us.saturating_add(self.sizes.micros(self.sizes.max_wait)),
            frames: self.sizes.max_wait,
        });
        if self.is_ready() || wait.frames == 0 {
            self.start(at_us);
            return 0;
        }
        let emitted = self.emit_concealment(out, wait.frames);
        wait.frames -= emitted as u64;
        let (dry, wait) = (dry + emitted as u64, Some(wait));
        self.phase = Phase::Starved { dry, wait };
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

    fn frames_until(&self, deadline_us: u64, now_us: u64) -> u64 {
        let micros = deadline_us.saturating_sub(now_us);
        self.sizes.frames_covering(micros).min(self.sizes.max_wait)
    }

    /// Makes up for a device that stood still. The countdown and the clock differ by rounding
    /// all the time; only a millisecond or more is a standstill.
    fn shorten_wait(&mut self, now_us: u64) {
        let (Phase::Prebuffer(mut wait)
        | Phase::Starved {
            wait: Some(mut wait),
            ..
        }) = self.phase
        else {
            return;
        };
        let left = self.frames_until(wait.deadline_us, now_us);
        if left + u64::from(self.sizes.rate_hz / 1_000) >= wait.frames {
            return;
        }
        wait.frames = left;
        self.phase = match self.phase {
            Phase::Starved { dry, .. } => Phase::Starved {
                dry,
                wait: Some(wait),
            },
            _ => Phase::Prebuffer(wait),
        };
    }

    fn emit_audio(&mut self, out: &mut [i16], limit: u64) -> usize {
        let frames = out.len().min(to_usize(limit));
        let out = &mut out[..frames];
        self.count_queue(frames as u64, true);
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

    fn emit_concealment(&mut self, out: &mut [i16], limit: u64) -> usize {
        let frames = self.emit_silence(out, to_usize(limit));
        self.record.concealed_frames += frames as u64;
        frames
    }

    fn emit_silence(&mut self, out: &mut [i16], limit: usize) -> usize {
        let frames = out.len().min(limit);
        out[..frames].fill(0);
        self.count_queue(frames as u64, false);
        self.silent = true;
        frames
    }

    /// Adds up the queue lengths at each of the next frames.
    fn count_queue(&mut self, frames: u64, shrinking: bool) {
        let queued = self.visible - self.position;
        let sum = if shrinking {
            (1..=frames).map(|k| queued - k).sum()
        } else {
            queued * frames
        };
        self.record.queue_frame_sum = self.record.queue_frame_sum.saturating_add(sum);
    }

    fn publish(&mut self) {
        let waiting = self.available() > 0;
        self.record.state = match self.phase {
            Phase::Idle if waiting => State::Prebuffer,
            Phase::Idle => State::Idle,
            Phase::Prebuffer(_) => State::Prebuffer,
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
