//! Errors of the core as `antiphon.errors.AudioFormatError`.

use antiphon_core::{FormatError, RATES_HZ};
use pyo3::exceptions::PyOverflowError;
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

/// An integer argument of any size; one that is not of 64 bits saturates.
///
/// Every integer that Python hands over comes by way of this, so that none can raise an
/// `OverflowError`: the functions below refuse it by the name of its argument.
pub(crate) fn integer(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = value.py();
    match value.extract::<i64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
            Ok(if value.lt(0)? { i64::MIN } else { i64::MAX })
        }
        extracted => extracted,
    }
}

/// The same for an argument that can be None.
pub(crate) fn optional_integer(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_none() {
        Ok(None)
    } else {
        integer(value).map(Some)
    }
}

/// A number of any size; an integer that no float can hold is infinite.
pub(crate) fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let py = value.py();
    match value.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
            Ok(f64::INFINITY.copysign(if value.lt(0)? { -1.0 } else { 1.0 }))
        }
        extracted => extracted,
    }
}

/// The argument `now_us`.
pub(crate) fn now_us(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let now_us = integer(value)?;
    if now_us == i64::MIN || now_us == i64::MAX {
        let now_us = shown(now_us);
        let message = format!("now_us is {now_us}; it must be microseconds in 64 bits");
        return Err(audio_format_error(value.py(), message));
    }
    Ok(now_us)
}

/// An [`integer`], for a message.
pub(crate) fn shown(value: i64) -> String {
    match value {
        i64::MIN => "-2**63 or less".to_owned(),
        i64::MAX => "2**63 - 1 or more".to_owned(),
        _ => value.to_string(),
    }
}

/// `value` as the core takes it; whether it is in range is the core's to say.
pub(crate) fn to_u32(py: Python<'_>, name: &str, value: i64) -> PyResult<u32> {
    u32::try_from(value).map_err(|_| out_of_range(py, name, value, "be below 2**32"))
}

/// A number of frames.
pub(crate) fn to_frames(py: Python<'_>, name: &str, value: i64) -> PyResult<usize> {
    usize::try_from(value)
        .ok()
        .filter(|_| value != i64::MAX)
        .ok_or_else(|| out_of_range(py, name, value, "be below 2**63 - 1"))
}

fn out_of_range(py: Python<'_>, name: &str, value: i64, limit: &str) -> PyErr {
    let rule = if value < 0 { "not be negative" } else { limit };
    audio_format_error(py, format!("{name} is {}; it must {rule}", shown(value)))
}

/// A sample rate as the core takes it.
pub(crate) fn to_rate_hz(py: Python<'_>, name: &str, value: i64) -> PyResult<u32> {
    u32::try_from(value)
        .ok()
        .filter(|hz| RATES_HZ.contains(hz))
        .ok_or_else(|| {
            let (value, min, max) = (shown(value), RATES_HZ.start(), RATES_HZ.end());
            let message = format!("{name} is {value}; it must be {min} to {max}");
            audio_format_error(py, message)
        })
}

/// A turn number as the core takes it. The very last one is refused: when it is flushed there is
/// no number left for what comes next.
pub(crate) fn to_turn(py: Python<'_>, turn: Option<i64>) -> PyResult<Option<u32>> {
    let Some(turn) = turn else { return Ok(None) };
    let number = u32::try_from(turn).ok().filter(|&turn| turn < u32::MAX);
    let limit = "be below 2**32 - 1, so that others can follow; leave it out for the newest turn";
    number
        .map(Some)
        .ok_or_else(|| out_of_range(py, "turn", turn, limit))
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
