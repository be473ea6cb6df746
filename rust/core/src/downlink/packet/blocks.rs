//! How much is pulled at once.

/// The longest pull lately, but for a single one that stands out.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    longest: usize,
    second: usize,
}

impl Blocks {
    pub(super) fn pulled(&mut self, frames: usize) {
        if self.longest == 0 {
            // Nothing says yet that the first one stands out.
            self.second = frames;
        }
        self.longest -= self.longest.div_ceil(64);
        self.second -= self.second.div_ceil(64);
        if frames >= self.longest {
            self.second = self.second.max(self.longest);
            self.longest = frames;
        } else {
            self.second = self.second.max(frames);
        }
    }

    pub(super) fn frames(&self) -> usize {
        self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pulls: impl IntoIterator<Item = usize>) -> usize {
        let mut blocks = Blocks::default();
        pulls.into_iter().for_each(|frames| blocks.pulled(frames));
        blocks.frames()
    }

    #[test]
    fn pulls_of_one_length_are_that_long() {
        assert!((460..=480).contains(&after([480; 5])));
    }

    #[test]
    fn the_first_pull_counts() {
        assert_eq!(after([960]), 960 - 15);
    }

    #[test]
    fn the_longer_of_two_lengths_counts() {
        assert!(after([128, 1_152].repeat(20)) > 1_000);
    }

    #[test]
    fn one_that_stands_out_does_not_count() {
        assert!(after([480; 5].into_iter().chain([24_000]).chain([480; 5])) <= 480);
    }

    #[test]
    fn a_longer_one_is_forgotten() {
        assert!(after([4_096; 5].into_iter().chain([240; 300])) <= 240);
    }
}
