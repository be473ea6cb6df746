//! AVX2 and FMA: eight lanes in a register, twelve sums at a time.
//!
//! Every function here is safe to call where both features are; only the loads and stores need
//! a word.

use core::arch::x86_64::{
    __m256, __m256i, _CMP_ORD_Q, _mm_add_ps, _mm_setzero_ps, _mm_storeu_ps, _mm256_and_ps,
    _mm256_castps256_ps128, _mm256_cmp_ps, _mm256_cvtps_epi32, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_si256,
};

use super::fir::{self, Bank, Chunk, Coefs, Tiles};
use super::{Word, scalar};
use crate::dsp::convert::Sample;

/// Made only by [`fir`], so only where the features are.
#[derive(Clone, Copy)]
struct Avx2(());

impl Tiles for Avx2 {
    #[inline(always)]
    fn one<const P: usize>(self, coefs: &[Coefs], x: &[Chunk]) -> [f32; P] {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do.
        unsafe { one(coefs, x) }
    }

    #[inline(always)]
    fn three<const P: usize>(self, coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3] {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do.
        unsafe { three(coefs, x) }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn fir(bank: &Bank, x: &[f32], first: usize, groups: usize, out: &mut [f32]) -> usize {
    fir::run(Avx2(()), bank, x, first, groups, out)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn one<const P: usize>(coefs: &[Coefs], x: &[Chunk]) -> [f32; P] {
    let mut sums = [[_mm256_setzero_ps(); P]; 1];
    for (coefs, x) in coefs.as_chunks().0.iter().zip(x) {
        multiply_add(&mut sums, coefs, [lanes(x)]);
    }
    tree(sums[0])
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn three<const P: usize>(coefs: &[Coefs], x: [&[Chunk]; 3]) -> [[f32; P]; 3] {
    let mut sums = [[_mm256_setzero_ps(); P]; 3];
    for (((coefs, a), b), c) in coefs.as_chunks().0.iter().zip(x[0]).zip(x[1]).zip(x[2]) {
        multiply_add(&mut sums, coefs, [lanes(a), lanes(b), lanes(c)]);
    }
    [tree(sums[0]), tree(sums[1]), tree(sums[2])]
}

/// One step of a tile: `P` rows times `W` windows.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn multiply_add<const P: usize, const W: usize>(
    sums: &mut [[__m256; P]; W],
    coefs: &[Coefs; P],
    x: [__m256; W],
) {
    for (row, coefs) in coefs.iter().enumerate() {
        let coefs = lanes(&coefs.0);
        for (sums, x) in sums.iter_mut().zip(x) {
            sums[row] = _mm256_fmadd_ps(coefs, x, sums[row]);
        }
    }
}

/// The sums of the lanes of up to four registers; the order of `scalar::tree`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn tree<const P: usize>(sums: [__m256; P]) -> [f32; P] {
    let of = |row: usize| sums.get(row).copied().unwrap_or(_mm256_setzero_ps());
    let pairs = [_mm256_hadd_ps(of(0), of(1)), _mm256_hadd_ps(of(2), of(3))];
    let halves = _mm256_hadd_ps(pairs[0], pairs[1]);
    let (low, high) = (
        _mm256_castps256_ps128(halves),
        _mm256_extractf128_ps::<1>(halves),
    );
    let sums = _mm_add_ps(_mm_add_ps(low, high), _mm_setzero_ps());
    let mut out = [0.0; 4];
    // SAFETY: the array has room for four floats.
    unsafe { _mm_storeu_ps(out.as_mut_ptr(), sums) };
    core::array::from_fn(|row| out[row])
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn lanes(x: &Chunk) -> __m256 {
    // SAFETY: the array holds eight floats.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot_pair(rows: [&[Coefs]; 2], x: &[f32]) -> [f32; 2] {
    let x: &[Chunk] = x.as_chunks().0;
    let mut sums = [_mm256_setzero_ps(); 2];
    for ((x, a), b) in x.iter().zip(rows[0]).zip(rows[1]) {
        let x = lanes(x);
        sums[0] = _mm256_fmadd_ps(lanes(&a.0), x, sums[0]);
        sums[1] = _mm256_fmadd_ps(lanes(&b.0), x, sums[1]);
    }
    tree(sums)
}

/// Sixteen samples at a time into `out`, which holds as many words as there are samples.
#[target_feature(enable = "avx2,fma")]
pub(super) fn f32_to_i16<T: Word>(x: &[f32], out: &mut [T]) {
    let (chunks, rest) = x.as_chunks::<16>();
    let (rooms, room) = out.as_chunks_mut::<16>();
    for (x, out) in chunks.iter().zip(rooms) {
        let (low, high) = x.split_at(8);
        let words = _mm256_packs_epi32(round(low), round(high));
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
        // SAFETY: sixteen words are 32 bytes, and any bits are a word.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), words) };
    }
    scalar::store(rest, room);
}

/// Eight floats as int16 in 32 bits, but for the saturation downwards.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn round(x: &[f32]) -> __m256i {
    let x = lanes(x.first_chunk().unwrap_or(&[0.0; 8]));
    let number = _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_ORD_Q>(x, x));
    let scaled = _mm256_mul_ps(number, _mm256_set1_ps(32_768.0));
    // Too far down converts to the lowest of all integers, and so it is packed.
    _mm256_cvtps_epi32(_mm256_min_ps(scaled, _mm256_set1_ps(32_767.0)))
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn load<S: Sample>(x: &[S], out: &mut [f32]) {
    scalar::load(x, out);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn downmix<I: Sample, O: Sample>(x: &[I], channels: u16, out: &mut [O]) {
    scalar::downmix(x, channels, out);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn ulaw_encode(pcm: &[i16], out: &mut [u8]) {
    scalar::ulaw_encode(pcm, out);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn alaw_encode(pcm: &[i16], out: &mut [u8]) {
    scalar::alaw_encode(pcm, out);
}
