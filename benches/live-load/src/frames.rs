//! WebSocket frames (RFC 6455, section 5.2), as far as this needs them.

/// What whole messages begin with, by their kind.
pub const TEXT: u8 = 0x81;
/// See `TEXT`.
pub const BINARY: u8 = 0x82;
/// See `TEXT`.
pub const CLOSE: u8 = 0x88;
/// See `TEXT`.
pub const PING: u8 = 0x89;
/// See `TEXT`.
pub const PONG: u8 = 0x8a;

const MASKED: u8 = 0x80;

/// The server has to undo it; that the key is always the same makes that no cheaper.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A whole text message of a client.
pub fn masked_text(text: &str) -> Vec<u8> {
    masked(TEXT, text.as_bytes())
}

/// A whole message of a client; its first byte says of which kind.
pub fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(kind, MASKED, payload.len());
    frame.extend(KEY);
    frame.extend(unmasked(KEY, payload));
    frame
}

/// A whole message of a server.
pub fn plain(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(kind, 0, payload.len());
    frame.extend(payload);
    frame
}

fn head(kind: u8, masked: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![kind];
    if let Ok(short @ 0..126) = u8::try_from(length) {
        frame.push(masked | short);
    } else if let Ok(medium) = u16::try_from(length) {
        frame.push(masked | 0x7e);
        frame.extend(medium.to_be_bytes());
    } else {
        frame.push(masked | 0x7f);
        frame.extend((length as u64).to_be_bytes());
    }
    frame
}

/// What a mask hid, or hide it.
pub fn unmasked(key: [u8; 4], payload: &[u8]) -> impl Iterator<Item = u8> {
    payload
        .iter()
        .zip(key.into_iter().cycle())
        .map(|(byte, key)| byte ^ key)
}

/// The first frame of a server in `data`: its first byte, its payload, and its whole length; None
/// while it is not complete.
pub fn first(data: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (start, length) = extent(data)?;
    let end = start + length;
    Some((data[0], data.get(start..end)?, end))
}

/// A frame of a client, whose payload is masked still.
#[derive(Debug, PartialEq)]
pub struct Masked<'a> {
    /// Its first byte.
    pub kind: u8,
    /// Of the mask.
    pub key: [u8; 4],
    /// See `unmasked`.
    pub payload: &'a [u8],
    /// Of the whole frame.
    pub length: usize,
}

/// The first frame of a client in `data`; None while it is not complete.
pub fn first_masked(data: &[u8]) -> Option<Masked<'_>> {
    let (start, length) = extent(data)?;
    let (key, rest) = data.get(start..)?.split_first_chunk()?;
    Some(Masked {
        kind: data[0],
        key: *key,
        payload: rest.get(..length)?,
        length: start + key.len() + length,
    })
}

/// Where in a frame the mask or the payload begins, and the length of the payload.
fn extent(data: &[u8]) -> Option<(usize, usize)> {
    Some(match *data.get(1)? & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(data.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(data.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 6] = [0, 1, 125, 126, 65_535, 65_536];

    #[test]
    fn a_frame_of_a_server_is_found_when_it_is_complete() {
        for length in LENGTHS {
            let payload = vec![7; length];
            let frame = plain(BINARY, &payload);
            assert_eq!(
                first(&frame),
                Some((BINARY, payload.as_slice(), frame.len()))
            );
            assert_eq!(first(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn a_frame_of_a_client_is_found_when_it_is_complete() {
        for length in LENGTHS {
            let frame = masked(TEXT, &vec![7; length]);
            let found = first_masked(&frame).expect("it is complete");
            assert_eq!((found.kind, found.length), (TEXT, frame.len()));
            let payload: Vec<u8> = unmasked(found.key, found.payload).collect();
            assert_eq!(payload, vec![7; length]);
            assert_eq!(first_masked(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn a_mask_is_as_the_standard_shows_it() {
        // RFC 6455, section 5.7.
        let frame = masked_text("Hello");
        assert_eq!(frame[..6], [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(frame[6..], [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }
}
