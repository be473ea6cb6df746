//! `antiphon._native`: signatures, buffers and errors, one file per class. No arithmetic.

mod buffers;
mod convert;
mod errors;
mod lock;
mod packetizer;
mod resampler;
mod uplink;
mod vad;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::convert::{downmix, float_to_int16, int16_to_float};
    #[pymodule_export]
    use super::packetizer::{Packet, Packetizer};
    #[pymodule_export]
    use super::resampler::Resampler;
    #[pymodule_export]
    use super::uplink::{Uplink, encode_realtime_audio};
    #[pymodule_export]
    use super::vad::VoiceActivityDetector;

    /// The kernels in use: ``scalar``, ``avx2`` or ``neon``.
    #[pyfunction]
    fn simd_backend() -> &'static str {
        antiphon_core::dsp::kernels::Backend::current().name()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
