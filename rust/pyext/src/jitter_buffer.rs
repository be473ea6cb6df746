//! `JitterBuffer`.

use std::sync::Mutex;

use antiphon_core::downlink::{JitterBuffer as Core, JitterBufferConfig, Monitor, Reader};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::buffers::Room;
use crate::errors::{
    OrRaise, audio_format_error, integer, now_us, optional_integer, shown, to_u32, to_us,
};
use crate::feed::Feed;
use crate::lock::lock;
use crate::playhead::{Playhead, stats_dict};

/// Most frames of one pull.
const MAX_PULL_FRAMES: i64 = 1 << 26;

/// A playout buffer for int16 mono in the *stream* regime (TCP, turn by turn).
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct JitterBuffer {
    feed: Feed,
    reader: Mutex<Reader>,
    monitor: Monitor,
}

#[pymethods]
impl JitterBuffer {
    #[new]
    #[pyo3(signature = (
        sample_rate_hz=24000, regime="stream", *, cushion_ms=60, max_wait_ms=120, capacity_s=600
    ))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] sample_rate_hz: i64,
        regime: &str,
        #[pyo3(from_py_with = integer)] cushion_ms: i64,
        #[pyo3(from_py_with = integer)] max_wait_ms: i64,
        #[pyo3(from_py_with = integer)] capacity_s: i64,
    ) -> PyResult<Self> {
        if regime != "stream" {
            let message = format!("regime is {regime:?}; it must be 'stream'");
            return Err(audio_format_error(py, message));
        }
        let config = config(
            py,
            "sample_rate_hz",
            sample_rate_hz,
            [cushion_ms, max_wait_ms, capacity_s],
        )?;
        let (writer, reader) = Core::new(config).or_raise(py)?.split();
        Ok(Self {
            monitor: writer.monitor(),
            feed: Feed::new(writer),
            reader: Mutex::new(reader),
        })
    }

    /// Queue audio of ``turn`` (None: the current one). Returns the frames accepted.
    #[pyo3(signature = (pcm, *, now_us, turn=None))]
    fn push(
        &self,
        pcm: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<usize> {
        self.feed.push(pcm, now_us, turn)
    }

    /// No more audio of this turn will come: running dry now is not an underrun.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn end_of_turn(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        self.feed.end_of_turn(py, now_us, turn)
    }

    /// Drop what is queued, with a 5 ms fade of what is sounding, in the next pull.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn flush(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        self.feed.flush(py, now_us, turn)
    }

    /// The next ``frames`` frames; silence where there is nothing to play.
    #[pyo3(signature = (frames, *, now_us))]
    fn pull<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = integer)] frames: i64,
        #[pyo3(from_py_with = now_us)] now_us: i64,
    ) -> PyResult<Bound<'py, PyArray1<i16>>> {
        let now_us = to_us(py, now_us)?;
        let count = usize::try_from(frames)
            .ok()
            .filter(|_| frames <= MAX_PULL_FRAMES);
        let Some(count) = count else {
            let message = format!(
                "frames is {}; it must be 0 to {MAX_PULL_FRAMES}",
                shown(frames)
            );
            return Err(audio_format_error(py, message));
        };
        let out = PyArray1::zeros(py, count, false);
        lock(&self.reader, py).pull(out.readwrite().as_slice_mut()?, now_us);
        Ok(out)
    }

    /// Like `pull`, filling ``out``.
    #[pyo3(signature = (out, *, now_us))]
    fn pull_into(
        &self,
        out: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
    ) -> PyResult<()> {
        let py = out.py();
        let now_us = to_us(py, now_us)?;
        let mut room = Room::<i16>::of(out, &[0_i16; 0])?;
        lock(&self.reader, py).pull(room.as_mut_slice()?, now_us);
        Ok(())
    }

    #[getter]
    fn playhead(&self) -> Playhead {
        self.monitor.playhead().into()
    }

    #[getter]
    fn sample_rate_hz(&self) -> u32 {
        self.monitor.sample_rate_hz()
    }

    /// Counters with W3C webrtc-stats names, in snake case, and our own.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats_dict(py, &self.monitor.stats())
    }
}

/// Settings as the core takes them.
pub(crate) fn config(
    py: Python<'_>,
    rate_name: &str,
    sample_rate_hz: i64,
    [cushion_ms, max_wait_ms, capacity_s]: [i64; 3],
) -> PyResult<JitterBufferConfig> {
    Ok(JitterBufferConfig {
        sample_rate_hz: to_u32(py, rate_name, sample_rate_hz)?,
        cushion_ms: to_u32(py, "cushion_ms", cushion_ms)?,
        max_wait_ms: to_u32(py, "max_wait_ms", max_wait_ms)?,
        capacity_s: to_u32(py, "capacity_s", capacity_s)?,
    })
}
