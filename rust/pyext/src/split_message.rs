//! `split_server_message`.

use antiphon_core::downlink::split_server_message as split;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::kind;

/// A message, and its audio as (rate in Hz, little-endian int16 bytes).
type Split<'py> = (Bound<'py, PyBytes>, Vec<(u32, Bound<'py, PyBytes>)>);

/// Take the audio out of a server message in one scan.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn split_server_message<'py>(data: &Bound<'py, PyAny>) -> PyResult<Split<'py>> {
    let py = data.py();
    let message = match data.cast::<PyBytes>() {
        Ok(bytes) => bytes.clone(),
        Err(_) => PyBytes::new(py, &bytes_of(data)?),
    };
    let Some(found) = split(message.as_bytes()) else {
        return Ok((message, Vec::new()));
    };
    let audio = found.audio.iter();
    let audio = audio.map(|part| (part.rate_hz, PyBytes::new(py, &part.pcm)));
    Ok((PyBytes::new(py, &found.remainder), audio.collect()))
}

fn bytes_of(data: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let Ok(buffer) = PyBuffer::<u8>::get(data) else {
        let message = format!(
            "data is {}; it must be bytes or a buffer of bytes, such as bytearray, memoryview or \
             an array of uint8",
            kind(data)
        );
        return Err(PyTypeError::new_err(message));
    };
    buffer.to_vec(data.py())
}
