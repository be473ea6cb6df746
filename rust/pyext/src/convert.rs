//! The conversions as functions.

use antiphon_core::dsp::{convert, downmix as core};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::{self, Dtype, PySample, Room, shape_text};
use crate::errors::{OrRaise, audio_format_error};

/// Convert float32 samples to int16: round to nearest even of ``x * 32768``, saturating.
#[pyfunction]
#[pyo3(signature = (x, out=None))]
pub(crate) fn float_to_int16<'py>(
    x: &Bound<'py, PyAny>,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    convert_with(x, out, convert::f32_to_i16)
}

/// Convert int16 samples to float32: ``x / 32768``, exact. The inverse of `float_to_int16`.
#[pyfunction]
#[pyo3(signature = (x, out=None))]
pub(crate) fn int16_to_float<'py>(
    x: &Bound<'py, PyAny>,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    convert_with(x, out, convert::i16_to_f32)
}

/// Little-endian int16 bytes as a new array of shape (frames,).
#[pyfunction]
#[pyo3(signature = (pcm, /))]
pub(crate) fn int16_of_bytes<'py>(
    pcm: &Bound<'py, PyBytes>,
) -> PyResult<Bound<'py, PyArray1<i16>>> {
    let (samples, odd) = pcm.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        let size = pcm.as_bytes().len();
        let message = format!("{size} bytes are not a whole number of 16-bit samples");
        return Err(audio_format_error(pcm.py(), message));
    }
    let samples: Vec<i16> = samples
        .iter()
        .map(|&each| i16::from_le_bytes(each))
        .collect();
    Ok(samples.into_pyarray(pcm.py()))
}

fn convert_with<'py, I: PySample, O: PySample>(
    x: &Bound<'py, PyAny>,
    out: Option<Bound<'py, PyAny>>,
    convert: fn(&[I], &mut [O]),
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let samples = buffers::in_place::<I>(x)?;
    let out = out.unwrap_or_else(|| PyArrayDyn::<O>::zeros(py, samples.shape(), false).into_any());
    let mut room = Room::<O>::of(&out, &samples.addresses())?;
    if room.shape() != samples.shape() {
        let [out, x] = [room.shape(), samples.shape()].map(shape_text);
        return Err(audio_format_error(
            py,
            format!("out has the shape {out}, and x {x}"),
        ));
    }
    convert(samples.as_slice(), room.as_mut_slice()?);
    drop(room);
    Ok(out)
}

/// Average the channels of an array of shape (frames, channels) to mono, shape (frames,).
#[pyfunction]
pub(crate) fn downmix<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let array = x
        .cast::<PyUntypedArray>()
        .map_err(|_| audio_format_error(x.py(), "x is not an array of float32 or int16"))?;
    match Dtype::of(x)? {
        Dtype::Float32 => mean_of_channels::<f32>(array).map(Bound::into_any),
        Dtype::Int16 => mean_of_channels::<i16>(array).map(Bound::into_any),
    }
}

fn mean_of_channels<'py, T: PySample>(
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<Bound<'py, PyArray1<T>>> {
    let py = array.py();
    let samples = buffers::in_place::<T>(array)?;
    let interleaved = samples.as_slice();
    let (frames, channels) = match *array.shape() {
        [_] => return Ok(PyArray1::from_slice(py, interleaved)),
        [frames, channels] => (frames, u32::try_from(channels).unwrap_or(u32::MAX)),
        _ => {
            let shape = shape_text(array.shape());
            let message = format!("an array of shape {shape}; it must be (frames, channels)");
            return Err(audio_format_error(py, message));
        }
    };
    let channels = core::check_channels(channels).or_raise(py)?;
    let mut mono = vec![T::default(); frames];
    core::downmix(interleaved, channels, &mut mono);
    Ok(mono.into_pyarray(py))
}

/// Interleave mono arrays of one length and type; shape (frames, channels).
#[pyfunction]
pub(crate) fn interleave<'py>(channels: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = channels.py();
    let channels = channels.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    let Some(first) = channels.first() else {
        return Err(audio_format_error(py, "there is no channel"));
    };
    match Dtype::of(first)? {
        Dtype::Float32 => interleave_as::<f32>(py, &channels).map(Bound::into_any),
        Dtype::Int16 => interleave_as::<i16>(py, &channels).map(Bound::into_any),
    }
}

fn interleave_as<'py, T: PySample>(
    py: Python<'py>,
    channels: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let arrays = channels
        .iter()
        .map(|channel| buffers::mono::<T>(channel))
        .collect::<PyResult<Vec<_>>>()?;
    let slices: Vec<&[T]> = arrays.iter().map(buffers::Samples::as_slice).collect();
    let frames = slices[0].len();
    if let Some(other) = slices.iter().find(|channel| channel.len() != frames) {
        let other = other.len();
        let message = format!("channels of {frames} and {other} frames; all must be as long");
        return Err(audio_format_error(py, message));
    }
    let mut out = vec![T::default(); frames * slices.len()];
    core::interleave(&slices, &mut out);
    out.into_pyarray(py).reshape([frames, slices.len()])
}
