//! Reading samples from arrays and bytes-like objects.

use antiphon_core::dsp::convert::Sample;
use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::audio_format_error;

/// A sample type that Python hands over, in arrays or as little-endian bytes.
pub(crate) trait PySample: Sample + Element + pyo3::buffer::Element {
    /// Its NumPy name.
    const NAME: &'static str;
    /// The same sample as bytes.
    type Bytes: Sample;
    /// Bytes as samples, in place; None if the count is not whole.
    fn in_bytes(bytes: &[u8]) -> Option<&[Self::Bytes]>;
    /// Room for samples in bytes, in place.
    fn in_bytes_mut(bytes: &mut [u8]) -> &mut [Self::Bytes];
    /// Samples from little-endian bytes; None if the count is not whole.
    fn from_bytes(bytes: &[u8]) -> Option<Vec<Self>>;
    /// Writes samples as little-endian bytes into a buffer of just that size.
    fn to_bytes(samples: &[Self], bytes: &mut [u8]);
}

macro_rules! py_sample {
    ($type:ty, $name:literal) => {
        impl PySample for $type {
            const NAME: &'static str = $name;
            type Bytes = [u8; size_of::<$type>()];

            fn in_bytes(bytes: &[u8]) -> Option<&[Self::Bytes]> {
                let (samples, rest) = bytes.as_chunks();
                rest.is_empty().then_some(samples)
            }

            fn in_bytes_mut(bytes: &mut [u8]) -> &mut [Self::Bytes] {
                bytes.as_chunks_mut().0
            }

            fn from_bytes(bytes: &[u8]) -> Option<Vec<Self>> {
                let samples = Self::in_bytes(bytes)?.iter().copied();
                Some(samples.map(Self::from_le_bytes).collect())
            }

            fn to_bytes(samples: &[Self], bytes: &mut [u8]) {
                for (bytes, sample) in Self::in_bytes_mut(bytes).iter_mut().zip(samples) {
                    *bytes = sample.to_le_bytes();
                }
            }
        }
    };
}

py_sample!(i16, "int16");
py_sample!(f32, "float32");

/// Samples that an argument holds: borrowed from an array, or a copy of a buffer.
pub(crate) enum Samples<'py, T: PySample> {
    /// C-contiguous and aligned.
    Array(PyReadonlyArrayDyn<'py, T>),
    /// Read from bytes.
    Bytes(Vec<T>),
}

impl<T: PySample> Samples<'_, T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            // `from_array` made sure that there is a slice.
            Self::Array(array) => array.as_slice().unwrap_or_default(),
            Self::Bytes(samples) => samples,
        }
    }

    /// Whether the argument was bytes-like.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}

/// One-dimensional samples from an array of just this type, or from bytes.
pub(crate) fn mono<'py, T: PySample>(x: &Bound<'py, PyAny>) -> PyResult<Samples<'py, T>> {
    let Ok(array) = x.cast::<PyUntypedArray>() else {
        return bytes(x).map(Samples::Bytes);
    };
    if array.ndim() != 1 {
        let message = format!(
            "an array of shape {}; it must have one dimension (downmix channels first)",
            shape_text(array)
        );
        return Err(audio_format_error(x.py(), message));
    }
    from_array(array).map(Samples::Array)
}

/// Samples of an array of just this type and of any shape, in C order; copied if need be.
pub(crate) fn from_array<'py, T: PySample>(
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let samples = typed::<T>(array)?;
    if array.is_c_contiguous() && array.is_aligned() {
        return borrow(samples);
    }
    let samples = samples.call_method0("copy")?.cast_into()?;
    borrow(&samples)
}

/// Samples of an array of just this type and of any shape, in place.
pub(crate) fn in_place<'py, T: PySample>(
    x: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    borrow(contiguous(x, name)?)
}

/// Room for samples in an array of just this type and of any shape.
pub(crate) fn in_place_mut<'py, T: PySample>(
    x: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    contiguous(x, name)?.try_readwrite().map_err(|reason| {
        audio_format_error(x.py(), format!("{name} cannot be written to: {reason}"))
    })
}

/// A typed array that has its samples in one piece.
fn contiguous<'a, 'py, T: PySample>(
    x: &'a Bound<'py, PyAny>,
    name: &str,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    let array = x
        .cast::<PyUntypedArray>()
        .map_err(|_| audio_format_error(x.py(), format!("{name} is {}, not an array", kind(x))))?;
    if !(array.is_c_contiguous() && array.is_aligned()) {
        let message = format!("{name} is not C-contiguous; pass numpy.ascontiguousarray({name})");
        return Err(audio_format_error(x.py(), message));
    }
    typed(array)
}

fn typed<'a, 'py, T: PySample>(
    array: &'a Bound<'py, PyUntypedArray>,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    array.cast::<PyArrayDyn<T>>().map_err(|_| {
        let message = format!("an array of {}; it must be {}", array.dtype(), T::NAME);
        audio_format_error(array.py(), message)
    })
}

fn borrow<'py, T: PySample>(
    array: &Bound<'py, PyArrayDyn<T>>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    array.try_readonly().map_err(|_| {
        audio_format_error(
            array.py(),
            "the input overlaps an array that is being written to",
        )
    })
}

/// Samples from a bytes-like object, or from a buffer of their own type such as `array.array`.
fn bytes<T: PySample>(x: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    let py = x.py();
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return whole(py, bytes.as_bytes());
    }
    if let Ok(buffer) = PyBuffer::<u8>::get(x) {
        return whole(py, &buffer.to_vec(py)?);
    }
    if let Ok(buffer) = PyBuffer::<T>::get(x) {
        return buffer.to_vec(py);
    }
    let message = format!("{}; give {} samples or bytes of them", kind(x), T::NAME);
    Err(audio_format_error(py, message))
}

fn whole<T: PySample>(py: Python<'_>, bytes: &[u8]) -> PyResult<Vec<T>> {
    T::from_bytes(bytes).ok_or_else(|| not_whole::<T>(py, bytes))
}

/// The samples of a `bytes`, where they are.
pub(crate) fn in_bytes<'a, T: PySample>(x: &'a Bound<'_, PyBytes>) -> PyResult<&'a [T::Bytes]> {
    let bytes = x.as_bytes();
    T::in_bytes(bytes).ok_or_else(|| not_whole::<T>(x.py(), bytes))
}

fn not_whole<T: PySample>(py: Python<'_>, bytes: &[u8]) -> PyErr {
    let message = format!(
        "{} bytes are not a whole number of {} samples",
        bytes.len(),
        T::NAME
    );
    audio_format_error(py, message)
}

/// What was made of `samples`, as what they came as: an array or bytes.
pub(crate) fn answer<'py, T: PySample>(
    py: Python<'py>,
    samples: &Samples<'_, T>,
    made: Vec<T>,
) -> PyResult<Bound<'py, PyAny>> {
    if samples.is_bytes() {
        Ok(to_bytes(py, &made)?.into_any())
    } else {
        Ok(made.into_pyarray(py).into_any())
    }
}

/// Codes of eight bits that an argument holds.
pub(crate) enum Codes<'py> {
    /// One-dimensional and contiguous.
    Array(PyReadonlyArrayDyn<'py, u8>),
    /// Where they are.
    Bytes(Bound<'py, PyBytes>),
    /// Copied from a buffer.
    Copy(Vec<u8>),
}

impl Codes<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            // `codes` made sure that there is a slice.
            Self::Array(array) => array.as_slice().unwrap_or_default(),
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copy(codes) => codes,
        }
    }

    /// Whether the argument was bytes-like.
    pub(crate) fn is_bytes(&self) -> bool {
        !matches!(self, Self::Array(_))
    }
}

/// One-dimensional codes from an array of uint8, or bytes.
pub(crate) fn codes<'py>(x: &Bound<'py, PyAny>) -> PyResult<Codes<'py>> {
    let py = x.py();
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return Ok(Codes::Bytes(bytes.clone()));
    }
    if let Ok(array) = x.cast::<PyUntypedArray>() {
        let codes = array.cast::<PyArrayDyn<u8>>().map_err(|_| {
            let message = format!("an array of {}; it must be uint8", array.dtype());
            audio_format_error(py, message)
        })?;
        if array.ndim() != 1 || !array.is_c_contiguous() {
            let shape = shape_text(array);
            let message =
                format!("an array of shape {shape}; it must have one dimension, in one piece");
            return Err(audio_format_error(py, message));
        }
        return Ok(Codes::Array(codes.try_readonly().map_err(|_| {
            audio_format_error(py, "the codes overlap an array that is being written to")
        })?));
    }
    match PyBuffer::<u8>::get(x) {
        Ok(buffer) => Ok(Codes::Copy(buffer.to_vec(py)?)),
        Err(_) => Err(audio_format_error(
            py,
            format!("{}; give bytes or an array of uint8", kind(x)),
        )),
    }
}

/// Samples as a new `bytes`.
pub(crate) fn to_bytes<'py, T: PySample>(
    py: Python<'py>,
    samples: &[T],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, size_of_val(samples), |bytes| {
        T::to_bytes(samples, bytes);
        Ok(())
    })
}

/// A shape as Python writes it.
pub(crate) fn shape_text(array: &Bound<'_, PyUntypedArray>) -> String {
    let sizes: Vec<_> = array.shape().iter().map(ToString::to_string).collect();
    format!("({})", sizes.join(", "))
}

fn kind(x: &Bound<'_, PyAny>) -> String {
    let name = x
        .get_type()
        .name()
        .unwrap_or_else(|_| PyString::new(x.py(), "an object"));
    format!("an object of type {name}")
}
