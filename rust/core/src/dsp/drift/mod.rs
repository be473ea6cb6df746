//! Rates that drift: two devices' clocks differ by some parts per million.
//!
//! [`DriftResampler`] converts at a ratio that may vary at any time; [`ClockDriftEstimator`]
//! finds the ratio that keeps a ring between two clocks filled.

// The ratio that keeps a ring filled.
mod estimator;

use super::convert::Sample;
use super::kernels::Backend;
use super::kernels::fir::{Coefs, LANES};
use super::resample::{Profile, Window, check_room, low_pass, to_f32};
use crate::error::{FormatError, check_rate_hz, in_range};
pub use estimator::ClockDriftEstimator;

/// Most that a ratio may deviate.
const PPM_MAX: u32 = 5_000;
/// Parts of an input frame at which coefficients are kept where the rate is not lowered. They are
/// interpolated linearly, which leaves -110 dB at .85 of the Nyquist frequency.
const PHASES: u32 = 512;
/// Bits of a fraction of an input frame.
const FRACTION_BITS: u32 = 48;
/// One input frame.
const ONE: u64 = 1 << FRACTION_BITS;
/// The ratio is moved by at most 1000 ppm in this time, so that no change of it is a click.
const SLEW_MS: u32 = 100;
/// Parts of a ppm that are told apart.
const PER_PPM: f64 = 1e6;
/// Such parts in the whole.
const WHOLE: u64 = 1_000_000_000_000;
/// Frames made at a time.
const MADE_FRAMES: usize = 256;
/// Silence fed at a time.
static ZEROS: [f32; 64] = [0.0; 64];

/// A streaming resampler of one channel whose ratio can be varied at any time.
///
/// The filter is that of `voice`, at equal rates too. Output frame `k` is centred on the input time
/// that the ratios of the frames before it add up to; nothing is prepended. All memory is taken by
/// [`DriftResampler::new`].
#[derive(Debug)]
pub struct DriftResampler {
    in_hz: u32,
    out_hz: u32,
    max_ppm: u32,
    backend: Backend,
    /// One row of coefficients for each phase, and one more.
    rows: Vec<Coefs>,
    phase_bits: u32,
    /// Length of a row and of a window: a multiple of [`LANES`].
    taps: usize,
    /// Input frames after the centre of an output frame that it needs.
    look_ahead: usize,
    window: Window,
    cursor: Cursor,
    made: Vec<f32>,
}

/// Input frames per output frame, and where they are going.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    in_hz: u32,
    out_hz: u32,
    /// At `deviation`.
    step: Step,
    /// In millionths of a ppm.
    deviation: i64,
    target: i64,
    /// The most that `deviation` moves in one output frame.
    slew: i64,
}

/// A way from one output frame to the next, without rounding: however many are taken, they end
/// where they should.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Of [`ONE`].
    whole: u64,
    /// What is left of the division by [`Ratio::parts`].
    rest: u64,
}

impl Ratio {
    fn new(in_hz: u32, out_hz: u32) -> Self {
        let slew_frames = i64::from(out_hz) * i64::from(SLEW_MS) / 1_000;
        let mut ratio = Self {
            in_hz,
            out_hz,
            step: Step { whole: 0, rest: 0 },
            deviation: 0,
            target: 0,
            slew: 1_000_000_000 / slew_frames,
        };
        ratio.step = ratio.at(0);
        ratio
    }

    /// Parts into which the last bit of a fraction of an input frame is divided: below 2^59.
    fn parts(&self) -> u64 {
        u64::from(self.out_hz) * WHOLE
    }

    /// The step that deviates by so many millionths of a ppm.
    fn at(&self, deviation: i64) -> Step {
        let deviated = u128::from(WHOLE.saturating_add_signed(deviation));
        let way = u128::from(self.in_hz) * u128::from(ONE) * deviated;
        let parts = u128::from(self.parts());
        let narrow = |number| u64::try_from(number).unwrap_or(u64::MAX); // at most 97 * ONE
        Step {
            whole: narrow(way / parts),
            rest: narrow(way % parts),
        }
    }

    /// Lets the deviation move as far as it may in one output frame.
    #[inline]
    fn slew(&mut self) {
        if self.deviation != self.target {
            let change = (self.target - self.deviation).clamp(-self.slew, self.slew);
            self.deviation += change;
            self.step = self.at(self.deviation);
        }
    }
}

/// The next output frame.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// Position in the window of the newest input that it needs.
    newest: usize,
    /// How far its centre lies after an input frame, of [`ONE`].
    fraction: u64,
    /// What the fraction lacks, of [`Ratio::parts`].
    carry: u64,
    ratio: Ratio,
}

impl Cursor {
    /// Moves on by one output frame.
    #[inline]
    fn step(&mut self) {
        let Step { whole, rest } = self.ratio.step;
        let parts = self.ratio.parts();
        self.carry += rest;
        let full = self.carry >= parts;
        self.carry -= if full { parts } else { 0 };
        let position = self.fraction + whole + u64::from(full);
        self.newest += usize::try_from(position >> FRACTION_BITS).unwrap_or_default(); // at most 97
        self.fraction = position & (ONE - 1);
        self.ratio.slew();
    }

    /// Moves on by any number of output frames: one by one only as long as the ratio moves, which
    /// is a second at most.
    fn pass(&mut self, mut frames: usize) {
        while frames > 0 && self.ratio.deviation != self.ratio.target {
            self.step();
            frames -= 1;
        }
        let (frames, Step { whole, rest }) = (frames as u128, self.ratio.step);
        let parts = u128::from(self.ratio.parts());
        let carry = u128::from(self.carry) + frames * u128::from(rest);
        let position = u128::from(self.fraction) + frames * u128::from(whole) + carry / parts;
        let passed = usize::try_from(position >> FRACTION_BITS).unwrap_or(usize::MAX);
        self.newest = self.newest.saturating_add(passed);
        self.fraction = u64::try_from(position & u128::from(ONE - 1)).unwrap_or_default();
        self.carry = u64::try_from(carry % parts).unwrap_or_default();
    }

    /// Whether the frame ends, half a step after its centre, no later than `frames` input frames
    /// after the one at or before its centre.
    fn ends_within(&self, frames: usize) -> bool {
        let in_parts = |whole: u64, rest: u64| {
            u128::from(whole) * u128::from(self.ratio.parts()) + u128::from(rest)
        };
        let Step { whole, rest } = self.ratio.step;
        let end = frames as u128 * in_parts(ONE, 0);
        2 * in_parts(self.fraction, self.carry) + in_parts(whole, rest) <= 2 * end
    }
}

impl DriftResampler {
    /// A resampler from `in_hz` to `out_hz`, both nominal, whose ratio may deviate by `max_ppm`.
    /// Designs the filter: a millisecond of work.
    ///
    /// # Errors
    /// A rate outside of 4,000..=384,000 Hz, or `max_ppm` outside of 1..=5,000.
    pub fn new(in_hz: u32, out_hz: u32, max_ppm: u32) -> Result<Self, FormatError> {
        Self::with_backend(in_hz, out_hz, max_ppm, Backend::current())
    }

    /// As [`new`](Self::new), with these kernels.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_backend(
        in_hz: u32,
        out_hz: u32,
        max_ppm: u32,
        backend: Backend,
    ) -> Result<Self, FormatError> {
        check_rate_hz("nominal_in_hz", in_hz)?;
        check_rate_hz("nominal_out_hz", out_hz)?;
        in_range("max_ppm", max_ppm, 1, PPM_MAX)?;
        // A filter that is longer than a frame in the input's terms is smoother there.
        let phases = (PHASES * out_hz.min(in_hz) / in_hz).next_power_of_two();
        let (rows, look_ahead) = rows(in_hz, out_hz, phases);
        let taps = rows.len() * LANES / (phases as usize + 1);
        let mut resampler = Self {
            in_hz,
            out_hz,
            max_ppm,
            backend,
            rows,
            phase_bits: phases.trailing_zeros(),
            taps,
            look_ahead,
            window: Window::new(taps, taps),
            cursor: Cursor {
                newest: 0,
                fraction: 0,
                carry: 0,
                ratio: Ratio::new(in_hz, out_hz),
            },
            made: vec![0.0; MADE_FRAMES],
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Forgets all input and the deviation of the ratio, as if newly made.
    pub fn reset(&mut self) {
        self.window.reset();
        self.cursor = Cursor {
            newest: self.window.end + self.look_ahead,
            fraction: 0,
            carry: 0,
            ratio: Ratio::new(self.in_hz, self.out_hz),
        };
    }

    /// Asks for input to be used up faster by `ppm` than nominally (slower if negative), limited
    /// to the largest deviation. The ratio moves there by 10 ppm per millisecond.
    ///
    /// # Errors
    /// `ppm` is not a number.
    pub fn set_ppm(&mut self, ppm: f64) -> Result<(), FormatError> {
        let limit = f64::from(self.max_ppm);
        if ppm.is_nan() {
            return Err(FormatError::NotANumber("ppm"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 5e9")]
        let target = (ppm.clamp(-limit, limit) * PER_PPM).round() as i64;
        self.cursor.ratio.target = target;
        Ok(())
    }

    /// By how much input is used up faster than nominally, now.
    #[expect(clippy::cast_precision_loss, reason = "at most 5e9")]
    pub fn ppm(&self) -> f64 {
        self.cursor.ratio.deviation as f64 / PER_PPM
    }

    /// The most frames that one [`process_into`](Self::process_into) of `in_frames` can write.
    pub fn max_output_frames(&self, in_frames: usize) -> usize {
        let slowest = self.cursor.ratio.at(-i64::from(self.max_ppm) * 1_000_000);
        let frames = in_frames as u128 * u128::from(ONE) / u128::from(slowest.whole);
        usize::try_from(frames).map_or(usize::MAX, |frames| frames.saturating_add(1))
    }

    /// Feeds a block of any length and writes what is ready; returns the frames written.
    ///
    /// # Errors
    /// `out` is shorter than [`max_output_frames`](Self::max_output_frames); nothing is consumed.
    pub fn process_into<I: Sample, O: Sample>(
        &mut self,
        x: &[I],
        out: &mut [O],
    ) -> Result<usize, FormatError> {
        check_room(out.len(), self.max_output_frames(x.len()))?;
        Ok(self.feed(x, out))
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

    /// How many more input frames make `out_frames` more frames ready, at the ratios that they
    /// will have.
    pub fn input_frames_for(&self, out_frames: usize) -> usize {
        let Some(steps) = out_frames.checked_sub(1) else {
            return 0;
        };
        let mut cursor = self.cursor;
        cursor.pass(steps);
        (cursor.newest.saturating_add(1)).saturating_sub(self.window.end)
    }

    /// Fills `out` from exactly [`input_frames_for(out.len())`](Self::input_frames_for) frames.
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
            return Err(FormatError::Length {
                name: "the input",
                frames: x.len(),
                relation: "exactly",
                needed,
            });
        }
        self.feed(x, out);
        Ok(())
    }

    /// Frames that [`flush_into`](Self::flush_into) would write now: those that end, half a step
    /// after their centre, within the input. At the nominal ratio L/M the total is therefore
    /// `(2 * n * L + M) / (2 * M)` frames for `n` input frames, rounded down.
    pub fn flush_frames(&self) -> usize {
        let mut cursor = self.cursor;
        let mut frames = 0;
        // At every ratio the look-ahead is longer than half a step.
        while let Some(left) = (self.window.end + self.look_ahead).checked_sub(cursor.newest)
            && cursor.ends_within(left)
        {
            cursor.step();
            frames += 1;
        }
        frames
    }

    /// Ends the stream: writes what is left, as if silence followed, and resets.
    ///
    /// # Errors
    /// `out` is shorter than [`flush_frames`](Self::flush_frames); nothing happens.
    pub fn flush_into<O: Sample>(&mut self, out: &mut [O]) -> Result<usize, FormatError> {
        let frames = self.flush_frames();
        check_room(out.len(), frames)?;
        let mut written = 0;
        while written < frames {
            written += self.feed(&ZEROS, &mut out[written..frames]);
        }
        self.reset();
        Ok(frames)
    }

    /// The look-ahead in seconds: how much later than its centre a frame can be made.
    #[expect(clippy::cast_precision_loss, reason = "some hundred frames")]
    pub fn delay_s(&self) -> f64 {
        self.look_ahead as f64 / f64::from(self.in_hz)
    }

    /// Nominal rate of what goes in.
    pub fn nominal_in_hz(&self) -> u32 {
        self.in_hz
    }

    /// Nominal rate of what comes out.
    pub fn nominal_out_hz(&self) -> u32 {
        self.out_hz
    }

    /// The largest deviation.
    pub fn max_ppm(&self) -> u32 {
        self.max_ppm
    }

    fn feed<I: Sample, O: Sample>(&mut self, x: &[I], out: &mut [O]) -> usize {
        let (mut rest, mut written) = (x, 0);
        loop {
            if rest.len() > self.window.room() {
                let keep = self.cursor.newest + 1 - self.taps;
                self.cursor.newest -= self.window.make_room(keep, self.cursor.newest);
            }
            let (block, after) = rest.split_at(rest.len().min(self.window.room()));
            self.window.extend(self.backend, block);
            written += self.produce(&mut out[written..]);
            rest = after;
            if rest.is_empty() {
                return written;
            }
        }
    }

    /// Writes the frames whose window of input is complete.
    fn produce<O: Sample>(&mut self, out: &mut [O]) -> usize {
        let mut written = 0;
        for out in out.chunks_mut(MADE_FRAMES) {
            let mut made = 0;
            while made < out.len() && self.cursor.newest < self.window.end {
                self.made[made] = self.frame();
                self.cursor.step();
                made += 1;
            }
            O::store(self.backend, &self.made[..made], out);
            written += made;
            if made < out.len() {
                break;
            }
        }
        written
    }

    /// The next frame: between those of the two nearest phases.
    #[inline]
    fn frame(&self) -> f32 {
        let between_bits = FRACTION_BITS - self.phase_bits;
        let phase = usize::try_from(self.cursor.fraction >> between_bits).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "24 bits of it count")]
        let part = (self.cursor.fraction & ((1 << between_bits) - 1)) as f32
            / (1_u64 << between_bits) as f32;
        let steps = self.taps / LANES;
        let (first, second) = self.rows[phase * steps..][..2 * steps].split_at(steps);
        let x = self.window.from(self.cursor.newest + 1 - self.taps);
        let [before, after] = self.backend.dot_pair([first, second], &x[..self.taps]);
        before + part * (after - before)
    }
}

/// The rows of coefficients, and the look-ahead in input frames.
///
/// An output frame centred `phase / phases` after an input frame is the sum over the `back`th
/// newest input times the filter at `phase / phases - look_ahead + back` input frames.
fn rows(in_hz: u32, out_hz: u32, phases: u32) -> (Vec<Coefs>, usize) {
    let resolution = f64::from(phases) * f64::from(in_hz) / f64::from(in_hz.min(out_hz));
    let filter = low_pass(Profile::Voice, 1.0, resolution);
    let (phases, centre) = (phases as usize, filter.len() / 2);
    let look_ahead = centre.div_ceil(phases);
    let taps = (2 * look_ahead).next_multiple_of(LANES);
    let mut rows = Vec::with_capacity((phases + 1) * taps / LANES);
    let mut row = vec![0.0; taps];
    for phase in 0..=phases {
        for (back, tap) in row.iter_mut().rev().enumerate() {
            let index = (centre + phase + back * phases).checked_sub(look_ahead * phases);
            *tap = index
                .and_then(|index| filter.get(index))
                .copied()
                .unwrap_or(0.0);
        }
        let gain: f64 = row.iter().sum();
        let coefs = row.as_chunks::<LANES>().0.iter();
        rows.extend(coefs.map(|chunk| Coefs(chunk.map(|tap| to_f32(tap / gain)))));
    }
    (rows, look_ahead)
}
