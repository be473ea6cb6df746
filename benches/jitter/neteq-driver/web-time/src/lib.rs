//! The part of `web-time` that the `neteq` crate uses, on a clock that stands still until it is set.
//!
//! Every thread has a clock of its own. It starts at zero.

use std::cell::Cell;

pub use std::time::Duration;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Set this thread's clock.
pub fn set_now_us(now_us: u64) {
    NOW.set(Duration::from_micros(now_us));
}

/// A moment of this thread's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// What the clock was set to last.
    pub fn now() -> Self {
        Self(NOW.get())
    }

    /// Zero if `earlier` is later, as with `std`.
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Since then.
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// `None` where it cannot be represented.
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }
}
