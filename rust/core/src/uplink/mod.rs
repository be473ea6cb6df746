//! From microphone blocks to messages that are ready to be sent.
//!
//! downmix → resample → quantize → packetize → encode.

// When the resampler's output was captured.
mod capture_clock;

// Cutting a stream into packets of one duration.
mod packetizer;

// Finding speech in a stream.
mod vad;

// A packet as a message of the Live API.
pub mod encode;

use crate::dsp::convert::Sample;
use crate::dsp::downmix::{check_channels, downmix};
use crate::dsp::level::rms_dbfs;
use crate::dsp::resample::{Profile, Resampler};
use crate::error::FormatError;
use capture_clock::CaptureClock;
pub use packetizer::{Packet, Packetizer};
pub use vad::{VadConfig, VadEvent, VoiceActivityDetector};

/// Input frames that go through the stages together.
const PIECE_FRAMES: usize = 1_024;

/// The pipeline from device blocks to `realtimeInput` messages.
///
/// int16 mono at the wire's own rate passes bit for bit. Memory is taken by [`Uplink::new`];
/// [`push`](Uplink::push) allocates only the messages that it makes.
#[derive(Debug)]
pub struct Uplink {
    channels: u16,
    resampler: Resampler,
    packetizer: Packetizer,
    /// Time at which what comes out of the resampler was captured.
    clock: CaptureClock,
    level_dbfs: f64,
    /// One piece as mono, where the input has several channels.
    mono: Vec<f32>,
    /// One piece at the wire's rate.
    wire: Vec<i16>,
}

impl Uplink {
    /// A pipeline for blocks of `channels` interleaved samples per frame.
    ///
    /// # Errors
    /// A rate, ratio, channel count or packet duration that is not supported.
    pub fn new(
        in_hz: u32,
        channels: u32,
        out_hz: u32,
        packet_ms: u32,
        profile: Profile,
    ) -> Result<Self, FormatError> {
        let channels = check_channels(channels)?;
        let resampler = Resampler::new(in_hz, out_hz, profile)?;
        let packetizer = Packetizer::new(out_hz, packet_ms)?;
        let wire_frames = resampler.max_output_frames(PIECE_FRAMES).max(PIECE_FRAMES);
        Ok(Self {
            channels,
            clock: CaptureClock::new(in_hz, out_hz),
            level_dbfs: f64::NEG_INFINITY,
            mono: vec![0.0; if channels == 1 { 0 } else { PIECE_FRAMES }],
            wire: vec![0; wire_frames],
            resampler,
            packetizer,
        })
    }

    /// Feeds an interleaved block whose first frame was captured at `now_us`; gives each message
    /// that became full to `send`.
    ///
    /// NaN becomes silence; infinities saturate.
    ///
    /// # Errors
    /// `block` is not a whole number of frames; nothing is consumed.
    pub fn push<S: Sample>(
        &mut self,
        block: &[S],
        now_us: i64,
        mut send: impl FnMut(Vec<u8>),
    ) -> Result<(), FormatError> {
        let width = usize::from(self.channels);
        if !block.len().is_multiple_of(width) {
            return Err(FormatError::PartialFrame {
                samples: block.len(),
                channels: self.channels,
            });
        }
        self.clock.begin_block(now_us);
        for piece in block.chunks(PIECE_FRAMES * width) {
            let frames = piece.len() / width;
            let made = if width == 1 {
                self.resampler.process_into(piece, &mut self.wire)?
            } else {
                let mono = &mut self.mono[..frames];
                downmix(piece, self.channels, mono);
                self.resampler.process_into(mono, &mut self.wire)?
            };
            self.emit(made, &mut send);
            self.clock.count(frames, made);
        }
        Ok(())
    }

    /// Ends the stream: drains the resampler and the packetizer, padding the last packet with
    /// silence or dropping it. Then as newly made, except that [`packets`](Self::packets) counts
    /// on and [`level_dbfs`](Self::level_dbfs) stays.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn flush(&mut self, pad: bool, mut send: impl FnMut(Vec<u8>)) -> Result<(), FormatError> {
        let made = self.resampler.flush_into(&mut self.wire)?;
        self.emit(made, &mut send);
        let (level_dbfs, rate_hz) = (&mut self.level_dbfs, self.resampler.out_hz());
        self.packetizer.flush(pad, |packet| {
            *level_dbfs = rms_dbfs(packet.pcm);
            send(encode::realtime_audio(packet.pcm, rate_hz));
        });
        self.clock.reset();
        Ok(())
    }

    /// Packetizes and encodes what is in `wire`.
    fn emit(&mut self, frames: usize, send: &mut impl FnMut(Vec<u8>)) {
        let (level_dbfs, rate_hz) = (&mut self.level_dbfs, self.resampler.out_hz());
        self.packetizer.push(
            &self.wire[..frames],
            self.clock.next_output_us(),
            |packet| {
                *level_dbfs = rms_dbfs(packet.pcm);
                send(encode::realtime_audio(packet.pcm, rate_hz));
            },
        );
    }

    /// Packets made since the pipeline was made.
    pub fn packets(&self) -> u64 {
        self.packetizer.packets()
    }

    /// Frames of a packet at the wire's rate.
    pub fn packet_frames(&self) -> usize {
        self.packetizer.packet_frames()
    }

    /// RMS level of the last packet; negative infinity for silence or before the first.
    pub fn level_dbfs(&self) -> f64 {
        self.level_dbfs
    }

    /// Delay of the resampler; the packet's own duration comes on top.
    pub fn delay_s(&self) -> f64 {
        self.resampler.delay_s()
    }

    /// Channels of a block.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Rate of the blocks.
    pub fn in_hz(&self) -> u32 {
        self.resampler.in_hz()
    }
}
