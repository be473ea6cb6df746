//! Microphone -> ring.

use std::ffi::{c_int, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use antiphon_core::{FormatError, check_rate_hz};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::exclusive::Exclusive;
use crate::range::{MAX_CHANNELS, in_range};
use crate::time::{StreamFlags, StreamTime, micros};

/// Blocks whose capture times are kept. More blocks than this can wait: the time of a frame is
/// then counted on from an earlier block.
const MAX_STAMPS: usize = 1_024;
const MAX_CAPACITY_MS: u32 = 60_000;
/// PortAudio's `paContinue`.
const CONTINUE: c_int = 0;

/// The two ends of a capture.
#[derive(Debug)]
pub struct Capture {
    /// The end that a device calls.
    pub callback: CaptureCallback,
    /// The end that is read.
    pub reader: CaptureReader,
}

impl Capture {
    /// Makes both ends, with a ring of `capacity_ms`.
    ///
    /// # Errors
    /// A rate, channel count or capacity out of its range.
    pub fn new(device_hz: u32, channels: u32, capacity_ms: u32) -> Result<Self, FormatError> {
        check_rate_hz("device_hz", device_hz)?;
        let channels = in_range("channels", channels, 1, MAX_CHANNELS)? as usize;
        in_range("capacity_ms", capacity_ms, 1, MAX_CAPACITY_MS)?;
        let frames = u64::from(device_hz) * u64::from(capacity_ms) / 1_000;
        let frames = usize::try_from(frames).unwrap_or(usize::MAX);
        let (samples_in, samples_out) = RingBuffer::new(frames * channels);
        let (stamps_in, stamps_out) = RingBuffer::new(MAX_STAMPS);
        let dropped = Arc::new(AtomicU64::new(0));
        let recorder = Recorder {
            device_hz,
            channels,
            samples: samples_in,
            stamps: stamps_in,
            frame: 0,
            next_us: 0,
            gap: true,
            dropped: Arc::clone(&dropped),
        };
        let reader = CaptureReader {
            device_hz,
            channels,
            samples: samples_out,
            stamps: stamps_out,
            frame: 0,
            stamp: Stamp::default(),
            dropped: Arc::clone(&dropped),
        };
        let callback = CaptureCallback {
            state: Arc::new(CallbackState {
                channels,
                dropped,
                recorder: Exclusive::new(recorder),
            }),
        };
        Ok(Self { callback, reader })
    }
}

/// The C function of a capture and what it works on, which lives as long as this.
#[derive(Debug)]
pub struct CaptureCallback {
    state: Arc<CallbackState>,
}

impl CaptureCallback {
    /// Address of the C function.
    pub fn address(&self) -> usize {
        capture_callback as *const () as usize
    }

    /// Its last argument. No device may call the function after this object is dropped.
    pub fn user_data(&self) -> usize {
        Arc::as_ptr(&self.state) as usize
    }
}

/// When a frame was captured.
#[derive(Debug, Clone, Copy, Default)]
struct Stamp {
    frame: u64,
    capture_us: u64,
    /// Whether frames are missing before this one.
    gap: bool,
}

impl Stamp {
    fn time_of(&self, frame: u64, device_hz: u32) -> u64 {
        let frames = frame.saturating_sub(self.frame);
        self.capture_us
            .saturating_add(frames * 1_000_000 / u64::from(device_hz))
    }
}

/// The end of a capture from which frames are taken.
#[derive(Debug)]
pub struct CaptureReader {
    device_hz: u32,
    channels: usize,
    samples: Consumer<f32>,
    stamps: Consumer<Stamp>,
    /// Number of the next frame; frames that were dropped have none.
    frame: u64,
    /// The last one at or before `frame`.
    stamp: Stamp,
    dropped: Arc<AtomicU64>,
}

impl CaptureReader {
    /// Takes up to `max_frames` frames, interleaved, into `out`, which is emptied first. Returns the
    /// time in microseconds at which the first was captured; 0 if there is none.
    ///
    /// Stops before a place where frames were dropped, so what it returns is contiguous.
    pub fn read_into(&mut self, max_frames: usize, out: &mut Vec<f32>) -> u64 {
        out.clear();
        // Stamps are sent before their frames: those of the frames that are there are there.
        let available = self.available_frames().min(max_frames);
        while let Some(stamp) = self.next_stamp(self.frame) {
            self.stamp = stamp;
        }
        let capture_us = self.stamp.time_of(self.frame, self.device_hz);
        let end = self.frame + available as u64;
        let mut contiguous = end;
        while let Ok(&stamp) = self.stamps.peek() {
            if stamp.frame >= end {
                break;
            }
            if stamp.gap {
                contiguous = stamp.frame;
                break;
            }
            self.stamp = stamp;
            let _ = self.stamps.pop();
        }
        let frames = usize::try_from(contiguous - self.frame).unwrap_or(0);
        if frames == 0 {
            return 0;
        }
        out.resize(frames * self.channels, 0.0);
        let taken = self.samples.pop_entire_slice(out);
        debug_assert!(taken.is_ok(), "no more than what is there");
        self.frame = contiguous;
        capture_us
    }

    /// Frames that wait to be read.
    pub fn available_frames(&self) -> usize {
        self.samples.slots() / self.channels
    }

    /// Frames that found the ring full, or came when no state was to be had.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn next_stamp(&mut self, up_to: u64) -> Option<Stamp> {
        let next = self.stamps.peek().is_ok_and(|stamp| stamp.frame <= up_to);
        next.then(|| self.stamps.pop().ok()).flatten()
    }
}

#[derive(Debug)]
struct CallbackState {
    channels: usize,
    dropped: Arc<AtomicU64>,
    recorder: Exclusive<Recorder>,
}

impl CallbackState {
    fn call(&self, input: &[f32], time: Option<&StreamTime>, flags: StreamFlags) {
        let recorded = catch_unwind(AssertUnwindSafe(|| {
            self.recorder
                .with(|recorder| recorder.record(input, time, flags))
        }));
        if !matches!(recorded, Ok(Some(()))) {
            let frames = input.len() / self.channels;
            self.dropped.fetch_add(frames as u64, Relaxed);
        }
    }
}

/// PortAudio's `PaStreamCallback` for input of interleaved float32.
///
/// # Safety
/// `input` is null or holds `frames` frames of the channels that the capture was made with,
/// aligned for float32 and not written to during the call. `time` is null or valid. `user_data`
/// is null or from [`CaptureCallback::user_data`] of an object that lives.
#[allow(unsafe_code)]
unsafe extern "C" fn capture_callback(
    input: *const c_void,
    _output: *mut c_void,
    frames: c_ulong,
    time: *const StreamTime,
    flags: c_ulong,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: null, or the address of a `CallbackState` in its `Arc`, which is alive and only
    // ever used by shared reference.
    let state = unsafe { user_data.cast::<CallbackState>().cast_const().as_ref() };
    let samples = state.and_then(|state| usize::try_from(frames).ok()?.checked_mul(state.channels));
    let (Some(state), Some(samples), false) = (state, samples, input.is_null()) else {
        return CONTINUE;
    };
    // SAFETY: the caller gives `frames` interleaved frames, for this call.
    let input = unsafe { std::slice::from_raw_parts(input.cast::<f32>(), samples) };
    // SAFETY: null, or valid for this call.
    let time = unsafe { time.as_ref() };
    state.call(input, time, StreamFlags(flags));
    CONTINUE
}

/// The writing end of the rings.
#[derive(Debug)]
struct Recorder {
    device_hz: u32,
    channels: usize,
    samples: Producer<f32>,
    stamps: Producer<Stamp>,
    /// Number of the next frame that goes into the ring.
    frame: u64,
    /// When the next frame is due, for devices that give no time.
    next_us: u64,
    /// Whether frames are missing before the next one.
    gap: bool,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    fn record(&mut self, input: &[f32], time: Option<&StreamTime>, flags: StreamFlags) {
        let offered = input.len() / self.channels;
        let capture_us = self.capture_time(offered, time);
        self.gap |= flags.input_overflowed();
        self.next_us = capture_us.saturating_add(self.micros(offered));

        let room = self.samples.slots() / self.channels;
        let mut frames = offered.min(room);
        if frames > 0 {
            let (frame, gap) = (self.frame, self.gap);
            let stamp = Stamp {
                frame,
                capture_us,
                gap,
            };
            // Without a stamp the time is counted on from the last one, which a gap makes wrong.
            match self.stamps.push(stamp) {
                Ok(()) => self.gap = false,
                Err(_) if self.gap => frames = 0,
                Err(_) => {}
            }
        }
        let kept = &input[..frames * self.channels];
        let pushed = self.samples.push_entire_slice(kept);
        debug_assert!(pushed.is_ok(), "no more than there is room for");
        self.frame += frames as u64;
        if frames < offered {
            self.gap = true;
            self.dropped.fetch_add((offered - frames) as u64, Relaxed);
        }
    }

    /// When the first frame of a block was captured, as well as the device can tell.
    fn capture_time(&self, frames: usize, time: Option<&StreamTime>) -> u64 {
        match time {
            Some(time) if time.input_adc > 0.0 => micros(time.input_adc),
            Some(time) => micros(time.current).saturating_sub(self.micros(frames)),
            None => self.next_us,
        }
    }

    fn micros(&self, frames: usize) -> u64 {
        frames as u64 * 1_000_000 / u64::from(self.device_hz)
    }
}
