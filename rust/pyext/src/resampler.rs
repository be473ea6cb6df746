//! `Resampler`.

use std::sync::Mutex;

use antiphon_core::dsp::resample::{Profile, Resampler as Core};
use numpy::{IntoPyArray, PyReadwriteArrayDyn};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::buffers::{self, PySample};
use crate::errors::{OrRaise, audio_format_error, to_u32};
use crate::lock::{lock, lock_detached};

/// Blocks longer than this part of a second let go of the interpreter while they are filtered.
const LONG_BLOCKS_PER_S: usize = 5;

/// A streaming resampler: fixed ratio, polyphase FIR, linear phase, time-aligned.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Resampler {
    core: Mutex<Core>,
    dtype: Dtype,
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
    delay_frames: (usize, usize),
    delay_s: f64,
}

#[derive(Clone, Copy)]
enum Dtype {
    Float32,
    Int16,
}

#[pymethods]
impl Resampler {
    #[new]
    #[pyo3(signature = (in_hz, out_hz, profile="voice", dtype="float32"))]
    fn new(py: Python<'_>, in_hz: i64, out_hz: i64, profile: &str, dtype: &str) -> PyResult<Self> {
        let (in_hz, out_hz) = (to_u32(py, "in_hz", in_hz)?, to_u32(py, "out_hz", out_hz)?);
        let profile = profile.parse().or_raise(py)?;
        let dtype = match dtype {
            "float32" => Dtype::Float32,
            "int16" => Dtype::Int16,
            _ => {
                let message = format!("dtype is {dtype:?}; it must be 'float32' or 'int16'");
                return Err(audio_format_error(py, message));
            }
        };
        let core = Core::new(in_hz, out_hz, profile).or_raise(py)?;
        let (delay_frames, delay_s) = (core.delay_frames(), core.delay_s());
        Ok(Self {
            core: Mutex::new(core),
            dtype,
            in_hz,
            out_hz,
            profile,
            delay_frames,
            delay_s,
        })
    }

    /// Feed one mono block of any length; return what is ready.
    #[pyo3(signature = (x, last=false))]
    fn process<'py>(&self, x: &Bound<'py, PyAny>, last: bool) -> PyResult<Bound<'py, PyAny>> {
        match self.dtype {
            Dtype::Float32 => self.process_as::<f32>(x, last),
            Dtype::Int16 => self.process_as::<i16>(x, last),
        }
    }

    /// Like `process`, into ``out``; returns the frames written.
    fn process_into(&self, x: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>) -> PyResult<usize> {
        match self.dtype {
            Dtype::Float32 => self.process_into_as::<f32>(x, out),
            Dtype::Int16 => self.process_into_as::<i16>(x, out),
        }
    }

    /// The most frames that one call with ``in_frames`` can return (without ``last``).
    fn max_output_frames(&self, py: Python<'_>, in_frames: usize) -> usize {
        lock(&self.core, py).max_output_frames(in_frames)
    }

    /// Return what is left, as `dtype`, and `reset`.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.dtype {
            Dtype::Float32 => self.flush_as::<f32>(py),
            Dtype::Int16 => self.flush_as::<i16>(py),
        }
    }

    /// Forget all input, as if newly made.
    fn reset(&self, py: Python<'_>) {
        lock(&self.core, py).reset();
    }

    #[getter]
    fn in_hz(&self) -> u32 {
        self.in_hz
    }

    #[getter]
    fn out_hz(&self) -> u32 {
        self.out_hz
    }

    #[getter]
    fn profile(&self) -> &'static str {
        self.profile.name()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        match self.dtype {
            Dtype::Float32 => f32::NAME,
            Dtype::Int16 => i16::NAME,
        }
    }

    /// Look-ahead in output frames: how much later than its centre a frame can be made.
    #[getter]
    fn delay_frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static FRACTION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        FRACTION
            .import(py, "fractions", "Fraction")?
            .call1(self.delay_frames)
    }

    /// `delay_frames` in seconds.
    #[getter]
    fn delay_s(&self) -> f64 {
        self.delay_s
    }
}

impl Resampler {
    fn process_as<'py, T: PySample>(
        &self,
        x: &Bound<'py, PyAny>,
        last: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = x.py();
        let samples = buffers::mono::<T>(x)?;
        let made: Vec<T> = if samples.as_slice().len() * LONG_BLOCKS_PER_S > self.in_hz as usize {
            let copy = samples.as_slice().to_vec();
            py.detach(|| lock_detached(&self.core).process(&copy, last))
        } else {
            lock(&self.core, py).process(samples.as_slice(), last)
        }
        .or_raise(py)?;
        if samples.is_bytes() {
            Ok(buffers::to_bytes(py, &made)?.into_any())
        } else {
            Ok(made.into_pyarray(py).into_any())
        }
    }

    fn process_into_as<T: PySample>(
        &self,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let py = x.py();
        let samples = buffers::mono::<T>(x)?;
        let mut room: PyReadwriteArrayDyn<'_, T> = buffers::in_place_mut(out, "out")?;
        let room = room
            .as_slice_mut()
            .map_err(|error| audio_format_error(py, error.to_string()))?;
        lock(&self.core, py)
            .process_into(samples.as_slice(), room)
            .or_raise(py)
    }

    fn flush_as<'py, T: PySample>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let made: Vec<T> = lock(&self.core, py)
            .process::<T, T>(&[], true)
            .or_raise(py)?;
        Ok(made.into_pyarray(py).into_any())
    }
}
