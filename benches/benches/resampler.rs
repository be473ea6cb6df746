//! The resamplers, 10 ms at a time: per ratio and profile, on each backend of this machine.

use std::hint::black_box;

use antiphon_core::dsp::drift::DriftResampler;
use antiphon_core::dsp::kernels::Backend;
use antiphon_core::dsp::resample::{Profile, Resampler, resample};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const RATIOS: [(u32, u32); 8] = [
    (48_000, 16_000),
    (44_100, 16_000),
    (24_000, 48_000),
    (24_000, 44_100),
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 16_000),
    (24_000, 8_000),
];

fn sound(frames: u32) -> Vec<f32> {
    let samples = (0_u16..997).map(|k| f32::from(k) / 500.0 - 1.0);
    samples.cycle().take(frames as usize).collect()
}

fn streams(criterion: &mut Criterion) {
    for backend in Backend::NAMES
        .into_iter()
        .filter_map(|name| Backend::named(name).ok())
    {
        let mut group = criterion.benchmark_group(format!("resample/{}", backend.name()));
        for (in_hz, out_hz) in RATIOS {
            let x = sound(in_hz / 100);
            group.throughput(Throughput::Elements(u64::from(out_hz / 100)));
            for profile in Profile::ALL {
                let made = Resampler::with_backend(in_hz, out_hz, profile, backend);
                let mut resampler = made.expect("a usual ratio");
                let mut out = vec![0.0_f32; resampler.max_output_frames(x.len())];
                let id = BenchmarkId::new(profile.name(), format!("{in_hz}-{out_hz}"));
                group.bench_function(id, |bencher| {
                    bencher.iter(|| resampler.process_into(black_box(&x), &mut out));
                });
            }
        }
        group.finish();
    }
}

fn drifting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drift");
    for (in_hz, out_hz) in [(48_000, 48_000), (24_000, 48_000), (48_000, 16_000)] {
        let x = sound(in_hz / 100);
        let mut resampler = DriftResampler::new(in_hz, out_hz, 1_000).expect("usual rates");
        let mut out = vec![0.0_f32; resampler.max_output_frames(x.len())];
        group.throughput(Throughput::Elements(u64::from(out_hz / 100)));
        group.bench_function(format!("{in_hz}-{out_hz}"), |bencher| {
            bencher.iter(|| resampler.process_into(black_box(&x), &mut out));
        });
    }
    group.finish();
}

fn making(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("design");
    for (in_hz, out_hz) in [(48_000, 16_000), (44_100, 16_000)] {
        for profile in Profile::ALL {
            let id = BenchmarkId::new(profile.name(), format!("{in_hz}-{out_hz}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| Resampler::new(in_hz, out_hz, profile));
            });
        }
    }
    group.finish();
}

fn whole_signals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one_shot_10_s");
    group.sample_size(20);
    for (in_hz, out_hz) in [(48_000, 16_000), (24_000, 48_000), (44_100, 16_000)] {
        let x = sound(in_hz * 10);
        group.throughput(Throughput::Elements(u64::from(out_hz * 10)));
        for profile in [Profile::Voice, Profile::Hq] {
            let id = BenchmarkId::new(profile.name(), format!("{in_hz}-{out_hz}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| resample::<f32, f32>(black_box(&x), in_hz, out_hz, profile));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, streams, drifting, making, whole_signals);
criterion_main!(benches);
