//! Fixed-ratio resampling as a stream.
//!
//! A polyphase FIR at the ratio L/M, linear phase and time-aligned: output frame `k` is centred
//! on input time `k * M / L`, and comes out as soon as the last input frame that it needs is in.
//! What comes out does not depend on how the input was cut, bit for bit.

// What can be asked for.
mod profile;

// The filter, in double precision.
mod design;

// The filter, as the inner loop reads it.
mod bank;

// The filter's memory of the input.
mod window;

use crate::dsp::convert::Sample;
use crate::dsp::kernels::dot;
use crate::error::{FormatError, check_rate_hz};
use bank::Bank;
pub use profile::Profile;
use window::Window;

/// Largest reduced term of a ratio: bounds the size of the filter bank.
const TERM_MAX: u32 = 2_000;
/// Zeros fed at a time while flushing.
static ZEROS: [f32; 64] = [0.0; 64];

/// A streaming resampler of one channel. All memory is taken by [`Resampler::new`].
#[derive(Debug)]
pub struct Resampler {
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
    /// None where the rates are equal: samples pass as they are, without delay.
    filter: Option<Filter>,
}

impl Resampler {
    /// Designs the filter for `in_hz` to `out_hz`: some milliseconds of work for large terms.
    ///
    /// # Errors
    /// A rate outside of 4,000..=384,000 Hz, or a ratio with a reduced term above 2,000.
    pub fn new(in_hz: u32, out_hz: u32, profile: Profile) -> Result<Self, FormatError> {
        check_rate_hz("in_hz", in_hz)?;
        check_rate_hz("out_hz", out_hz)?;
        let divisor = greatest_common_divisor(in_hz, out_hz);
        let (up, down) = (out_hz / divisor, in_hz / divisor);
        let term = up.max(down);
        if term > TERM_MAX {
            return Err(FormatError::Ratio {
                in_hz,
                out_hz,
                term,
                max: TERM_MAX,
            });
        }
        let filter = (up != down).then(|| Filter::new(profile, up, down));
        Ok(Self {
            in_hz,
            out_hz,
            profile,
            filter,
        })
    }

    /// The most frames that one [`process_into`](Self::process_into) of `in_frames` can write.
    pub fn max_output_frames(&self, in_frames: usize) -> usize {
        match &self.filter {
            None => in_frames,
            Some(filter) => in_frames.saturating_mul(filter.up).div_ceil(filter.down),
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
        check_room(out.len(), self.max_output_frames(x.len()))?;
        Ok(match &mut self.filter {
            None => copy(x, out),
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
            None => copy(x, out),
            Some(filter) => filter.process(x, out),
        };
        Ok(())
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
            let mut written = 0;
            while written < frames {
                written += filter.process(&ZEROS, &mut out[written..frames]);
            }
            filter.reset();
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
    pub fn delay_frames(&self) -> (usize, usize) {
        self.filter
            .as_ref()
            .map_or((0, 1), |filter| (filter.bank.look_ahead, filter.down))
    }

    /// [`delay_frames`](Self::delay_frames) in seconds.
    #[expect(clippy::cast_precision_loss, reason = "both terms are below 2^24")]
    pub fn delay_s(&self) -> f64 {
        let (numerator, denominator) = self.delay_frames();
        numerator as f64 / (denominator as f64 * f64::from(self.out_hz))
    }
}

/// The part of a resampler that exists when the rates differ.
#[derive(Debug)]
struct Filter {
    /// L: phases.
    up: usize,
    /// M: virtual frames from one output frame to the next.
    down: usize,
    bank: Bank,
    window: Window,
    /// Phase of the next output frame, below `up`.
    phase: usize,
}

impl Filter {
    fn new(profile: Profile, up: u32, down: u32) -> Self {
        let bank = Bank::new(profile, up, down);
        let window = Window::new(bank.row_taps);
        let (up, down) = (up as usize, down as usize);
        let mut filter = Self {
            up,
            down,
            bank,
            window,
            phase: 0,
        };
        filter.reset();
        filter
    }

    fn reset(&mut self) {
        self.window.reset(self.bank.look_ahead / self.up);
        self.phase = self.bank.look_ahead % self.up;
    }

    /// Takes all of `x` and writes what is ready, as far as `out` has room.
    fn process<I: Sample, O: Sample>(&mut self, x: &[I], out: &mut [O]) -> usize {
        let (mut rest, mut written) = (x, 0);
        loop {
            let taken = self.window.extend(rest);
            rest = &rest[taken..];
            written += self.produce(&mut out[written..]);
            if rest.is_empty() {
                return written;
            }
        }
    }

    /// Writes the frames whose window of input is complete.
    fn produce<O: Sample>(&mut self, out: &mut [O]) -> usize {
        let (step, step_phase) = (self.down / self.up, self.down % self.up);
        let mut written = 0;
        for slot in out {
            let Some(input) = self.window.current() else {
                break;
            };
            *slot = O::from_f32(dot(self.bank.row(self.phase), input));
            written += 1;
            self.phase += step_phase;
            let carry = usize::from(self.phase >= self.up);
            self.phase -= carry * self.up;
            self.window.advance(step + carry);
        }
        written
    }

    fn input_frames_for(&self, out_frames: usize) -> usize {
        let Some(steps) = out_frames.checked_sub(1) else {
            return 0;
        };
        let virtual_frames = steps.saturating_mul(self.down).saturating_add(self.phase);
        (virtual_frames / self.up)
            .saturating_add(self.window.needed_end())
            .saturating_sub(self.window.end())
    }

    /// Output frames between those written and the end of the stream if it ended now.
    ///
    /// Let `p` be the virtual position of the newest tap of the next frame, counted from the end
    /// of the input. The frame's centre is at `p - look_ahead`, and frames centred up to half a
    /// step (`down / 2`) beyond the end belong to the stream.
    fn remaining_frames(&self) -> usize {
        let newest_tap = self.window.needed_end() * self.up + self.phase;
        let end = (self.window.end() + 1) * self.up;
        (self.down + 2 * (self.bank.look_ahead + end)).saturating_sub(2 * newest_tap)
            / (2 * self.down)
    }
}

fn copy<I: Sample, O: Sample>(x: &[I], out: &mut [O]) -> usize {
    for (out, x) in out.iter_mut().zip(x) {
        *out = O::from_f32(x.to_f32());
    }
    x.len()
}

fn check_room(frames: usize, needed: usize) -> Result<(), FormatError> {
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
