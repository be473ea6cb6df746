//! A record of numbers that one thread writes and any thread may read, without locks.
//!
//! Two copies and a version: the writer fills the copy that is not current and then makes it
//! current. A reader tries again only if a whole record was published while it copied, so a
//! writer that is held up in the middle holds nobody else up.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::atomics::{AtomicU64, fence};

/// `N` numbers that are always seen together.
#[derive(Debug)]
pub(super) struct Published<const N: usize> {
    /// Counts the records; the newest lies in `copies[version % 2]`.
    version: AtomicU64,
    copies: [[AtomicU64; N]; 2],
}

impl<const N: usize> Default for Published<N> {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            version: AtomicU64::new(0),
            copies: [zeros(), zeros()],
        }
    }
}

impl<const N: usize> Published<N> {
    /// Replaces the record. To be called by one thread at a time; it never waits.
    pub(super) fn publish(&self, record: &[u64; N]) {
        let version = self.version.load(Relaxed).wrapping_add(1);
        // The stores below must not be seen before the version that made this copy the old one.
        fence(Release);
        for (slot, &value) in self.copy(version).iter().zip(record) {
            slot.store(value, Relaxed);
        }
        self.version.store(version, Release);
    }

    /// The newest record.
    pub(super) fn read(&self) -> [u64; N] {
        loop {
            let version = self.version.load(Acquire);
            let record = std::array::from_fn(|k| self.copy(version)[k].load(Relaxed));
            // Whoever saw a store of a later record also sees its version moved on.
            fence(Acquire);
            if self.version.load(Relaxed) == version {
                return record;
            }
            #[cfg(loom)]
            loom::thread::yield_now();
        }
    }

    fn copy(&self, version: u64) -> &[AtomicU64; N] {
        &self.copies[usize::from(version % 2 == 1)]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_never_torn() {
        let published = Published::<8>::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for k in 1..=100_000 {
                    published.publish(&[k; 8]);
                }
            });
            let mut newest = 0;
            while newest < 100_000 {
                let record = published.read();
                assert_eq!(record, [record[0]; 8]);
                assert!(record[0] >= newest, "time runs forwards");
                newest = record[0];
            }
        });
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn a_record_is_never_torn_in_any_order_of_memory() {
        loom::model(|| {
            let published = Arc::new(Published::<2>::default());
            let writer = Arc::clone(&published);
            let thread = loom::thread::spawn(move || {
                for k in 1..=3 {
                    writer.publish(&[k; 2]);
                }
            });
            let first = published.read();
            assert_eq!(first[0], first[1]);
            let second = published.read();
            assert_eq!(second[0], second[1]);
            assert!(second[0] >= first[0]);
            thread.join().unwrap();
            assert_eq!(published.read(), [3; 2]);
        });
    }
}
