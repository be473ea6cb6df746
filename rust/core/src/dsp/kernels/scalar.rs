//! The portable kernels: plain Rust in lanes, for the compiler to vectorise. The oracle of the
//! others, which also compile some of these for their own instruction set.

use super::Word;
use super::fir::{self, Bank, Chunk, Coefs, LANES, Tiles};
use crate::dsp::convert::Sample;
use crate::dsp::g711;

#[derive(Clone, Copy)]
struct Portable;

impl Tiles for Portable {
    #[inline]
    fn one<const P: usize>(self, coefs: &[Coefs], x: &[Chunk]) -> [f32; P] {
        let mut sums = [[0.0_f32; LANES]; P];
        for (coefs, x) in coefs.as_chunks::<P>().0.iter().zip(x) {
            for (sums, coefs) in sums.iter_mut().zip(coefs) {
                for lane in 0..LANES {
                    sums[lane] += coefs.0[lane] * x[lane];
                }
            }
        }
        sums.map(|sums| tree(&sums))
    }

    #[inline]
    fn three<const P: usize>(self, coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3] {
        x.map(|x| self.one(coefs, x))
    }
}

/// The sum of the lanes as a balanced tree of neighbours. Adding zero at last makes a negative
/// zero positive: which of the two came out could depend on samples that count nothing.
#[inline]
fn tree(lanes: &Chunk) -> f32 {
    let half = |x: &[f32]| (x[0] + x[1]) + (x[2] + x[3]);
    half(&lanes[..4]) + half(&lanes[4..]) + 0.0
}

pub(super) fn fir(bank: &Bank, x: &[f32], first: usize, groups: usize, out: &mut [f32]) -> usize {
    fir::run(Portable, bank, x, first, groups, out)
}

pub(super) fn dot_pair(rows: [&[Coefs]; 2], x: &[f32]) -> [f32; 2] {
    rows.map(|row| {
        let [sum] = Portable.one(row, x.as_chunks().0);
        sum
    })
}

#[inline(always)]
pub(super) fn load<S: Sample>(x: &[S], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = x.to_f32();
    }
}

#[inline(always)]
pub(super) fn store<S: Sample>(x: &[f32], out: &mut [S]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = S::from_f32(*x);
    }
}

#[inline(always)]
pub(super) fn downmix<I: Sample, O: Sample>(x: &[I], channels: u16, out: &mut [O]) {
    if channels == 2 {
        for (out, [left, right]) in out.iter_mut().zip(x.as_chunks().0) {
            *out = O::from_f32((left.to_f32() + right.to_f32()) * 0.5);
        }
        return;
    }
    // Divided, not multiplied by a rounded reciprocal. A mean of int16 that is no half lies at
    // least 1/512 from one, and the quotient's error is at most half of that.
    let width = f32::from(channels);
    for (out, frame) in out
        .iter_mut()
        .zip(x.chunks_exact(usize::from(channels.max(1))))
    {
        let sum: f32 = frame.iter().map(|sample| sample.to_f32()).sum();
        *out = O::from_f32(sum / width);
    }
}

#[inline(always)]
pub(super) fn ulaw_encode(pcm: &[i16], out: &mut [u8]) {
    for (out, x) in out.iter_mut().zip(pcm) {
        *out = g711::to_ulaw(*x);
    }
}

#[inline(always)]
pub(super) fn alaw_encode(pcm: &[i16], out: &mut [u8]) {
    for (out, x) in out.iter_mut().zip(pcm) {
        *out = g711::to_alaw(*x);
    }
}

#[inline(always)]
pub(super) fn f32_to_i16<T: Word>(x: &[f32], out: &mut [T]) {
    store(x, out);
}
