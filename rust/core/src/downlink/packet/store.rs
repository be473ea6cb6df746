//! Packets that wait for their turn, by number.

/// A ring of packets ahead of the one that is needed next. Its memory is fixed.
#[derive(Debug)]
pub(super) struct PacketStore {
    frames: usize,
    samples: Box<[i16]>,
    /// Number of the packet in each place, if there is one.
    numbers: Box<[Option<u64>]>,
    /// Needed next, and how much of it is used already.
    next: u64,
    offset: usize,
    held: usize,
}

impl PacketStore {
    /// Room for `packets` packets of `frames` frames.
    pub(super) fn new(packets: usize, frames: usize) -> Self {
        Self {
            frames,
            samples: vec![0; packets * frames].into(),
            numbers: vec![None; packets].into(),
            next: 0,
            offset: 0,
            held: 0,
        }
    }

    /// Number of the packet that is needed next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Frames of it that are used already.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Packets that are here.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn capacity(&self) -> usize {
        self.numbers.len()
    }

    /// Where packet `number` goes; `None` if it is here already. It must be one of the next
    /// [`Self::capacity`] ones.
    pub(super) fn room(&mut self, number: u64) -> Option<&mut [i16]> {
        debug_assert!((self.next..self.next + self.numbers.len() as u64).contains(&number));
        let place = self.place(number);
        if self.numbers[place] == Some(number) {
            return None;
        }
        self.numbers[place] = Some(number);
        self.held += 1;
        Some(&mut self.samples[place * self.frames..][..self.frames])
    }

    /// How many packets are missing before the first that is here; `None` if none is here.
    pub(super) fn missing(&self) -> Option<u64> {
        if self.held == 0 {
            return None;
        }
        (0..self.numbers.len() as u64)
            .find(|ahead| self.numbers[self.place(self.next + ahead)] == Some(self.next + ahead))
    }

    /// The frames that can be read without a break from here, of the packet that is needed.
    pub(super) fn ready(&self) -> &[i16] {
        let place = self.place(self.next);
        if self.numbers[place] == Some(self.next) {
            &self.samples[place * self.frames..][self.offset..self.frames]
        } else {
            &[]
        }
    }

    /// Goes on behind the next `frames` frames, which must not be more than are ready.
    pub(super) fn advance(&mut self, frames: usize) {
        self.offset += frames;
        if self.offset >= self.frames {
            self.skip_to(self.next + 1);
        }
    }

    /// Needs an earlier packet first, which came later; those from `number` on stay, as far as
    /// there is room for them. Returns how many do not.
    pub(super) fn step_back_to(&mut self, number: u64) -> usize {
        debug_assert_eq!(self.offset, 0, "nothing of the next one was used");
        let held = self.held;
        let last = number + self.numbers.len() as u64;
        for place in 0..self.numbers.len() {
            if self.numbers[place].take_if(|it| *it >= last).is_some() {
                self.held -= 1;
            }
        }
        self.next = number;
        held - self.held
    }

    /// Forgets all packets before `number`, which is needed next; returns how many were here.
    pub(super) fn skip_to(&mut self, number: u64) -> usize {
        let held = self.held;
        let passed = number.saturating_sub(self.next);
        if passed >= self.numbers.len() as u64 {
            self.numbers.fill(None);
            self.held = 0;
        } else {
            for passed in self.next..number {
                let place = self.place(passed);
                if self.numbers[place].take_if(|it| *it == passed).is_some() {
                    self.held -= 1;
                }
            }
        }
        (self.next, self.offset) = (number, 0);
        held - self.held
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the length")]
    fn place(&self, number: u64) -> usize {
        (number % self.numbers.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u64 = 5;

    /// A store of five packets of three frames, each filled with its number, from `next` on.
    fn store(next: u64, numbers: &[u64]) -> PacketStore {
        let mut store = PacketStore::new(5, 3);
        store.skip_to(next);
        for &number in numbers {
            put(&mut store, number);
        }
        store
    }

    fn put(store: &mut PacketStore, number: u64) -> bool {
        let room = store.room(number);
        room.map(|room| room.fill(level(number))).is_some()
    }

    fn level(number: u64) -> i16 {
        i16::try_from(number).expect("small")
    }

    #[test]
    fn packets_are_read_in_order_whatever_order_they_came_in() {
        let mut store = store(8, &[10, 8, 12, 9, 11]);
        for number in 8..13 {
            assert_eq!(
                (store.next(), store.ready()),
                (number, [level(number); 3].as_slice())
            );
            store.advance(1);
            assert_eq!((store.offset(), store.ready().len()), (1, 2));
            store.advance(2);
        }
        assert_eq!((store.held(), store.ready()), (0, [].as_slice()));
    }

    #[test]
    fn a_packet_has_room_once() {
        let mut store = store(8, &[]);
        assert!(put(&mut store, 9));
        assert!(!put(&mut store, 9));
        assert_eq!(store.held(), 1);
    }

    #[test]
    fn packets_before_the_first_one_here_are_missing() {
        assert_eq!(store(8, &[]).missing(), None);
        assert_eq!(store(8, &[8]).missing(), Some(0));
        assert_eq!(store(8, &[11, 12]).missing(), Some(3));
        assert_eq!(store(8, &[11]).ready(), []);
    }

    #[test]
    fn what_is_skipped_is_counted_as_far_as_it_was_here() {
        for (next, dropped) in [(8, 0), (10, 1), (12, 2), (13, 3), (8 + 10 * PACKETS, 3)] {
            let mut store = store(8, &[8, 10, 12]);
            assert_eq!(store.skip_to(next), dropped, "to {next}");
            assert_eq!((store.next(), store.held()), (next, 3 - dropped));
        }
    }

    #[test]
    fn stepping_back_keeps_what_there_is_room_for() {
        let mut store = store(8, &[8, 9, 11, 12]);
        assert_eq!(store.step_back_to(6), 2, "11 and 12 are too far ahead");
        assert_eq!((store.held(), store.missing()), (2, Some(2)));
        assert!(put(&mut store, 6) && put(&mut store, 10));
    }
}
