//! The audio callbacks of antiphon.
//!
//! C functions with the signature of PortAudio's stream callback, and the state behind them. A
//! callback moves frames and nothing else: it never takes the GIL, allocates, locks, waits or
//! lets a panic out. The same functions can be called by a simulated device.

// What is wrong with an argument.
mod range;

// What a device says about a block of frames.
mod time;

// One user of a callback's state at a time.
mod exclusive;

// Jitter buffer -> loudspeaker.
mod playout;

// Microphone -> ring.
mod capture;

pub use capture::{Capture, CaptureCallback, CaptureReader};
pub use playout::{Playout, PlayoutCallback, PlayoutConfig, PlayoutMonitor, PlayoutStats};
pub use time::{StreamFlags, StreamTime, micros};
