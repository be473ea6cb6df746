//! Sample conversion, channels, levels, resampling, and the search for a voice's period.

// int16 <-> float32.
pub mod convert;

// Many channels -> one.
pub mod downmix;

// Root mean square in dBFS.
pub mod level;

// The inner loops, by instruction set.
pub mod kernels;

// Fixed-ratio sample rate conversion.
pub mod resample;
// Rates that drift: a ratio that varies, and what steers it.
pub mod drift;

// Where a voice repeats itself: for splices in time.
pub(crate) mod lag;

// Eight bits per sample, for telephones.
pub mod g711;
