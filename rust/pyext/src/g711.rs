//! G.711: the functions, `G711Decoder` and `G711Encoder`.

use std::sync::Mutex;

use antiphon_core::dsp::g711::{G711Decoder as CoreDecoder, G711Encoder as CoreEncoder, Law};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::{self, Codes};
use crate::errors::{OrRaise, integer, to_rate_hz};
use crate::lock::lock;

/// Encode int16 samples as µ-law.
#[pyfunction]
pub(crate) fn ulaw_encode<'py>(pcm: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    encode(Law::Ulaw, pcm)
}

/// Decode µ-law to int16 samples.
#[pyfunction]
pub(crate) fn ulaw_decode<'py>(codes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    decode(Law::Ulaw, codes)
}

/// Encode int16 samples as A-law.
#[pyfunction]
pub(crate) fn alaw_encode<'py>(pcm: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    encode(Law::Alaw, pcm)
}

/// Decode A-law to int16 samples.
#[pyfunction]
pub(crate) fn alaw_decode<'py>(codes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    decode(Law::Alaw, codes)
}

fn encode<'py>(law: Law, pcm: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = pcm.py();
    let samples = buffers::mono::<i16>(pcm)?;
    let pcm = samples.as_slice();
    if samples.is_bytes() {
        let made = PyBytes::new_with(py, pcm.len(), |codes| {
            law.encode(pcm, codes);
            Ok(())
        })?;
        return Ok(made.into_any());
    }
    let mut codes = vec![0; pcm.len()];
    law.encode(pcm, &mut codes);
    Ok(codes.into_pyarray(py).into_any())
}

fn decode<'py>(law: Law, codes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = codes.py();
    let codes = buffers::codes(codes)?;
    let mut pcm = vec![0; codes.as_slice().len()];
    law.decode(codes.as_slice(), &mut pcm);
    pcm_answer(py, &codes, pcm)
}

/// int16 samples as what the codes came as.
fn pcm_answer<'py>(
    py: Python<'py>,
    codes: &Codes<'_>,
    pcm: Vec<i16>,
) -> PyResult<Bound<'py, PyAny>> {
    if codes.is_bytes() {
        Ok(buffers::to_bytes(py, &pcm)?.into_any())
    } else {
        Ok(pcm.into_pyarray(py).into_any())
    }
}

fn law_named(py: Python<'_>, law: &str) -> PyResult<Law> {
    law.parse().or_raise(py)
}

/// From G.711 at 8 kHz to int16 samples at another rate, as one stream.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct G711Decoder {
    core: Mutex<CoreDecoder>,
    law: Law,
    out_hz: u32,
}

#[pymethods]
impl G711Decoder {
    #[new]
    #[pyo3(signature = (law, out_hz=16000, profile="voice"))]
    fn new(
        py: Python<'_>,
        law: &str,
        #[pyo3(from_py_with = integer)] out_hz: i64,
        profile: &str,
    ) -> PyResult<Self> {
        let (law, out_hz) = (law_named(py, law)?, to_rate_hz(py, "out_hz", out_hz)?);
        let profile = profile.parse().or_raise(py)?;
        let core = Mutex::new(CoreDecoder::new(law, out_hz, profile).or_raise(py)?);
        Ok(Self { core, law, out_hz })
    }

    /// Decode any number of codes; return the samples that are ready.
    #[pyo3(signature = (codes, last=false))]
    fn process<'py>(&self, codes: &Bound<'py, PyAny>, last: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = codes.py();
        let codes = buffers::codes(codes)?;
        let made = lock(&self.core, py).process(codes.as_slice(), last);
        pcm_answer(py, &codes, made.or_raise(py)?)
    }

    /// Return the samples that are left, and `reset`.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i16>>> {
        let made = lock(&self.core, py).process(&[], true);
        Ok(made.or_raise(py)?.into_pyarray(py))
    }

    /// Forget all input, as if newly made.
    fn reset(&self, py: Python<'_>) {
        lock(&self.core, py).resampler().reset();
    }

    #[getter]
    fn law(&self) -> &'static str {
        self.law.name()
    }

    #[getter]
    fn out_hz(&self) -> u32 {
        self.out_hz
    }

    /// Delay of the resampler.
    #[getter]
    fn delay_s(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).resampler().delay_s()
    }
}

/// From int16 samples at another rate to G.711 at 8 kHz, as one stream.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct G711Encoder {
    core: Mutex<CoreEncoder>,
    law: Law,
    in_hz: u32,
}

#[pymethods]
impl G711Encoder {
    #[new]
    #[pyo3(signature = (law, in_hz=24000, profile="voice"))]
    fn new(
        py: Python<'_>,
        law: &str,
        #[pyo3(from_py_with = integer)] in_hz: i64,
        profile: &str,
    ) -> PyResult<Self> {
        let (law, in_hz) = (law_named(py, law)?, to_rate_hz(py, "in_hz", in_hz)?);
        let profile = profile.parse().or_raise(py)?;
        let core = Mutex::new(CoreEncoder::new(law, in_hz, profile).or_raise(py)?);
        Ok(Self { core, law, in_hz })
    }

    /// Take any number of samples; return the codes that are ready.
    #[pyo3(signature = (pcm, last=false))]
    fn process<'py>(&self, pcm: &Bound<'py, PyAny>, last: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = pcm.py();
        let samples = buffers::mono::<i16>(pcm)?;
        let made = lock(&self.core, py).process(samples.as_slice(), last);
        let codes = made.or_raise(py)?;
        if samples.is_bytes() {
            Ok(PyBytes::new(py, &codes).into_any())
        } else {
            Ok(codes.into_pyarray(py).into_any())
        }
    }

    /// Return the codes that are left, and `reset`.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let core = &mut lock(&self.core, py);
        let frames = core.resampler().flush_frames();
        PyBytes::new_with(py, frames, |codes| {
            core.flush_into(codes).or_raise(py).map(drop)
        })
    }

    /// Forget all input, as if newly made.
    fn reset(&self, py: Python<'_>) {
        lock(&self.core, py).resampler().reset();
    }

    #[getter]
    fn law(&self) -> &'static str {
        self.law.name()
    }

    #[getter]
    fn in_hz(&self) -> u32 {
        self.in_hz
    }

    /// Delay of the resampler.
    #[getter]
    fn delay_s(&self, py: Python<'_>) -> f64 {
        lock(&self.core, py).resampler().delay_s()
    }
}
