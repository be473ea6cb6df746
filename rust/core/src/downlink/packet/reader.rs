//! The pulling end: what comes out next.
//!
//! ```text
//!        packet              20 ms            needed packet not here
//!  Idle ────────▶ Waiting ─────────▶ Playing ─────────────────────▶ Concealing
//!   ▲                                  ▲  │                            │  │
//!   │                                  └──┼──── it came, or its time ──┘  │ no more comes
//!   └──────────── flush: 5 ms fade ◀──────┴───────────────────────────────┘
//! ```
//!
//! A packet that is not here when it is needed is replaced by the voice going on (see `conceal`).
//! If it comes a little later it is played then: the delay has become longer, as the network
//! asked for. If packets behind it are here it is lost, and those play when their time has come,
//! or sooner if the delay is longer than it should be.
//!
//! Numbers only grow, also from one stream of packets to another (the writer sees to that). Where
//! the sound does not follow from what was before, at a *joint*, it is led over to as after a
//! loss, or faded in after silence.

use std::sync::Arc;

use rtrb::Consumer;

use super::Packets;
use super::blocks::Blocks;
use super::delay::SharedDelay;
use super::pacing::{Pacing, Spliced};
use super::store::PacketStore;
use super::writer::Note;
use crate::downlink::conceal::{Concealer, Going};
use crate::downlink::config::{Sizes, to_i64, to_usize};
use crate::downlink::fade::{Fade, FadeShape, onset};
use crate::downlink::link::{Flush, Link};
use crate::downlink::monitor::{Monitor, Record, State};
use crate::downlink::queue::SampleReader;
use crate::downlink::tape::Tape;

/// The first packet waits for so long, or for the one behind it.
const START_US: u64 = 20_000;
/// A voice that waits for packets goes on at full level, and is gone after this.
const GOING: Going = Going {
    hold_us: 20_000,
    gone_us: 120_000,
};
/// Packets that come this much before the first one were sent before it.
const REORDERED: u64 = 8;
/// A delay that is too short by this is left alone by `pacing`.
const TOLERATED_US: i64 = 5_000;
/// After so long without a packet the stream is over.
const OVER_US: u64 = 2_000_000;

/// The end of a packet jitter buffer from which a device pulls. It never allocates, frees or
/// waits.
#[derive(Debug)]
pub struct PacketReader {
    packets: Packets,
    sizes: Sizes,
    link: Arc<Link>,
    delay: Arc<SharedDelay>,
    samples: SampleReader,
    notes: Consumer<Note>,
    store: PacketStore,
    tape: Tape,
    pacing: Pacing,
    concealer: Concealer,
    fresh: Box<[i16]>,
    phase: Phase,
    /// The writer said that no more comes.
    ended: bool,
    newest: u64,
    /// When the first packet of this stream of packets was pushed.
    first_us: u64,
    /// The first packet that was neither played nor given up before this stream of packets.
    floor: u64,
    /// With this packet begins another stream: its sound has to be led over to.
    joint: Option<u64>,
    flush: Flush,
    fade_shape: FadeShape,
    fade_in: Fade,
    fade_out: Fade,
    taken_frames: u64,
    blocks: Blocks,
    record: Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The first packets are here; they play when so many frames have been put out.
    Waiting {
        due: u64,
    },
    Playing,
    Concealing,
    /// Playing the last of what was flushed.
    Fading,
}

impl PacketReader {
    pub(super) fn new(
        packets: Packets,
        link: Arc<Link>,
        delay: Arc<SharedDelay>,
        samples: SampleReader,
        notes: Consumer<Note>,
    ) -> Self {
        let sizes = link.sizes;
        let concealer = Concealer::new(packets.rate_hz);
        let longest = concealer.merge_frames().max(to_usize(sizes.fade));
        Self {
            store: PacketStore::new(packets.stored, packets.frames),
            tape: Tape::new(packets.rate_hz),
            pacing: Pacing::new(packets.rate_hz),
            fresh: vec![0; longest].into(),
            concealer,
            packets,
            sizes,
            link,
            delay,
            samples,
            notes,
            phase: Phase::Idle,
            ended: false,
            newest: 0,
            first_us: 0,
            floor: 0,
            joint: None,
            flush: Flush::default(),
            fade_shape: FadeShape::new(sizes.fade),
            fade_in: Fade::rising(0),
            fade_out: Fade::falling(0),
            taken_frames: 0,
            blocks: Blocks::default(),
            record: Record::default(),
        }
    }

    /// Fills `out` with the next frames; silence where there is nothing to play. `now_us` is
    /// when its first frame is due.
    pub fn pull(&mut self, out: &mut [i16], now_us: u64) {
        self.observe();
        self.blocks.pulled(out.len());
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
    fn observe(&mut self) {
        let flush = self.link.flush();
        if flush != self.flush {
            self.flush = flush;
            self.cut();
        }
        for _ in 0..self.notes.slots() {
            match self.notes.pop() {
                Ok(Note::Packet {
                    number,
                    joint,
                    now_us,
                }) => {
                    if self.phase == Phase::Idle && self.store.held() == 0 {
                        self.first_us = now_us;
                    }
                    self.receive(number, joint);
                }
                Ok(Note::End) => self.ended = true,
                Err(_) => break,
            }
        }
    }

    fn receive(&mut self, number: u64, joint: bool) {
        let frames = self.packets.frames as u64;
        self.taken_frames += frames;
        self.newest = self.newest.max(number);
        if number >= self.floor {
            self.make_way(number);
        }
        if number < self.store.next().max(self.floor) {
            self.samples.skip(frames);
            self.record.late_frames += frames;
            return;
        }
        self.ended = false;
        if joint {
            self.joint = Some(number);
        }
        if let Some(room) = self.store.room(number) {
            self.samples.read(room);
        } else {
            self.samples.skip(frames);
            self.record.duplicate_frames += frames;
        }
    }

    /// Sees to it that a packet can be stored, if it may still be played.
    fn make_way(&mut self, number: u64) {
        let next = self.store.next();
        let last = next + self.store.capacity() as u64 - 1;
        match self.phase {
            // The first of a stream of packets says where it begins.
            Phase::Idle if self.store.held() == 0 => {
                self.store.skip_to(number);
            }
            // Nothing was played of it yet, and this was sent before the one that came first.
            Phase::Idle | Phase::Waiting { .. } if number < next && next - number <= REORDERED => {
                let dropped = self.store.step_back_to(number);
                self.count_dropped(dropped);
            }
            _ if number > last => self.drop_stored(next + (number - last)),
            _ => {}
        }
    }

    fn drop_stored(&mut self, next: u64) {
        let partly = self.partly();
        let dropped = self.store.skip_to(next);
        self.count_dropped(dropped);
        // What was played of the first one is not dropped.
        self.record.dropped_frames -= partly as u64;
    }

    fn count_dropped(&mut self, packets: usize) {
        self.record.dropped_frames += (packets * self.packets.frames) as u64;
    }

    /// A flush takes effect on what is here.
    fn cut(&mut self) {
        self.record.flushes = self.flush.count;
        let floor = self.flushed_through().map_or(self.floor, |it| it + 1);
        self.floor = floor.max(self.floor);
        let sounding = matches!(self.phase, Phase::Playing | Phase::Concealing);
        self.record.flushed_turn = self.record.turn.filter(|_| sounding);
        self.record.flushed_media_frames = if sounding {
            self.record.media_frames
        } else {
            0
        };
        if sounding {
            self.load();
            self.die_away();
            self.phase = Phase::Fading;
        } else if self.phase != Phase::Fading {
            self.phase = Phase::Idle;
        }
        if self.store.next() < self.floor {
            self.drop_stored(self.floor);
        }
    }

    /// Number of the newest packet that was flushed. It is told in 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half, to compare"
    )]
    fn flushed_through(&self) -> Option<u64> {
        let through = self.flush.through_turn?;
        let base = self.newest.max(self.store.next());
        let ahead = through.wrapping_sub(base as u32).cast_signed();
        Some(base.saturating_add_signed(ahead.into()))
    }

    /// Begins the fade of what is sounding: of what comes next, or, if that is too little, of
    /// how it would go on.
    fn die_away(&mut self) {
        let fade = to_usize(self.sizes.fade);
        if self.tape.ahead() < fade {
            self.record.dropped_frames += self.tape.media() as u64;
            self.tape.drop_coming();
            if self.phase == Phase::Playing {
                self.conceal_from_here(Going::ENDING);
            }
            self.concealer.fill(&mut self.fresh[..fade]);
            self.tape.append_made_up(&self.fresh[..fade]);
        }
        self.fade_out = Fade::falling(self.sizes.fade);
    }

    fn conceal_from_here(&mut self, going: Going) {
        let background_rms = self.pacing.background_rms();
        self.concealer
            .start(self.tape.past(), going, background_rms);
    }

    fn advance(&mut self, out: &mut [i16], at_us: u64) -> usize {
        match self.phase {
            Phase::Idle => self.idle(out),
            Phase::Waiting { due } => self.wait(out, due, at_us),
            Phase::Playing => self.play(out, at_us),
            Phase::Concealing => self.conceal(out, at_us),
            Phase::Fading => self.fade(out),
        }
    }

    fn idle(&mut self, out: &mut [i16]) -> usize {
        if self.store.held() == 0 {
            return self.emit_silence(out, usize::MAX);
        }
        let due = self.record.emitted_frames + self.sizes.frames_covering(START_US);
        self.phase = Phase::Waiting { due };
        0
    }

    fn wait(&mut self, out: &mut [i16], due: u64, at_us: u64) -> usize {
        let left = to_usize(due.saturating_sub(self.record.emitted_frames));
        if left > 0 {
            return self.emit_silence(out, left);
        }
        if let Some(missing) = self.store.missing() {
            self.drop_stored(self.store.next() + missing);
        }
        self.joint = None;
        self.record.first_sound_delay_us = at_us.saturating_sub(self.first_us);
        self.begin_sound();
        self.record.turn = Some(self.record.turn.map_or(1, |turn| turn.wrapping_add(1)));
        self.record.media_frames = 0;
        self.phase = Phase::Playing;
        0
    }

    /// After silence; it is faded in where it would begin with a click in the middle of a word.
    fn begin_sound(&mut self) {
        self.tape.clear();
        self.pacing.start();
        let first = self.store.ready().first().copied().unwrap_or_default();
        let is_first = self.record.turn.is_none();
        let fade = if is_first {
            0
        } else {
            onset(first, self.sizes.rate_hz)
        };
        self.fade_in = Fade::rising(fade);
    }

    fn play(&mut self, out: &mut [i16], at_us: u64) -> usize {
        self.load();
        if self.tape.ahead() == 0 {
            let over = self.ended && self.store.held() == 0;
            self.conceal_from_here(if over { Going::ENDING } else { GOING });
            self.phase = Phase::Concealing;
            return 0;
        }
        if self.pacing.until_due() == 0 {
            let excess_us = self.excess_us(at_us);
            match self.pacing.decide(&mut self.tape, excess_us) {
                Spliced::Nothing => {}
                Spliced::Inserted(frames) => self.record.inserted_frames += frames as u64,
                Spliced::Removed(frames) => {
                    self.record.removed_frames += frames as u64;
                    self.pass(frames as u64);
                }
            }
        }
        let frames = out.len().min(self.pacing.until_due());
        let emitted = self.emit_tape(&mut out[..frames]);
        self.pacing.played(emitted);
        emitted
    }

    /// The needed packet is not here.
    fn conceal(&mut self, out: &mut [i16], at_us: u64) -> usize {
        let done = self.concealer.done();
        let missing = self.store.missing();
        let resume_at = match missing {
            Some(0) => Some(0),
            Some(missing) => {
                let lost = to_usize(missing) * self.packets.frames;
                // When it is the turn of what comes after; sooner, if the delay was too long.
                let done_us = to_i64(self.sizes.micros(done as u64));
                let behind = self
                    .excess_us(at_us)
                    .saturating_sub(done_us)
                    .max(0)
                    .unsigned_abs();
                let shorter = to_usize(self.sizes.frames_covering(behind));
                Some(
                    lost.saturating_sub(self.concealer.merge_frames())
                        .saturating_sub(shorter),
                )
            }
            None => None,
        };
        if resume_at.is_some_and(|at| done >= at) {
            self.resume(missing.unwrap_or(0));
            return 0;
        }
        let over = done as u64 >= self.sizes.frames_covering(OVER_US);
        if missing.is_none() && (over || self.ended && self.concealer.left() == 0) {
            self.fall_silent();
            return 0;
        }
        let step = to_usize(self.sizes.frames_covering(10_000));
        let most = resume_at.map_or(step, |at| at - done);
        let frames = out.len().min(most).min(step);
        let out = &mut out[..frames];
        self.concealer.fill(out);
        self.tape.played(out);
        self.count_concealed(done, frames);
        frames
    }

    fn fall_silent(&mut self) {
        self.tape.clear();
        self.floor = self.floor.max(self.store.next());
        self.phase = Phase::Idle;
    }

    fn count_concealed(&mut self, done: usize, frames: usize) {
        self.record.emitted_frames += frames as u64;
        if self.ended {
            return;
        }
        self.record.concealed_frames += frames as u64;
        if self.concealer.left() == 0 {
            self.record.silent_frames += frames as u64;
        }
        if done == 0 {
            self.record.concealment_events += 1;
        }
        self.record
            .count_interruption(done as u64, frames as u64, &self.sizes);
    }

    /// Goes on with the packet behind `missing` ones, which are lost.
    fn resume(&mut self, missing: u64) {
        if missing > 0 {
            let frames = self.packets.frames as u64;
            self.record.lost_frames += missing * frames - self.store.offset() as u64;
            self.pass(missing * frames);
            self.drop_stored(self.store.next() + missing);
        }
        self.joint = None;
        let ready = self.store.ready();
        let frames = ready.len().min(self.concealer.merge_frames());
        self.fresh[..frames].copy_from_slice(&ready[..frames]);
        self.store.advance(frames);
        self.concealer.merge(&mut self.tape, &self.fresh[..frames]);
        self.record.concealed_frames += self.tape.made_up() as u64;
        self.pacing.start();
        self.phase = Phase::Playing;
    }

    fn fade(&mut self, out: &mut [i16]) -> usize {
        let frames = out.len().min(self.fade_out.left());
        let out = &mut out[..frames];
        let emitted = self.emit_tape(out);
        self.fade_out.apply(&mut out[..emitted], &self.fade_shape);
        self.record.flushed_media_frames = self.record.media_frames;
        if self.fade_out.left() == 0 {
            self.record.dropped_frames += self.tape.media() as u64;
            self.fall_silent();
        }
        emitted
    }

    /// By how much the delay is longer than it should be.
    fn excess_us(&self, at_us: u64) -> i64 {
        let behind = self.tape.media() as u64;
        let frames = self.store.next() * self.packets.frames as u64 + self.store.offset() as u64;
        let media_us = self.sizes.micros(frames - behind);
        let since_us = to_i64(at_us).saturating_sub(to_i64(media_us)) - self.packets.us;
        let delay_us = since_us.saturating_sub(self.delay.fastest_us());
        let block_us = to_i64(self.sizes.micros(self.blocks.frames() as u64));
        // Packets that come during a pull are seen at the next. That is half of a short block on
        // average; a packet at the end of a long one must wait for all of it.
        let unseen_us = (block_us / 2).max(block_us - TOLERATED_US);
        delay_us
            .saturating_sub(self.delay.target_us())
            .saturating_sub(unseen_us)
    }

    /// Fills the tape from the store.
    fn load(&mut self) {
        if self.phase != Phase::Playing {
            return;
        }
        while self.tape.media() < self.tape.lengths.ahead {
            if self.joint == Some(self.store.next()) {
                return;
            }
            let room = self.tape.lengths.ahead - self.tape.media();
            let ready = self.store.ready();
            let frames = ready.len().min(room);
            if frames == 0 {
                return;
            }
            let ready = &ready[..frames];
            self.tape
                .append_media(frames, |room| room.copy_from_slice(ready));
            self.store.advance(frames);
        }
    }

    fn emit_tape(&mut self, out: &mut [i16]) -> usize {
        let queued = self.queued() as u64;
        let taken = self.tape.take(out);
        let (media, frames) = (taken.media as u64, taken.media + taken.made_up);
        self.fade_in.apply(&mut out[..frames], &self.fade_shape);
        self.record.emitted_frames += frames as u64;
        self.record.played_frames += media;
        self.pass(media);
        self.count_time(queued, frames as u64, media);
        frames
    }

    /// Counts the time spent in the queue, and that aimed for, by frames that come out while
    /// `queued` are here.
    fn count_time(&mut self, queued: u64, frames: u64, media: u64) {
        let record = &mut self.record;
        record.queue_frame_sum = record.queue_frame_sum.saturating_add(queued * frames);
        let target_us = self.delay.target_us().unsigned_abs();
        let target = self.sizes.frames_covering(target_us);
        record.target_frame_sum = record.target_frame_sum.saturating_add(target * media);
    }

    /// Frames that are here and not yet played.
    fn queued(&self) -> usize {
        self.store.held() * self.packets.frames - self.partly() + self.tape.media()
    }

    /// Frames of the needed packet that are used already.
    fn partly(&self) -> usize {
        if self.store.ready().is_empty() {
            0
        } else {
            self.store.offset()
        }
    }

    /// The playhead moves on.
    fn pass(&mut self, media: u64) {
        self.record.media_frames += media;
    }

    fn emit_silence(&mut self, out: &mut [i16], most: usize) -> usize {
        let frames = out.len().min(most);
        out[..frames].fill(0);
        self.record.emitted_frames += frames as u64;
        frames
    }

    fn publish(&mut self) {
        self.record.state = match self.phase {
            Phase::Idle => State::Idle,
            Phase::Waiting { .. } => State::Prebuffer,
            Phase::Playing => State::Playing,
            Phase::Concealing => State::Starved,
            Phase::Fading => State::Fading,
        };
        self.link.record.publish(&self.record.pack());
        self.link
            .publish_consumed(self.taken_frames - self.queued() as u64, 0);
    }
}
