//! What is known about a jitter buffer, from any thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::config::{INTERRUPTION_US, Sizes};
use super::link::{Link, RECORD_LEN};

/// What a jitter buffer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing to play.
    #[default]
    Idle,
    /// Audio is queued and waits for the cushion.
    Prebuffer,
    /// Audio of a turn is coming out.
    Playing,
    /// Ran dry in the middle of a turn.
    Starved,
    /// Fading out after a flush.
    Fading,
}

impl State {
    const ALL: [Self; 5] = [
        Self::Idle,
        Self::Prebuffer,
        Self::Playing,
        Self::Starved,
        Self::Fading,
    ];

    /// The name used in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Prebuffer => "prebuffer",
            Self::Playing => "playing",
            Self::Starved => "starved",
            Self::Fading => "fading",
        }
    }
}

/// Where playing stands, at the end of the last pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Playhead {
    /// The turn that is or was last played; `None` before the first.
    pub turn: Option<u32>,
    /// Frames of that turn handed over so far.
    pub media_frames: u64,
    /// Frames pushed and not yet handed over or dropped, of all turns. This one is of now.
    pub queued_frames: u64,
    /// What the buffer is doing.
    pub state: State,
    /// All frames handed over, silence included.
    pub emitted_frames: u64,
    /// How many flushes have taken effect.
    pub flushes: u32,
    /// The turn that the last effective flush cut; `None` if none was playing.
    pub flushed_turn: Option<u32>,
    /// Frames of that turn that were handed over, the fade included: final once the state is
    /// no longer [`State::Fading`].
    pub flushed_media_frames: u64,
}

/// Counters since the buffer was made; the first group bears names of W3C webrtc-stats.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    /// Sum over all frames of the time spent in the queue. Divided by
    /// `jitter_buffer_emitted_count` it is the mean delay.
    pub jitter_buffer_delay_s: f64,
    /// Sum over all frames of the delay aimed for: the cushion, or that of the packets.
    pub jitter_buffer_target_delay_s: f64,
    /// Frames of audio that came out.
    pub jitter_buffer_emitted_count: u64,
    /// The same, and concealed ones.
    pub total_samples_received: u64,
    /// Frames made up because a turn ran dry, or packets were lost.
    pub concealed_samples: u64,
    /// Of these, the ones of silence.
    pub silent_concealed_samples: u64,
    /// How often a turn ran dry.
    pub concealment_events: u64,
    /// Frames added by playing slower.
    pub inserted_samples_for_deceleration: u64,
    /// Frames left out by playing faster.
    pub removed_samples_for_acceleration: u64,

    /// From the push of a turn's first audio to its first frame; of the last turn begun.
    pub first_sound_delay_us: u64,
    /// `concealed_samples` as a duration.
    pub underrun_us: u64,
    /// Flushes that have taken effect.
    pub flush_count: u64,
    /// Frames accepted.
    pub pushed_frames: u64,
    /// Frames that flushes took out of the queue.
    pub flushed_frames: u64,
    /// Frames that came for a turn that was over or flushed.
    pub dropped_late_frames: u64,
    /// Frames that did not fit.
    pub refused_frames: u64,
    /// Frames of packets that were here already.
    pub duplicate_frames: u64,
    /// Frames of packets that did not come in time, as far as others came after them.
    pub lost_frames: u64,
    /// Concealment of 150 ms and more.
    pub interruption_count: u64,
}

/// What the reader did so far, as it publishes it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Record {
    pub(super) turn: Option<u32>,
    pub(super) media_frames: u64,
    pub(super) state: State,
    pub(super) emitted_frames: u64,
    pub(super) flushes: u32,
    pub(super) flushed_turn: Option<u32>,
    pub(super) flushed_media_frames: u64,
    pub(super) played_frames: u64,
    pub(super) dropped_frames: u64,
    pub(super) concealed_frames: u64,
    pub(super) concealment_events: u64,
    pub(super) first_sound_delay_us: u64,
    pub(super) inserted_frames: u64,
    pub(super) removed_frames: u64,
    pub(super) silent_frames: u64,
    pub(super) late_frames: u64,
    pub(super) duplicate_frames: u64,
    pub(super) lost_frames: u64,
    pub(super) interruptions: u64,
    /// Sum over all frames of output of the frames queued then. By Little's law this is also
    /// the time, in frames, that all frames together have spent in the queue.
    pub(super) queue_frame_sum: u64,
    /// Sum over all frames of media of the delay aimed for then, in frames.
    pub(super) target_frame_sum: u64,
}

impl Record {
    /// Concealment that has lasted `done` frames goes on for `frames` more.
    pub(super) fn count_interruption(&mut self, done: u64, frames: u64, sizes: &Sizes) {
        let interruption = sizes.frames_covering(INTERRUPTION_US);
        if (done..done + frames).contains(&(interruption - 1)) {
            self.interruptions += 1;
        }
    }

    pub(super) fn pack(&self) -> [u64; RECORD_LEN] {
        let (turn, flushed_turn) = (self.turn, self.flushed_turn);
        [
            u64::from(turn.is_some()),
            turn.unwrap_or(0).into(),
            self.media_frames,
            self.state as u64,
            self.emitted_frames,
            self.flushes.into(),
            u64::from(flushed_turn.is_some()),
            flushed_turn.unwrap_or(0).into(),
            self.flushed_media_frames,
            self.played_frames,
            self.dropped_frames,
            self.concealed_frames,
            self.concealment_events,
            self.first_sound_delay_us,
            self.queue_frame_sum,
            self.inserted_frames,
            self.removed_frames,
            self.silent_frames,
            self.late_frames,
            self.duplicate_frames,
            self.lost_frames,
            self.interruptions,
            self.target_frame_sum,
        ]
    }

    #[expect(clippy::cast_possible_truncation, reason = "each as it was packed")]
    fn unpack(words: [u64; RECORD_LEN]) -> Self {
        let turn = |present: u64, turn: u64| (present == 1).then_some(turn as u32);
        Self {
            turn: turn(words[0], words[1]),
            media_frames: words[2],
            state: State::ALL[words[3] as usize % State::ALL.len()],
            emitted_frames: words[4],
            flushes: words[5] as u32,
            flushed_turn: turn(words[6], words[7]),
            flushed_media_frames: words[8],
            played_frames: words[9],
            dropped_frames: words[10],
            concealed_frames: words[11],
            concealment_events: words[12],
            first_sound_delay_us: words[13],
            queue_frame_sum: words[14],
            inserted_frames: words[15],
            removed_frames: words[16],
            silent_frames: words[17],
            late_frames: words[18],
            duplicate_frames: words[19],
            lost_frames: words[20],
            interruptions: words[21],
            target_frame_sum: words[22],
        }
    }
}

/// Reads playhead and counters without disturbing either end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    link: Arc<Link>,
}

impl Monitor {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Where playing stands.
    pub fn playhead(&self) -> Playhead {
        let record = Record::unpack(self.link.record.read());
        // Consumed first: the other way round a push and a pull between the two looks like
        // more frames consumed than were ever pushed.
        let consumed = self.link.consumed_frames();
        Playhead {
            turn: record.turn,
            media_frames: record.media_frames,
            queued_frames: self.link.published_frames() - consumed
                + self.link.held_back_frames.load(Relaxed),
            state: record.state,
            emitted_frames: record.emitted_frames,
            flushes: record.flushes,
            flushed_turn: record.flushed_turn,
            flushed_media_frames: record.flushed_media_frames,
        }
    }

    /// The counters.
    #[expect(clippy::cast_precision_loss, reason = "sums of durations, for people")]
    pub fn stats(&self) -> Stats {
        let record = Record::unpack(self.link.record.read());
        let sizes = &self.link.sizes;
        let seconds = |frames: u64| frames as f64 / f64::from(sizes.rate_hz);
        Stats {
            jitter_buffer_delay_s: seconds(record.queue_frame_sum),
            jitter_buffer_target_delay_s: seconds(record.target_frame_sum),
            jitter_buffer_emitted_count: record.played_frames,
            total_samples_received: record.played_frames + record.concealed_frames,
            concealed_samples: record.concealed_frames,
            silent_concealed_samples: record.silent_frames,
            concealment_events: record.concealment_events,
            inserted_samples_for_deceleration: record.inserted_frames,
            removed_samples_for_acceleration: record.removed_frames,
            first_sound_delay_us: record.first_sound_delay_us,
            underrun_us: sizes.micros(record.concealed_frames),
            flush_count: record.flushes.into(),
            pushed_frames: self.link.accepted_frames.load(Relaxed),
            flushed_frames: record.dropped_frames,
            dropped_late_frames: self.link.late_frames.load(Relaxed) + record.late_frames,
            duplicate_frames: record.duplicate_frames,
            lost_frames: record.lost_frames,
            interruption_count: record.interruptions,
            refused_frames: self.link.refused_frames.load(Relaxed),
        }
    }

    /// Rate of what is pushed and pulled.
    pub fn sample_rate_hz(&self) -> u32 {
        self.link.sizes.rate_hz
    }
}
