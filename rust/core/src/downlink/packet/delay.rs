//! How late packets come, and what delay is worth it.
//!
//! Every packet is measured against the fastest of the last seconds. Two histograms of these
//! differences, one that forgets fast and one that forgets slowly, say how many packets would
//! come too late at each delay; the delay aimed for is the one at which delay and lateness
//! together cost least. That needs no threshold for what a spike or a change of route is: both
//! are in the histograms, and are forgotten at their pace.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::Packets;
use crate::downlink::atomics::AtomicI64;
use crate::downlink::config::to_i64;

/// Differences are told apart by this much, up to the last bucket.
const BUCKET_US: i64 = 2_500;
const BUCKETS: usize = 400;
/// The fastest packet is looked for in so many seconds: long enough to see one that did not wait
/// anywhere, short enough to follow two clocks that differ by 200 ppm, and a new route.
const FASTEST_OF_SECONDS: usize = 8;
/// Time constants of the two histograms.
const FORGET_US: [f32; 2] = [3_000_000.0, 18_000_000.0];
/// What all packets late would cost, in microseconds of delay, at smoothness 0.5: one percent
/// late is worth 80 ms.
const LATENESS_COST_US: f32 = 4_000_000.0;
/// Smoothness from 0 to 1 multiplies that by 1/16 to 16.
const SMOOTHNESS_OCTAVES: f32 = 8.0;
/// Before anything is known, packets are taken to be late by this much,
const PRIOR_US: i64 = 30_000;
/// as if so long had been watched.
const PRIOR_WEIGHT_US: f32 = 20_000.0;
/// Nothing is that late: it is another stream, or another clock.
const ANOTHER_STREAM_US: i64 = 2_000_000;

/// What the writer knows about delays, for the reader. Each number stands for itself.
#[derive(Debug, Default)]
pub(super) struct SharedDelay {
    fastest_us: AtomicI64,
    target_us: AtomicI64,
}

impl SharedDelay {
    pub(super) fn publish(&self, fastest_us: i64, target_us: i64) {
        self.target_us.store(target_us, Relaxed);
        self.fastest_us.store(fastest_us, Release);
    }

    /// Arrival of the fastest packet: its time minus the end of its media time.
    pub(super) fn fastest_us(&self) -> i64 {
        self.fastest_us.load(Acquire)
    }

    /// Delay to aim for, on top of the fastest packet.
    pub(super) fn target_us(&self) -> i64 {
        self.target_us.load(Relaxed)
    }
}

/// See the module. Time is that of the caller.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    packet_us: i64,
    lateness_cost_us: f32,
    /// The fastest of each of the last seconds, the newest last, and when that one began.
    fastest_us: [i64; FASTEST_OF_SECONDS],
    second_us: i64,
    histograms: [Histogram; 2],
    /// What the histograms are off by, less than a bucket.
    rest_us: i64,
    target_us: i64,
}

impl DelayEstimator {
    pub(super) fn new(packets: &Packets) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "at most 120,000")]
        let packet_us = packets.us as f32;
        let octaves = SMOOTHNESS_OCTAVES * (packets.smoothness - 0.5);
        let mut estimator = Self {
            packet_us: packets.us,
            lateness_cost_us: LATENESS_COST_US * octaves.exp2(),
            fastest_us: [i64::MAX; FASTEST_OF_SECONDS],
            second_us: i64::MIN,
            histograms: FORGET_US.map(|forget_us| Histogram::new(packet_us / forget_us)),
            rest_us: 0,
            target_us: 0,
        };
        for histogram in &mut estimator.histograms {
            histogram.add(PRIOR_US, PRIOR_WEIGHT_US / packet_us);
        }
        estimator.target_us = estimator.cheapest_us();
        estimator
    }

    /// Whether packet number `packet` may come at this time: if not, it is of another stream.
    pub(super) fn fits(&self, packet: u64, now_us: u64) -> bool {
        let known = self.fastest();
        known == i64::MAX
            || self.offset_us(packet, now_us).saturating_sub(known).abs() <= ANOTHER_STREAM_US
    }

    /// Packet number `packet` came.
    pub(super) fn arrived(&mut self, packet: u64, now_us: u64) {
        let offset_us = self.offset_us(packet, now_us);
        let before_us = self.fastest();
        self.note_fastest(offset_us, to_i64(now_us));
        self.rebase(before_us, self.fastest());
        let late_us = offset_us.saturating_sub(self.fastest());
        for histogram in &mut self.histograms {
            histogram.forget();
            histogram.add(late_us, 1.0);
        }
        self.target_us = self.cheapest_us();
    }

    /// Other packets are measured against another fastest one from now on, and so are those that
    /// came before: after a change of route, or of a clock, what is known stays true.
    fn rebase(&mut self, before_us: i64, now_us: i64) {
        if before_us == i64::MAX || now_us == i64::MAX {
            return;
        }
        let earlier_us = self.rest_us + now_us.saturating_sub(before_us);
        let buckets = earlier_us / BUCKET_US;
        self.rest_us = earlier_us % BUCKET_US;
        for histogram in &mut self.histograms {
            histogram.shift_down(buckets);
        }
    }

    /// Arrival of a packet minus the end of its media time.
    fn offset_us(&self, packet: u64, now_us: u64) -> i64 {
        let ends_us = to_i64(packet + 1).saturating_mul(self.packet_us);
        to_i64(now_us).saturating_sub(ends_us)
    }

    /// Forgets which packet was fastest: numbers or clock have jumped.
    pub(super) fn restart(&mut self) {
        self.fastest_us = [i64::MAX; FASTEST_OF_SECONDS];
        self.second_us = i64::MIN;
    }

    pub(super) fn publish(&self, shared: &SharedDelay) {
        shared.publish(self.fastest(), self.target_us);
    }

    fn fastest(&self) -> i64 {
        self.fastest_us.iter().copied().min().unwrap_or(i64::MAX)
    }

    fn note_fastest(&mut self, offset_us: i64, now_us: i64) {
        if self.second_us == i64::MIN {
            self.second_us = now_us;
        }
        let passed = now_us.saturating_sub(self.second_us) / 1_000_000;
        for _ in 0..passed.clamp(0, 8) {
            self.fastest_us.rotate_left(1);
            self.fastest_us[FASTEST_OF_SECONDS - 1] = i64::MAX;
        }
        self.second_us = self
            .second_us
            .saturating_add(passed.saturating_mul(1_000_000));
        let newest = &mut self.fastest_us[FASTEST_OF_SECONDS - 1];
        *newest = (*newest).min(offset_us);
    }

    /// The delay at which delay and lateness together cost least.
    fn cheapest_us(&self) -> i64 {
        let totals = [self.histograms[0].total, self.histograms[1].total];
        let mut later = totals;
        let (mut best_us, mut best_cost) = (0, f32::INFINITY);
        let delays_us = (1..).map(|bucket| bucket * BUCKET_US);
        for (bucket, delay_us) in (0..BUCKETS).zip(delays_us) {
            let mut late = 0.0;
            for ((later, histogram), total) in later.iter_mut().zip(&self.histograms).zip(totals) {
                *later -= histogram.weights[bucket];
                late += later.max(0.0) / total / 2.0;
            }
            #[expect(clippy::cast_precision_loss, reason = "at most a million")]
            let cost = delay_us as f32 + self.lateness_cost_us * late;
            if cost < best_cost {
                (best_us, best_cost) = (delay_us, cost);
            }
        }
        best_us
    }
}

/// Weights per difference, of which the older ones fade.
#[derive(Debug)]
struct Histogram {
    weights: Box<[f32]>,
    total: f32,
    kept: f32,
}

impl Histogram {
    /// One that forgets so much with each packet.
    fn new(forgotten: f32) -> Self {
        Self {
            weights: vec![0.0; BUCKETS].into(),
            total: 0.0,
            kept: (-forgotten).exp(),
        }
    }

    fn forget(&mut self) {
        for weight in &mut *self.weights {
            *weight *= self.kept;
        }
    }

    /// Every difference becomes less by so many buckets, but not less than nothing.
    fn shift_down(&mut self, buckets: i64) {
        let by = usize::try_from(buckets.unsigned_abs()).map_or(BUCKETS, |by| by.min(BUCKETS));
        let weights = &mut self.weights;
        if buckets > 0 {
            let none: f32 = weights[..by].iter().sum();
            weights.copy_within(by.., 0);
            weights[BUCKETS - by..].fill(0.0);
            weights[0] += none;
        } else if buckets < 0 {
            let most: f32 = weights[BUCKETS - by..].iter().sum();
            weights.copy_within(..BUCKETS - by, by);
            weights[..by].fill(0.0);
            weights[BUCKETS - 1] += most;
        }
    }

    fn add(&mut self, late_us: i64, weight: f32) {
        let bucket = usize::try_from(late_us / BUCKET_US).unwrap_or(0);
        self.weights[bucket.min(BUCKETS - 1)] += weight;
        self.total = self.weights.iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downlink::packet::PacketConfig;

    const PACKET_US: u64 = 20_000;

    fn estimator(smoothness: f32) -> DelayEstimator {
        let config = PacketConfig {
            smoothness,
            ..PacketConfig::default()
        };
        DelayEstimator::new(&config.packets().expect("valid"))
    }

    /// Packets `numbers`, each as late as `late_us` says, by a clock that began at 10 s.
    fn arrive(
        estimator: &mut DelayEstimator,
        numbers: std::ops::Range<u64>,
        late_us: impl Fn(u64) -> u64,
    ) {
        for number in numbers {
            estimator.arrived(number, sent_us(number) + late_us(number));
        }
    }

    fn sent_us(number: u64) -> u64 {
        10_000_000 + (number + 1) * PACKET_US
    }

    #[test]
    fn nothing_known_is_a_delay_of_a_usual_network() {
        assert_eq!(estimator(0.5).target_us, 32_500);
    }

    #[test]
    fn packets_in_time_need_the_shortest_delay() {
        let mut estimator = estimator(0.5);
        arrive(&mut estimator, 0..500, |_| 0);
        assert_eq!(
            (estimator.target_us, estimator.fastest()),
            (BUCKET_US, 10_000_000)
        );
    }

    #[test]
    fn lateness_is_worth_a_delay_that_smoothness_weighs() {
        let target_us = |smoothness, every: u64| {
            let mut estimator = estimator(smoothness);
            let late_us = |number| if number % every == 0 { 100_000 } else { 0 };
            arrive(&mut estimator, 0..1_000, late_us);
            estimator.target_us
        };
        // One percent is worth 80 ms, and so five percent more than 100 ms.
        assert_eq!(target_us(0.5, 20), 100_000 + BUCKET_US);
        assert_eq!(target_us(0.5, 100), BUCKET_US);
        assert_eq!(target_us(0.0, 20), BUCKET_US);
        assert_eq!(target_us(1.0, 100), 100_000 + BUCKET_US);
    }

    #[test]
    fn a_network_that_has_become_better_is_forgiven() {
        let mut estimator = estimator(0.5);
        arrive(&mut estimator, 0..500, |number| 15_000 * (number % 10));
        let bad_us = estimator.target_us;
        assert!(bad_us > 100_000, "{bad_us}");
        arrive(&mut estimator, 500..5_000, |_| 0);
        assert_eq!(estimator.target_us, BUCKET_US);
    }

    #[test]
    fn the_fastest_packet_counts_for_some_seconds() {
        let mut estimator = estimator(0.5);
        arrive(&mut estimator, 0..100, |_| 0);
        arrive(&mut estimator, 100..400, |_| 50_000);
        assert_eq!(estimator.fastest(), 10_000_000);
        arrive(&mut estimator, 400..600, |_| 50_000);
        assert_eq!(estimator.fastest(), 10_050_000);
        arrive(&mut estimator, 600..601, |_| 7_000);
        assert_eq!(estimator.fastest(), 10_007_000, "a faster one at once");
    }

    #[test]
    fn two_seconds_off_is_another_stream_until_it_begins_anew() {
        let mut estimator = estimator(0.5);
        assert!(estimator.fits(7, 0), "the first fits anywhere");
        arrive(&mut estimator, 0..10, |_| 0);
        assert!(estimator.fits(10, sent_us(10) + 2_000_000));
        assert!(!estimator.fits(10, sent_us(10) + 2_000_001));
        assert!(!estimator.fits(10, sent_us(10) - 2_000_001));
        estimator.restart();
        assert!(estimator.fits(10, 0));
    }
}
