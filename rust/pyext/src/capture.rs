//! `Capture`.

use std::sync::Mutex;

use antiphon_device::{Capture as Core, CaptureCallback, CaptureReader};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::errors::{
    OrRaise, audio_format_error, integer, optional_integer, shown, to_rate_hz, to_u32,
};
use crate::lock::lock;

/// The first stage of the uplink: a device callback and the ring it fills.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Capture {
    callback: CaptureCallback,
    reader: Mutex<CaptureReader>,
    device_hz: u32,
    channels: u32,
}

#[pymethods]
impl Capture {
    #[new]
    #[pyo3(signature = (device_hz, channels=1, *, capacity_ms=2000))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] device_hz: i64,
        #[pyo3(from_py_with = integer)] channels: i64,
        #[pyo3(from_py_with = integer)] capacity_ms: i64,
    ) -> PyResult<Self> {
        let device_hz = to_rate_hz(py, "device_hz", device_hz)?;
        let channels = to_u32(py, "channels", channels)?;
        let capacity_ms = to_u32(py, "capacity_ms", capacity_ms)?;
        let core = Core::new(device_hz, channels, capacity_ms).or_raise(py)?;
        Ok(Self {
            callback: core.callback,
            reader: Mutex::new(core.reader),
            device_hz,
            channels,
        })
    }

    /// Take what was captured, and the time at which its first frame was captured.
    #[pyo3(signature = (max_frames=None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = optional_integer)] max_frames: Option<i64>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, u64)> {
        let max_frames = match max_frames {
            None => usize::MAX,
            Some(frames) => usize::try_from(frames).map_err(|_| {
                let message = format!("max_frames is {}; it must not be negative", shown(frames));
                audio_format_error(py, message)
            })?,
        };
        let mut samples = Vec::new();
        let capture_us = lock(&self.reader, py).read_into(max_frames, &mut samples);
        let channels = self.channels as usize;
        let shape = [samples.len() / channels, channels];
        Ok((PyArray1::from_vec(py, samples).reshape(shape)?, capture_us))
    }

    #[getter]
    fn available_frames(&self, py: Python<'_>) -> usize {
        lock(&self.reader, py).available_frames()
    }

    #[getter]
    fn dropped_frames(&self, py: Python<'_>) -> u64 {
        lock(&self.reader, py).dropped_frames()
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
    fn device_hz(&self) -> u32 {
        self.device_hz
    }

    #[getter]
    fn channels(&self) -> u32 {
        self.channels
    }
}
