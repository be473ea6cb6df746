//! The inner loops, one file per instruction set.
//!
//! Whatever the backend, the order in which one result is summed is fixed: it depends neither
//! on how a stream is cut nor on memory alignment.

mod scalar;

pub use scalar::dot;

/// The backend in use, as reported to Python.
pub const BACKEND: &str = "scalar";

/// Lengths of the slices given to [`dot`] must be multiples of this.
pub const LANES: usize = 16;
