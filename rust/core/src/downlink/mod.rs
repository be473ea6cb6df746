//! From the service to the device.
//!
//! ```text
//! message ─▶ decode ─▶ Writer ═ samples, turns ═▶ Reader ─▶ device
//!                                 ◀═ blocks ═       └─▶ published: playhead, stats
//! ```
//!
//! One writer and one reader share nothing but lock-free single-producer single-consumer rings
//! and atomics. Positions are frames counted from the first one ever pushed, so what the two
//! sides say about turns refers to exact samples, whenever it is read.

// A server message -> its audio, and the message without it.
mod decode;
mod json_scan;

// What both ends agree on: sizes, limits.
mod config;

// Samples between the two threads.
mod queue;

// What the two threads tell each other about the samples.
mod atomics;
mod link;
#[cfg(all(test, loom))]
mod model;
mod published;

// The sound around the play position: what is spliced, made up, faded.
mod conceal;
mod fade;
mod loudness;
mod steps;
mod tape;

// The two ends, by regime.
mod packet;
mod stream;

// What is known about it all, from any thread.
mod monitor;

// Both ends in one hand.
mod jitter_buffer;

pub use config::JitterBufferConfig;
pub use decode::{AudioPart, SplitMessage, split_server_message};
pub use jitter_buffer::JitterBuffer;
pub use monitor::{Monitor, Playhead, State, Stats};
pub use packet::{PacketBuffer, PacketConfig, PacketReader, PacketWriter};
pub use stream::reader::Reader;
pub use stream::writer::Writer;
