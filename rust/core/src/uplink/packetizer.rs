//! Cutting a PCM stream into packets of one duration.

use crate::error::{FormatError, check_rate_hz, in_range};

/// A packet, borrowed from the packetizer or from the PCM that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 0, 1, 2 … since the packetizer was made.
    pub sequence: u64,
    /// When the first frame was captured.
    pub capture_us: i64,
    /// Mono samples.
    pub pcm: &'a [i16],
}

/// Cuts mono PCM into packets; sequence numbers never skip.
#[derive(Debug)]
pub struct Packetizer {
    rate_hz: u32,
    packet_frames: usize,
    packet_us: u64,
    sequence: u64,
    /// The packet that is not full yet, and when its first frame was captured.
    pending: Vec<i16>,
    pending_us: i64,
    anchor: Option<Anchor>,
}

/// A moment from which capture times count on.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    us: i64,
    /// Frames since.
    frames: u64,
}

impl Anchor {
    fn now_us(self, rate_hz: u32) -> i64 {
        let since_us = u128::from(self.frames) * 1_000_000 / u128::from(rate_hz);
        self.us
            .saturating_add(i64::try_from(since_us).unwrap_or(i64::MAX))
    }
}

impl Packetizer {
    /// Packets of `packet_ms` at `rate_hz`.
    ///
    /// # Errors
    /// A rate outside of 4,000..=384,000 Hz, a duration outside of 10..=100 ms, or one that is
    /// not a whole number of frames.
    pub fn new(rate_hz: u32, packet_ms: u32) -> Result<Self, FormatError> {
        check_rate_hz("sample_rate_hz", rate_hz)?;
        in_range("packet_ms", packet_ms, 10, 100)?;
        if !(rate_hz * packet_ms).is_multiple_of(1_000) {
            return Err(FormatError::PacketFrames { rate_hz, packet_ms });
        }
        let packet_frames = (rate_hz * packet_ms / 1_000) as usize;
        Ok(Self {
            rate_hz,
            packet_frames,
            packet_us: u64::from(packet_ms) * 1_000,
            sequence: 0,
            pending: Vec::with_capacity(packet_frames),
            pending_us: 0,
            anchor: None,
        })
    }

    /// Adds PCM whose first frame was captured at `now_us`; gives each full packet to `send`.
    ///
    /// Capture times count on from the first push in frames, so that the jitter of `now_us` does
    /// not show. A push that is off by more than one packet re-anchors them: capture had a gap.
    /// A packet that straddles the gap keeps the time of its first frame.
    pub fn push(&mut self, pcm: &[i16], now_us: i64, mut send: impl FnMut(Packet<'_>)) {
        if pcm.is_empty() {
            return;
        }
        let anchor = self.anchor_at(now_us);
        let mut rest = pcm;
        while !rest.is_empty() {
            let at_us = Anchor {
                frames: anchor.frames + (pcm.len() - rest.len()) as u64,
                ..anchor
            }
            .now_us(self.rate_hz);
            if self.pending.is_empty() && rest.len() >= self.packet_frames {
                let (packet, tail) = rest.split_at(self.packet_frames);
                send(Packet {
                    sequence: self.sequence,
                    capture_us: at_us,
                    pcm: packet,
                });
                self.sequence += 1;
                rest = tail;
            } else {
                rest = self.fill_pending(rest, at_us);
                if self.pending.len() == self.packet_frames {
                    self.send_pending(&mut send);
                }
            }
        }
        self.anchor = Some(Anchor {
            frames: anchor.frames + pcm.len() as u64,
            ..anchor
        });
    }

    /// Ends the stream: the unfinished packet is padded with silence, or dropped. The next push
    /// anchors anew; the sequence goes on.
    pub fn flush(&mut self, pad: bool, mut send: impl FnMut(Packet<'_>)) {
        if pad && !self.pending.is_empty() {
            self.pending.resize(self.packet_frames, 0);
            self.send_pending(&mut send);
        }
        self.pending.clear();
        self.anchor = None;
    }

    /// Frames of a packet.
    pub fn packet_frames(&self) -> usize {
        self.packet_frames
    }

    /// Frames of the unfinished packet.
    pub fn pending_frames(&self) -> usize {
        self.pending.len()
    }

    /// Packets made so far.
    pub fn packets(&self) -> u64 {
        self.sequence
    }

    /// Rate of the PCM.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// The anchor that holds for a push at `now_us`.
    fn anchor_at(&self, now_us: i64) -> Anchor {
        match self.anchor {
            Some(anchor) if anchor.now_us(self.rate_hz).abs_diff(now_us) <= self.packet_us => {
                anchor
            }
            _ => Anchor {
                us: now_us,
                frames: 0,
            },
        }
    }

    /// Moves frames into the unfinished packet; returns what is left.
    fn fill_pending<'a>(&mut self, pcm: &'a [i16], at_us: i64) -> &'a [i16] {
        if self.pending.is_empty() {
            self.pending_us = at_us;
        }
        let room = self.packet_frames - self.pending.len();
        let (head, tail) = pcm.split_at(room.min(pcm.len()));
        self.pending.extend_from_slice(head);
        tail
    }

    fn send_pending(&mut self, send: &mut impl FnMut(Packet<'_>)) {
        let (sequence, capture_us) = (self.sequence, self.pending_us);
        send(Packet {
            sequence,
            capture_us,
            pcm: &self.pending,
        });
        self.sequence += 1;
        self.pending.clear();
    }
}
