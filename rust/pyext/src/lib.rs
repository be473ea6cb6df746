//! `antiphon._native`: signatures, buffers and errors, one file per class. No arithmetic.

mod buffers;
mod capture;
mod convert;
mod drift;
mod errors;
mod feed;
mod g711;
mod jitter_buffer;
mod lock;
mod packetizer;
mod playhead;
mod playout;
mod resampler;
mod split_message;
mod uplink;
mod vad;
mod websocket;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    use antiphon_core::dsp::kernels::Backend;
    use pyo3::prelude::*;

    use super::errors::OrRaise;

    #[pymodule_export]
    use super::capture::Capture;
    #[pymodule_export]
    use super::convert::{downmix, float_to_int16, int16_of_bytes, int16_to_float, interleave};
    #[pymodule_export]
    use super::drift::{ClockDriftEstimator, DriftResampler};
    #[pymodule_export]
    use super::g711::{
        G711Decoder, G711Encoder, alaw_decode, alaw_encode, ulaw_decode, ulaw_encode,
    };
    #[pymodule_export]
    use super::jitter_buffer::JitterBuffer;
    #[pymodule_export]
    use super::packetizer::{Packet, Packetizer};
    #[pymodule_export]
    use super::playhead::Playhead;
    #[pymodule_export]
    use super::playout::Playout;
    #[pymodule_export]
    use super::resampler::{Resampler, resample};
    #[pymodule_export]
    use super::split_message::split_server_message;
    #[pymodule_export]
    use super::uplink::{Uplink, encode_realtime_audio};
    #[pymodule_export]
    use super::vad::VoiceActivityDetector;
    #[pymodule_export]
    use super::websocket::{text_frame, whole_messages};

    /// The kernels in use: ``scalar``, ``avx2`` or ``neon``.
    #[pyfunction]
    fn simd_backend() -> &'static str {
        Backend::current().name()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let forced = std::env::var("ANTIPHON_SIMD").unwrap_or_default();
        if !forced.is_empty() {
            Backend::force(&forced).or_raise(module.py())?;
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
