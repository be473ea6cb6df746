//! The atomics of both ends, which `loom` can put into any order that memory allows.

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicI16, AtomicI64, AtomicU64, fence};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicI16, AtomicI64, AtomicU64, fence};
