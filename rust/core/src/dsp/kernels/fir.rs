//! The polyphase filter as the inner loop sees it: groups of outputs that share a window of input.
//!
//! Outputs come in *groups* of three or four neighbours. The rows of a group are moved and padded
//! with zeros so that all of them are multiplied with the same window; a *tile* multiplies one
//! group with one window, or with three windows of three successive periods, so that each load
//! serves several multiplications. One output is always summed the same way: lane by lane over
//! its row, then the lanes as a balanced tree. So neither the cutting of a stream nor the choice
//! of tile shows in the result.

/// Samples that one step of a tile takes; row lengths are multiples of it.
pub(crate) const LANES: usize = 8;

/// Lanes of samples in memory.
pub(super) type Chunk = [f32; LANES];

/// Lanes of coefficients in memory: aligned, so that no load of them straddles a cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Coefs(pub(crate) Chunk);

/// Neighbouring outputs that share a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    /// Outputs: 3 or 4.
    pub(crate) outs: usize,
    /// First output, counted from the start of the period.
    pub(crate) first_out: usize,
    /// First input of the window, counted from the window of the period's first group.
    pub(crate) window: usize,
    /// First step in [`Bank::coefs`].
    pub(crate) coefs: usize,
}

/// The coefficients of one period of outputs, after which the phases repeat.
#[derive(Debug)]
pub(crate) struct Bank {
    /// For each group: for each step, the coefficients of each output.
    pub(crate) coefs: Vec<Coefs>,
    /// In the order of their outputs.
    pub(crate) groups: Vec<Group>,
    /// Length of a row, and of a window: a multiple of [`LANES`].
    pub(crate) taps: usize,
    /// Outputs of a period.
    pub(crate) period_outs: usize,
    /// Inputs of a period.
    pub(crate) period_ins: usize,
}

impl Bank {
    /// The group that holds the output at `position` of the period.
    pub(crate) fn group_of(&self, position: usize) -> usize {
        self.groups
            .partition_point(|group| group.first_out <= position)
            - 1
    }
}

/// What an instruction set brings to [`run`]: the products of a tile.
pub(super) trait Tiles: Copy {
    /// One group with one window.
    fn one<const P: usize>(self, coefs: &[Coefs], x: &[Chunk]) -> [f32; P];
    /// One group with three windows.
    fn three<const P: usize>(self, coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3];
}

/// Filters `groups` whole groups in order, beginning with `bank.groups[first]`, whose window is at
/// the start of `x`. Writes all their outputs to the start of `out`; returns how many.
///
/// # Panics
/// If `x` or `out` is too short.
#[inline(always)]
pub(super) fn run<T: Tiles>(
    tiles: T,
    bank: &Bank,
    x: &[f32],
    first: usize,
    groups: usize,
    out: &mut [f32],
) -> usize {
    let per_period = bank.groups.len();
    let skipped = bank.groups[first].window;
    let (mut index, mut period, mut written, mut left) = (first, 0, 0, groups);
    while left > 0 {
        if index == 0 && left >= 3 * per_period {
            for group in &bank.groups {
                let start = period * bank.period_ins + group.window - skipped;
                three_windows(tiles, bank, *group, &x[start..], &mut out[written..]);
            }
            written += 3 * bank.period_outs;
            period += 3;
            left -= 3 * per_period;
            continue;
        }
        let group = bank.groups[index];
        let start = period * bank.period_ins + group.window - skipped;
        one_window(tiles, bank, group, &x[start..], &mut out[written..]);
        written += group.outs;
        left -= 1;
        index += 1;
        if index == per_period {
            (index, period) = (0, period + 1);
        }
    }
    written
}

#[inline(always)]
fn one_window<T: Tiles>(tiles: T, bank: &Bank, group: Group, x: &[f32], out: &mut [f32]) {
    let (coefs, x) = (coefs(bank, group), window(bank, x, 0));
    if group.outs == 4 {
        out[..4].copy_from_slice(&tiles.one::<4>(coefs, x));
    } else {
        out[..3].copy_from_slice(&tiles.one::<3>(coefs, x));
    }
}

#[inline(always)]
fn three_windows<T: Tiles>(tiles: T, bank: &Bank, group: Group, x: &[f32], out: &mut [f32]) {
    let coefs = coefs(bank, group);
    let x = [window(bank, x, 0), window(bank, x, 1), window(bank, x, 2)];
    if group.outs == 4 {
        spread(tiles.three::<4>(coefs, x), bank, group, out);
    } else {
        spread(tiles.three::<3>(coefs, x), bank, group, out);
    }
}

#[inline(always)]
fn spread<const P: usize>(made: [[f32; P]; 3], bank: &Bank, group: Group, out: &mut [f32]) {
    for (period, made) in made.iter().enumerate() {
        out[period * bank.period_outs + group.first_out..][..P].copy_from_slice(made);
    }
}

#[inline(always)]
fn coefs(bank: &Bank, group: Group) -> &[Coefs] {
    &bank.coefs[group.coefs..][..group.outs * bank.taps / LANES]
}

#[inline(always)]
fn window<'x>(bank: &Bank, x: &'x [f32], period: usize) -> &'x [Chunk] {
    x[period * bank.period_ins..][..bank.taps].as_chunks().0
}
