//! Jitter buffer -> loudspeaker.

use std::ffi::{c_int, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use antiphon_core::FormatError;
use antiphon_core::downlink::{
    JitterBuffer, JitterBufferConfig, Monitor, Playhead, Reader, Stats, Writer,
};
use antiphon_core::dsp::resample::{Profile, Resampler};

use crate::exclusive::Exclusive;
use crate::range::{MAX_CHANNELS, in_range};
use crate::time::{StreamFlags, StreamTime, micros};

/// Frames that are rendered at a time, so that the memory for them is fixed.
const CHUNK_FRAMES: usize = 512;
/// PortAudio's `paContinue`.
const CONTINUE: c_int = 0;

/// What a [`Playout`] is made with.
#[derive(Debug, Clone, Copy)]
pub struct PlayoutConfig {
    /// Rate of the device.
    pub device_hz: u32,
    /// Channels of the device, 1..=64; the same signal goes to each.
    pub channels: u32,
    /// The jitter buffer; its rate is that of what is pushed.
    pub buffer: JitterBufferConfig,
    /// Filter between the two rates; none if they are equal.
    pub profile: Profile,
}

/// The two ends of a playout and what is known about it.
#[derive(Debug)]
pub struct Playout {
    /// The end that is fed.
    pub writer: Writer,
    /// The end that a device calls.
    pub callback: PlayoutCallback,
    /// Playhead and counters, from any thread.
    pub monitor: PlayoutMonitor,
    /// Delay of the resampler: how much later than its centre a frame comes out.
    pub delay_s: f64,
}

impl Playout {
    /// Makes both ends.
    ///
    /// # Errors
    /// A rate, ratio, channel count or setting of the buffer out of its range.
    pub fn new(config: PlayoutConfig) -> Result<Self, FormatError> {
        let channels = in_range("channels", config.channels, 1, MAX_CHANNELS)? as usize;
        let (min_hz, max_hz) = (
            JitterBufferConfig::MIN_RATE_HZ,
            JitterBufferConfig::MAX_RATE_HZ,
        );
        let source_hz = in_range("source_hz", config.buffer.sample_rate_hz, min_hz, max_hz)?;
        let buffer = JitterBuffer::new(config.buffer)?;
        let resampler = Resampler::new(source_hz, config.device_hz, config.profile)?;
        let delay_s = resampler.delay_s();
        let counters = Arc::new(Counters::default());
        let monitor = PlayoutMonitor {
            buffer: buffer.monitor(),
            counters: Arc::clone(&counters),
        };
        let (writer, reader) = buffer.split();
        let renderer = Renderer::new(reader, resampler, config.device_hz, channels);
        let callback = PlayoutCallback {
            state: Arc::new(CallbackState {
                channels,
                counters,
                renderer: Exclusive::new(renderer),
            }),
        };
        Ok(Self {
            writer,
            callback,
            monitor,
            delay_s,
        })
    }
}

/// The C function of a playout and what it works on, which lives as long as this.
#[derive(Debug)]
pub struct PlayoutCallback {
    state: Arc<CallbackState>,
}

impl PlayoutCallback {
    /// Address of the C function.
    pub fn address(&self) -> usize {
        playout_callback as *const () as usize
    }

    /// Its last argument. No device may call the function after this object is dropped.
    pub fn user_data(&self) -> usize {
        Arc::as_ptr(&self.state) as usize
    }
}

/// Playhead and counters of a [`Playout`].
#[derive(Debug, Clone)]
pub struct PlayoutMonitor {
    buffer: Monitor,
    counters: Arc<Counters>,
}

impl PlayoutMonitor {
    /// Where playing stands as of the end of the last callback, in frames handed over by the
    /// jitter buffer, at its rate. They have then entered the resampler, and are heard after
    /// the device's own latency and up to the resampler's delay.
    pub fn playhead(&self) -> Playhead {
        self.buffer.playhead()
    }

    /// All counters.
    pub fn stats(&self) -> PlayoutStats {
        PlayoutStats {
            buffer: self.buffer.stats(),
            callbacks: self.counters.callbacks.load(Relaxed),
            device_underflows: self.counters.device_underflows.load(Relaxed),
            callback_failures: self.counters.callback_failures.load(Relaxed),
        }
    }
}

/// Counters of a [`Playout`].
#[derive(Debug, Clone, Copy)]
pub struct PlayoutStats {
    /// Those of its jitter buffer.
    pub buffer: Stats,
    /// How often the device asked for frames.
    pub callbacks: u64,
    /// How often it said that it had run out of them.
    pub device_underflows: u64,
    /// How often it got silence because of a bug, or of a second device using the same state.
    pub callback_failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    callbacks: AtomicU64,
    device_underflows: AtomicU64,
    callback_failures: AtomicU64,
}

#[derive(Debug)]
struct CallbackState {
    channels: usize,
    counters: Arc<Counters>,
    renderer: Exclusive<Renderer>,
}

impl CallbackState {
    fn call(&self, out: &mut [f32], now_us: Option<u64>, flags: StreamFlags) {
        self.counters.callbacks.fetch_add(1, Relaxed);
        let underflows = u64::from(flags.output_underflowed());
        self.counters
            .device_underflows
            .fetch_add(underflows, Relaxed);
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            self.renderer.with(|renderer| renderer.render(out, now_us))
        }));
        if !matches!(rendered, Ok(Some(()))) {
            out.fill(0.0);
            self.counters.callback_failures.fetch_add(1, Relaxed);
        }
    }
}

/// PortAudio's `PaStreamCallback` for output of interleaved float32.
///
/// # Safety
/// `output` is null or has room for `frames` frames of the channels that the playout was made
/// with, aligned for float32 and used by nobody else during the call. `time` is null or valid. `user_data`
/// is null or from [`PlayoutCallback::user_data`] of an object that lives.
#[allow(unsafe_code)]
unsafe extern "C" fn playout_callback(
    _input: *const c_void,
    output: *mut c_void,
    frames: c_ulong,
    time: *const StreamTime,
    flags: c_ulong,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: null, or the address of a `CallbackState` in its `Arc`, which is alive and only
    // ever used by shared reference.
    let state = unsafe { user_data.cast::<CallbackState>().cast_const().as_ref() };
    let samples = state.and_then(|state| usize::try_from(frames).ok()?.checked_mul(state.channels));
    let (Some(state), Some(samples), false) = (state, samples, output.is_null()) else {
        return CONTINUE;
    };
    // SAFETY: the caller gives room for `frames` interleaved frames, for this call only.
    let out = unsafe { std::slice::from_raw_parts_mut(output.cast::<f32>(), samples) };
    // SAFETY: null, or valid for this call.
    let time = unsafe { time.as_ref() };
    state.call(
        out,
        time.map(|time| micros(time.current)),
        StreamFlags(flags),
    );
    CONTINUE
}

/// Reader -> resampler -> interleaved channels, in memory of fixed size.
///
/// The resampler runs all the time, on silence too, so the tail of a turn that was in it comes
/// out by itself. Each block takes exactly the source frames that it needs, so nothing piles up
/// between the buffer and the device.
#[derive(Debug)]
struct Renderer {
    reader: Reader,
    resampler: Resampler,
    device_hz: u32,
    channels: usize,
    source: Box<[i16]>,
    mono: Box<[f32]>,
    /// When the next frame is due, for devices that give no time.
    next_us: u64,
}

impl Renderer {
    fn new(reader: Reader, resampler: Resampler, device_hz: u32, channels: usize) -> Self {
        // The first chunk takes the look-ahead on top of what any later one takes.
        let most = resampler.input_frames_for(CHUNK_FRAMES) + 2;
        Self {
            reader,
            resampler,
            device_hz,
            channels,
            source: vec![0; most].into(),
            mono: vec![0.0; CHUNK_FRAMES].into(),
            next_us: 0,
        }
    }

    fn render(&mut self, out: &mut [f32], now_us: Option<u64>) {
        let now_us = now_us.unwrap_or(self.next_us);
        let mut rendered = 0;
        for chunk in out.chunks_mut(CHUNK_FRAMES * self.channels) {
            let frames = chunk.len() / self.channels;
            self.render_mono(frames, now_us.saturating_add(self.micros(rendered)));
            for (frame, &sample) in chunk.chunks_exact_mut(self.channels).zip(&*self.mono) {
                frame.fill(sample);
            }
            rendered += frames as u64;
        }
        self.next_us = now_us.saturating_add(self.micros(rendered));
    }

    fn render_mono(&mut self, frames: usize, now_us: u64) {
        let needed = self.resampler.input_frames_for(frames);
        let source = &mut self.source[..needed];
        self.reader.pull(source, now_us);
        let filled = self.resampler.fill_from(source, &mut self.mono[..frames]);
        debug_assert!(filled.is_ok(), "exactly the frames that it asked for");
    }

    fn micros(&self, device_frames: u64) -> u64 {
        device_frames * 1_000_000 / u64::from(self.device_hz)
    }
}
