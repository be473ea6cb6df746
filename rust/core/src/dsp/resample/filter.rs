//! Where a stream stands between its input and its output.

use super::Skipped;
use super::bank::bank;
use super::design::design;
use super::profile::Profile;
use super::window::Window;
use crate::dsp::convert::Sample;
use crate::dsp::kernels::Backend;
use crate::dsp::kernels::fir::Bank;

/// Frames that the kernel makes at a time.
const MADE_FRAMES: usize = 2_048;
/// Room for the frames of a first and a last group that are not asked for.
const GROUP_SLACK_FRAMES: usize = 8;
/// Silence fed at a time.
static ZEROS: [f32; 64] = [0.0; 64];

/// The part of a resampler that exists when the rates differ.
///
/// Let `L` be `up` and `M` be `down`. Output `k` of a period needs input up to frame
/// `(first_phase + k * M) / L`, counted from the newest input of the period's first output.
#[derive(Debug)]
pub(super) struct Filter {
    /// L: phases.
    up: usize,
    /// M: virtual frames from one output frame to the next.
    down: usize,
    /// Taps after the centre, at the virtual rate.
    look_ahead: usize,
    /// Phase of the first output of a period.
    first_phase: usize,
    bank: Bank,
    backend: Backend,
    window: Window,
    /// Position in the window of the newest input of the period's first output.
    anchor: usize,
    /// The next output, within its period.
    position: usize,
    /// What the kernel made last: whole groups.
    made: Vec<f32>,
}

impl Filter {
    pub(super) fn new(profile: Profile, up: u32, down: u32, backend: Backend) -> Self {
        let prototype = design(profile, up, down);
        let look_ahead = prototype.look_ahead;
        let (up, down) = (up as usize, down as usize);
        let bank = bank(&prototype, up, down);
        let mut filter = Self {
            up,
            down,
            look_ahead,
            first_phase: look_ahead % up,
            window: Window::new(bank.taps, bank.taps),
            bank,
            backend,
            anchor: 0,
            position: 0,
            made: vec![0.0; MADE_FRAMES + GROUP_SLACK_FRAMES],
        };
        filter.reset();
        filter
    }

    pub(super) fn reset(&mut self) {
        self.window.reset();
        self.anchor = self.window.end + self.look_ahead / self.up;
        self.position = 0;
    }

    /// The look-ahead in output frames, as a numerator and a denominator.
    pub(super) fn delay_frames(&self) -> (usize, usize) {
        (self.look_ahead, self.down)
    }

    /// Input frames after which nothing is left of the past.
    pub(super) fn memory_frames(&self) -> usize {
        self.bank.taps
    }

    pub(super) fn max_output_frames(&self, in_frames: usize) -> usize {
        in_frames.saturating_mul(self.up).div_ceil(self.down)
    }

    /// Frames ready after `in_frames` more of input.
    pub(super) fn output_frames(&self, in_frames: usize) -> usize {
        let newest_frames = (self.window.end + in_frames).saturating_sub(self.anchor);
        newest_frames
            .saturating_mul(self.up)
            .saturating_sub(self.first_phase)
            .div_ceil(self.down)
            .saturating_sub(self.position)
    }

    /// Takes all of `x` and writes what is ready, as far as `out` has room.
    pub(super) fn process<I: Sample, O: Sample>(&mut self, x: &[I], out: &mut [O]) -> usize {
        let (mut rest, mut written) = (x, 0);
        loop {
            if rest.len() > self.window.room() {
                self.make_room();
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
        let ready = self.output_frames(0).min(out.len());
        for out in out[..ready].chunks_mut(MADE_FRAMES) {
            // Whole groups are made, from the one that holds the first frame on. What a group
            // makes of input that is not there yet is not looked at.
            let first = self.bank.group_of(self.position);
            let early = self.position - self.bank.groups[first].first_out;
            let groups = self.groups_before(self.position + out.len()) - first;
            let x = self.window.from(self.window_of(first));
            self.backend
                .fir(&self.bank, x, first, groups, &mut self.made);
            O::store(self.backend, &self.made[early..][..out.len()], out);
            self.advance(out.len());
        }
        ready
    }

    /// Groups that hold the outputs before `position`, counted from the start of the period.
    fn groups_before(&self, position: usize) -> usize {
        let periods = position / self.bank.period_outs;
        let in_last = match position % self.bank.period_outs {
            0 => 0,
            rest => self.bank.group_of(rest - 1) + 1,
        };
        periods * self.bank.groups.len() + in_last
    }

    /// Position in the window of the first input of a group of this period.
    fn window_of(&self, group: usize) -> usize {
        let outs = self.bank.groups[0].outs;
        let newest_of_first_group = (self.first_phase + (outs - 1) * self.down) / self.up;
        let newest = self.anchor + newest_of_first_group + self.bank.groups[group].window;
        newest + 1 - self.bank.taps
    }

    fn advance(&mut self, frames: usize) {
        self.position += frames;
        let periods = self.position / self.bank.period_outs;
        self.position -= periods * self.bank.period_outs;
        self.anchor += periods * self.bank.period_ins;
    }

    fn make_room(&mut self) {
        let keep = self.window_of(self.bank.group_of(self.position));
        self.anchor -= self.window.make_room(keep, self.anchor);
    }

    pub(super) fn input_frames_for(&self, out_frames: usize) -> usize {
        let Some(steps) = out_frames.checked_sub(1) else {
            return 0;
        };
        let virtual_frames = (self.position.saturating_add(steps))
            .saturating_mul(self.down)
            .saturating_add(self.first_phase);
        (self.anchor + 1)
            .saturating_add(virtual_frames / self.up)
            .saturating_sub(self.window.end)
    }

    /// Output frames between those written and the end of the stream if it ended now.
    ///
    /// A frame is centred `look_ahead` virtual frames before its newest tap, and frames centred
    /// up to half a step (`down / 2`) beyond the end of the input belong to the stream.
    pub(super) fn remaining_frames(&self) -> usize {
        let first_tap = self.anchor * self.up + self.first_phase;
        let end = self.window.end * self.up + self.look_ahead;
        (self.down + 2 * end).saturating_sub(2 * first_tap) / (2 * self.down) - self.position
    }

    /// Fills `out`, as if silence followed, and resets.
    pub(super) fn flush<O: Sample>(&mut self, out: &mut [O]) {
        let mut written = 0;
        while written < out.len() {
            written += self.process(&ZEROS, &mut out[written..]);
        }
        self.reset();
    }

    /// Passes over `frames` of silence; writes what still rings.
    pub(super) fn skip<O: Sample>(&mut self, frames: usize, out: &mut [O]) -> Skipped {
        /// So many at a time that no position overflows 32 bits.
        const STEP_FRAMES: usize = 1 << 19;

        let ringing = frames.min(self.memory_frames());
        let (mut fed, mut written) = (0, 0);
        while fed < ringing {
            let block = &ZEROS[..ZEROS.len().min(ringing - fed)];
            written += self.process(block, &mut out[written..]);
            fed += block.len();
        }
        let mut silent_frames = 0;
        while fed < frames {
            let step = STEP_FRAMES.min(frames - fed);
            self.window.skip(step);
            let ready = self.output_frames(0);
            self.advance(ready);
            self.make_room();
            silent_frames += ready;
            fed += step;
        }
        Skipped {
            frames: written,
            silent_frames,
        }
    }
}
