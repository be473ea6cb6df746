//! Fixed-ratio resampling as a stream.
//!
//! A polyphase FIR at the ratio L/M. Output frame `k` is centred on input time `k * M / L` and
//! comes out as soon as the last input frame that it needs is in; `lowlatency` uses none beyond
//! its centre, and smears by a fraction of a millisecond instead. What comes out does not depend
//! on how the input was cut, bit for bit.

// What can be asked for.
mod profile;

// The filter, in double precision.
mod design;

// Its variant without look-ahead.
mod minimum_phase;

// The filter, as the inner loop reads it.
mod bank;

// The filter's memory of the input.
mod window;

// Where a stream stands, and what it makes.
mod filter;

// Whole signals.
mod one_shot;

use crate::dsp::convert::Sample;
use crate::dsp::kernels::Backend;
use crate::error::{FormatError, check_rate_hz};
pub(in crate::dsp) use bank::to_f32;
pub(in crate::dsp) use design::low_pass;
use filter::Filter;
use one_shot::OneShot;
pub use profile::Profile;
pub(in crate::dsp) use window::Window;

/// Largest reduced term of a ratio: bounds the size of the filter bank.
const TERM_MAX: u32 = 2_000;

/// A streaming resampler of one channel. All memory is taken by [`Resampler::new`].
#[derive(Debug)]
pub struct Resampler {
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
    backend: Backend,
    /// None where the rates are equal: samples pass as they are, without delay.
    filter: Option<Filter>,
}

impl Resampler {
    /// Designs the filter for `in_hz` to `out_hz`: some milliseconds of work for large terms.
    ///
    /// # Errors
    /// A rate outside of 4,000..=384,000 Hz, or a ratio with a reduced term above 2,000.
    pub fn new(in_hz: u32, out_hz: u32, profile: Profile) -> Result<Self, FormatError> {
        Self::with_backend(in_hz, out_hz, profile, Backend::current())
    }

    /// As [`new`](Self::new), with these kernels.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_backend(
        in_hz: u32,
        out_hz: u32,
        profile: Profile,
        backend: Backend,
    ) -> Result<Self, FormatError> {
        let (up, down) = ratio(in_hz, out_hz)?;
        let filter = (up != down).then(|| Filter::new(profile, up, down, backend));
        Ok(Self {
            in_hz,
            out_hz,
            profile,
            backend,
            filter,
        })
    }

    /// The most frames that one [`process_into`](Self::process_into) of `in_frames` can write.
    pub fn max_output_frames(&self, in_frames: usize) -> usize {
        match &self.filter {
            None => in_frames,
            Some(filter) => filter.max_output_frames(in_frames),
        }
    }

    /// The frames that one [`process_into`](Self::process_into) of `in_frames` writes now.
    pub fn output_frames(&self, in_frames: usize) -> usize {
        match &self.filter {
            None => in_frames,
            Some(filter) => filter.output_frames(in_frames),
        }
    }

    /// Feeds a block of any length and writes what is ready; returns the frames written.
    ///
    /// int16 goes in as `x / 32768` and comes out rounded to nearest even and saturated.
    ///
    /// # Errors
    /// `out` is shorter than [`max_output_frames`](Self::max_output_frames); nothing is consumed.
    pub fn process_into<I: Sample, O: Sample>(
        &mut self,
        x: &[I],
        out: &mut [O],
    ) -> Result<usize, FormatError> {
        self.check_room(x.len(), out.len())?;
        self.process_exact(x, out)
    }

    /// As [`process_into`](Self::process_into), where `out` need not have more room than just
    /// what [`output_frames`](Self::output_frames) says.
    ///
    /// # Errors
    /// `out` is shorter than that; nothing is consumed.
    pub fn process_exact<I: Sample, O: Sample>(
        &mut self,
        x: &[I],
        out: &mut [O],
    ) -> Result<usize, FormatError> {
        check_room(out.len(), self.output_frames(x.len()))?;
        Ok(match &mut self.filter {
            None => copy(self.backend, x, out),
            Some(filter) => filter.process(x, out),
        })
    }

    /// Feeds a block of any length and returns what is ready, in memory of its own. With `last`
    /// the stream ends, as by [`flush_into`](Self::flush_into).
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn process<I: Sample, O: Sample>(
        &mut self,
        x: &[I],
        last: bool,
    ) -> Result<Vec<O>, FormatError> {
        let mut out = vec![O::default(); self.max_output_frames(x.len())];
        let frames = self.process_into(x, &mut out)?;
        out.truncate(frames);
        if last {
            out.resize(frames + self.flush_frames(), O::default());
            self.flush_into(&mut out[frames..])?;
        }
        Ok(out)
    }

    /// How many more input frames make `out_frames` more frames ready: the size of the next
    /// input when a device asks for a fixed number of frames.
    pub fn input_frames_for(&self, out_frames: usize) -> usize {
        match &self.filter {
            None => out_frames,
            Some(filter) => filter.input_frames_for(out_frames),
        }
    }

    /// Fills `out` from exactly [`input_frames_for(out.len())`](Self::input_frames_for) frames.
    ///
    /// A frame that became ready beyond the end of `out` comes first in the next call, so the
    /// stream equals that of [`process_into`](Self::process_into).
    ///
    /// # Errors
    /// `x` has another length; nothing is consumed.
    pub fn fill_from<I: Sample, O: Sample>(
        &mut self,
        x: &[I],
        out: &mut [O],
    ) -> Result<(), FormatError> {
        let needed = self.input_frames_for(out.len());
        if x.len() != needed {
            let (name, frames, relation) = ("the input", x.len(), "exactly");
            return Err(FormatError::Length {
                name,
                frames,
                relation,
                needed,
            });
        }
        match &mut self.filter {
            None => copy(self.backend, x, out),
            Some(filter) => filter.process(x, out),
        };
        Ok(())
    }

    /// Passes over a known gap, as if `frames` of silence were fed, in time that does not grow
    /// with the gap.
    ///
    /// Writes the frames in which the past still rings; after them come
    /// [`silent_frames`](Skipped::silent_frames) zeros, which are not written. Together they are
    /// just what feeding silence would have made.
    ///
    /// # Errors
    /// `frames` is 2^32 or more, or `out` is shorter than
    /// [`max_skip_frames`](Self::max_skip_frames); nothing happens.
    pub fn skip_into<O: Sample>(
        &mut self,
        frames: usize,
        out: &mut [O],
    ) -> Result<Skipped, FormatError> {
        let frames = u32::try_from(frames).map_err(|_| FormatError::OutOfRange {
            name: "frames",
            value: i64::try_from(frames).unwrap_or(i64::MAX),
            min: 0,
            max: u32::MAX.into(),
        })? as usize;
        check_room(out.len(), self.max_skip_frames(frames))?;
        Ok(match &mut self.filter {
            None => Skipped {
                frames: 0,
                silent_frames: frames,
            },
            Some(filter) => filter.skip(frames, out),
        })
    }

    /// The most frames that one [`skip_into`](Self::skip_into) of `frames` can write.
    pub fn max_skip_frames(&self, frames: usize) -> usize {
        self.filter.as_ref().map_or(0, |filter| {
            filter.max_output_frames(frames.min(filter.memory_frames()))
        })
    }

    /// Frames that [`flush_into`](Self::flush_into) would write now.
    pub fn flush_frames(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::remaining_frames)
    }

    /// Ends the stream: writes what is left, as if silence followed, and resets. The total of
    /// the stream is then `(2 * n * L + M) / (2 * M)` frames for `n` input frames, rounded down.
    ///
    /// # Errors
    /// `out` is shorter than [`flush_frames`](Self::flush_frames); nothing happens.
    pub fn flush_into<O: Sample>(&mut self, out: &mut [O]) -> Result<usize, FormatError> {
        let frames = self.flush_frames();
        check_room(out.len(), frames)?;
        if let Some(filter) = &mut self.filter {
            filter.flush(&mut out[..frames]);
        }
        Ok(frames)
    }

    /// Forgets all input, as if newly made.
    pub fn reset(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }

    /// Rate of what goes in.
    pub fn in_hz(&self) -> u32 {
        self.in_hz
    }

    /// Rate of what comes out.
    pub fn out_hz(&self) -> u32 {
        self.out_hz
    }

    /// The filter's profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The look-ahead in output frames, as a numerator and a denominator: how much later than
    /// its centre a frame can be made.
    ///
    /// Zero for `lowlatency`, which uses nothing ahead. Its frames are held back all the same until
    /// it is known that they belong to the stream, `(M - 1) / 2` parts of `1 / L` input frames
    /// (rounded down): less than half an output frame, such as 0.02 ms at 48 to 16 kHz.
    pub fn delay_frames(&self) -> (usize, usize) {
        self.filter
            .as_ref()
            .filter(|_| self.profile != Profile::LowLatency)
            .map_or((0, 1), Filter::delay_frames)
    }

    /// [`delay_frames`](Self::delay_frames) in seconds.
    #[expect(clippy::cast_precision_loss, reason = "both terms are below 2^24")]
    pub fn delay_s(&self) -> f64 {
        let (numerator, denominator) = self.delay_frames();
        numerator as f64 / (denominator as f64 * f64::from(self.out_hz))
    }

    /// How much later than it went in a tone of `hz` can come out, in seconds.
    ///
    /// For the linear-phase profiles this is [`delay_s`](Self::delay_s) at every frequency. For
    /// `lowlatency` it is the group delay of the filter, found by designing it again (some
    /// milliseconds of work); its output is not aligned in time. What is held back, less than
    /// half an output frame, comes on top.
    ///
    /// # Errors
    /// `hz` is not 0 up to the lower Nyquist frequency.
    pub fn group_delay_s(&self, hz: f64) -> Result<f64, FormatError> {
        let rate_hz = self.in_hz.min(self.out_hz);
        if !(0.0..=f64::from(rate_hz) / 2.0).contains(&hz) {
            let value = hz.to_string();
            return Err(FormatError::Frequency { value, rate_hz });
        }
        if self.filter.is_none() || self.profile != Profile::LowLatency {
            return Ok(self.delay_s());
        }
        let (up, down) = reduced(self.in_hz, self.out_hz);
        let virtual_hz = f64::from(self.in_hz) * f64::from(up);
        let prototype = design::design(self.profile, up, down);
        Ok(prototype.group_delay(hz / virtual_hz) / virtual_hz)
    }

    pub(in crate::dsp) fn check_room(
        &self,
        in_frames: usize,
        room: usize,
    ) -> Result<(), FormatError> {
        check_room(room, self.max_output_frames(in_frames))
    }
}

/// What passing over a gap made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Frames written, in which the past still rings.
    pub frames: usize,
    /// Frames of digital silence that follow them, not written.
    pub silent_frames: usize,
}

/// Resamples all of `x` at once, of any length: what a stream of it makes, flushed, bit for bit.
///
/// But `hq` goes by way of Fourier transforms where they are quicker. Those round elsewhere, in
/// float32: no frame differs by more than -117 dB of the loudest one, which is less than -120 dBFS
/// for a signal whose output stays within ±0.7. (In float64 it would be 6 dB less and take half as
/// long again.)
///
/// # Errors
/// Those of [`Resampler::new`].
pub fn resample<I: Sample, O: Sample>(
    x: &[I],
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
) -> Result<Vec<O>, FormatError> {
    let (up, down) = ratio(in_hz, out_hz)?;
    let (up, down, backend) = (up as usize, down as usize, Backend::current());
    let Some(one_shot) = OneShot::new(profile, up, down, x.len(), backend) else {
        return Resampler::new(in_hz, out_hz, profile)?.process(x, true);
    };
    let frames = (2 * x.len() as u128 * up as u128 + down as u128) / (2 * down as u128);
    let mut out = vec![O::default(); usize::try_from(frames).unwrap_or(usize::MAX)];
    one_shot.run(backend, x, &mut out);
    Ok(out)
}

/// Samples as they are, by way of float32, which holds each of either type.
fn copy<I: Sample, O: Sample>(backend: Backend, x: &[I], out: &mut [O]) -> usize {
    let mut piece = [0.0_f32; 256];
    for (x, out) in x.chunks(piece.len()).zip(out.chunks_mut(piece.len())) {
        backend.load(x, &mut piece);
        O::store(backend, &piece[..x.len()], out);
    }
    x.len()
}

/// The terms L and M of a ratio that is supported.
fn ratio(in_hz: u32, out_hz: u32) -> Result<(u32, u32), FormatError> {
    check_rate_hz("in_hz", in_hz)?;
    check_rate_hz("out_hz", out_hz)?;
    let (up, down) = reduced(in_hz, out_hz);
    let term = up.max(down);
    if term > TERM_MAX {
        return Err(FormatError::Ratio {
            in_hz,
            out_hz,
            term,
            max: TERM_MAX,
        });
    }
    Ok((up, down))
}

/// The terms L and M of the ratio.
fn reduced(in_hz: u32, out_hz: u32) -> (u32, u32) {
    let divisor = greatest_common_divisor(in_hz, out_hz);
    (out_hz / divisor, in_hz / divisor)
}

pub(in crate::dsp) fn check_room(frames: usize, needed: usize) -> Result<(), FormatError> {
    if frames >= needed {
        return Ok(());
    }
    Err(FormatError::Length {
        name: "out",
        frames,
        relation: "at least",
        needed,
    })
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
