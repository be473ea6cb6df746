//! The one error of the core: audio that cannot be processed as asked.

use std::fmt;
use std::ops::RangeInclusive;

/// Audio of the wrong kind. The display text says what was found and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// A number outside of its range, with its unit in the name.
    OutOfRange {
        /// Name of the argument.
        name: &'static str,
        /// What was given.
        value: i64,
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
    },
    /// A ratio of rates whose reduced terms are too large for a filter bank.
    Ratio {
        /// Input rate.
        in_hz: u32,
        /// Output rate.
        out_hz: u32,
        /// The larger of the reduced terms.
        term: u32,
        /// Largest accepted term.
        max: u32,
    },
    /// A profile that does not exist.
    Profile(String),
    /// A companding law that does not exist.
    Law(String),
    /// A set of kernels that does not exist here, or comes too late.
    Backend(String),
    /// A frequency that the stream cannot carry.
    Frequency {
        /// What was given.
        value: String,
        /// The lower of the two rates, of which it may be half.
        rate_hz: u32,
    },
    /// An argument that is no number, of this name.
    NotANumber(&'static str),
    /// A buffer of another length than the call needs.
    Length {
        /// What the buffer is.
        name: &'static str,
        /// Frames that it holds.
        frames: usize,
        /// What is needed, in words.
        relation: &'static str,
        /// Frames needed.
        needed: usize,
    },
    /// A block of interleaved samples that ends within a frame.
    PartialFrame {
        /// Samples in the block.
        samples: usize,
        /// Samples per frame.
        channels: u16,
    },
    /// A duration that is not a whole number of frames at this rate.
    PacketFrames {
        /// Rate of the stream.
        rate_hz: u32,
        /// Duration asked for.
        packet_ms: u32,
    },
    /// A level in decibels that is out of range, or not a number.
    Level {
        /// Name of the argument, with its unit.
        name: &'static str,
        /// What was given.
        value: String,
        /// Smallest accepted value.
        min: i16,
        /// Largest accepted value.
        max: i16,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange {
                name,
                value,
                min,
                max,
            } => {
                write!(f, "{name} is {value}; it must be {min} to {max}")
            }
            Self::Ratio {
                in_hz,
                out_hz,
                term,
                max,
            } => write!(
                f,
                "cannot resample {in_hz} Hz to {out_hz} Hz: the ratio in lowest terms has {term}, \
                 and at most {max} is supported; a DriftResampler takes any ratio"
            ),
            Self::Profile(name) => {
                write!(
                    f,
                    "profile is {name:?}; it must be 'voice', 'voice_plus', 'hq' or 'lowlatency'"
                )
            }
            Self::Frequency { value, rate_hz } => {
                let nyquist_hz = f64::from(*rate_hz) / 2.0;
                write!(
                    f,
                    "hz is {value}; it must be 0 to {nyquist_hz}, half of the lower rate"
                )
            }
            Self::NotANumber(name) => write!(f, "{name} is NaN; it must be a number"),
            Self::Law(name) => write!(f, "law is {name:?}; it must be 'ulaw' or 'alaw'"),
            Self::Backend(name) => write!(
                f,
                "the SIMD backend {name:?} cannot be used; there are 'scalar', 'avx2' (x86-64 \
                 with AVX2 and FMA) and 'neon' (64-bit ARM), and one process uses one"
            ),
            Self::Length {
                name,
                frames,
                relation,
                needed,
            } => {
                write!(
                    f,
                    "{name} holds {frames} frames; it must hold {relation} {needed}"
                )
            }
            Self::PartialFrame { samples, channels } => write!(
                f,
                "{samples} samples are not a whole number of frames of {channels} channels"
            ),
            Self::PacketFrames { rate_hz, packet_ms } => write!(
                f,
                "{packet_ms} ms at {rate_hz} Hz is not a whole number of frames; \
                 choose another packet_ms or rate"
            ),
            Self::Level {
                name,
                value,
                min,
                max,
            } => {
                write!(f, "{name} is {value}; it must be {min} to {max}")
            }
        }
    }
}

impl std::error::Error for FormatError {}

/// `value` if it lies in `min..=max`.
pub(crate) fn in_range(
    name: &'static str,
    value: u32,
    min: u32,
    max: u32,
) -> Result<u32, FormatError> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        let (value, min, max) = (value.into(), min.into(), max.into());
        Err(FormatError::OutOfRange {
            name,
            value,
            min,
            max,
        })
    }
}

/// The sample rates that the core works with.
pub const RATES_HZ: RangeInclusive<u32> = 4_000..=384_000;

/// `hz` if it is one of [`RATES_HZ`].
///
/// # Errors
/// `hz` is another number; `name` is the argument that it came from.
pub fn check_rate_hz(name: &'static str, hz: u32) -> Result<u32, FormatError> {
    in_range(name, hz, *RATES_HZ.start(), *RATES_HZ.end())
}
