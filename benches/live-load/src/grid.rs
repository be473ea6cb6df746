//! How late chunks come that should come at even times.

use std::time::{Duration, Instant};

/// The arrivals of one session, turn by turn, against a grid through the earliest of each turn.
pub struct Grid {
    chunk: Duration,
    first: Option<Instant>,
    count: u32,
    /// Of the turn that is running: where each chunk lies beside a grid through the first, in ms.
    turn: Vec<f32>,
    /// Those of them that are measured.
    measured_from: Option<usize>,
    late: Vec<f32>,
}

impl Grid {
    /// Nothing came yet, and nothing is measured yet.
    pub fn new(chunk: Duration) -> Self {
        Self {
            chunk,
            first: None,
            count: 0,
            turn: Vec::new(),
            measured_from: None,
            late: Vec::new(),
        }
    }

    /// What comes from now on counts.
    pub fn begin_measuring(&mut self) {
        self.measured_from = Some(self.turn.len());
    }

    /// One came.
    pub fn arrived(&mut self, now: Instant) {
        let first = *self.first.get_or_insert(now);
        let due = self.chunk * self.count;
        let beside = (now - first).as_secs_f32() - due.as_secs_f32();
        self.turn.push(beside * 1e3);
        self.count += 1;
    }

    /// The next one to come begins a grid of its own.
    pub fn end_turn(&mut self) {
        let earliest = self.turn.iter().copied().fold(f32::INFINITY, f32::min);
        if let Some(from) = self.measured_from {
            self.late
                .extend(self.turn[from..].iter().map(|beside| beside - earliest));
            self.measured_from = Some(0);
        }
        (self.first, self.count) = (None, 0);
        self.turn.clear();
    }

    /// How late every chunk came since `begin_measuring`, in ms.
    pub fn take_lateness(&mut self, into: &mut Vec<f32>) {
        self.end_turn();
        into.append(&mut self.late);
    }
}

/// The value that so many of a hundred do not exceed; 0 of nothing. Sorts them.
pub fn percentile(values: &mut [f32], percent: usize) -> f32 {
    values.sort_by(f32::total_cmp);
    let count = (values.len() * percent).div_ceil(100);
    values.get(count.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_counts_from_the_earliest_chunk_of_a_turn() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut grid = Grid::new(Duration::from_millis(40));
        for ms in [3, 40, 95, 121] {
            if ms == 40 {
                grid.begin_measuring();
            }
            grid.arrived(at(ms));
        }
        let mut late = Vec::new();
        grid.take_lateness(&mut late);
        let rounded: Vec<f32> = late.iter().map(|ms| ms.round()).collect();
        assert_eq!(rounded, [0.0, 15.0, 1.0]);
        grid.arrived(at(500));
        grid.take_lateness(&mut late);
        assert_eq!(late.len(), 4);
        assert!(late[3].abs() < 1e-3);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f32> = (1_u8..=100).rev().map(f32::from).collect();
        assert!((percentile(&mut values, 99) - 99.0).abs() < 1e-3);
        assert!((percentile(&mut values, 100) - 100.0).abs() < 1e-3);
        assert!(percentile(&mut [], 50).abs() < 1e-3);
    }
}
