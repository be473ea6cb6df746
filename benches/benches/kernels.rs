//! The conversions on each backend of this machine: 10 ms, and 10 s, at 48 kHz.

use std::hint::black_box;

use antiphon_core::dsp::g711::Law;
use antiphon_core::dsp::kernels::Backend;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const FRAMES: [usize; 2] = [480, 480_000];

fn conversions(criterion: &mut Criterion) {
    for frames in FRAMES {
        let floats: Vec<f32> = (0_u16..1_000)
            .map(|k| f32::from(k) / 500.0 - 1.0)
            .cycle()
            .take(frames)
            .collect();
        let mut back = vec![0.0_f32; frames];
        let mut pcm = vec![0_i16; frames];
        let mut group = criterion.benchmark_group("convert");
        group.throughput(Throughput::Elements(frames as u64));
        group.bench_function(BenchmarkId::new("copy_i16", frames), |bencher| {
            let source = pcm.clone();
            bencher.iter(|| black_box(&mut pcm).copy_from_slice(black_box(&source)));
        });
        let names = Backend::NAMES.into_iter();
        for backend in names.filter_map(|name| Backend::named(name).ok()) {
            let id = |what| BenchmarkId::new(format!("{what}/{}", backend.name()), frames);
            group.bench_function(id("f32_to_i16"), |bencher| {
                bencher.iter(|| backend.store_i16(black_box(&floats), black_box(&mut pcm[..])));
            });
            group.bench_function(id("i16_to_f32"), |bencher| {
                bencher.iter(|| backend.load(black_box(&pcm), black_box(&mut back)));
            });
        }
        group.finish();
    }
}

fn companding(criterion: &mut Criterion) {
    for frames in FRAMES {
        let pcm: Vec<i16> = (i16::MIN..=i16::MAX).cycle().take(frames).collect();
        let mut codes = vec![0; frames];
        let mut back = vec![0; frames];
        let mut group = criterion.benchmark_group("g711");
        group.throughput(Throughput::Elements(frames as u64));
        for law in [Law::Ulaw, Law::Alaw] {
            let id = |what| BenchmarkId::new(format!("{}_{what}", law.name()), frames);
            group.bench_function(id("encode"), |bencher| {
                bencher.iter(|| law.encode(black_box(&pcm), black_box(&mut codes)));
            });
            group.bench_function(id("decode"), |bencher| {
                bencher.iter(|| law.decode(black_box(&codes), black_box(&mut back)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, conversions, companding);
criterion_main!(benches);
