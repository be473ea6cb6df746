//! `Playhead`, and the counters that come with it.

use antiphon_core::downlink::{Playhead as Core, Stats};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Where playing stands, at the end of the last pull.
#[pyclass(frozen, eq, get_all, module = "antiphon._native")]
#[derive(PartialEq)]
pub(crate) struct Playhead {
    /// The turn that is or was last played; None before the first.
    turn: Option<u32>,
    /// Frames of that turn handed over so far, at the buffer's own rate.
    media_frames: u64,
    /// Frames pushed and not yet handed over or dropped, of all turns; as of now.
    queued_frames: u64,
    /// What the buffer is doing.
    state: &'static str,
    /// All frames handed over since the start, silence included: the device's own clock.
    emitted_frames: u64,
    /// How many flushes have taken effect.
    flushes: u32,
    /// The turn that the last effective flush cut; None if none was playing.
    flushed_turn: Option<u32>,
    /// How many frames of that turn were heard, the fade included: exact.
    flushed_media_frames: u64,
}

#[pymethods]
impl Playhead {
    fn __repr__(&self) -> String {
        let turn = |turn: Option<u32>| turn.map_or("None".to_owned(), |turn| turn.to_string());
        format!(
            "Playhead(turn={}, media_frames={}, queued_frames={}, state='{}', emitted_frames={}, \
             flushes={}, flushed_turn={}, flushed_media_frames={})",
            turn(self.turn),
            self.media_frames,
            self.queued_frames,
            self.state,
            self.emitted_frames,
            self.flushes,
            turn(self.flushed_turn),
            self.flushed_media_frames,
        )
    }
}

impl From<Core> for Playhead {
    fn from(core: Core) -> Self {
        Self {
            turn: core.turn,
            media_frames: core.media_frames,
            queued_frames: core.queued_frames,
            state: core.state.name(),
            emitted_frames: core.emitted_frames,
            flushes: core.flushes,
            flushed_turn: core.flushed_turn,
            flushed_media_frames: core.flushed_media_frames,
        }
    }
}

/// The counters of a jitter buffer by name.
pub(crate) fn stats_dict<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    // Times are in seconds in webrtc-stats; their names say nothing of it.
    dict.set_item("jitter_buffer_delay", stats.jitter_buffer_delay_s)?;
    dict.set_item(
        "jitter_buffer_target_delay",
        stats.jitter_buffer_target_delay_s,
    )?;
    for (name, count) in [
        (
            "jitter_buffer_emitted_count",
            stats.jitter_buffer_emitted_count,
        ),
        ("total_samples_received", stats.total_samples_received),
        ("concealed_samples", stats.concealed_samples),
        ("silent_concealed_samples", stats.silent_concealed_samples),
        ("concealment_events", stats.concealment_events),
        (
            "inserted_samples_for_deceleration",
            stats.inserted_samples_for_deceleration,
        ),
        (
            "removed_samples_for_acceleration",
            stats.removed_samples_for_acceleration,
        ),
        ("interruption_count", stats.interruption_count),
        ("first_sound_delay_us", stats.first_sound_delay_us),
        ("underrun_us", stats.underrun_us),
        ("flush_count", stats.flush_count),
        ("pushed_frames", stats.pushed_frames),
        ("flushed_frames", stats.flushed_frames),
        ("dropped_late_frames", stats.dropped_late_frames),
        ("refused_frames", stats.refused_frames),
        ("duplicate_frames", stats.duplicate_frames),
        ("lost_frames", stats.lost_frames),
    ] {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}
