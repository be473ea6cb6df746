//! The inner loops, one file per instruction set.
//!
//! Whatever the backend, the order in which one result is summed is fixed: it depends neither
//! on how a stream is cut nor on memory alignment. Between backends the last bit of a float32
//! may differ.

#![allow(
    unsafe_code,
    reason = "the one room for it in this crate: vector loads and stores, and calling what \
              needs a feature of the processor after looking for it"
)]
#![allow(
    clippy::inline_always,
    reason = "a loop is compiled for an instruction set by being inlined where it is enabled"
)]

use std::sync::OnceLock;

use super::convert::Sample;
use crate::error::FormatError;

// The filter's layout, and the walk over its tiles.
pub(crate) mod fir;

mod scalar;

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod aarch64;

/// The set of kernels in use.
///
/// A value exists only where its instructions do, so a stage that holds one calls its kernels
/// without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon,
}

/// What [`Backend::current`] answers, once it was asked or told.
static CURRENT: OnceLock<Backend> = OnceLock::new();

impl Backend {
    /// Names of all backends, on whatever machine; [`Backend::named`] says which exist here.
    pub const NAMES: [&str; 3] = ["scalar", "avx2", "neon"];

    /// The portable one, which exists everywhere.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The fastest one of this machine.
    pub fn detect() -> Self {
        ["avx2", "neon"]
            .into_iter()
            .find_map(|name| Self::named(name).ok())
            .unwrap_or(Self::SCALAR)
    }

    /// The one of this name.
    ///
    /// # Errors
    /// There is none, or not on this machine.
    pub fn named(name: &str) -> Result<Self, FormatError> {
        match name {
            "scalar" => Ok(Self::SCALAR),
            #[cfg(target_arch = "x86_64")]
            "avx2" if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
                Ok(Self(Kind::Avx2))
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            "neon" => Ok(Self(Kind::Neon)),
            _ => Err(FormatError::Backend(name.to_owned())),
        }
    }

    /// The backend of every stage that is made without naming one: what [`Backend::force`] said,
    /// or else the fastest. It is chosen once for the process, so that two stages agree.
    pub fn current() -> Self {
        *CURRENT.get_or_init(Self::detect)
    }

    /// Makes `name` the [`current`](Self::current) backend. Call it before anything else.
    ///
    /// # Errors
    /// There is no such backend here, or another one is in use already.
    pub fn force(name: &str) -> Result<Self, FormatError> {
        let backend = Self::named(name)?;
        if *CURRENT.get_or_init(|| backend) == backend {
            Ok(backend)
        } else {
            Err(FormatError::Backend(name.to_owned()))
        }
    }

    /// `scalar`, `avx2` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => "neon",
        }
    }
}

/// Calls the kernel of this name in the module of the backend.
macro_rules! dispatch {
    ($backend:expr, $kernel:ident($($argument:expr),*)) => {
        match $backend.0 {
            Kind::Scalar => scalar::$kernel($($argument),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kind is made only by `named`, after it found the features.
            Kind::Avx2 => unsafe { x86_64::$kernel($($argument),*) },
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            // SAFETY: NEON is part of this architecture.
            Kind::Neon => unsafe { aarch64::$kernel($($argument),*) },
        }
    };
}

impl Backend {
    /// Filters whole groups of outputs; see [`fir`].
    pub(crate) fn fir(
        self,
        bank: &fir::Bank,
        x: &[f32],
        first: usize,
        groups: usize,
        out: &mut [f32],
    ) -> usize {
        dispatch!(self, fir(bank, x, first, groups, out))
    }

    /// The products of two rows of the same length with the window at the start of `x`.
    pub(crate) fn dot_pair(self, rows: [&[fir::Coefs]; 2], x: &[f32]) -> [f32; 2] {
        dispatch!(self, dot_pair(rows, x))
    }

    /// Converts samples to finite float32, as [`Sample::to_f32`] does, up to the shorter slice.
    pub fn load<S: Sample>(self, x: &[S], out: &mut [f32]) {
        dispatch!(self, load(x, out));
    }

    /// Converts float32 to int16, as [`Sample::from_f32`] does, up to the shorter slice.
    pub fn store_i16<T: Word>(self, x: &[f32], out: &mut [T]) {
        let frames = x.len().min(out.len());
        dispatch!(self, f32_to_i16(&x[..frames], &mut out[..frames]));
    }

    /// Averages interleaved frames; see [`downmix`](fn@super::downmix::downmix).
    pub(crate) fn downmix<I: Sample, O: Sample>(self, x: &[I], channels: u16, out: &mut [O]) {
        dispatch!(self, downmix(x, channels, out));
    }

    /// µ-law of each sample, up to the shorter slice.
    pub(crate) fn ulaw_encode(self, pcm: &[i16], out: &mut [u8]) {
        dispatch!(self, ulaw_encode(pcm, out));
    }

    /// A-law of each sample, up to the shorter slice.
    pub(crate) fn alaw_encode(self, pcm: &[i16], out: &mut [u8]) {
        dispatch!(self, alaw_encode(pcm, out));
    }
}

/// Two bytes of memory that are an int16, little-endian where they are bytes.
///
/// # Safety
/// Of size 2, and valid whatever its bits.
pub unsafe trait Word: Sample {}
// SAFETY: an integer of 16 bits.
unsafe impl Word for i16 {}
// SAFETY: two bytes.
unsafe impl Word for [u8; 2] {}

#[cfg(test)]
mod tests;
