//! `Playout`.

use antiphon_device::{Playout as Core, PlayoutCallback, PlayoutConfig, PlayoutMonitor};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{OrRaise, integer, now_us, optional_integer, to_rate_hz, to_u32};
use crate::feed::Feed;
use crate::jitter_buffer::config;
use crate::playhead::{Playhead, stats_dict};

/// The downlink: a split jitter buffer, a resampler and a device callback.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Playout {
    feed: Feed,
    callback: PlayoutCallback,
    monitor: PlayoutMonitor,
    device_hz: u32,
    channels: u32,
    source_hz: u32,
    delay_s: f64,
}

#[pymethods]
impl Playout {
    #[new]
    #[pyo3(signature = (
        device_hz, channels=1, source_hz=24000, *,
        cushion_ms=60, max_wait_ms=120, capacity_s=600, profile="voice"
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] device_hz: i64,
        #[pyo3(from_py_with = integer)] channels: i64,
        #[pyo3(from_py_with = integer)] source_hz: i64,
        #[pyo3(from_py_with = integer)] cushion_ms: i64,
        #[pyo3(from_py_with = integer)] max_wait_ms: i64,
        #[pyo3(from_py_with = integer)] capacity_s: i64,
        profile: &str,
    ) -> PyResult<Self> {
        let config = PlayoutConfig {
            device_hz: to_rate_hz(py, "device_hz", device_hz)?,
            channels: to_u32(py, "channels", channels)?,
            buffer: config(
                py,
                "source_hz",
                source_hz,
                [cushion_ms, max_wait_ms, capacity_s],
            )?,
            profile: profile.parse().or_raise(py)?,
        };
        let core = Core::new(config).or_raise(py)?;
        Ok(Self {
            feed: Feed::new(core.writer),
            callback: core.callback,
            monitor: core.monitor,
            device_hz: config.device_hz,
            channels: config.channels,
            source_hz: config.buffer.sample_rate_hz,
            delay_s: core.delay_s,
        })
    }

    /// See `JitterBuffer.push`.
    #[pyo3(signature = (pcm, *, now_us, turn=None))]
    fn push(
        &self,
        pcm: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<usize> {
        self.feed.push(pcm, now_us, turn)
    }

    /// See `JitterBuffer.end_of_turn`.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn end_of_turn(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        self.feed.end_of_turn(py, now_us, turn)
    }

    /// See `JitterBuffer.flush`; it takes effect in the next callback.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn flush(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        self.feed.flush(py, now_us, turn)
    }

    #[getter]
    fn callback_address(&self) -> usize {
        self.callback.address()
    }

    #[getter]
    fn user_data(&self) -> usize {
        self.callback.user_data()
    }

    #[getter]
    fn playhead(&self) -> Playhead {
        self.monitor.playhead().into()
    }

    #[getter]
    fn device_hz(&self) -> u32 {
        self.device_hz
    }

    #[getter]
    fn channels(&self) -> u32 {
        self.channels
    }

    #[getter]
    fn source_hz(&self) -> u32 {
        self.source_hz
    }

    #[getter]
    fn delay_s(&self) -> f64 {
        self.delay_s
    }

    /// See `JitterBuffer.stats`; with ``callbacks``, ``device_underflows`` and
    /// ``callback_failures``.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.monitor.stats();
        let dict = stats_dict(py, &stats.buffer)?;
        dict.set_item("callbacks", stats.callbacks)?;
        dict.set_item("device_underflows", stats.device_underflows)?;
        dict.set_item("callback_failures", stats.callback_failures)?;
        Ok(dict)
    }
}
