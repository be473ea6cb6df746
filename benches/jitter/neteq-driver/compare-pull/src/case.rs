//! What both buffers are fed with.

use std::error::Error;
use std::fs;

/// A packet that arrives.
pub(crate) struct Arrival {
    pub(crate) at_us: u64,
    /// From 0, not wrapped.
    pub(crate) seq: usize,
}

/// A sender's audio, and which packets of it arrive when.
pub(crate) struct Case {
    pub(crate) rate_hz: u32,
    pub(crate) packet_ms: u32,
    pub(crate) arrivals: Vec<Arrival>,
    pcm: Vec<i16>,
}

impl Case {
    /// Of two files.
    pub(crate) fn read(
        rate_hz: u32,
        packet_ms: u32,
        pcm: &str,
        arrivals: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let pcm = fs::read(pcm)?
            .chunks_exact(2)
            .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
            .collect();
        let arrivals = fs::read_to_string(arrivals)?
            .lines()
            .map(|line| -> Result<Arrival, Box<dyn Error>> {
                let (at_us, seq) = line
                    .split_once(' ')
                    .ok_or("a line needs a time and a number")?;
                Ok(Arrival {
                    at_us: at_us.parse()?,
                    seq: seq.parse()?,
                })
            })
            .collect::<Result<_, _>>()?;
        let case = Self {
            rate_hz,
            packet_ms,
            arrivals,
            pcm,
        };
        let frames = case.frames_per_packet();
        match case.arrivals.iter().map(|arrival| arrival.seq).max() {
            None => Err("no packet arrives".into()),
            Some(last) if (last + 1) * frames > case.pcm.len() => {
                Err("the audio is too short".into())
            }
            Some(_) => Ok(case),
        }
    }

    fn frames_per_packet(&self) -> usize {
        (self.rate_hz * self.packet_ms / 1_000) as usize
    }

    /// Frames in 10 ms.
    pub(crate) fn frames_per_pull(&self) -> usize {
        (self.rate_hz / 100) as usize
    }

    /// Pulls until the last packet arrives.
    pub(crate) fn pulls(&self) -> u32 {
        let last_us = self.arrivals.last().map_or(0, |arrival| arrival.at_us);
        u32::try_from(last_us / 10_000).unwrap_or(u32::MAX)
    }

    /// The audio of a packet.
    pub(crate) fn packet(&self, seq: usize) -> &[i16] {
        let frames = self.frames_per_packet();
        &self.pcm[seq * frames..][..frames]
    }
}
