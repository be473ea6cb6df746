//! `text_frame` and `whole_messages`.

use antiphon_core::websocket;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// Make the frame of a text message, masked with a key of four bytes.
#[pyfunction]
#[pyo3(signature = (text, key, /))]
pub(crate) fn text_frame<'py>(
    text: &Bound<'py, PyBytes>,
    key: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let Ok(key) = key.try_into() else {
        let message = format!("key has {} bytes; it must have 4", key.len());
        return Err(PyValueError::new_err(message));
    };
    let frame = websocket::text_frame(text.as_bytes(), key);
    Ok(PyBytes::new(text.py(), &frame))
}

/// Take the whole messages from the beginning of what a WebSocket server sent.
#[pyfunction]
#[pyo3(signature = (data, max_bytes, /))]
pub(crate) fn whole_messages<'py>(
    data: &Bound<'py, PyBytes>,
    max_bytes: usize,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let py = data.py();
    let bytes = data.as_bytes();
    let messages = PyList::empty(py);
    let mut end = 0;
    for found in websocket::whole_messages(bytes, max_bytes) {
        end = found.end;
        messages.append(PyBytes::new(py, &bytes[found]))?;
    }
    Ok((messages, end))
}
