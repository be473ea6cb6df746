//! NEON: eight lanes in two registers, twelve sums at a time.
//!
//! Every function here is safe to call where NEON is; only the loads and stores need a word.

use core::arch::aarch64::{
    float32x4_t, int16x8_t, vaddq_f32, vcombine_s16, vcvtnq_s32_f32, vdupq_n_f32, vfmaq_f32,
    vld1q_f32, vmulq_n_f32, vpaddq_f32, vqmovn_s32, vst1q_f32, vst1q_s16,
};

use super::fir::{self, Bank, Chunk, Coefs, Tiles};
use super::{Word, scalar};
use crate::dsp::convert::Sample;

/// Made only by [`fir`], so only where NEON is.
#[derive(Clone, Copy)]
struct Neon(());

impl Tiles for Neon {
    #[inline(always)]
    fn one<const P: usize>(self, coefs: &[Coefs], x: &[Chunk]) -> [f32; P] {
        // SAFETY: a `Neon` exists only where NEON does.
        unsafe { one(coefs, x) }
    }

    #[inline(always)]
    fn three<const P: usize>(self, coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3] {
        // SAFETY: a `Neon` exists only where NEON does.
        unsafe { three(coefs, x) }
    }
}

/// Eight lanes.
type Lanes = [float32x4_t; 2];

#[target_feature(enable = "neon")]
pub(super) fn fir(bank: &Bank, x: &[f32], first: usize, groups: usize, out: &mut [f32]) -> usize {
    fir::run(Neon(()), bank, x, first, groups, out)
}

#[inline]
#[target_feature(enable = "neon")]
fn one<const P: usize>(coefs: &[Coefs], x: &[Chunk]) -> [f32; P] {
    let mut sums = [[[vdupq_n_f32(0.0); 2]; P]; 1];
    for (coefs, x) in coefs.as_chunks().0.iter().zip(x) {
        multiply_add(&mut sums, coefs, [lanes(x)]);
    }
    tree(sums[0])
}

#[inline]
#[target_feature(enable = "neon")]
fn three<const P: usize>(coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3] {
    let mut sums = [[[vdupq_n_f32(0.0); 2]; P]; 3];
    for (((coefs, a), b), c) in coefs.as_chunks().0.iter().zip(x[0]).zip(x[1]).zip(x[2]) {
        multiply_add(&mut sums, coefs, [lanes(a), lanes(b), lanes(c)]);
    }
    [tree(sums[0]), tree(sums[1]), tree(sums[2])]
}

/// One step of a tile: `P` rows times `W` windows.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_add<const P: usize, const W: usize>(
    sums: &mut [[Lanes; P]; W],
    coefs: &[Coefs; P],
    x: [Lanes; W],
) {
    for (row, coefs) in coefs.iter().enumerate() {
        let coefs = lanes(&coefs.0);
        for (sums, x) in sums.iter_mut().zip(x) {
            sums[row] = fused(sums[row], coefs, x);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn fused(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    [vfmaq_f32(sum[0], a[0], b[0]), vfmaq_f32(sum[1], a[1], b[1])]
}

/// The sums of the lanes of up to four rows; the order of `scalar::tree`.
#[inline]
#[target_feature(enable = "neon")]
fn tree<const P: usize>(sums: [Lanes; P]) -> [f32; P] {
    let of = |row: usize, half: usize| sums.get(row).map_or(vdupq_n_f32(0.0), |lanes| lanes[half]);
    let half = |half: usize| {
        vpaddq_f32(
            vpaddq_f32(of(0, half), of(1, half)),
            vpaddq_f32(of(2, half), of(3, half)),
        )
    };
    let mut out = [0.0; 4];
    // SAFETY: the array has room for four floats.
    unsafe { vst1q_f32(out.as_mut_ptr(), vaddq_f32(half(0), half(1))) };
    core::array::from_fn(|row| out[row] + 0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn lanes(x: &Chunk) -> Lanes {
    // SAFETY: the array holds eight floats.
    unsafe { [vld1q_f32(x.as_ptr()), vld1q_f32(x.as_ptr().add(4))] }
}

#[target_feature(enable = "neon")]
pub(super) fn dot_pair(rows: [&[Coefs]; 2], x: &[f32]) -> [f32; 2] {
    let x: &[Chunk] = x.as_chunks().0;
    let mut sums = [[vdupq_n_f32(0.0); 2]; 2];
    for ((x, a), b) in x.iter().zip(rows[0]).zip(rows[1]) {
        let x = lanes(x);
        sums[0] = fused(sums[0], lanes(&a.0), x);
        sums[1] = fused(sums[1], lanes(&b.0), x);
    }
    tree(sums)
}

/// Eight samples at a time into `out`, which holds as many words as there are samples.
#[target_feature(enable = "neon")]
pub(super) fn f32_to_i16<T: Word>(x: &[f32], out: &mut [T]) {
    let (chunks, rest) = x.as_chunks::<8>();
    let (rooms, room) = out.as_chunks_mut::<8>();
    for (x, out) in chunks.iter().zip(rooms) {
        // SAFETY: eight words are 16 bytes, and any bits are a word; the store needs no alignment.
        unsafe { vst1q_s16(out.as_mut_ptr().cast(), round(x)) };
    }
    scalar::store(rest, room);
}

/// The conversion rounds to nearest even, saturates, and makes 0 of NaN; the narrowing saturates.
#[inline]
#[target_feature(enable = "neon")]
fn round(x: &Chunk) -> int16x8_t {
    let [low, high] = lanes(x).map(|x| vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(x, 32_768.0))));
    vcombine_s16(low, high)
}

#[target_feature(enable = "neon")]
pub(super) fn load<S: Sample>(x: &[S], out: &mut [f32]) {
    scalar::load(x, out);
}

#[target_feature(enable = "neon")]
pub(super) fn downmix<I: Sample, O: Sample>(x: &[I], channels: u16, out: &mut [O]) {
    scalar::downmix(x, channels, out);
}

#[target_feature(enable = "neon")]
pub(super) fn ulaw_encode(pcm: &[i16], out: &mut [u8]) {
    scalar::ulaw_encode(pcm, out);
}

#[target_feature(enable = "neon")]
pub(super) fn alaw_encode(pcm: &[i16], out: &mut [u8]) {
    scalar::alaw_encode(pcm, out);
}
