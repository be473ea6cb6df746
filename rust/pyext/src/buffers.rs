//! Reading samples from arrays and bytes-like objects.

use std::ops::Range;

use antiphon_core::dsp::convert::Sample;
use numpy::{
    BorrowError, Element, IntoPyArray, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods,
    PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::audio_format_error;

/// What the items of an array can be.
pub(crate) trait Item: Element + Copy + pyo3::buffer::Element {
    /// Its NumPy name.
    const NAME: &'static str;
}

impl Item for u8 {
    const NAME: &'static str = "uint8";
}

/// A sample type that Python hands over, in arrays or as little-endian bytes.
pub(crate) trait PySample: Sample + Item {
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
        impl Item for $type {
            const NAME: &'static str = $name;
        }

        impl PySample for $type {
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

/// The sample type of an array whose type is for the caller to choose.
#[derive(Clone, Copy)]
pub(crate) enum Dtype {
    Float32,
    Int16,
}

impl Dtype {
    pub(crate) fn named(py: Python<'_>, name: &str) -> PyResult<Self> {
        [Self::Float32, Self::Int16]
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| {
                let message = format!("dtype is {name:?}; it must be 'float32' or 'int16'");
                audio_format_error(py, message)
            })
    }

    /// That of an array; bytes are int16.
    pub(crate) fn of(x: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Ok(array) = x.cast::<PyUntypedArray>() else {
            if PyUntypedBuffer::get(x).is_ok() {
                return Ok(Self::Int16);
            }
            let kind = kind(x);
            let message = format!("{kind}; give an array of float32 or int16, or bytes of int16");
            return Err(audio_format_error(x.py(), message));
        };
        if array.cast::<PyArrayDyn<f32>>().is_ok() {
            Ok(Self::Float32)
        } else if array.cast::<PyArrayDyn<i16>>().is_ok() {
            Ok(Self::Int16)
        } else {
            let advice = match array.dtype().kind() {
                b'f' => "; pass x.astype(numpy.float32) if full scale is 1.0",
                _ => "",
            };
            let dtype = array.dtype();
            let message = format!("an array of {dtype}; it must be float32 or int16{advice}");
            Err(audio_format_error(x.py(), message))
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Float32 => f32::NAME,
            Self::Int16 => i16::NAME,
        }
    }
}

/// Samples that an argument holds: borrowed from an array, or a copy.
pub(crate) enum Samples<'py, T: PySample> {
    Array(View<'py, T>),
    /// Those of a short array, and the addresses where it lies.
    Short(Vec<T>, Range<usize>),
    /// Read from bytes.
    Bytes(Vec<T>),
}

/// Up to so many samples of an array are copied: 20 ms at 24 kHz.
///
/// A borrow is entered into a table that all extensions share, and struck out again. That costs a
/// call 50 ns more than the copy up to here, and as much as the copy at twice the size (measured).
const SHORT_FRAMES: usize = 480;

impl<T: PySample> Samples<'_, T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::Array(array) => array.as_slice(),
            Self::Short(samples, _) | Self::Bytes(samples) => samples,
        }
    }

    /// The addresses that the argument's array covers; none of bytes, which are copied.
    pub(crate) fn addresses(&self) -> Range<usize> {
        match self {
            Self::Array(array) => array.addresses(),
            Self::Short(_, addresses) => addresses.clone(),
            Self::Bytes(_) => 0..0,
        }
    }

    /// Whether the argument was bytes-like.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }
}

/// The items of an array, in one piece.
pub(crate) struct View<'py, T: Item>(PyReadonlyArrayDyn<'py, T>);

impl<'py, T: Item> View<'py, T> {
    fn new(array: &Bound<'py, PyArrayDyn<T>>) -> PyResult<Self> {
        let py = array.py();
        let view = array.try_readonly().map_err(|_| {
            audio_format_error(py, "the input overlaps an array that is being written to")
        })?;
        view.as_slice()
            .map_err(|error| audio_format_error(py, error.to_string()))?;
        Ok(Self(view))
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        // That there is a slice was seen when this was made.
        self.0.as_slice().unwrap_or_default()
    }

    pub(crate) fn addresses(&self) -> Range<usize> {
        addresses(&self.0)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.0.shape()
    }
}

/// One-dimensional samples from an array of just this type, or from bytes.
pub(crate) fn mono<'py, T: PySample>(x: &Bound<'py, PyAny>) -> PyResult<Samples<'py, T>> {
    let Ok(array) = x.cast::<PyUntypedArray>() else {
        return bytes(x).map(Samples::Bytes);
    };
    one_dimension(x.py(), array.shape())?;
    if array.len() <= SHORT_FRAMES && in_one_piece(array) {
        let items = typed(array)?;
        return Ok(Samples::Short(items.to_vec()?, addresses(items)));
    }
    from_array(array).map(Samples::Array)
}

fn one_dimension(py: Python<'_>, shape: &[usize]) -> PyResult<()> {
    if shape.len() == 1 {
        return Ok(());
    }
    let message = format!(
        "an array of shape {}; it must have one dimension (downmix channels first)",
        shape_text(shape)
    );
    Err(audio_format_error(py, message))
}

/// Items of an array of just this type and of any shape, in C order; copied if need be.
pub(crate) fn from_array<'py, T: Item>(
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<View<'py, T>> {
    let items = typed::<T>(array)?;
    if in_one_piece(array) {
        return View::new(items);
    }
    // Not by the method `copy`: what that of a subclass makes may lie in any order.
    let copy = PyArrayDyn::zeros(array.py(), array.shape(), false);
    items.copy_to(&copy)?;
    View::new(&copy)
}

/// Where the items lie of an array in one piece.
fn addresses<T: Item>(items: &Bound<'_, PyArrayDyn<T>>) -> Range<usize> {
    let start = items.data().addr();
    start..start + items.len() * size_of::<T>()
}

fn in_one_piece(array: &Bound<'_, PyUntypedArray>) -> bool {
    array.is_c_contiguous() && array.is_aligned()
}

/// Samples of the argument `x`, an array of just this type and of any shape, in place.
pub(crate) fn in_place<'py, T: PySample>(x: &Bound<'py, PyAny>) -> PyResult<View<'py, T>> {
    View::new(contiguous(x, "x", "pass x.copy()")?)
}

/// Room for samples in an array of just this type and of any shape, in one piece.
pub(crate) struct Room<'py, T: PySample>(PyReadwriteArrayDyn<'py, T>);

impl<'py, T: PySample> Room<'py, T> {
    /// That of the argument `out`, none of which may lie at the addresses of the input.
    pub(crate) fn of(out: &Bound<'py, PyAny>, input: &Range<usize>) -> PyResult<Self> {
        let py = out.py();
        let advice = "give an array that is, such as a new one (a copy of it would be filled)";
        let array = contiguous::<T>(out, "out", advice)?;
        let unwritable = |reason: &str| {
            let message = format!("out cannot be written to: {reason}");
            Err(audio_format_error(py, message))
        };
        // NumPy's bases do not tell all: two arrays may share memory that belongs to neither.
        let room = addresses(array);
        if room.start < input.end && input.start < room.end {
            return unwritable("it overlaps the input; give an array of its own");
        }
        match array.try_readwrite() {
            Ok(room) => Ok(Self(room)),
            Err(BorrowError::NotWriteable) => unwritable("the array is read-only"),
            Err(_) => unwritable("another call is using it"),
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> PyResult<&mut [T]> {
        Ok(self.0.as_slice_mut()?)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.0.shape()
    }
}

/// A typed array that has its samples in one piece.
fn contiguous<'a, 'py, T: PySample>(
    x: &'a Bound<'py, PyAny>,
    name: &str,
    advice: &str,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    let array = x
        .cast::<PyUntypedArray>()
        .map_err(|_| audio_format_error(x.py(), format!("{name} is {}, not an array", kind(x))))?;
    let typed = typed(array)?;
    let what = if !array.is_c_contiguous() {
        "C-contiguous"
    } else if !array.is_aligned() {
        "aligned in memory"
    } else {
        return Ok(typed);
    };
    Err(audio_format_error(
        x.py(),
        format!("{name} is not {what}; {advice}"),
    ))
}

fn typed<'a, 'py, T: Item>(
    array: &'a Bound<'py, PyUntypedArray>,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    array.cast::<PyArrayDyn<T>>().map_err(|_| {
        let dtype = array.dtype();
        // Only what keeps the sound is advised.
        let advice = match (dtype.kind(), dtype.itemsize(), T::NAME) {
            (b'i', 2, "int16") => "; pass x.astype(numpy.int16)",
            (b'i', 2, "float32") => "; int16_to_float makes it of int16",
            (b'f', _, "float32") => "; pass x.astype(numpy.float32)",
            (b'f', 4, "int16") => "; float_to_int16 makes it of float32",
            (b'f', _, "int16") => "; float_to_int16(x.astype(numpy.float32)) makes it",
            _ => "",
        };
        let message = format!("an array of {dtype}; it must be {}{advice}", T::NAME);
        audio_format_error(array.py(), message)
    })
}

/// Samples from a bytes-like object, or from a buffer of their own type such as `array.array`.
fn bytes<T: PySample>(x: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    let py = x.py();
    if let Ok(bytes) = x.cast::<PyBytes>() {
        return whole(py, bytes.as_bytes());
    }
    if let Ok(buffer) = PyBuffer::<u8>::get(x) {
        return whole(py, &items(py, &buffer)?);
    }
    if let Ok(buffer) = PyBuffer::<T>::get(x) {
        return items(py, &buffer);
    }
    let message = format!("{}; give {} samples or bytes of them", kind(x), T::NAME);
    Err(audio_format_error(py, message))
}

/// What a buffer of one dimension holds.
fn items<T: Item>(py: Python<'_>, buffer: &PyBuffer<T>) -> PyResult<Vec<T>> {
    one_dimension(py, buffer.shape())?;
    buffer.to_vec(py)
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
    Array(View<'py, u8>),
    /// Where they are.
    Bytes(Bound<'py, PyBytes>),
    /// Copied from a buffer.
    Copy(Vec<u8>),
}

impl Codes<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Array(array) => array.as_slice(),
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
        one_dimension(py, array.shape())?;
        return from_array(array).map(Codes::Array);
    }
    match PyBuffer::<u8>::get(x) {
        Ok(buffer) => items(py, &buffer).map(Codes::Copy),
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
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let sizes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    format!("({}{comma})", sizes.join(", "))
}

/// What an argument is, for a message.
pub(crate) fn kind(x: &Bound<'_, PyAny>) -> String {
    let name = x
        .get_type()
        .name()
        .unwrap_or_else(|_| PyString::new(x.py(), "an object"));
    format!("an object of type {name}")
}
