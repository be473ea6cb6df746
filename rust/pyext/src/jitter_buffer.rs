//! `JitterBuffer`.

use std::sync::{Mutex, MutexGuard};

use antiphon_core::FormatError;
use antiphon_core::downlink::{
    JitterBuffer as Core, JitterBufferConfig, Monitor, PacketBuffer, PacketConfig, PacketReader,
    PacketWriter, Reader,
};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::buffers::{self, Room};
use crate::errors::{
    OrRaise, audio_format_error, integer, now_us, optional_integer, shown, to_u32, to_us,
};
use crate::feed::Feed;
use crate::lock::lock;
use crate::playhead::{Playhead, stats_dict};

/// Most frames of one pull.
const MAX_PULL_FRAMES: i64 = 1 << 26;

/// A playout buffer for int16 mono: *stream* (TCP, turn by turn) or *packet* (RTP, WebRTC).
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct JitterBuffer {
    ends: Ends,
    monitor: Monitor,
}

/// The two ends, by regime.
enum Ends {
    Stream {
        feed: Feed,
        reader: Mutex<Reader>,
    },
    Packet {
        writer: Mutex<PacketWriter>,
        reader: Mutex<PacketReader>,
    },
}

#[pymethods]
impl JitterBuffer {
    #[new]
    #[pyo3(signature = (
        sample_rate_hz=24000, regime="stream", *, packet_ms=20, smoothness=0.5,
        cushion_ms=60, max_wait_ms=120, capacity_s=600
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] sample_rate_hz: i64,
        regime: &str,
        #[pyo3(from_py_with = integer)] packet_ms: i64,
        smoothness: f32,
        #[pyo3(from_py_with = integer)] cushion_ms: i64,
        #[pyo3(from_py_with = integer)] max_wait_ms: i64,
        #[pyo3(from_py_with = integer)] capacity_s: i64,
    ) -> PyResult<Self> {
        let turns = [cushion_ms, max_wait_ms, capacity_s];
        let turns = config(py, "sample_rate_hz", sample_rate_hz, turns)?;
        let packets = PacketConfig {
            sample_rate_hz: turns.sample_rate_hz,
            packet_ms: to_u32(py, "packet_ms", packet_ms)?,
            smoothness,
        };
        // An argument out of its range is a mistake even where it does not matter.
        match regime {
            "stream" => {
                check_packets(packets).or_raise(py)?;
                let (writer, reader) = Core::new(turns).or_raise(py)?.split();
                Ok(Self {
                    monitor: writer.monitor(),
                    ends: Ends::Stream {
                        feed: Feed::new(writer),
                        reader: Mutex::new(reader),
                    },
                })
            }
            "packet" => {
                turns.check().or_raise(py)?;
                let (writer, reader) = PacketBuffer::new(packets).or_raise(py)?.split();
                Ok(Self {
                    monitor: writer.monitor(),
                    ends: Ends::Packet {
                        writer: Mutex::new(writer),
                        reader: Mutex::new(reader),
                    },
                })
            }
            _ => {
                let message = format!("regime is {regime:?}; it must be 'stream' or 'packet'");
                Err(audio_format_error(py, message))
            }
        }
    }

    /// Queue audio. Returns the frames accepted.
    #[pyo3(signature = (pcm, *, now_us, seq=None, turn=None))]
    fn push(
        &self,
        pcm: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] seq: Option<i64>,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<usize> {
        let py = pcm.py();
        match (&self.ends, seq, turn) {
            (Ends::Stream { feed, .. }, None, turn) => feed.push(pcm, now_us, turn),
            (Ends::Packet { writer, .. }, Some(seq), None) => {
                let now_us = to_us(py, now_us)?;
                let Ok(seq) = u16::try_from(seq) else {
                    let message = format!(
                        "seq is {}; it must be 0 to 65535, and wraps around",
                        shown(seq)
                    );
                    return Err(audio_format_error(py, message));
                };
                let samples = buffers::mono::<i16>(pcm)?;
                lock(writer, py)
                    .push(seq, samples.as_slice(), now_us)
                    .or_raise(py)
            }
            (Ends::Stream { .. }, Some(_), _) => Err(audio_format_error(
                py,
                "seq is for regime='packet'; a stream comes in order: leave it out".to_owned(),
            )),
            (Ends::Packet { .. }, None, _) => Err(audio_format_error(
                py,
                "seq is missing; with regime='packet' every packet has its number".to_owned(),
            )),
            (Ends::Packet { .. }, _, Some(_)) => Err(turn_of_packets(py)),
        }
    }

    /// No more audio will come for now: running dry is not an underrun.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn end_of_turn(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        match &self.ends {
            Ends::Stream { feed, .. } => feed.end_of_turn(py, now_us, turn),
            Ends::Packet { writer, .. } => {
                packets(py, writer, now_us, turn)?.end();
                Ok(())
            }
        }
    }

    /// Drop what is queued, with a 5 ms fade of what is sounding, in the next pull.
    #[pyo3(signature = (*, now_us, turn=None))]
    fn flush(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
        #[pyo3(from_py_with = optional_integer)] turn: Option<i64>,
    ) -> PyResult<()> {
        match &self.ends {
            Ends::Stream { feed, .. } => feed.flush(py, now_us, turn),
            Ends::Packet { writer, .. } => {
                packets(py, writer, now_us, turn)?.flush();
                Ok(())
            }
        }
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
        self.fill(py, out.readwrite().as_slice_mut()?, now_us);
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
        let mut room = Room::<i16>::of(out, &(0..0))?;
        self.fill(py, room.as_mut_slice()?, now_us);
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

impl JitterBuffer {
    fn fill(&self, py: Python<'_>, out: &mut [i16], now_us: u64) {
        match &self.ends {
            Ends::Stream { reader, .. } => lock(reader, py).pull(out, now_us),
            Ends::Packet { reader, .. } => lock(reader, py).pull(out, now_us),
        }
    }
}

/// Whether the settings of packets are in their ranges; at a rate of which every millisecond is
/// whole frames, as a stream's rate need not be.
fn check_packets(config: PacketConfig) -> Result<(), FormatError> {
    let sample_rate_hz = JitterBufferConfig::MIN_RATE_HZ;
    PacketBuffer::new(PacketConfig {
        sample_rate_hz,
        ..config
    })
    .map(drop)
}

/// The pushing end of packets, which belong to no turn.
fn packets<'a>(
    py: Python<'_>,
    writer: &'a Mutex<PacketWriter>,
    now_us: i64,
    turn: Option<i64>,
) -> PyResult<MutexGuard<'a, PacketWriter>> {
    to_us(py, now_us)?;
    match turn {
        Some(_) => Err(turn_of_packets(py)),
        None => Ok(lock(writer, py)),
    }
}

fn turn_of_packets(py: Python<'_>) -> PyErr {
    audio_format_error(py, "turn is for regime='stream'; packets have seq alone")
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
