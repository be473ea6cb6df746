//! `Uplink` and `encode_realtime_audio`.

use std::sync::Mutex;

use antiphon_core::uplink::{Uplink as Core, encode};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::{self, Dtype, PySample, Samples};
use crate::errors::{OrRaise, audio_format_error, integer, now_us, to_rate_hz, to_u32};
use crate::lock::{lock, lock_detached};

/// Blocks longer than this part of a second let go of the interpreter.
const LONG_BLOCKS_PER_S: usize = 5;

/// Microphone blocks in, ready ``realtimeInput`` messages out, in one call.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Uplink {
    core: Mutex<Core>,
    /// Samples of a long block.
    long_samples: usize,
    channels: usize,
    packet_frames: usize,
    delay_s: f64,
}

#[pymethods]
impl Uplink {
    #[new]
    #[pyo3(signature = (in_hz, channels=1, out_hz=16000, packet_ms=20, profile="voice"))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] in_hz: i64,
        #[pyo3(from_py_with = integer)] channels: i64,
        #[pyo3(from_py_with = integer)] out_hz: i64,
        #[pyo3(from_py_with = integer)] packet_ms: i64,
        profile: &str,
    ) -> PyResult<Self> {
        let in_hz = to_rate_hz(py, "in_hz", in_hz)?;
        let core = Core::new(
            in_hz,
            to_u32(py, "channels", channels)?,
            to_rate_hz(py, "out_hz", out_hz)?,
            to_u32(py, "packet_ms", packet_ms)?,
            profile.parse().or_raise(py)?,
        )
        .or_raise(py)?;
        let channels = usize::from(core.channels());
        Ok(Self {
            long_samples: in_hz as usize * channels / LONG_BLOCKS_PER_S,
            channels,
            packet_frames: core.packet_frames(),
            delay_s: core.delay_s(),
            core: Mutex::new(core),
        })
    }

    /// Feed a block; return the messages that became full, each complete JSON as bytes.
    #[pyo3(signature = (block, *, now_us))]
    fn push<'py>(
        &self,
        block: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let Ok(array) = block.cast::<PyUntypedArray>() else {
            return self.push_samples(block.py(), &buffers::mono::<i16>(block)?, now_us);
        };
        self.check_shape(array)?;
        match Dtype::of(block)? {
            Dtype::Float32 => {
                let samples = buffers::from_array::<f32>(array)?;
                self.push_samples(block.py(), &Samples::Array(samples), now_us)
            }
            Dtype::Int16 => {
                let samples = buffers::from_array::<i16>(array)?;
                self.push_samples(block.py(), &Samples::Array(samples), now_us)
            }
        }
    }

    /// End of the stream: drain the resampler and the packetizer.
    #[pyo3(signature = (*, pad=true))]
    fn flush<'py>(&self, py: Python<'py>, pad: bool) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut messages = Vec::new();
        lock(&self.core, py)
            .flush(pad, |message| messages.push(message))
            .or_raise(py)?;
        Ok(messages
            .iter()
            .map(|message| PyBytes::new(py, message))
            .collect())
    }

    #[getter]
    fn packets(&self, py: Python<'_>) -> u64 {
        lock(&self.core, py).packets()
    }

    #[getter]
    fn packet_frames(&self) -> usize {
        self.packet_frames
    }

    #[getter]
    fn level_dbfs(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).level_dbfs()
    }

    #[getter]
    fn delay_s(&self) -> f64 {
        self.delay_s
    }
}

impl Uplink {
    /// (frames,) for one channel, or (frames, channels).
    fn check_shape(&self, array: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
        let channels = match *array.shape() {
            [_] => 1,
            [_, channels] => channels,
            _ => 0,
        };
        if channels == self.channels {
            return Ok(());
        }
        let (shape, expected) = (buffers::shape_text(array.shape()), self.channels);
        let message = format!("a block of shape {shape}; it must be (frames, {expected})");
        Err(audio_format_error(array.py(), message))
    }

    fn push_samples<'py, T: PySample>(
        &self,
        py: Python<'py>,
        samples: &Samples<'_, T>,
        now_us: i64,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut messages = Vec::new();
        let send = |message| messages.push(message);
        if samples.as_slice().len() > self.long_samples {
            let copy = samples.as_slice().to_vec();
            py.detach(|| lock_detached(&self.core).push(&copy, now_us, send))
        } else {
            lock(&self.core, py).push(samples.as_slice(), now_us, send)
        }
        .or_raise(py)?;
        Ok(messages
            .iter()
            .map(|message| PyBytes::new(py, message))
            .collect())
    }
}

/// One ``realtimeInput.audio`` message as compact JSON bytes.
#[pyfunction]
#[pyo3(signature = (pcm, rate_hz=16000))]
pub(crate) fn encode_realtime_audio<'py>(
    pcm: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = integer)] rate_hz: i64,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = pcm.py();
    let rate_hz = to_rate_hz(py, "rate_hz", rate_hz)?;
    let samples = buffers::mono::<i16>(pcm)?;
    Ok(PyBytes::new(
        py,
        &encode::realtime_audio(samples.as_slice(), rate_hz),
    ))
}
