//! The frequent frames of a WebSocket client (RFC 6455, section 5.2).
//!
//! Nearly all that goes out is text in one frame, and nearly all that comes is text or bytes in
//! one frame. Those are made and found here. Pieces of messages, control frames, whatever is not
//! complete, and whatever a server must not send are left to a full implementation.

use std::ops::Range;

/// The first byte of a frame that is a message by itself: FIN, and the opcode.
const TEXT: u8 = 0x81;
const BYTES: u8 = 0x82;
/// Of the second byte, beside the length.
const MASKED: u8 = 0x80;
const MASKED_U16: u8 = MASKED | 0x7e;
const MASKED_U64: u8 = MASKED | 0x7f;

/// A text message in one frame, masked with `key`: what a client sends.
///
/// The key has to be one that nobody can foresee (section 5.3).
#[must_use]
pub fn text_frame(text: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + text.len());
    frame.push(TEXT);
    let [.., high, low] = (text.len() as u64).to_be_bytes();
    match text.len() {
        0..126 => frame.push(MASKED | low),
        126..65_536 => frame.extend([MASKED_U16, high, low]),
        size => {
            frame.push(MASKED_U64);
            frame.extend((size as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    let start = frame.len();
    frame.extend_from_slice(text);
    let (words, rest) = frame[start..].as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(key) {
        *byte ^= mask;
    }
    frame
}

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
    if ![TEXT, BYTES].contains(first) {
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
    fn a_text_frame_is_its_text_masked() {
        let key = [1, 20, 0, 255];
        for size in [0, 1, 5, 125, 126, 65_535, 65_536, 70_000] {
            let text: Vec<u8> = (0..=255).cycle().take(size).collect();
            let plain = frame(TEXT, &text);
            let made = text_frame(&text, key);
            let head = plain.len() - size;
            assert_eq!((made[0], made[1]), (plain[0], plain[1] | MASKED));
            assert_eq!(made[2..head], plain[2..head]);
            assert_eq!(made[head..head + 4], key);
            let masked = made[head + 4..].iter().enumerate();
            let unmasked: Vec<u8> = masked.map(|(at, byte)| byte ^ key[at % 4]).collect();
            assert_eq!(unmasked, text, "{size} bytes");
        }
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
