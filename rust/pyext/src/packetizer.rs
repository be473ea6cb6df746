//! `Packetizer` and `Packet`.

use std::sync::Mutex;

use antiphon_core::uplink::{Packet as CorePacket, Packetizer as Core};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers;
use crate::errors::{OrRaise, integer, now_us, to_u32};
use crate::lock::lock;

/// A fixed duration of mono int16 PCM.
#[pyclass(frozen, get_all, module = "antiphon._native")]
pub(crate) struct Packet {
    /// 0, 1, 2 … since the packetizer was made; pauses do not skip numbers.
    sequence: u64,
    /// When the first frame of the packet was captured.
    capture_us: i64,
    /// Little-endian int16.
    pcm: Py<PyBytes>,
    /// Frames of the packet.
    frames: usize,
}

impl Packet {
    fn new(py: Python<'_>, packet: &CorePacket<'_>) -> PyResult<Self> {
        Ok(Self {
            sequence: packet.sequence,
            capture_us: packet.capture_us,
            pcm: buffers::to_bytes(py, packet.pcm)?.unbind(),
            frames: packet.pcm.len(),
        })
    }
}

/// Cuts mono int16 PCM into packets of one duration.
#[pyclass(frozen, module = "antiphon._native")]
pub(crate) struct Packetizer {
    core: Mutex<Core>,
    packet_frames: usize,
}

#[pymethods]
impl Packetizer {
    #[new]
    #[pyo3(signature = (sample_rate_hz=16000, packet_ms=20))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = integer)] sample_rate_hz: i64,
        #[pyo3(from_py_with = integer)] packet_ms: i64,
    ) -> PyResult<Self> {
        let rate_hz = to_u32(py, "sample_rate_hz", sample_rate_hz)?;
        let core = Core::new(rate_hz, to_u32(py, "packet_ms", packet_ms)?).or_raise(py)?;
        Ok(Self {
            packet_frames: core.packet_frames(),
            core: Mutex::new(core),
        })
    }

    /// Add PCM whose first frame was captured at ``now_us``; return the full packets.
    #[pyo3(signature = (pcm, *, now_us))]
    fn push(
        &self,
        pcm: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = now_us)] now_us: i64,
    ) -> PyResult<Vec<Packet>> {
        let py = pcm.py();
        let samples = buffers::mono::<i16>(pcm)?;
        let mut packets = Vec::new();
        lock(&self.core, py).push(samples.as_slice(), now_us, |packet| {
            packets.push(Packet::new(py, &packet));
        });
        packets.into_iter().collect()
    }

    /// End the stream: return the unfinished packet padded with silence, or drop it.
    #[pyo3(signature = (*, pad=true))]
    fn flush(&self, py: Python<'_>, pad: bool) -> PyResult<Vec<Packet>> {
        let mut packets = Vec::new();
        lock(&self.core, py).flush(pad, |packet| packets.push(Packet::new(py, &packet)));
        packets.into_iter().collect()
    }

    #[getter]
    fn packet_frames(&self) -> usize {
        self.packet_frames
    }

    #[getter]
    fn pending_frames(&self, py: Python<'_>) -> usize {
        lock(&self.core, py).pending_frames()
    }
}
