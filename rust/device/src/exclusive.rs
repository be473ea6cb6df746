//! State that a C function gets by pointer.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value for one user at a time: whoever comes second is turned away instead of waiting.
///
/// A device calls a callback from one thread at a time. Two devices that were handed the same
/// pointer by mistake do not; this makes that an error that can be heard, not undefined.
#[derive(Debug)]
pub(crate) struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` hands the value to one thread at a time, with acquire and release between
// them. That is what a mutex does, so `T: Send` is enough, as it is there.
#[allow(unsafe_code)]
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `use_it` with the value, unless it is in use. It stays in use for good if
    /// `use_it` panics: nobody knows what state the value is in.
    pub(crate) fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: `taken` was false and is true now, so no other `with` is between its swap and
        // its store, and there is no other way to the value. The reference ends before the store.
        #[allow(unsafe_code)]
        let result = use_it(unsafe { &mut *self.value.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_the_second_user_away() {
        let value = Exclusive::new(1);
        assert_eq!(value.with(|_| value.with(|_| ())), Some(None));
        assert_eq!(value.with(|value| *value), Some(1));
    }

    #[test]
    fn counts_exactly_between_threads() {
        let value = Exclusive::new(0_u32);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut done = 0;
                    while done < 10_000 {
                        done += u32::from(value.with(|value| *value += 1).is_some());
                    }
                });
            }
        });
        assert_eq!(value.with(|value| *value), Some(20_000));
    }
}
