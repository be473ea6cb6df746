//! WebSocket frames (RFC 6455, section 5.2), as far as this needs them.

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

const MASKED: u8 = 0x80;

/// The server has to undo it; that the key is always the same makes that no cheaper.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A whole text message of a client.
pub(crate) fn masked_text(text: &str) -> Vec<u8> {
    masked(TEXT, text.as_bytes())
}

/// A whole message of a client; its first byte says of which kind.
pub(crate) fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    if let Ok(short @ 0..126) = u8::try_from(payload.len()) {
        frame.push(MASKED | short);
    } else if let Ok(medium) = u16::try_from(payload.len()) {
        frame.push(MASKED | 0x7e);
        frame.extend(medium.to_be_bytes());
    } else {
        frame.push(MASKED | 0x7f);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend(KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The first frame of a server in `data`: its first byte, its payload, and its whole length; None
/// while it is not complete.
pub(crate) fn first(data: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (start, length) = match *data.get(1)? & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(data.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(data.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    let end = start + length;
    Some((data[0], data.get(start..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_a_server_is_found_when_it_is_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let mut frame = masked(BINARY, &payload);
            let key_at = frame.len() - length - 4;
            frame.drain(key_at..key_at + 4);
            frame[1] &= 0x7f;
            frame.truncate(key_at);
            frame.extend(&payload);
            assert_eq!(
                first(&frame),
                Some((BINARY, payload.as_slice(), frame.len()))
            );
            assert_eq!(first(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn a_mask_undoes_itself() {
        let frame = masked_text("seven of clubs");
        let plain: Vec<u8> = frame[6..]
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        assert_eq!(plain, b"seven of clubs");
    }
}
