//! How a sequence of calls is made, where it should make no difference.

use super::source;
use super::voice::speech;

/// What an output is filled with before a pull: louder than anything that is played.
pub const UNTOUCHED: i16 = i16::MIN;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Sound {
    /// Like noise, and never zero: nothing in it is alike.
    Noise,
    Voice,
}

impl Sound {
    pub fn samples(self, rate_hz: u32, from: usize, frames: usize) -> Vec<i16> {
        match self {
            Self::Noise => source(from, frames),
            Self::Voice => speech(rate_hz, from, frames),
        }
    }
}

/// See the module.
pub struct Way {
    /// The clock stands there at first, and moves by what is pulled.
    pub start_us: u64,
    /// Longest piece of a push and of a pull.
    pub push_cut: usize,
    pub pull_cut: usize,
    /// Makes each pull.
    pub around_pull: fn(&mut dyn FnMut()),
}

impl Default for Way {
    fn default() -> Self {
        Self {
            start_us: 0,
            push_cut: usize::MAX,
            pull_cut: usize::MAX,
            around_pull: |pull| pull(),
        }
    }
}
