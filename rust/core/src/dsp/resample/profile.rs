//! How much quality, and therefore delay, a resampler has.

use std::str::FromStr;

use crate::error::FormatError;

/// A trade between the width of the pass band, the depth of the stop band, and delay.
///
/// All profiles are linear phase and stop at the lower of the two Nyquist frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Flat to .85 of Nyquist, at least 80 dB; 2.1 ms where the lower rate is 16 kHz.
    #[default]
    Voice,
    /// Flat to .90 of Nyquist, at least 96 dB; 3.9 ms where the lower rate is 16 kHz.
    VoicePlus,
    /// Flat to .913 of Nyquist, at least 125 dB; 6.0 ms where the lower rate is 16 kHz.
    Hq,
}

impl Profile {
    /// The name used in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::VoicePlus => "voice_plus",
            Self::Hq => "hq",
        }
    }

    /// End of the pass band as a part of the lower Nyquist frequency; the stop band begins at 1.
    pub(super) fn flat_to(self) -> f64 {
        match self {
            Self::Voice => 0.85,
            Self::VoicePlus => 0.90,
            Self::Hq => 0.913,
        }
    }

    /// What the window is designed for. A little above the promise, because the usual
    /// formula for the length of a Kaiser window is an estimate.
    pub(super) fn attenuation_db(self) -> f64 {
        match self {
            Self::Voice => 80.5,
            Self::VoicePlus => 96.5,
            Self::Hq => 127.0,
        }
    }
}

impl FromStr for Profile {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        [Self::Voice, Self::VoicePlus, Self::Hq]
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| FormatError::Profile(name.to_owned()))
    }
}
