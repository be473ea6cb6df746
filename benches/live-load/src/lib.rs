//! What the two ends that are cheap have in common: the clients of `live-load`, and the server of
//! `live-sink`.

pub mod frames;
pub mod grid;

use std::io::{self, Write as _};

/// Whatever goes wrong: it ends the program.
pub type Fault = Box<dyn std::error::Error>;

/// A line on standard output.
///
/// # Errors
/// Nobody reads it.
pub fn say(line: &str) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What this process has had of its core: its first thread, in nanoseconds.
///
/// # Errors
/// This is not Linux.
pub fn own_cpu_ns() -> Result<u64, Fault> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let first = text.split(' ').next().unwrap_or_default();
    Ok(first.parse()?)
}
