//! `DriftResampler` and `ClockDriftEstimator`.

use std::sync::Mutex;

use antiphon_core::dsp::drift::{ClockDriftEstimator as CoreEstimator, DriftResampler as Core};
use numpy::IntoPyArray;
use pyo3::prelude::*;

use crate::buffers::{self, Dtype, PySample, Room};
use crate::errors::{
    OrRaise, integer, now_us, number, optional_integer, to_frames, to_rate_hz, to_u32,
};
use crate::lock::{lock, lock_detached};
use crate::resampler::LONG_BLOCKS_PER_S;

/// A streaming resampler whose ratio may vary at any time.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct DriftResampler {
    core: Mutex<Core>,
    dtype: Dtype,
    /// Longer blocks are filtered without the interpreter.
    long_frames: usize,
}

#[pymethods]
impl DriftResampler {
    #[new]
    #[pyo3(signature = (nominal_in_hz, nominal_out_hz, max_ppm=1000, dtype="float32"))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] nominal_in_hz: i64,
        #[pyo3(from_py_with = integer)] nominal_out_hz: i64,
        #[pyo3(from_py_with = integer)] max_ppm: i64,
        dtype: &str,
    ) -> PyResult<Self> {
        let in_hz = to_rate_hz(py, "nominal_in_hz", nominal_in_hz)?;
        let out_hz = to_rate_hz(py, "nominal_out_hz", nominal_out_hz)?;
        let max_ppm = to_u32(py, "max_ppm", max_ppm)?;
        Ok(Self {
            dtype: Dtype::named(py, dtype)?,
            core: Mutex::new(Core::new(in_hz, out_hz, max_ppm).or_raise(py)?),
            long_frames: in_hz as usize / LONG_BLOCKS_PER_S,
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
    fn max_output_frames(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] in_frames: i64,
    ) -> PyResult<usize> {
        let in_frames = to_frames(py, "in_frames", in_frames)?;
        Ok(lock(&self.core, py).max_output_frames(in_frames))
    }

    /// How many more input frames make ``out_frames`` more frames ready.
    fn input_frames_for(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] out_frames: i64,
    ) -> PyResult<usize> {
        let out_frames = to_u32(py, "out_frames", out_frames)?;
        Ok(lock(&self.core, py).input_frames_for(out_frames as usize))
    }

    /// Return what is left, as `dtype`, and `reset`.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.dtype {
            Dtype::Float32 => self.flush_as::<f32>(py),
            Dtype::Int16 => self.flush_as::<i16>(py),
        }
    }

    /// Forget all input and the deviation of the ratio, as if newly made.
    fn reset(&self, py: Python<'_>) {
        lock(&self.core, py).reset();
    }

    /// Use input up faster by ``ppm`` than nominally.
    fn set_ppm(&self, py: Python<'_>, #[pyo3(from_py_with = number)] ppm: f64) -> PyResult<()> {
        lock(&self.core, py).set_ppm(ppm).or_raise(py)
    }

    /// By how much input is used up faster than nominally, now.
    #[getter]
    fn ppm(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).ppm()
    }

    #[getter]
    fn max_ppm(&self, py: Python<'_>) -> u32 {
        lock(&self.core, py).max_ppm()
    }

    #[getter]
    fn nominal_in_hz(&self, py: Python<'_>) -> u32 {
        lock(&self.core, py).nominal_in_hz()
    }

    #[getter]
    fn nominal_out_hz(&self, py: Python<'_>) -> u32 {
        lock(&self.core, py).nominal_out_hz()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.dtype.name()
    }

    /// The look-ahead in seconds.
    #[getter]
    fn delay_s(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).delay_s()
    }
}

impl DriftResampler {
    fn process_as<'py, T: PySample>(
        &self,
        x: &Bound<'py, PyAny>,
        last: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = x.py();
        let samples = buffers::mono::<T>(x)?;
        let made: Vec<T> = if samples.as_slice().len() > self.long_frames {
            let copy = samples.as_slice().to_vec();
            py.detach(|| lock_detached(&self.core).process(&copy, last))
        } else {
            lock(&self.core, py).process(samples.as_slice(), last)
        }
        .or_raise(py)?;
        buffers::answer(py, &samples, made)
    }

    fn flush_as<'py, T: PySample>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let made = lock(&self.core, py).process::<T, T>(&[], true);
        Ok(made.or_raise(py)?.into_pyarray(py).into_any())
    }

    fn process_into_as<T: PySample>(
        &self,
        x: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let py = x.py();
        let samples = buffers::mono::<T>(x)?;
        let mut room = Room::<T>::of(out, &samples.addresses())?;
        let room = room.as_mut_slice()?;
        lock(&self.core, py)
            .process_into(samples.as_slice(), room)
            .or_raise(py)
    }
}

/// Finds how much faster one clock runs than another, from the fill of the ring between them.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct ClockDriftEstimator(Mutex<CoreEstimator>);

#[pymethods]
impl ClockDriftEstimator {
    #[new]
    #[pyo3(signature = (rate_hz, target_frames, max_ppm=1000))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] rate_hz: i64,
        #[pyo3(from_py_with = integer)] target_frames: i64,
        #[pyo3(from_py_with = integer)] max_ppm: i64,
    ) -> PyResult<Self> {
        let rate_hz = to_rate_hz(py, "rate_hz", rate_hz)?;
        let target_frames = to_u32(py, "target_frames", target_frames)?;
        let max_ppm = to_u32(py, "max_ppm", max_ppm)?;
        let core = CoreEstimator::new(rate_hz, target_frames, max_ppm).or_raise(py)?;
        Ok(Self(Mutex::new(core)))
    }

    /// Take the fill at ``now_us``; return by how many ppm to use it up faster than nominally.
    #[pyo3(signature = (fill_frames, now_us, written_us=None))]
    fn update(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = number)] fill_frames: f64,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] written_us: Option<i64>,
    ) -> f64 {
        let core = &mut lock(&self.0, py);
        match written_us {
            None => core.update(fill_frames, now_us),
            Some(written_us) => core.update_written(fill_frames, now_us, written_us),
        }
    }

    /// Forget everything, as if newly made.
    fn reset(&self, py: Python<'_>) {
        lock(&self.0, py).reset();
    }

    /// The last answer of `update`.
    #[getter]
    fn ppm(&self, py: Python<'_>) -> f64 {
        lock(&self.0, py).ppm()
    }

    /// By how much the writer's clock runs faster than the reader's, as far as is known.
    #[getter]
    fn drift_ppm(&self, py: Python<'_>) -> f64 {
        lock(&self.0, py).drift_ppm()
    }

    #[getter]
    fn target_frames(&self, py: Python<'_>) -> u32 {
        lock(&self.0, py).target_frames()
    }
}
