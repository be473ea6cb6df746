//! What many pulls took.

use std::time::Duration;

/// Of one buffer: one list for each round. A pull does the same in every round.
#[derive(Default)]
pub(crate) struct Times(Vec<Vec<Duration>>);

impl Times {
    /// What is added from now on belongs to another round.
    pub(crate) fn begin_round(&mut self) {
        self.0.push(Vec::new());
    }

    /// The next pull of this round.
    pub(crate) fn add(&mut self, taken: Duration) {
        if let Some(round) = self.0.last_mut() {
            round.push(taken);
        }
    }

    /// Mean and quantiles of all pulls, and the dearest pull: the machine's disturbances count among the
    /// former; the latter is the largest of the pulls' medians over the rounds, where they do not.
    pub(crate) fn json(&self) -> String {
        let mut all: Vec<Duration> = self.0.iter().flatten().copied().collect();
        let mean =
            all.iter().sum::<Duration>() / u32::try_from(all.len().max(1)).unwrap_or(u32::MAX);
        let (median, p999) = (quantile(&mut all, 0.5), quantile(&mut all, 0.999));
        let pulls = self.0.first().map_or(0, Vec::len);
        let dearest = (0..pulls)
            .map(|pull| {
                let mut same: Vec<Duration> = self.0.iter().map(|round| round[pull]).collect();
                quantile(&mut same, 0.5)
            })
            .max()
            .unwrap_or_default();
        format!(
            r#"{{"pulls": {}, "mean_us": {}, "median_us": {}, "p999_us": {}, "dearest_us": {}}}"#,
            all.len(),
            micros(mean),
            micros(median),
            micros(p999),
            micros(dearest)
        )
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The value below which this fraction lies; zero of nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn quantile(durations: &mut [Duration], fraction: f64) -> Duration {
    if durations.is_empty() {
        return Duration::ZERO;
    }
    let at = ((durations.len() - 1) as f64 * fraction) as usize;
    *durations.select_nth_unstable(at).1
}
