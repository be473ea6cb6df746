//! Where speech starts and ends, by level over a tracked noise floor.

use crate::dsp::level::dbfs;
use crate::error::{FormatError, in_range};

/// A frame of the detector.
const FRAME_MS: u32 = 10;
/// Levels below this count as this: digital silence has no level.
const QUIETEST_DBFS: f64 = -100.0;
/// The floor follows a quieter frame by this part of the difference …
const FALL_PART: f64 = 0.2;
/// … and a louder one, if it is not voiced, by this part: a time constant of one second.
const RISE_PART: f64 = 0.01;
/// During voice the floor rises by this much per frame (1.5 dB/s): enough to forget a noise that
/// has become louder, too little to swallow a long vowel or tone.
const VOICED_RISE_DB: f64 = 0.015;
/// Unvoiced frames that a start survives, at least.
const TOLERANCE_FRAMES: u32 = 2;

/// What a detector does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VadConfig {
    /// 8,000 to 48,000, a multiple of 100.
    pub sample_rate_hz: u32,
    /// Voice needed before a start is reported: 0 to 2,000.
    pub prefix_padding_ms: u32,
    /// Silence needed before an end is reported: 10 to 10,000.
    pub silence_duration_ms: u32,
    /// How far above the noise floor a voiced frame is: 0 to 60.
    pub threshold_db: f64,
    /// Never voiced below this level: -100 to 0.
    pub min_dbfs: f64,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: 16_000,
            prefix_padding_ms: 60,
            silence_duration_ms: 500,
            threshold_db: 12.0,
            min_dbfs: -50.0,
        }
    }
}

/// A change that was decided, with the frame since the last reset where it really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VadEvent {
    /// The first frame of speech.
    Start(u64),
    /// The first frame after speech.
    End(u64),
}

/// Splits a mono stream into 10 ms frames and follows its voice. Allocates nothing.
#[derive(Debug)]
pub struct VoiceActivityDetector {
    config: VadConfig,
    frame_samples: usize,
    /// Voiced frames that make a start, and unvoiced ones that make an end.
    start_frames: u32,
    end_frames: u32,
    state: State,
}

/// Everything that a reset forgets.
#[derive(Debug, Clone, Copy)]
struct State {
    samples: u64,
    /// Sum of the squares of the unfinished frame.
    energy: u64,
    level_dbfs: f64,
    floor_dbfs: Option<f64>,
    speaking: bool,
    /// Where the voice that may become, or is, speech began and last ended.
    voice_start: u64,
    voice_end: u64,
    /// Voiced frames since `voice_start`, as far as a start is still open.
    voiced: u32,
    /// Unvoiced frames since `voice_end`.
    unvoiced: u32,
}

const NEW: State = State {
    samples: 0,
    energy: 0,
    level_dbfs: f64::NEG_INFINITY,
    floor_dbfs: None,
    speaking: false,
    voice_start: 0,
    voice_end: 0,
    voiced: 0,
    unvoiced: 0,
};

impl VoiceActivityDetector {
    /// A detector that has heard nothing.
    ///
    /// # Errors
    /// A value outside of the range that [`VadConfig`] gives.
    pub fn new(config: VadConfig) -> Result<Self, FormatError> {
        let rate_hz = in_range("sample_rate_hz", config.sample_rate_hz, 8_000, 48_000)?;
        let frame_samples = rate_hz * FRAME_MS / 1_000;
        if frame_samples * 1_000 != rate_hz * FRAME_MS {
            return Err(FormatError::PacketFrames {
                rate_hz,
                packet_ms: FRAME_MS,
            });
        }
        let prefix_ms = in_range("prefix_padding_ms", config.prefix_padding_ms, 0, 2_000)?;
        let silence_ms = in_range(
            "silence_duration_ms",
            config.silence_duration_ms,
            10,
            10_000,
        )?;
        level_in_range("threshold_db", config.threshold_db, 0, 60)?;
        level_in_range("min_dbfs", config.min_dbfs, -100, 0)?;
        Ok(Self {
            config,
            frame_samples: frame_samples as usize,
            start_frames: prefix_ms.div_ceil(FRAME_MS).max(1),
            end_frames: silence_ms.div_ceil(FRAME_MS),
            state: NEW,
        })
    }

    /// Feeds PCM of any length; gives each event to `report` in order.
    pub fn push(&mut self, pcm: &[i16], mut report: impl FnMut(VadEvent)) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let filled = self.filled();
            let taken = rest.len().min(self.frame_samples - filled);
            let (head, tail) = rest.split_at(taken);
            rest = tail;
            self.state.energy += head
                .iter()
                .map(|x| u64::from(x.unsigned_abs()).pow(2))
                .sum::<u64>();
            self.state.samples += taken as u64;
            if filled + taken == self.frame_samples {
                self.finish_frame(&mut report);
            }
        }
    }

    /// Forgets the stream, the noise floor too.
    pub fn reset(&mut self) {
        self.state = NEW;
    }

    /// Whether speech has started and not ended, as far as it is decided.
    pub fn speaking(&self) -> bool {
        self.state.speaking
    }

    /// Frames (samples) fed since the last reset.
    pub fn frames(&self) -> u64 {
        self.state.samples
    }

    /// Level of the last whole 10 ms frame; negative infinity for silence or before the first.
    pub fn level_dbfs(&self) -> f64 {
        self.state.level_dbfs
    }

    /// The tracked noise floor; negative infinity before the first whole frame.
    pub fn noise_floor_dbfs(&self) -> f64 {
        self.state.floor_dbfs.unwrap_or(f64::NEG_INFINITY)
    }

    /// Samples of the unfinished frame.
    fn filled(&self) -> usize {
        // Below `frame_samples`, so the conversion is exact.
        usize::try_from(self.state.samples % self.frame_samples as u64).unwrap_or(0)
    }

    fn finish_frame(&mut self, report: &mut impl FnMut(VadEvent)) {
        let level_dbfs = dbfs(self.state.energy, self.frame_samples);
        self.state.energy = 0;
        self.state.level_dbfs = level_dbfs;
        let voiced = self.follow_floor(level_dbfs.max(QUIETEST_DBFS));
        match (voiced, self.state.speaking) {
            (true, _) => self.voiced_frame(report),
            (false, true) => self.unvoiced_speech(report),
            (false, false) => self.unvoiced_silence(),
        }
    }

    /// Decides whether a frame is voiced, and moves the noise floor.
    fn follow_floor(&mut self, level_dbfs: f64) -> bool {
        let VadConfig {
            threshold_db,
            min_dbfs,
            ..
        } = self.config;
        // A stream may begin with speech, so a loud first frame says nothing about the noise.
        let floor = self.state.floor_dbfs.unwrap_or(level_dbfs.min(min_dbfs));
        let voiced = level_dbfs >= min_dbfs && level_dbfs >= floor + threshold_db;
        let moved = if voiced {
            // Below `min_dbfs - threshold_db` the floor decides nothing, so it rises from there.
            floor.max(min_dbfs - threshold_db) + VOICED_RISE_DB
        } else if level_dbfs < floor {
            floor + FALL_PART * (level_dbfs - floor)
        } else {
            floor + RISE_PART * (level_dbfs - floor)
        };
        self.state.floor_dbfs = Some(moved);
        voiced
    }

    fn voiced_frame(&mut self, report: &mut impl FnMut(VadEvent)) {
        let state = &mut self.state;
        if !state.speaking {
            if state.voiced == 0 {
                state.voice_start = state.samples - self.frame_samples as u64;
            }
            state.voiced += 1;
            if state.voiced >= self.start_frames {
                state.speaking = true;
                report(VadEvent::Start(state.voice_start));
            }
        }
        state.voice_end = state.samples;
        state.unvoiced = 0;
    }

    fn unvoiced_speech(&mut self, report: &mut impl FnMut(VadEvent)) {
        let state = &mut self.state;
        state.unvoiced += 1;
        if state.unvoiced >= self.end_frames {
            state.speaking = false;
            state.voiced = 0;
            state.unvoiced = 0;
            report(VadEvent::End(state.voice_end));
        }
    }

    /// A start may have short holes (the stop of a consonant), in proportion to its length.
    fn unvoiced_silence(&mut self) {
        let state = &mut self.state;
        state.unvoiced += 1;
        if state.unvoiced > TOLERANCE_FRAMES.max(self.start_frames / 4) {
            state.voiced = 0;
            state.unvoiced = 0;
        }
    }
}

fn level_in_range(name: &'static str, value: f64, min: i16, max: i16) -> Result<(), FormatError> {
    if (f64::from(min)..=f64::from(max)).contains(&value) {
        return Ok(());
    }
    Err(FormatError::Level {
        name,
        value: value.to_string(),
        min,
        max,
    })
}
