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
