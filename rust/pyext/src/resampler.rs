//! `Resampler`.

use std::sync::Mutex;

use antiphon_core::dsp::resample::{self as core, Profile, Resampler as Core};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::buffers::{self, Dtype, PySample, Room};
use crate::errors::{OrRaise, integer, number, to_frames, to_rate_hz, to_u32};
use crate::lock::{lock, lock_detached};

/// Blocks longer than this part of a second let go of the interpreter while they are filtered.
pub(crate) const LONG_BLOCKS_PER_S: usize = 5;

/// A streaming resampler: a polyphase FIR of fixed ratio.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Resampler {
    state: Mutex<State>,
    /// Longer blocks are filtered without the interpreter.
    long_frames: usize,
    dtype: Dtype,
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
    delay_frames: (usize, usize),
    delay_s: f64,
}

struct State {
    core: Core,
    scratch: (Vec<f32>, Vec<i16>),
}

/// A sample type that has its place in a [`State`].
trait Scratch: Sized {
    fn scratch(scratch: &mut (Vec<f32>, Vec<i16>)) -> &mut Vec<Self>;
}

impl Scratch for f32 {
    fn scratch(scratch: &mut (Vec<f32>, Vec<i16>)) -> &mut Vec<Self> {
        &mut scratch.0
    }
}

impl Scratch for i16 {
    fn scratch(scratch: &mut (Vec<f32>, Vec<i16>)) -> &mut Vec<Self> {
        &mut scratch.1
    }
}

#[pymethods]
impl Resampler {
    #[new]
    #[pyo3(signature = (in_hz, out_hz, profile="voice", dtype="float32"))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] in_hz: i64,
        #[pyo3(from_py_with = integer)] out_hz: i64,
        profile: &str,
        dtype: &str,
    ) -> PyResult<Self> {
        let dtype = Dtype::named(py, dtype)?;
        Self::make(py, in_hz, out_hz, profile, dtype)
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
        Ok(lock(&self.state, py).core.max_output_frames(in_frames))
    }

    /// Pass over a gap of ``frames``; return what still rings, and the frames of silence after.
    fn skip<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = integer)] frames: i64,
    ) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let frames = to_u32(py, "frames", frames)? as usize;
        match self.dtype {
            Dtype::Float32 => self.skip_as::<f32>(py, frames),
            Dtype::Int16 => self.skip_as::<i16>(py, frames),
        }
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
        lock(&self.state, py).core.reset();
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
        self.dtype.name()
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

    /// How much later than it went in a tone of ``hz`` can come out, in seconds.
    fn group_delay_s(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = number)] hz: f64,
    ) -> PyResult<f64> {
        lock(&self.state, py).core.group_delay_s(hz).or_raise(py)
    }
}

impl Resampler {
    fn make(
        py: Python<'_>,
        in_hz: i64,
        out_hz: i64,
        profile: &str,
        dtype: Dtype,
    ) -> PyResult<Self> {
        let (in_hz, out_hz) = (
            to_rate_hz(py, "in_hz", in_hz)?,
            to_rate_hz(py, "out_hz", out_hz)?,
        );
        let profile = profile.parse().or_raise(py)?;
        let core = Core::new(in_hz, out_hz, profile).or_raise(py)?;
        let (delay_frames, delay_s) = (core.delay_frames(), core.delay_s());
        Ok(Self {
            state: Mutex::new(State {
                core,
                scratch: (Vec::new(), Vec::new()),
            }),
            long_frames: in_hz as usize / LONG_BLOCKS_PER_S,
            dtype,
            in_hz,
            out_hz,
            profile,
            delay_frames,
            delay_s,
        })
    }

    fn process_as<'py, T: PySample + Scratch>(
        &self,
        x: &Bound<'py, PyAny>,
        last: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = x.py();
        if let Ok(bytes) = x.cast_exact::<PyBytes>() {
            let samples = buffers::in_bytes::<T>(bytes)?;
            if !last && !self.is_long(samples.len()) {
                return self.process_bytes::<T>(py, samples);
            }
        } else if let Ok(array) = x.cast::<PyArray1<T>>()
            && !last
            && !self.is_long(array.len())
            && array.is_aligned()
            && let Ok(samples) = array.to_vec()
        {
            return self.process_samples(py, &samples);
        }
        let samples = buffers::mono::<T>(x)?;
        let made: Vec<T> = if self.is_long(samples.as_slice().len()) {
            let copy = samples.as_slice().to_vec();
            py.detach(|| lock_detached(&self.state).core.process(&copy, last))
        } else {
            lock(&self.state, py).core.process(samples.as_slice(), last)
        }
        .or_raise(py)?;
        buffers::answer(py, &samples, made)
    }

    /// Whether a block is filtered without the interpreter.
    fn is_long(&self, frames: usize) -> bool {
        frames > self.long_frames
    }

    /// From bytes to bytes, with nothing in between.
    fn process_bytes<'py, T: PySample>(
        &self,
        py: Python<'py>,
        samples: &[T::Bytes],
    ) -> PyResult<Bound<'py, PyAny>> {
        let core = &mut lock(&self.state, py).core;
        let bytes = core.output_frames(samples.len()) * size_of::<T>();
        let made = PyBytes::new_with(py, bytes, |room| {
            core.process_exact(samples, T::in_bytes_mut(room))
                .or_raise(py)
                .map(drop)
        })?;
        Ok(made.into_any())
    }

    /// By way of memory that is kept: making an array of a slice is quicker than of a vector.
    fn process_samples<'py, T: PySample + Scratch>(
        &self,
        py: Python<'py>,
        samples: &[T],
    ) -> PyResult<Bound<'py, PyAny>> {
        let state = &mut *lock(&self.state, py);
        let frames = state.core.output_frames(samples.len());
        let scratch = T::scratch(&mut state.scratch);
        if scratch.len() < frames {
            scratch.resize(frames, T::default());
        }
        let made = &mut scratch[..frames];
        state.core.process_exact(samples, made).or_raise(py)?;
        Ok(PyArray1::from_slice(py, made).into_any())
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
        lock(&self.state, py)
            .core
            .process_into(samples.as_slice(), room)
            .or_raise(py)
    }

    fn flush_as<'py, T: PySample>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let made: Vec<T> = lock(&self.state, py)
            .core
            .process::<T, T>(&[], true)
            .or_raise(py)?;
        Ok(made.into_pyarray(py).into_any())
    }

    fn skip_as<'py, T: PySample>(
        &self,
        py: Python<'py>,
        frames: usize,
    ) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let core = &mut lock(&self.state, py).core;
        let mut tail = vec![T::default(); core.max_skip_frames(frames)];
        let skipped = core.skip_into(frames, &mut tail).or_raise(py)?;
        tail.truncate(skipped.frames);
        Ok((tail.into_pyarray(py).into_any(), skipped.silent_frames))
    }
}

/// Resample a whole array, or bytes of int16, of any length.
#[pyfunction]
#[pyo3(signature = (x, in_hz, out_hz, profile="voice"))]
pub(crate) fn resample<'py>(
    x: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = integer)] in_hz: i64,
    #[pyo3(from_py_with = integer)] out_hz: i64,
    profile: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let (in_hz, out_hz) = (
        to_rate_hz(py, "in_hz", in_hz)?,
        to_rate_hz(py, "out_hz", out_hz)?,
    );
    let profile = profile.parse().or_raise(py)?;
    match Dtype::of(x)? {
        Dtype::Float32 => resample_as::<f32>(x, in_hz, out_hz, profile),
        Dtype::Int16 => resample_as::<i16>(x, in_hz, out_hz, profile),
    }
}

fn resample_as<'py, T: PySample>(
    x: &Bound<'py, PyAny>,
    in_hz: u32,
    out_hz: u32,
    profile: Profile,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let samples = buffers::mono::<T>(x)?;
    let copy = samples.as_slice().to_vec();
    let made: Vec<T> = py
        .detach(|| core::resample(&copy, in_hz, out_hz, profile))
        .or_raise(py)?;
    buffers::answer(py, &samples, made)
}
