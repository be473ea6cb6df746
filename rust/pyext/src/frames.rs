//! `whole_messages`.

use antiphon_core::downlink::whole_messages as find;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

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
    for found in find(bytes, max_bytes) {
        end = found.end;
        messages.append(PyBytes::new(py, &bytes[found]))?;
    }
    Ok((messages, end))
}
