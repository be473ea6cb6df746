//! G.711: the telephone network's eight bits per sample, µ-law and A-law.
//!
//! Codes are as on the wire: µ-law with all bits inverted, A-law with every second one. int16 is
//! cut to the 14 bits of µ-law or the 13 bits of A-law by an arithmetic shift, as usual.

use std::str::FromStr;

use super::convert::Sample;
use super::kernels::Backend;
use super::resample::{Profile, Resampler, check_room};
use crate::error::FormatError;

/// Rate of a G.711 stream.
pub const RATE_HZ: u32 = 8_000;

/// µ-law adds this to a magnitude, so that the segments begin at powers of two.
const ULAW_BIAS: i32 = 33;
/// Largest biased magnitude.
const ULAW_MAX: i32 = 8_191;

/// A companding law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// µ-law: North America and Japan. Sixteen steps in each of eight segments, beginning at 0.
    Ulaw,
    /// A-law: elsewhere.
    Alaw,
}

impl Law {
    /// The name used in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ulaw => "ulaw",
            Self::Alaw => "alaw",
        }
    }

    /// Encodes int16 samples.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn encode(self, pcm: &[i16], out: &mut [u8]) {
        assert_eq!(pcm.len(), out.len(), "G.711 encode: lengths differ");
        match self {
            Self::Ulaw => Backend::current().ulaw_encode(pcm, out),
            Self::Alaw => Backend::current().alaw_encode(pcm, out),
        }
    }

    /// Decodes to int16 samples.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn decode(self, codes: &[u8], out: &mut [i16]) {
        assert_eq!(codes.len(), out.len(), "G.711 decode: lengths differ");
        let table = self.table();
        for (out, code) in out.iter_mut().zip(codes) {
            *out = table[usize::from(*code)];
        }
    }

    fn table(self) -> &'static [i16; 256] {
        match self {
            Self::Ulaw => &ULAW,
            Self::Alaw => &ALAW,
        }
    }
}

impl FromStr for Law {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        [Self::Ulaw, Self::Alaw]
            .into_iter()
            .find(|law| law.name() == name)
            .ok_or_else(|| FormatError::Law(name.to_owned()))
    }
}

/// The segment and the step within it are the exponent and the leading four bits of the
/// mantissa of the magnitude as a float32, which is why this needs neither search nor table.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "magnitudes are below 2^13")]
fn segment_and_step(magnitude: i32, first_exponent: u32) -> u32 {
    ((magnitude as f32).to_bits() >> 19) - ((127 + first_exponent) << 4)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "codes are below 2^8")]
pub(super) fn to_ulaw(x: i16) -> u8 {
    let sample = i32::from(x) >> 2;
    let magnitude = (sample.abs() + ULAW_BIAS).min(ULAW_MAX);
    let sign = if sample < 0 { 0x7f } else { 0xff };
    (segment_and_step(magnitude, 5) ^ sign) as u8
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "codes are below 2^8"
)]
pub(super) fn to_alaw(x: i16) -> u8 {
    let sample = i32::from(x) >> 3;
    let magnitude = sample ^ (sample >> 31); // of a negative one, one less
    let sign = if sample < 0 { 0x55 } else { 0xd5 };
    let code = if magnitude < 32 {
        (magnitude >> 1) as u32
    } else {
        segment_and_step(magnitude, 4)
    };
    (code ^ sign) as u8
}

static ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        let (sign, segment, step) = parts(code ^ 0xff);
        // 14 bits, and two more.
        table[code] = (-sign * (((33 + 2 * step) << segment) - 33)) << 2;
        code += 1;
    }
    table
};

static ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        let (sign, segment, step) = parts(code ^ 0x55);
        let magnitude = match segment {
            0 => 2 * step + 1,
            _ => (2 * step + 33) << (segment - 1),
        };
        // 13 bits, and three more.
        table[code] = (sign * magnitude) << 3;
        code += 1;
    }
    table
};

/// A code without its inversion: 1 if the sign bit is set and otherwise -1, segment, step.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "7 bits"
)]
const fn parts(code: usize) -> (i16, u32, i16) {
    let sign = if code & 0x80 == 0 { -1 } else { 1 };
    (sign, (code >> 4 & 7) as u32, (code & 15) as i16)
}

/// Frames that pass between the code and the filter at a time.
const PIECE_FRAMES: usize = 512;

/// From G.711 codes to samples at another rate, as one stream.
#[derive(Debug)]
pub struct G711Decoder {
    law: Law,
    resampler: Resampler,
    pcm: Vec<i16>,
}

impl G711Decoder {
    /// # Errors
    /// `out_hz` is not a rate that [`Resampler::new`] takes together with 8,000.
    pub fn new(law: Law, out_hz: u32, profile: Profile) -> Result<Self, FormatError> {
        Ok(Self {
            law,
            resampler: Resampler::new(RATE_HZ, out_hz, profile)?,
            pcm: vec![0; PIECE_FRAMES],
        })
    }

    /// Decodes any number of codes and writes what is ready; returns the frames written.
    ///
    /// # Errors
    /// `out` is shorter than [`Resampler::max_output_frames`]; nothing is consumed.
    pub fn process_into<O: Sample>(
        &mut self,
        codes: &[u8],
        out: &mut [O],
    ) -> Result<usize, FormatError> {
        self.resampler.check_room(codes.len(), out.len())?;
        let mut written = 0;
        for codes in codes.chunks(PIECE_FRAMES) {
            let pcm = &mut self.pcm[..codes.len()];
            self.law.decode(codes, pcm);
            // There is room for all of it, but not for the most that each piece could make.
            written += self.resampler.process_exact(pcm, &mut out[written..])?;
        }
        Ok(written)
    }

    /// Decodes any number of codes and returns what is ready, in memory of its own. With `last`
    /// the stream ends.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn process<O: Sample>(&mut self, codes: &[u8], last: bool) -> Result<Vec<O>, FormatError> {
        let mut out = vec![O::default(); self.resampler.max_output_frames(codes.len())];
        let frames = self.process_into(codes, &mut out)?;
        out.truncate(frames);
        if last {
            out.resize(frames + self.resampler.flush_frames(), O::default());
            self.resampler.flush_into(&mut out[frames..])?;
        }
        Ok(out)
    }

    /// The filter after the decoder: its delay, its flush, its reset.
    pub fn resampler(&mut self) -> &mut Resampler {
        &mut self.resampler
    }

    /// The law.
    pub fn law(&self) -> Law {
        self.law
    }
}

/// From samples at another rate to G.711 codes, as one stream.
#[derive(Debug)]
pub struct G711Encoder {
    law: Law,
    resampler: Resampler,
    pcm: Vec<i16>,
}

impl G711Encoder {
    /// # Errors
    /// `in_hz` is not a rate that [`Resampler::new`] takes together with 8,000.
    pub fn new(law: Law, in_hz: u32, profile: Profile) -> Result<Self, FormatError> {
        let resampler = Resampler::new(in_hz, RATE_HZ, profile)?;
        let most = resampler.max_output_frames(PIECE_FRAMES);
        Ok(Self {
            law,
            pcm: vec![0; most],
            resampler,
        })
    }

    /// Takes any number of samples and writes the codes that are ready; returns how many.
    ///
    /// # Errors
    /// `out` is shorter than [`Resampler::max_output_frames`]; nothing is consumed.
    pub fn process_into<I: Sample>(
        &mut self,
        x: &[I],
        out: &mut [u8],
    ) -> Result<usize, FormatError> {
        self.resampler.check_room(x.len(), out.len())?;
        let mut written = 0;
        for x in x.chunks(PIECE_FRAMES) {
            let made = self.resampler.process_exact(x, &mut self.pcm)?;
            self.law
                .encode(&self.pcm[..made], &mut out[written..written + made]);
            written += made;
        }
        Ok(written)
    }

    /// Takes any number of samples and returns the codes that are ready, in memory of their own.
    /// With `last` the stream ends.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn process<I: Sample>(&mut self, x: &[I], last: bool) -> Result<Vec<u8>, FormatError> {
        let mut out = vec![0; self.resampler.max_output_frames(x.len())];
        let frames = self.process_into(x, &mut out)?;
        out.truncate(frames);
        if last {
            out.resize(frames + self.resampler.flush_frames(), 0);
            self.flush_into(&mut out[frames..])?;
        }
        Ok(out)
    }

    /// Ends the stream: writes the codes that are left, and resets.
    ///
    /// # Errors
    /// `out` is shorter than [`Resampler::flush_frames`]; nothing happens.
    pub fn flush_into(&mut self, out: &mut [u8]) -> Result<usize, FormatError> {
        let frames = self.resampler.flush_frames();
        check_room(out.len(), frames)?;
        // A tail is as long as the filter: some hundred frames at most.
        let mut pcm = vec![0; frames];
        self.resampler.flush_into(&mut pcm)?;
        self.law.encode(&pcm, &mut out[..frames]);
        Ok(frames)
    }

    /// The filter before the encoder: its delay, its reset.
    pub fn resampler(&mut self) -> &mut Resampler {
        &mut self.resampler
    }

    /// The law.
    pub fn law(&self) -> Law {
        self.law
    }
}
