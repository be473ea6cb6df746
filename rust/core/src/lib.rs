//! The audio core of antiphon.
//!
//! Pure: no threads, no I/O, and time is an argument. The modules are listed in the order in
//! which sound flows through them.

// What is wrong with an argument, in words for the caller.
mod error;

// The mathematics that both directions share.
pub mod dsp;

// Microphone -> messages.
pub mod uplink;

// Messages on the wire.
pub mod websocket;

// From the service to the device: audio out of messages, and the jitter buffer.
pub mod downlink;

pub use error::{FormatError, RATES_HZ, check_rate_hz};
