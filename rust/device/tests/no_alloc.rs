//! The callbacks neither allocate nor free, through everything that can happen to them.
#![allow(unsafe_code, reason = "called as a device calls them")]

use std::ffi::{c_int, c_ulong, c_void};
use std::ptr::{null, null_mut};

use antiphon_core::downlink::JitterBufferConfig;
use antiphon_core::dsp::resample::Profile;
use antiphon_device::{Capture, Playout, PlayoutConfig, StreamTime};
use assert_no_alloc::{AllocDisabler, assert_no_alloc};

// Aborts the test at the first allocation inside of `assert_no_alloc`.
#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

type Callback = unsafe extern "C" fn(
    *const c_void,
    *mut c_void,
    c_ulong,
    *const StreamTime,
    c_ulong,
    *mut c_void,
) -> c_int;

/// A C function and its last argument, as a device keeps them.
struct Device {
    callback: Callback,
    user_data: *mut c_void,
    channels: usize,
    hz: f64,
    frames: u32,
}

impl Device {
    fn new(address: usize, user_data: usize, channels: usize, hz: f64) -> Self {
        Self {
            // SAFETY: the address is that of a function of this type.
            callback: unsafe { std::mem::transmute::<usize, Callback>(address) },
            user_data: user_data as *mut c_void,
            channels,
            hz,
            frames: 0,
        }
    }

    fn call(&mut self, input: *const f32, output: *mut f32, frames: usize) {
        let time = StreamTime {
            current: f64::from(self.frames) / self.hz,
            ..StreamTime::default()
        };
        self.frames += u32::try_from(frames).expect("small");
        // SAFETY: the buffers hold `frames` frames or are null, and the state is alive.
        let result = assert_no_alloc(|| unsafe {
            (self.callback)(
                input.cast(),
                output.cast(),
                frames as c_ulong,
                &raw const time,
                0,
                self.user_data,
            )
        });
        assert_eq!(result, 0);
    }

    fn play(&mut self, frames: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; frames * self.channels];
        self.call(null(), out.as_mut_ptr(), frames);
        assert!(out.iter().all(|sample| sample.is_finite()));
        out
    }

    fn record(&mut self, input: &[f32]) {
        self.call(input.as_ptr(), null_mut(), input.len() / self.channels);
    }
}

#[test]
fn playout_through_start_starve_flush_many_turns_and_block_hand_back() {
    for (device_hz, channels) in [(24_000, 1), (48_000, 2), (44_100, 1), (16_000, 2)] {
        let mut playout = Playout::new(PlayoutConfig {
            device_hz,
            channels,
            buffer: JitterBufferConfig::default(),
            profile: Profile::Voice,
        })
        .expect("valid");
        let (address, user_data) = (playout.callback.address(), playout.callback.user_data());
        let mut device = Device::new(address, user_data, channels as usize, f64::from(device_hz));
        let pcm: Vec<i16> = (0..24_000).map(|k| k % 97 * 100 + 1).collect();

        device.play(480);
        for turn in 0..100 {
            // Starve in some turns, flush others, and end the rest as they should.
            for _ in 0..=turn % 4 {
                playout.writer.push(&pcm, 0, Some(turn));
            }
            device.play(1);
            device.play(4_096);
            match turn % 3 {
                0 => playout.writer.flush(None),
                1 => playout.writer.end_of_turn(None),
                _ => {
                    for _ in 0..60 {
                        device.play(4_096);
                    }
                }
            }
            for frames in [1, 64, 480, 511, 512, 513, 2_048] {
                device.play(frames);
            }
        }
        playout.writer.flush(None);
        let out = device.play(4_096);
        assert!(out[out.len() / 2..].iter().all(|&sample| sample == 0.0));

        let stats = playout.monitor.stats();
        assert!(stats.buffer.concealment_events > 10 && stats.buffer.flush_count == 35);
        assert!(stats.buffer.jitter_buffer_emitted_count > 40 * 24_000);
        assert_eq!(stats.callback_failures, 0);
        assert_eq!(playout.monitor.playhead().queued_frames, 0);
    }
}

#[test]
fn capture_through_fill_overflow_and_drain() {
    let mut capture = Capture::new(48_000, 2, 100).expect("valid");
    let (address, user_data) = (capture.callback.address(), capture.callback.user_data());
    let mut device = Device::new(address, user_data, 2, 48_000.0);
    let mut out = Vec::new();
    for frames in [1, 480, 4_800, 10_000, 480] {
        device.record(&vec![0.5; frames * 2]);
    }
    assert_eq!(capture.reader.available_frames(), 4_800);
    assert_eq!(
        capture.reader.dropped_frames(),
        1 + 480 + 4_800 + 10_000 + 480 - 4_800
    );
    capture.reader.read_into(usize::MAX, &mut out);
    device.record(&[0.25; 960]);
    capture.reader.read_into(usize::MAX, &mut out);
    assert_eq!(out, [0.25; 960]);
}

#[test]
fn null_pointers_do_no_harm() {
    let playout = Playout::new(PlayoutConfig {
        device_hz: 48_000,
        channels: 1,
        buffer: JitterBufferConfig::default(),
        profile: Profile::Voice,
    })
    .expect("valid");
    let capture = Capture::new(48_000, 1, 100).expect("valid");
    let user_data = playout.callback.user_data();
    for address in [playout.callback.address(), capture.callback.address()] {
        Device::new(address, 0, 1, 48_000.0).call(null(), null_mut(), 480);
    }
    Device::new(playout.callback.address(), user_data, 1, 48_000.0).call(null(), null_mut(), 480);
    let mut device = Device::new(
        capture.callback.address(),
        capture.callback.user_data(),
        1,
        48e3,
    );
    device.call(null(), null_mut(), 480);
    assert_eq!(capture.reader.available_frames(), 0);
}
