//! Checks of arguments.

use antiphon_core::FormatError;

/// Most channels of a device.
pub(crate) const MAX_CHANNELS: u32 = 64;

/// `value` if it lies in `min..=max`.
pub(crate) fn in_range(
    name: &'static str,
    value: u32,
    min: u32,
    max: u32,
) -> Result<u32, FormatError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let (value, min, max) = (value.into(), min.into(), max.into());
    Err(FormatError::OutOfRange {
        name,
        value,
        min,
        max,
    })
}
