//! Locking the state of a frozen class.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::MutexExt;

/// The state, without holding up the interpreter while another thread has it.
///
/// Should a call have panicked while it held the state, the state is used as it is: every
/// stage leaves its memory consistent between samples, and a panic is reported where it happens.
pub(crate) fn lock<'a, T>(state: &'a Mutex<T>, py: Python<'_>) -> MutexGuard<'a, T> {
    state
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The same from a thread that has let go of the interpreter.
pub(crate) fn lock_detached<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
