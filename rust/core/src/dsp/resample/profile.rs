//! How much quality, and therefore delay, a resampler has.

use std::str::FromStr;

use crate::error::FormatError;

/// A trade between the width of the pass band, the depth of the stop band, and delay.
///
/// All profiles stop at the lower of the two Nyquist frequencies. All are linear phase but
/// `lowlatency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Flat to .85 of Nyquist, at least 95 dB; 2.4 ms where the lower rate is 16 kHz.
    #[default]
    Voice,
    /// Flat to .90 of Nyquist, at least 100 dB; 3.9 ms where the lower rate is 16 kHz.
    VoicePlus,
    /// Flat to .913 of Nyquist, at least 125 dB; 6.0 ms where the lower rate is 16 kHz.
    Hq,
    /// `voice` as a minimum-phase filter: it waits for nothing, and delays by its group delay,
    /// 0.14 ms at 1 kHz where the lower rate is 16 kHz.
    LowLatency,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Voice, Self::VoicePlus, Self::Hq, Self::LowLatency];

    /// The name used in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::VoicePlus => "voice_plus",
            Self::Hq => "hq",
            Self::LowLatency => "lowlatency",
        }
    }

    /// Half the length of the filter, in frames of the slower rate.
    ///
    /// Whole frames, because then the answer to a tone has its zeros where the images of low
    /// tones lie: they are 6 to 10 dB weaker than with half a frame more.
    pub(super) fn half_frames(self) -> u32 {
        match self {
            Self::Voice | Self::LowLatency => 39,
            Self::VoicePlus => 63,
            Self::Hq => 96,
        }
    }

    /// Width of the transition band that the window is designed for, as a part of the lower
    /// Nyquist frequency, where it ends.
    ///
    /// That of `voice` begins below .85: the pass band may ripple by .01 dB, far more than
    /// what the stop band may let through, and a wider transition buys depth without delay.
    pub(super) fn transition(self) -> f64 {
        match self {
            Self::Voice | Self::LowLatency => 0.16,
            Self::VoicePlus => 0.104,
            Self::Hq => 0.087,
        }
    }

    /// Depth of the stop band that the window is designed for, about what comes of it at the
    /// edge. `voice` goes beyond its promise, because what is left of the many images of a tone
    /// adds up when a rate is raised.
    pub(super) fn attenuation_db(self) -> f64 {
        match self {
            Self::Voice | Self::LowLatency => 97.0,
            Self::VoicePlus => 102.0,
            Self::Hq => 127.0,
        }
    }
}

impl FromStr for Profile {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| FormatError::Profile(name.to_owned()))
    }
}
