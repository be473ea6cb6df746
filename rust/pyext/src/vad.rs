//! `VoiceActivityDetector`.

use std::sync::Mutex;

use antiphon_core::uplink::{VadConfig, VadEvent, VoiceActivityDetector as Core};
use pyo3::prelude::*;

use crate::buffers;
use crate::errors::{OrRaise, integer, number, to_u32};
use crate::lock::lock;

/// Finds where speech starts and ends in a mono int16 stream, by level over a noise floor.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct VoiceActivityDetector {
    core: Mutex<Core>,
}

#[pymethods]
impl VoiceActivityDetector {
    #[new]
    // The second form is what Python shows: the first cannot render a negative default.
    #[pyo3(
        signature = (
            sample_rate_hz=16000,
            prefix_padding_ms=60,
            silence_duration_ms=500,
            threshold_db=12.0,
            min_dbfs=-50.0,
        ),
        text_signature = "(sample_rate_hz=16000, prefix_padding_ms=60, silence_duration_ms=500, \
                          threshold_db=12.0, min_dbfs=-50.0)"
    )]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] sample_rate_hz: i64,
        #[pyo3(from_py_with = integer)] prefix_padding_ms: i64,
        #[pyo3(from_py_with = integer)] silence_duration_ms: i64,
        #[pyo3(from_py_with = number)] threshold_db: f64,
        #[pyo3(from_py_with = number)] min_dbfs: f64,
    ) -> PyResult<Self> {
        let config = VadConfig {
            sample_rate_hz: to_u32(py, "sample_rate_hz", sample_rate_hz)?,
            prefix_padding_ms: to_u32(py, "prefix_padding_ms", prefix_padding_ms)?,
            silence_duration_ms: to_u32(py, "silence_duration_ms", silence_duration_ms)?,
            threshold_db,
            min_dbfs,
        };
        Ok(Self {
            core: Mutex::new(Core::new(config).or_raise(py)?),
        })
    }

    /// Feed PCM; return the events, each with the frame where speech really began or ended.
    fn push(&self, pcm: &Bound<'_, PyAny>) -> PyResult<Vec<(&'static str, u64)>> {
        let samples = buffers::mono::<i16>(pcm)?;
        let mut events = Vec::new();
        lock(&self.core, pcm.py()).push(samples.as_slice(), |event| {
            events.push(match event {
                VadEvent::Start(frame) => ("start", frame),
                VadEvent::End(frame) => ("end", frame),
            });
        });
        Ok(events)
    }

    /// Forget the stream; the noise floor too.
    fn reset(&self, py: Python<'_>) {
        lock(&self.core, py).reset();
    }

    #[getter]
    fn speaking(&self, py: Python<'_>) -> bool {
        lock(&self.core, py).speaking()
    }

    #[getter]
    fn frames(&self, py: Python<'_>) -> u64 {
        lock(&self.core, py).frames()
    }

    #[getter]
    fn level_dbfs(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).level_dbfs()
    }

    #[getter]
    fn noise_floor_dbfs(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).noise_floor_dbfs()
    }
}
