//! The pushing end of a jitter buffer, as `JitterBuffer` and `Playout` share it.

use std::sync::Mutex;

use antiphon_core::downlink::Writer;
use pyo3::prelude::*;

use crate::buffers;
use crate::errors::{to_turn, to_us};
use crate::lock::{lock, lock_detached};

/// Pushes of more frames than this let go of the interpreter.
const LONG_PUSH_FRAMES: usize = 96_000;

/// A writer that any thread may use.
pub(crate) struct Feed(Mutex<Writer>);

impl Feed {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(Mutex::new(writer))
    }

    pub(crate) fn push(
        &self,
        pcm: &Bound<'_, PyAny>,
        now_us: i64,
        turn: Option<i64>,
    ) -> PyResult<usize> {
        let py = pcm.py();
        let (now_us, turn) = (to_us(py, now_us)?, to_turn(py, turn)?);
        let samples = buffers::mono::<i16>(pcm)?;
        let samples = samples.as_slice();
        if samples.len() <= LONG_PUSH_FRAMES {
            return Ok(lock(&self.0, py).push(samples, now_us, turn));
        }
        let samples = samples.to_vec();
        Ok(py.detach(|| lock_detached(&self.0).push(&samples, now_us, turn)))
    }

    pub(crate) fn end_of_turn(
        &self,
        py: Python<'_>,
        now_us: i64,
        turn: Option<i64>,
    ) -> PyResult<()> {
        to_us(py, now_us)?;
        let turn = to_turn(py, turn)?;
        lock(&self.0, py).end_of_turn(turn);
        Ok(())
    }

    pub(crate) fn flush(&self, py: Python<'_>, now_us: i64, turn: Option<i64>) -> PyResult<()> {
        to_us(py, now_us)?;
        let turn = to_turn(py, turn)?;
        lock(&self.0, py).flush(turn);
        Ok(())
    }
}
