//! The pulling end: what comes out next.
//!
//! ```text
//!          audio            cushion, end or wait              last frame of the turn
//!  Idle ─────────▶ Prebuffer ──────────────────▶ Playing ────────────────────────────▶ Idle
//!                                                 │   ▲ ▲
//!                       all played, end not known │   │ │ cushion, end or wait
//!                                                 ▼   │ │
//!                                          Concealing ─▶ Starved ──▶ Idle after 400 ms
//!
//!  flush: Playing, Concealing ──▶ Fading (5 ms) ──▶ Idle; in any other state ──▶ Idle at once
//! ```
//!
//! The start of a turn is not faded: its first samples are its own, and jitter-free input comes
//! out bit for bit. A turn that runs dry goes on by itself for a moment, as if it were stretched,
//! and then fades; if more comes in time nobody hears of it. If it comes later, and would begin
//! with a click, the last 5 ms of the turn are played once more, fading in, so that no sound is
//! lost in a fade. After 400 ms of silence, when it is more likely a new turn than the rest of the
//! old one, it is faded in itself, within 2 ms.
//!
//! Where a sound stops at full level, because a turn that goes on by itself turns out to be over
//! or because it was ended in the middle of a word, it goes on for 5 ms more, dying away: silence
//! never comes with a click. An end that is as soft as a voice's is left as it is.
//!
//! When a turn has waited long enough is turned from microseconds into frames of output once, when
//! its first audio is seen. So the result does not depend on how the output is cut into pulls,
//! and a clock that jitters does no harm. Only when the device stood still, and `now_us` is
//! ahead of the frames by more than a millisecond, the clock decides.

use std::sync::Arc;

use rtrb::Consumer;

use super::slowing::Slowing;
use super::timeline::{Segment, Timeline};
use crate::downlink::conceal::{Concealer, Going};
use crate::downlink::config::{Sizes, to_usize};
use crate::downlink::fade::{Fade, FadeShape, is_soft, onset};
use crate::downlink::link::{Flush, Link, Note};
use crate::downlink::monitor::{Monitor, Record, State};
use crate::downlink::queue::SampleReader;
use crate::downlink::stream::pace::Advice;
use crate::downlink::tape::Tape;

/// A turn that runs dry goes on by itself for so long: up to there it is a stretched sound.
const GOING: Going = Going {
    hold_us: 12_000,
    gone_us: 20_000,
};

/// The end of a jitter buffer from which a device pulls. It never allocates, frees or waits.
#[derive(Debug)]
pub struct Reader {
    link: Arc<Link>,
    sizes: Sizes,
    samples: SampleReader,
    notes: Consumer<Note>,
    timeline: Timeline,
    /// The front segment where it is played. Its media ends at `position` plus what is ahead.
    tape: Tape,
    slowing: Slowing,
    concealer: Concealer,
    /// Room for the last of what was played, and for what is loaded after it.
    last: Box<[i16]>,
    fresh: Box<[i16]>,
    advice: Advice,
    /// Media frame that comes next.
    position: u64,
    /// Frames that were there when this pull began.
    visible: u64,
    /// Frames put out when `visible` last grew.
    grown_at: u64,
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
    /// Waiting for a cushion, until so many frames have been put out at the latest.
    Prebuffer {
        due: u64,
    },
    Playing,
    /// Nothing left to play, though the turn is not over: going on all the same.
    Concealing,
    /// `dry` frames of silence so far. Audio that has come since waits until `due`.
    Starved {
        dry: u64,
        due: Option<u64>,
    },
    /// Playing the last of what was flushed.
    Fading,
}

impl Reader {
    pub(in crate::downlink) fn new(
        link: Arc<Link>,
        samples: SampleReader,
        notes: Consumer<Note>,
    ) -> Self {
        let sizes = link.sizes;
        Self {
            advice: link.advice.read(),
            link,
            sizes,
            samples,
            notes,
            timeline: Timeline::new(),
            tape: Tape::new(sizes.rate_hz),
            slowing: Slowing::new(sizes.rate_hz),
            concealer: Concealer::new(sizes.rate_hz),
            last: vec![0; to_usize(sizes.fade)].into(),
            fresh: vec![0; to_usize(sizes.fade)].into(),
            position: 0,
            visible: 0,
            grown_at: 0,
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
        let seen = self.visible;
        self.advice = self.link.advice.read();
        self.visible = self.link.published_frames();
        for _ in 0..self.notes.slots() {
            let Ok(note) = self.notes.pop() else { break };
            // The samples before a note were published before it was sent.
            let (Note::TurnStart { at_frame, .. } | Note::EndOfTurn { at_frame }) = note;
            self.visible = self.visible.max(at_frame);
            self.timeline.note(note, due);
        }
        if self.visible > seen {
            self.grown_at = emitted;
        }
        self.timeline.hasten(u64::from(sizes.rate_hz / 1_000), due);
        if self.timeline.finish_front(self.position) {
            self.stop();
        }
        if flush != self.flush {
            self.flush = flush;
            self.cut();
        }
    }

    /// The front segment is over, though a moment ago more of it was to be expected.
    fn stop(&mut self) {
        match self.phase {
            // What fades goes on fading, and is done with then.
            Phase::Fading => return,
            Phase::Concealing => self.fade_out = Fade::falling(self.sizes.fade),
            _ => {}
        }
        self.phase = Phase::Idle;
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
                self.load();
                self.go_on_fading();
                self.phase = Phase::Fading;
            }
            Phase::Concealing if begun.is_some() => {
                self.fade_out = Fade::falling(self.sizes.fade);
                self.phase = Phase::Fading;
            }
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
        self.samples.skip(dropped - self.tape.media() as u64);
        self.tape.clear();
        self.position += dropped;
        self.record.dropped_frames += dropped;
        self.phase = Phase::Idle;
    }

    /// Fills the beginning of `out` and returns how far, or changes the phase and returns 0.
    fn advance(&mut self, out: &mut [i16], at_us: u64) -> usize {
        if self.fade_out.left() > 0 {
            return self.fade_away(out);
        }
        match self.phase {
            Phase::Idle => self.idle(out),
            Phase::Prebuffer { due } => self.prebuffer(out, due, at_us),
            Phase::Playing => self.play(out),
            Phase::Concealing => self.conceal(out),
            Phase::Starved { dry, due } => self.starve(out, dry, due, at_us),
            Phase::Fading => {
                self.drop_flushed();
                0
            }
        }
    }

    fn idle(&mut self, out: &mut [i16]) -> usize {
        let Some(&front) = self.timeline.front() else {
            return self.emit_silence(out, u64::MAX);
        };
        if self.available() == 0 {
            return self.emit_silence(out, u64::MAX);
        }
        let due = if self.is_begun(&front) {
            // More of a turn that was silent for long enough to be over. It may be a last piece
            // of it, or a new turn whose beginning nobody announced.
            self.record.emitted_frames + self.sizes.max_wait
        } else {
            front.due
        };
        self.phase = Phase::Prebuffer { due };
        0
    }

    fn prebuffer(&mut self, out: &mut [i16], due: u64, at_us: u64) -> usize {
        let due = match self.timeline.front() {
            Some(front) if !self.is_begun(front) => front.due,
            _ => due,
        };
        let wait = due.saturating_sub(self.record.emitted_frames);
        if self.is_ready() || wait == 0 {
            self.start(at_us);
            return 0;
        }
        self.emit_silence(out, wait)
    }

    fn play(&mut self, out: &mut [i16]) -> usize {
        self.load();
        if self.slowing.until_due() == 0 {
            self.slow_down();
        }
        if self.tape.ahead() == 0 {
            if self.may_run_dry() {
                self.run_dry();
            } else {
                self.finish_segment();
            }
            return 0;
        }
        let emitted = self.emit_audio(out, self.slowing.until_due() as u64);
        self.slowing.played(emitted);
        if self.tape.ahead() == 0 && self.available() == 0 && !self.may_run_dry() {
            self.finish_segment();
        }
        emitted
    }

    /// Plays a piece of the past again, if it is time to play slower and the sound allows it.
    fn slow_down(&mut self) {
        let slow_below = if self.may_run_dry() && !self.seems_over() {
            self.advice.slow_below_frames
        } else {
            0
        };
        let queued = self.available();
        let repeated = self.slowing.decide(&mut self.tape, queued, slow_below);
        self.record.inserted_frames += repeated as u64;
    }

    /// Fills the tape from the queue.
    fn load(&mut self) {
        let (media, wanted) = (self.tape.media() as u64, self.tape.lengths.ahead as u64);
        let more = self.available().saturating_sub(media);
        let more = to_usize(more.min(wanted.saturating_sub(media)));
        if more > 0 {
            let samples = &mut self.samples;
            self.tape.append_media(more, |room| samples.read(room));
        }
    }

    /// The turn has no more to play, and is not over.
    fn run_dry(&mut self) {
        let going = if self.seems_over() {
            Going::ENDING
        } else {
            GOING
        };
        self.keep_last();
        self.concealer.start(self.tape.past(), going, 0.0);
        self.record.concealment_events += 1;
        self.phase = Phase::Concealing;
    }

    fn conceal(&mut self, out: &mut [i16]) -> usize {
        if self.may_resume() {
            self.resume();
            return 0;
        }
        let frames = out.len().min(self.concealer.left());
        if frames == 0 {
            self.silent = true;
            if self.may_run_dry() {
                let dry = self.concealer.done() as u64;
                self.phase = Phase::Starved { dry, due: None };
            } else {
                self.finish_segment();
            }
            return 0;
        }
        self.emit_going_on(&mut out[..frames]);
        self.record.concealed_frames += frames as u64;
        frames
    }

    /// Whether enough has come to lead over into it without a click, or it is all there will be.
    fn may_resume(&self) -> bool {
        let enough = self.concealer.merge_frames() as u64;
        let available = self.available();
        available >= enough || (available > 0 && !self.may_run_dry())
    }

    /// More came before the turn fell silent. The tape keeps what was heard: a turn that runs dry
    /// again at once has something to go on with.
    fn resume(&mut self) {
        let frames = to_usize(self.available()).min(self.fresh.len());
        let fresh = &mut self.fresh[..frames];
        self.samples.read(fresh);
        self.concealer.merge(&mut self.tape, fresh);
        self.record.concealed_frames += self.tape.made_up() as u64;
        self.slowing.start();
        self.phase = Phase::Playing;
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
        self.record.silent_frames += emitted as u64;
        self.record
            .count_interruption(dry, emitted as u64, &self.sizes);
        let dry = dry + emitted as u64;
        self.phase = Phase::Starved { dry, due };
        emitted
    }

    /// From here on the sound fades; where it ends before the fade does, it goes on by itself.
    fn go_on_fading(&mut self) {
        self.concealer.start(self.tape.sound(), GOING, 0.0);
        self.fade_out = Fade::falling(self.sizes.fade);
    }

    /// Puts out what is to fade, until it is gone: the rest of what was flushed, or what was
    /// heard last, going on by itself.
    fn fade_away(&mut self, out: &mut [i16]) -> usize {
        let limit = self.fade_out.left();
        let frames = if self.tape.ahead() > 0 {
            self.emit_audio(out, limit as u64)
        } else {
            let frames = out.len().min(limit);
            self.emit_going_on(&mut out[..frames]);
            frames
        };
        self.fade_out.apply(&mut out[..frames], &self.fade_shape);
        self.silent = self.fade_out.left() == 0;
        if matches!(self.phase, Phase::Fading) {
            self.record.flushed_media_frames = self.record.media_frames;
            if self.silent {
                self.drop_flushed();
            }
        }
        frames
    }

    /// Begins or resumes the front segment.
    fn start(&mut self, at_us: u64) {
        let Some(&front) = self.timeline.front() else {
            return;
        };
        let begun = self.is_begun(&front);
        let first = self.samples.peek().unwrap_or_default();
        let clicks = begun && self.silent && !is_soft(first);
        let fade = match self.phase {
            Phase::Starved { .. } if clicks => {
                self.take_last_again();
                self.sizes.fade
            }
            _ => {
                self.tape.clear();
                if clicks {
                    onset(first, self.sizes.rate_hz)
                } else {
                    0
                }
            }
        };
        self.fade_in = Fade::rising(fade);
        self.slowing.start();
        if !begun {
            self.record.turn = Some(front.turn);
            self.record.media_frames = 0;
            self.record.first_sound_delay_us = at_us.saturating_sub(front.first_us);
        }
        self.phase = Phase::Playing;
    }

    /// Whether silence would come with a click now.
    fn ends_loud(&self) -> bool {
        let last = self.tape.past().last().copied().unwrap_or_default();
        !self.silent && !is_soft(last)
    }

    /// Remembers the last of what was played.
    fn keep_last(&mut self) {
        let past = self.tape.past();
        let kept = past.len().min(self.last.len());
        let silent = self.last.len() - kept;
        self.last[..silent].fill(0);
        self.last[silent..].copy_from_slice(&past[past.len() - kept..]);
    }

    /// Puts the last of what was played on the tape again, to be faded in before what comes.
    fn take_last_again(&mut self) {
        self.tape.clear();
        self.tape.append_made_up(&self.last);
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
        // Whatever was learned: a turn that did run dry needs what it was made with.
        let dry = matches!(self.phase, Phase::Starved { .. });
        let cushion = if dry {
            self.sizes.cushion
        } else {
            self.advice.cushion_frames.max(self.sizes.fade + 1)
        };
        !self.may_run_dry() || self.available() >= cushion
    }

    /// Whether more audio of the front segment is to be expected.
    fn may_run_dry(&self) -> bool {
        self.timeline
            .front()
            .is_some_and(|front| front.end_frame.is_none() && !front.reopened)
    }

    /// Whether nothing has come for so long that the turn is likely complete.
    fn seems_over(&self) -> bool {
        self.record.emitted_frames - self.grown_at > self.advice.over_after_frames
    }

    /// Frames of the front segment that are there.
    fn available(&self) -> u64 {
        self.timeline.front().map_or(0, |front| {
            let end = front.end_frame.unwrap_or(self.visible);
            end.min(self.visible) - self.position
        })
    }

    /// Puts out up to `limit` frames of the tape.
    fn emit_audio(&mut self, out: &mut [i16], limit: u64) -> usize {
        self.load();
        let frames = out.len().min(to_usize(limit)).min(self.tape.ahead());
        let out = &mut out[..frames];
        let taken = self.tape.take(out);
        let (media, made_up) = (taken.media as u64, taken.made_up as u64);
        self.count_emitted(made_up, false);
        self.count_emitted(media, true);
        self.fade_in.apply(out, &self.fade_shape);
        self.position += media;
        self.record.media_frames += media;
        self.record.played_frames += media;
        self.record.target_frame_sum += media * self.advice.cushion_frames;
        self.silent = false;
        frames
    }

    /// Fills `out` with what was heard last, going on by itself.
    fn emit_going_on(&mut self, out: &mut [i16]) {
        self.concealer.fill(out);
        self.tape.played(out);
        self.count_emitted(out.len() as u64, false);
        self.silent = false;
    }

    /// Puts out up to `limit` frames of silence; but where a sound would end with a click, as a
    /// turn that was ended in the middle of a word, it dies away first, and this returns 0.
    fn emit_silence(&mut self, out: &mut [i16], limit: u64) -> usize {
        if self.ends_loud() {
            self.go_on_fading();
            return 0;
        }
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
            Phase::Prebuffer { .. } => State::Prebuffer,
            Phase::Playing => State::Playing,
            Phase::Concealing | Phase::Starved { .. } => State::Starved,
            Phase::Fading => State::Fading,
        };
        self.link.record.publish(&self.record.pack());
        self.link
            .publish_consumed(self.position, self.timeline.finished());
    }
}
