//! The *stream* regime: audio comes in order, turn by turn, often much faster than it plays.
//! Backlog is content, not delay: it is never dropped and never sped up.

pub(super) mod pace;
pub(super) mod reader;
mod slowing;
mod timeline;
pub(super) mod writer;
