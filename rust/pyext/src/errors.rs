//! Errors of the core as `antiphon.errors.AudioFormatError`.

use antiphon_core::FormatError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// An `AudioFormatError` with this text.
pub(crate) fn audio_format_error(py: Python<'_>, message: impl Into<String>) -> PyErr {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match TYPE.import(py, "antiphon.errors", "AudioFormatError") {
        Ok(error) => PyErr::from_type(error.clone(), (message.into(),)),
        Err(not_importable) => not_importable,
    }
}

/// Turns a core error into a Python one.
pub(crate) trait OrRaise<T> {
    /// The value, or the error to raise.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, FormatError> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| audio_format_error(py, error.to_string()))
    }
}

/// `value` as the core takes it; whether it is in range is the core's to say.
pub(crate) fn to_u32(py: Python<'_>, name: &str, value: i64) -> PyResult<u32> {
    u32::try_from(value).map_err(|_| {
        let limit = u32::MAX;
        audio_format_error(
            py,
            format!("{name} is {value}; it must be positive and below {limit}"),
        )
    })
}

/// A turn number as the core takes it.
pub(crate) fn to_turn(py: Python<'_>, turn: Option<i64>) -> PyResult<Option<u32>> {
    turn.map(|turn| to_u32(py, "turn", turn)).transpose()
}

/// A time in microseconds as the core takes it.
pub(crate) fn to_us(py: Python<'_>, now_us: i64) -> PyResult<u64> {
    u64::try_from(now_us).map_err(|_| {
        audio_format_error(
            py,
            format!("now_us is {now_us}; it must be microseconds of a clock that starts at 0"),
        )
    })
}
