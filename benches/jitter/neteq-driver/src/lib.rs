//! The `neteq` crate behind the C interface that the judge of jitter buffers expects.

mod buffer;

pub use buffer::{Buffer, Settings, Timed};

/// A new buffer, or null for settings that the crate refuses. It is never freed by the judge.
#[unsafe(no_mangle)]
pub extern "C" fn nq_new(
    sample_rate_hz: u32,
    max_packets: u32,
    min_delay_ms: u32,
    max_delay_ms: u32,
    flush_threshold_ms: u32,
) -> *mut Buffer {
    let settings = Settings {
        sample_rate_hz,
        max_packets: max_packets as usize,
        min_delay_ms,
        max_delay_ms,
        flush_threshold_ms,
    };
    match Buffer::new(settings) {
        Ok(buffer) => Box::into_raw(Box::new(buffer)),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Insert a packet.
///
/// # Safety
/// `buffer` is of [`nq_new`] and used by one thread at a time; `pcm` points to `frames` samples.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nq_push(
    buffer: *mut Buffer,
    seq: u16,
    timestamp: u32,
    pcm: *const i16,
    frames: usize,
    now_us: u64,
) {
    // SAFETY: the caller's promise.
    let (buffer, pcm) = unsafe { (&mut *buffer, std::slice::from_raw_parts(pcm, frames)) };
    buffer.push(seq, timestamp, pcm, now_us);
}

/// Write the next 10 ms.
///
/// # Safety
/// As for [`nq_push`]; `out` points to room for 10 ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nq_pull(buffer: *mut Buffer, out: *mut i16, now_us: u64) {
    // SAFETY: the caller's promise.
    let buffer = unsafe { &mut *buffer };
    // SAFETY: the caller's promise.
    let out = unsafe { std::slice::from_raw_parts_mut(out, buffer.frames_per_pull()) };
    buffer.pull(out, now_us);
}

/// Drop everything.
///
/// # Safety
/// As for [`nq_push`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nq_flush(buffer: *mut Buffer) {
    // SAFETY: the caller's promise.
    unsafe { &mut *buffer }.flush();
}

/// Write ten numbers: target ms, queued ms, concealed samples, concealments, samples removed and
/// inserted by stretching, seconds and calls of pushes, seconds and calls of pulls.
///
/// # Safety
/// As for [`nq_push`]; `out` points to room for ten doubles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nq_stats(buffer: *const Buffer, out: *mut f64) {
    // SAFETY: the caller's promise.
    let (buffer, out) = unsafe { (&*buffer, std::slice::from_raw_parts_mut(out, 10)) };
    out.copy_from_slice(&buffer.numbers());
}
