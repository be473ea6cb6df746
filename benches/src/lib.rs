//! Home of the criterion benchmarks in `benches/rust`.
