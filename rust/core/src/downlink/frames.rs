//! Finding messages in what a WebSocket server sends.
//!
//! Nearly all of it is whole messages: text or bytes in one frame, not masked (RFC 6455, 5.2).
//! They are found here. Pieces of messages, control frames, whatever is not complete, and whatever
//! a server must not send are left to a full implementation.

use std::ops::Range;

/// The first byte of a frame that is a message by itself: FIN, and the opcode of text or bytes.
const WHOLE: [u8; 2] = [0x81, 0x82];

/// The messages that stand at the beginning of `data`, one behind the other.
///
/// What comes behind the last one is something else, or not complete, or longer than
/// `max_bytes`.
pub fn whole_messages(data: &[u8], max_bytes: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let message = whole_message(&data[at..], max_bytes)?;
        let (start, end) = (at + message.start, at + message.end);
        at = end;
        Some(start..end)
    })
}

fn whole_message(data: &[u8], max_bytes: usize) -> Option<Range<usize>> {
    let [first, length, rest @ ..] = data else {
        return None;
    };
    if !WHOLE.contains(first) {
        return None;
    }
    let (start, size) = match length {
        0..126 => (2, usize::from(*length)),
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?,
        ),
        _ => return None, // masked
    };
    (size <= max_bytes && size <= data.len() - start).then(|| start..start + size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &[u8]) -> Vec<&[u8]> {
        let ranges = whole_messages(data, 70_000);
        ranges.map(|range| &data[range]).collect()
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let size = (payload.len() as u64).to_be_bytes();
        let head: Vec<u8> = match payload.len() {
            0..126 => vec![first, size[7]],
            126..65_536 => [&[first, 126], &size[6..]].concat(),
            _ => [&[first, 127], &size[..]].concat(),
        };
        [&head[..], payload].concat()
    }

    #[test]
    fn messages_of_every_length_stand_behind_each_other() {
        let payloads = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map(|size| vec![7; size]);
        let data: Vec<u8> = payloads.iter().flat_map(|each| frame(0x81, each)).collect();
        assert_eq!(found(&data), payloads);
    }

    #[test]
    fn what_is_not_complete_is_left() {
        let data = frame(0x82, &[7; 300]);
        for cut in 0..data.len() {
            assert!(found(&data[..cut]).is_empty(), "{cut} bytes");
            let behind = [&frame(0x81, b"{}")[..], &data[..cut]].concat();
            assert_eq!(found(&behind), [b"{}"], "{cut} bytes");
        }
        let wide = frame(0x82, &vec![7; 70_000]);
        for cut in 0..12 {
            assert!(found(&wide[..cut]).is_empty(), "{cut} bytes");
        }
    }

    #[test]
    fn all_else_is_left_with_what_is_behind_it() {
        // Reserved bits, pieces, control frames, opcodes that do not exist.
        for first in (0..=255).filter(|first| ![0x81, 0x82].contains(first)) {
            let data = [frame(0x81, b"{}"), frame(first, b"x"), frame(0x81, b"{}")].concat();
            assert_eq!(found(&data), [b"{}"], "{first:#x}");
        }
    }

    #[test]
    fn a_masked_frame_is_left() {
        for length in [0x81, 0xfe, 0xff] {
            assert!(found(&[&[0x81, length][..], &[1; 100]].concat()).is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_left() {
        assert!(found(&frame(0x81, &vec![7; 70_001])).is_empty());
        let endless = [&[0x81, 127][..], &[0xff; 8], &[1; 100]].concat();
        assert!(whole_messages(&endless, usize::MAX).next().is_none());
    }
}
