//! How much quality, and therefore delay, a resampler has.

use std::str::FromStr;

use crate::error::FormatError;

/// A trade between the width of the pass band, the depth of the stop band, and delay.
///
/// All profiles stop at the lower of the two Nyquist frequencies. All are linear phase but
/// `lowlatency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Flat to .85 of Nyquist, at least 85 dB; 2.5 ms where the lower rate is 16 kHz.
    #[default]
    Voice,
    /// Flat to .90 of Nyquist (.02 dB), at least 98 dB; 3.9 ms where the lower rate is 16 kHz.
    VoicePlus,
    /// Flat to .913 of Nyquist, at least 125 dB; 6.0 ms where the lower rate is 16 kHz.
    Hq,
    /// `voice` as a minimum-phase filter: it uses nothing ahead, is held back by less than half an
    /// output frame, and delays by its group delay: where the lower rate is 16 kHz by 0.18 ms at
    /// 1 kHz, 0.22 ms at 3.4 kHz, and 0.8 ms at the end of its flat band.
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

    /// Half the length of the filter, in frames of the slower rate. Whole frames, because then
    /// the answer to a tone has its zeros where the images of low tones lie.
    pub(super) fn half_frames(self) -> u32 {
        match self {
            Self::Voice | Self::LowLatency => 40,
            Self::VoicePlus => 64,
            Self::Hq => 96,
        }
    }

    /// Width of the transition band that the window is designed for, as a part of the lower
    /// Nyquist frequency, where it ends.
    ///
    /// Those of `voice` and `voice_plus` begin below their flat bands: the pass band may ripple
    /// far more than the stop band may let through, and a wider transition buys depth without
    /// delay.
    pub(super) fn transition(self) -> f64 {
        match self {
            Self::Voice | Self::LowLatency => 0.165,
            Self::VoicePlus => 0.116,
            Self::Hq => 0.087,
        }
    }

    /// The shape of the window: the depth of the stop band near its edge that a Kaiser window of
    /// this shape would have, and how many times it is smoother at its ends.
    ///
    /// The images of a tone, of which there are many when a rate is raised, lie far from the
    /// edge. The stop bands of `voice` and `voice_plus` are not so deep that they do not count, so
    /// their windows are smoother: some dB less at the edge buy twenty where the images are.
    pub(super) fn window(self) -> (f64, u32) {
        match self {
            Self::Voice | Self::LowLatency => (88.0, 1),
            Self::VoicePlus => (100.0, 1),
            Self::Hq => (127.0, 0),
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
